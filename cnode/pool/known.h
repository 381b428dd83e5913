/* SPDX-License-Identifier: Apache-2.0
 *
 * A pool whose workers are known to syn ("registry": "syn"): in the scope
 * Pool.Registry each has the name {worker, {ref, Module, Id}}, with the
 * metadata [{node, Node}], from its start to its end. The registry has no entry
 * for them: it is told of starts and ends, and asks the rest
 * (registry/syn_source.h). A worker pays for it with 8 bytes: since when it has
 * its name.
 *
 *     part       start: does somebody else have the name? no: it gets its time
 *                       ------> scheduler 0 tells all members, before whoever
 *                               wanted the worker gets an answer
 *                end:   ------> scheduler 0 tells all members
 *     scheduler 0  asks ------> part that owns the ref
 *
 * When other nodes do not keep up with what they are told, starts wait.
 */
#ifndef CNODE_POOL_KNOWN_H
#define CNODE_POOL_KNOWN_H

#include <stdatomic.h>

#include "base/timer.h"
#include "pool/worker.h"

struct syn;
struct syn_process;

/* Of a pool, for all parts. What is not atomic is set before they run, or
 * belongs to scheduler 0. */
struct known {
    struct pool *head;
    struct syn *syn;
    struct syn_process *registry; /* NULL until known_open() */
    struct cnode_kept *meta;
    _Atomic uint64_t count; /* workers that have a name by us */
    /* --- pace */
    _Atomic uint32_t under_way; /* starts on their way to scheduler 0 */
    _Atomic bool is_behind;     /* a member is: starts wait */
    uint32_t told, waits;
    struct timer timer;
};

/* NULL: this pool's workers are in no registry. */
struct known *known_new(struct pool *head);
void known_free(struct known *known);
/* Opens its scope; before workers start. An error of syn_open(). */
MUST_USE int known_open(struct known *known);

/* Bytes behind the state of a worker: the time, at the end of its object. */
enum { KNOWN_BYTES = sizeof(int64_t) };

/* The worker is new. */
void known_init(struct cnode_worker *w);
/* It is up: it has its name from now on. */
void known_started(struct cnode_worker *w);
/* It is about to end. */
void known_ended(struct cnode_worker *w, struct cnode_term reason);

/* Has another process the name of a worker that is not here? */
bool known_elsewhere(struct pool *pool, const struct worker_key *key,
                     struct pid *pid);
bool known_has_other(const struct cnode_worker *w, struct pid *pid);
/* A message by ref goes on to that process; whoever called is answered by it.
 */
void known_pass_on(struct pool *pool, struct pid pid,
                   const struct signal *signal);

/* PART_NAMED: a message to a worker by its name in syn. */
void known_take(struct pool *part, const struct signal *signal);

/* The loser of a conflict: no failure of its own. */
bool known_has_lost(const struct cnode_worker *w, struct cnode_term reason);

/* New workers are to be started a little later. */
enum { KNOWN_WAIT_MS = 10 };
bool known_must_wait(const struct pool *pool);

#endif
