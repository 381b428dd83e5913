/* SPDX-License-Identifier: Apache-2.0
 *
 * Any term as the key of a table (the group of pg, the name of global): its
 * canonical bytes and their hash. Equal terms (=:=) have equal keys. Pure.
 */
#ifndef CNODE_TERM_KEY_H
#define CNODE_TERM_KEY_H

#include "base/buf.h"
#include "term/view.h"

struct term_key {
    uint64_t hash; /* keyed: differs from run to run */
    const uint8_t *bytes;
    size_t size;
};

/* The key of `term`: lives until the term or `scratch` changes. CNODE_TOO_LARGE
 * above `most` bytes, CNODE_NOMEM. */
MUST_USE int term_key_make(struct term_key *key, struct cnode_term term,
                           size_t most, struct buf *scratch);
bool term_key_equal(const struct term_key *a, const struct term_key *b);

/* A copy of its own, to be freed. CNODE_NOMEM. */
MUST_USE int term_key_copy(struct term_key *copy, const struct term_key *key);
void term_key_free(struct term_key *copy);

static inline struct cnode_term term_key_term(const struct term_key *key)
{
    return term_at(key->bytes, key->size);
}

#endif
