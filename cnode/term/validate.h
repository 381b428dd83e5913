/* SPDX-License-Identifier: Apache-2.0
 *
 * The one check of bytes from outside (external term format, erts "External
 * Term Format"). Iterative, resumable, no recursion. After it succeeded,
 * reading functions cannot fail on shape.
 *
 * Checks bounds, arity, sizes, UTF-8 and length of atoms, bits of bit strings,
 * finite floats, no compressed or local terms, depth, no map key twice
 * (term/map_keys.h). Pure, any thread.
 */
#ifndef CNODE_TERM_VALIDATE_H
#define CNODE_TERM_VALIDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

/* Validates one term at the start of [bytes, bytes + len) in one go.
 * 0 and its size; CNODE_TRUNCATED, CNODE_MALFORMED; CNODE_TOO_DEEP (the rest of
 * the bytes is then unchecked), CNODE_TOO_LARGE (limits.map_pairs);
 * CNODE_NOMEM; CNODE_UNHANDLED for what a BEAM reads, nobody writes, and nobody
 * here reads: an empty list as a list of no elements, an empty string or bit
 * string, a reference of no words, a fun that is not as long as it says.
 * `max_depth`: levels of nesting, a flat list
 * or tuple is 1 (funs and native records take two). */
MUST_USE int term_validate(const uint8_t *bytes, size_t len, uint32_t max_depth,
                           size_t *size);

/* The same in slices, for terms too large for one turn; map keys are left to
 * the caller when `has_maps` (of two pairs or more). The bytes may lie at
 * another address at each step but must stay the same; more may have been added
 * at the end. */
enum { VALIDATOR_SMALL = 16 };

struct validator {
    size_t at;        /* bytes checked so far */
    uint64_t pending; /* terms still to come at this level */
    uint32_t depth, max_depth;
    bool has_maps;
    uint64_t small[VALIDATOR_SMALL]; /* pending counts of the outer levels */
    uint64_t *stack; /* the same when there are more; NULL until needed */
    uint32_t stack_cap;
};

void validator_init(struct validator *v, uint32_t max_depth);
void validator_fini(struct validator *v);

/* Checks at most `budget` terms. 1: done, v->at is the size of the term;
 * 0: budget used up or (when the bytes end) more bytes needed, call again;
 * negative: as term_validate, but never CNODE_TRUNCATED. */
MUST_USE int validator_step(struct validator *v, const uint8_t *bytes,
                            size_t len, uint64_t budget);

#endif
