/* SPDX-License-Identifier: Apache-2.0
 *
 * The process cnode_syn, which processes of this node ask: see syn.h. Belongs
 * to scheduler 0.
 */
#ifndef CNODE_REGISTRY_SYN_SERVICE_H
#define CNODE_REGISTRY_SYN_SERVICE_H

#include "node/gen.h"
#include "registry/syn.h"

enum { SYN_QUERY_ARGS = 4 };

/* One call to it, taken apart. */
struct syn_query {
    struct syn *syn;
    struct cnode_term call; /* the whole message */
    struct gen_from from;
    struct pid caller;
    struct cnode_term scope;
    struct syn_pair *pair;
    struct cnode_term args[SYN_QUERY_ARGS]; /* what follows the scope */
    uint32_t arg_count;
};

/* CNODE_LIMIT, CNODE_EXISTS: its name is taken. */
MUST_USE int syn_service_start(struct syn *syn);
void syn_service_stop(struct syn *syn);

/* Answers. */
void syn_reply(struct syn *syn, const struct gen_from *from,
               struct cnode_term term);
void syn_reply_error(struct syn *syn, const struct gen_from *from, atom_t why);

#endif
