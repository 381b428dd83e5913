/* SPDX-License-Identifier: Apache-2.0
 *
 * The registered process rex: what rpc of a BEAM, and ei_rpc of C programs,
 * send to it by name. Functions are those of functions.def. Belongs to
 * scheduler 0.
 *
 *     {call | block_call, M, F, Args, _} as a call   the result, or {badrpc, _}
 *     {From, {call, M, F, Args, _}}                  {rex, Result} to From
 *     {From, features_request}       {features_reply, Node, [erpc]} to From
 *     {From, {sbcast, Name, Msg}}    passed on; {rex, Node, Node} to From, or
 *                                    {rex, Node, {nonexisting_name, Name}}
 *     {From, {send, Name, Msg}}      {From, Msg} to Name; From hears when there
 *                                    is none
 *     casts                          ignored
 */
#ifndef CNODE_CLUSTER_REX_H
#define CNODE_CLUSTER_REX_H

#include "cluster/functions.h"
#include "node/node.h"

struct rex {
    struct process process;
    struct node *node;
    struct functions *functions;
};

/* CNODE_LIMIT, CNODE_EXISTS. */
MUST_USE int rex_start(struct rex *rex, struct node *node,
                       struct functions *functions);
void rex_stop(struct rex *rex);

#endif
