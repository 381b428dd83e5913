/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls to a pool's name about a worker, without a message for it:
 *
 *     {cnode_start, Id, Args, Context}    {ok, Pid} of the one worker, started
 *                                         somewhere if need be; {error, Reason}
 *     {cnode_whereis, Id}                 Pid or undefined; starts nothing
 *     {cnode_place, Id, Args, Context, Sticky, Node, IsFixed}
 *                                         as cnode_start, from another C node,
 *                                         of us as the arbiter of that ref:
 *                                         Sticky a health or false, for Node;
 *                                         IsFixed: that node it must be
 */
#ifndef CNODE_POOL_START_H
#define CNODE_POOL_START_H

#include "node/gen.h"
#include "pool/pool.h"

/* False: it is none of these. */
bool start_request(struct pool *pool, const struct signal *signal,
                   const struct gen_message *gen);

#endif
