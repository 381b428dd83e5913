/* SPDX-License-Identifier: Apache-2.0
 *
 * What a worker has asked others and has no answer to: calls, functions on
 * other nodes, questions to services of this node. The answer is a message to
 * the worker that carries the reference of the question; so it takes its place
 * in the order, and one that comes too late is dropped. A time-out is such a
 * message too, from the worker to itself.
 */
#ifndef CNODE_POOL_PENDING_H
#define CNODE_POOL_PENDING_H

#include <cnode/behaviour.h>

#include "base/buf.h"
#include "term/ident.h"

struct pending;
struct run;

enum pending_kind {
    PENDING_CALL, /* reply to an alias, or a DOWN */
    PENDING_ERPC, /* see node/erpc_wire.h */
    PENDING_TASK, /* {cnode_answer, Ref, Term}: see pending_put_answer() */
};

/* What to do with the answer. */
struct pending_what {
    enum pending_kind kind;
    uint64_t timeout_ms;
    cnode_answer_fn fn;
    void *context;
};

/* There is room for one more. CNODE_LIMIT: limits.calls_per_worker. */
MUST_USE int pending_check(const struct cnode_worker *w);
/* The question with that reference has been asked. */
void pending_add(struct cnode_worker *w, const struct ref *ref,
                 const struct pending_what *what);

/* The message of the run is an answer, or was one: *rc is what its function
 * returned. */
bool pending_take(struct run *run, struct cnode_term message, int *rc);

/* The answer to a PENDING_TASK, as the message that is to be sent. */
void pending_put_answer(struct buf *buf, const struct ref *ref,
                        struct cnode_term answer);

uint32_t pending_count(const struct pending *pending);
/* No answer counts any more. */
void pending_free(struct cnode_worker *w);

#endif
