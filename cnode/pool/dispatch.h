/* SPDX-License-Identifier: Apache-2.0
 *
 * From the pool's registered name to the worker of a ref: what AdvancedPool's
 * dispatcher does on the caller's node, for callers that have none. The worker
 * answers the caller itself.
 */
#ifndef CNODE_POOL_DISPATCH_H
#define CNODE_POOL_DISPATCH_H

#include "node/gen.h"
#include "pool/envelope.h"
#include "pool/pool.h"
#include "pool/received.h"

/* An envelope sent to the pool. Starts the worker when its settings say so; a
 * worker that is not up yet gets it later. Everything that cannot be delivered
 * is answered (calls) or counted (the rest). Inside a callback of the
 * scheduler. */
void dispatch_envelope(struct pool *pool, const struct signal *signal,
                       const struct received *received);

/* It takes part in placement: may a worker start here that nobody has placed?
 */
bool dispatch_starts_here(const struct pool *pool);

/* Something for a ref that is being placed: it waits with the others. `id` as
 * in absent_take(). */
bool dispatch_is_placing(struct pool *pool, const struct worker_key *key,
                         const struct signal *signal, uint64_t id);

/* A message to a worker that exists: at once when it is idle, else it waits its
 * turn. Inside a callback of the scheduler, as the last thing. */
void dispatch_to_worker(struct cnode_worker *w, const struct signal *signal,
                        enum signal_way way);

/* The envelope's recipient is this worker. */
bool dispatch_is_for(const struct cnode_worker *w,
                     const struct envelope *envelope);

/* An envelope that has waited longer than its time-out is not handled any more:
 * a call is answered {error, timeout}. True: it is dropped, and counted. */
bool dispatch_expires(struct pool *pool, const struct signal *signal,
                      const struct gen_message *gen,
                      const struct envelope *envelope);

/* A message that cannot be delivered: a call gets {error, Reason}. */
void dispatch_refuse(struct pool *pool, const struct signal *signal,
                     struct cnode_term reason);

/* A call by ref that its worker died of. The caller watches the pool, not the
 * worker; his monitor fires all the same, with the worker's reason. Without a
 * monitor he gets {error, Reason}. */
void dispatch_call_lost(struct pool *pool, const struct gen_from *from,
                        struct cnode_term reason);

/* The same for a caller who wants no exit: {error, {exit, Reason}}. */
void dispatch_call_exits(struct pool *pool, const struct gen_from *from,
                         struct cnode_term reason);

#endif
