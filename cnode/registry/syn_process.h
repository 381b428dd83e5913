/* SPDX-License-Identifier: Apache-2.0
 *
 * The process of one scope on this node, syn_registry_S or syn_pg_S: what its
 * machine (syn_scope.h) says and hears. Killed it starts again under a new pid,
 * as under syn's supervisor, with the entries of this node. Belongs to
 * scheduler 0; its memory lives until syn_fini().
 */
#ifndef CNODE_REGISTRY_SYN_PROCESS_H
#define CNODE_REGISTRY_SYN_PROCESS_H

#include "node/node.h"
#include "registry/syn_scope.h"

struct syn;

struct syn_process {
    struct process process;
    struct process sender; /* hidden: whom all that the scope sends is from */
    struct syn *syn;
    struct syn_scope scope;
    bool is_woken;    /* a slice of work is on its way */
    bool has_ignored; /* a message, which was logged */
    struct timer tick;
    struct buf answer;
};

/* CNODE_LIMIT, CNODE_EXISTS: its name is taken, CNODE_EINVALID. */
MUST_USE int syn_process_start(struct syn_process *p, struct syn *syn,
                               enum syn_kind kind, atom_t scope);
void syn_process_stop(struct syn_process *p);
void syn_process_fini(struct syn_process *p); /* no reader is left */

void syn_process_nodeup(struct syn_process *p, const struct peer *peer);
void syn_process_nodedown(struct syn_process *p, const struct peer *peer);
void syn_process_ended(struct syn_process *p, struct pid pid,
                       struct cnode_term reason);
void syn_process_decide(struct syn_process *p, struct cnode_term name,
                        struct pid theirs, struct pid ours,
                        enum syn_decision decision);

/* What the owner answers to a request for a process of this node; valid until
 * the next one. `is_late`: the requester may have given up. */
struct cnode_term syn_process_request(struct syn_process *p,
                                      const struct syn_request *request,
                                      bool is_alive, bool is_late);
/* What another owner answered to a request of ours: what syn's API returns;
 * valid as above. */
struct cnode_term syn_process_answered(struct syn_process *p,
                                       const struct syn_request *request,
                                       struct cnode_term answer);

#endif
