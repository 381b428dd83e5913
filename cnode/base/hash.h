/* SPDX-License-Identifier: Apache-2.0
 *
 * Keyed hash of bytes, so that a peer cannot choose colliding keys. The key is
 * random per program start; hash_stable() has a fixed key where two runs or two
 * nodes must agree (the segment of a ref). Any thread.
 */
#ifndef CNODE_BASE_HASH_H
#define CNODE_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Draws the key. Called once by main and by tests, before any map is used. */
void hash_seed(uint64_t k0, uint64_t k1);

uint64_t hash_bytes(const void *bytes, size_t len);
uint64_t hash_stable(const void *bytes, size_t len);
uint64_t hash_u64(uint64_t value); /* keyed, for ids and small fixed keys */

#endif
