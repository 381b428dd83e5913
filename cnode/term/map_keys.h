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

#endif
