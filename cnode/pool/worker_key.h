/* SPDX-License-Identifier: Apache-2.0
 *
 * The Id of a ref as a key: equal ids (=:=) have equal canonical bytes, and so
 * the same hash on every node and in every run. Pure.
 */
#ifndef CNODE_POOL_WORKER_KEY_H
#define CNODE_POOL_WORKER_KEY_H

#include "base/buf.h"
#include "term/view.h"

struct worker_key {
    uint64_t hash;        /* hash_stable() of the canonical bytes */
    const uint8_t *bytes; /* canonical: in the term, or in the scratch buffer */
    size_t size;
    bool is_integer; /* fits int64_t, as most ids do */
    int64_t integer;
};

/* `scratch` holds the bytes when the term is not canonical as it came; the key
 * lives until either changes. 0, CNODE_TOO_LARGE (limits.id_bytes),
 * CNODE_NOMEM. */
MUST_USE int worker_key_make(struct worker_key *key, struct cnode_term id,
                             struct buf *scratch);

/* An id that a worker keeps when it is no integer: one allocation. */
struct worker_id {
    uint32_t size;
    uint8_t bytes[];
};

MUST_USE struct worker_id *worker_id_copy(const struct worker_key *key);

#endif
