/* SPDX-License-Identifier: Apache-2.0
 *
 * No map has a key twice: a BEAM ends the connection that brings such a term.
 * So we take none from a peer, and write none. Pure, any thread.
 */
#ifndef CNODE_TERM_MAP_KEYS_H
#define CNODE_TERM_MAP_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

/* Looks at all maps in one term, whose bytes are right otherwise. 0;
 * CNODE_MALFORMED: one has a key twice; CNODE_TOO_LARGE: above
 * limits.map_pairs, or keys so nested into keys that it would take too long;
 * CNODE_NOMEM. */
MUST_USE int term_check_keys(const uint8_t *bytes, size_t size);

/* The same while the bytes still come. */
struct key_walk;

struct key_walk *key_walk_new(void);
void key_walk_free(struct key_walk *walk);
/* Looks at what there is: `size` bytes have been validated so far. They may lie
 * at another address each time. 0; as above. CNODE_TOO_LARGE may come earlier
 * than from term_check_keys() for keys nested into keys: ask that, then. */
MUST_USE int key_walk_step(struct key_walk *walk, const uint8_t *bytes,
                           size_t size);

#endif
