/* SPDX-License-Identifier: Apache-2.0
 *
 * This node's part in OTP's global, as configured:
 *
 *     minimal  one cast tells each new visible peer that we are in sync, so
 *              that global:sync/0 there returns. No part in its locks, names
 *              and partition rule. Names are asked for and registered at a
 *              connected BEAM node, by erpc, and again at one that has lost
 *              its connection to us (cluster/global_claims.h).
 *     full     a member as any BEAM node: cluster/global.h
 *
 * A hidden node has no part in it, but may ask. Belongs to scheduler 0.
 *
 * Processes of this node use names by calls to the process `cnode_global`, from
 * whatever scheduler; what it answers is what OTP's global returns, or {error,
 * E}:
 *
 *     {whereis_name, Name}                                pid | undefined
 *     {register_name, Name}  {register_name, Name, Pid}   yes | no
 *     {re_register_name, ...}                             yes
 *     {unregister_name, Name}                             ok
 *
 * Pid must be of this node; without it the caller is meant.
 */
#ifndef CNODE_CLUSTER_GLOBAL_SERVICE_H
#define CNODE_CLUSTER_GLOBAL_SERVICE_H

#include "cluster/erpc.h"
#include "cluster/global.h"
#include "cluster/global_claims.h"
#include "node/node.h"

enum global_mode { GLOBAL_MINIMAL, GLOBAL_FULL };

struct global_service;

struct global_process {
    struct process process;
    struct global_service *service;
    enum global_role role;
};

struct global_service {
    struct node *node;
    struct erpc *erpc;
    bool is_full;
    struct process process; /* cnode_global */
    struct list questions;  /* of processes of this node: under way */
    uint32_t question_count;
    uint64_t next_question;
    /* minimal only */
    atom_t favourite; /* the node that answered last */
    struct global_claims claims;

    /* full only */
    struct global global;
    struct global_process roles[GLOBAL_ROLES];
    struct timer timer;
    struct list clashes; /* whose method is being asked, by erpc */
};

/* CNODE_LIMIT, CNODE_EXISTS. */
MUST_USE int global_service_start(struct global_service *service,
                                  struct node *node, struct erpc *erpc,
                                  enum global_mode mode);
void global_service_stop(struct global_service *service);

/* A visible peer, and this node is visible. */
void global_service_nodeup(struct global_service *service, struct peer *peer);
/* A visible peer, also of a hidden node: it may have forgotten our names. */
void global_service_restore(struct global_service *service,
                            const struct peer *peer);
/* Any peer. */
void global_service_nodedown(struct global_service *service,
                             const struct peer *peer);
void global_service_dial_failed(struct global_service *service, atom_t node);

#endif
