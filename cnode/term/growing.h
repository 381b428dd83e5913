/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks a term while its bytes still come, in the same way as term_validate()
 * checks one that is there: what a peer sends in a thousand fragments stalls
 * nobody when the last one is in. Pure; one thread.
 */
#ifndef CNODE_TERM_GROWING_H
#define CNODE_TERM_GROWING_H

#include "term/validate.h"

struct growing {
    struct validator validator;
    struct key_walk *keys; /* NULL: no map so far */
    bool looks_again;      /* at all maps, in the end */
    int rc;                /* 1: complete; 0: more is needed; an error */
};

void growing_init(struct growing *growing, uint32_t max_depth);
void growing_fini(struct growing *growing);

/* All bytes there are, at any address. 1: the term is complete; 0: more is
 * needed; negative: as term_validate(), for good. */
MUST_USE int growing_step(struct growing *growing, const uint8_t *bytes,
                          size_t len);
/* Of a complete one. */
size_t growing_size(const struct growing *growing);

#endif
