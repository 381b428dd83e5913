/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration described from its tables: as text for `cnode help
 * configuration` and docs/configuration.md, and as JSON Schema for editors
 * (docs/config.schema.json). A test compares both files with what is made here.
 */
#ifndef CNODE_ADMIN_REFERENCE_H
#define CNODE_ADMIN_REFERENCE_H

#include "base/buf.h"

/* Markdown, lines of at most 80 columns. */
void reference_put_text(struct buf *out);
void reference_put_schema(struct buf *out);

#endif
