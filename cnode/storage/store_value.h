/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands in a store besides the value: a header with version and checksum,
 * so that what comes back is what was written, or an error; and keys that are
 * short enough for every backend. Pure.
 *
 *     'C' 'N'  version (1)  0  checksum (8 bytes, of key and value)  value
 */
#ifndef CNODE_STORAGE_STORE_VALUE_H
#define CNODE_STORAGE_STORE_VALUE_H

#include "storage/store.h"

/* Fills in the header in front of the value of a PUT. */
void store_value_seal(struct store_op *op);
/* Checks that of what a GET has found, and drops it. CNODE_STORE_CORRUPT. */
MUST_USE int store_value_open(struct store_op *op);

/* A key above STORE_KEY_BYTES becomes its beginning and its SHA-256. */
void store_key_shorten(struct store_op *op);

#endif
