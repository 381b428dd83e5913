/* SPDX-License-Identifier: Apache-2.0
 *
 * The global names that processes of this node were given in minimal mode. They
 * are kept by the BEAM nodes; one that loses its connection to us forgets them,
 * and as we are no member, no other node tells it again when we are back. So a
 * node that comes up is asked, after a while, and gets the names that it lacks:
 *
 *   IDLE -> ASK -> ASK_OTHER -> RESTORE -> the next name, or IDLE
 *
 * A name that somebody else has by now is given up. Belongs to scheduler 0.
 */
#ifndef CNODE_CLUSTER_GLOBAL_CLAIMS_H
#define CNODE_CLUSTER_GLOBAL_CLAIMS_H

#include "cluster/erpc.h"
#include "cluster/global_names.h"
#include "node/node.h"

/* What is new to that node it learns from the others, if they know. */
enum { CLAIMS_DELAY_MS = 3000 };

enum claims_state {
    CLAIMS_IDLE,
    CLAIMS_ASK,       /* that node: who has the name? */
    CLAIMS_ASK_OTHER, /* nobody, it says: another one, whether that is so */
    CLAIMS_RESTORE,   /* it is registered there again */
};

struct global_claims {
    struct node *node;
    struct erpc *erpc;
    struct process *watcher;   /* gets a DOWN for each */
    struct global_names names; /* at most limits.global_names */
    struct list due;           /* nodes that came up, the first one first */
    struct timer timer;

    /* what is under way */
    enum claims_state state;
    atom_t where;
    struct ref *refs; /* the names of that time: their monitors */
    uint32_t count, at;
    struct erpc_call *call;
    atom_t witness; /* a node that said last that a name is ours */
};

void global_claims_init(struct global_claims *claims, struct node *node,
                        struct erpc *erpc, struct process *watcher);
/* The watcher has not ended yet. */
void global_claims_fini(struct global_claims *claims);

/* A process of this node got that name, or nobody has it any more. */
void global_claims_hold(struct global_claims *claims, struct cnode_term name,
                        struct pid pid);
void global_claims_drop(struct global_claims *claims, struct cnode_term name);
/* The watcher got {'DOWN', Ref, ...}. */
void global_claims_down(struct global_claims *claims, const struct ref *ref);
/* The watcher has ended, and its monitors with it: all are forgotten. */
void global_claims_lost(struct global_claims *claims);

void global_claims_nodeup(struct global_claims *claims, atom_t name);

#endif
