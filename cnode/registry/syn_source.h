/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of a registry that are not in its table: those of the workers of a
 * pool, which has them already, and with them their names. A million of them
 * cost the registry nothing. It is told what starts and ends (syn_scope.h), and
 * asks for the rest, answered later when they live on another scheduler:
 *
 *     who has that name?     rarely: a claim of another member on it, or a
 *                            request about it; then it usually becomes an
 *                            entry of the table like all others ("given up")
 *     and all of them?       for an ack_sync, in slices
 *
 * Which names they can be is known without asking.
 */
#ifndef CNODE_REGISTRY_SYN_SOURCE_H
#define CNODE_REGISTRY_SYN_SOURCE_H

#include "registry/syn_table.h"

struct node;

/* `claim` NULL: nobody. `is_over`: the node ends; only to free `arg`. */
typedef void (*syn_found_fn)(void *arg, bool is_over,
                             const struct syn_claim *claim);

/* Some of its claims, as syn_put_claim() writes them. */
struct syn_slice {
    const uint8_t *bytes;
    size_t size;
    uint32_t count;
    uint64_t next; /* where to go on; 0: that was the last */
    int error;     /* CNODE_NOMEM: nothing of it counts */
};
typedef void (*syn_slice_fn)(void *arg, bool is_over,
                             const struct syn_slice *slice);

struct syn_source {
    /* The name is one of those, whether somebody has it or not. Any thread. */
    bool (*owns)(void *owner, struct cnode_term name);
    /* How many have one. Any thread; a worker is counted before it is told of.
     */
    uint64_t (*count)(void *owner);
    /* Who has that name, which it owns. `give_up`: from then on the table has
     * it, the source not any more, and the end of its process is told to
     * syn_scope_ended(). `done` may be called at once. */
    void (*ask)(void *owner, struct cnode_term name, bool give_up,
                syn_found_fn done, void *arg);
    /* A slice from `at` on; 0: from the beginning. What starts or ends
     * meanwhile may be in it or not. `done` may be called at once. */
    void (*list)(void *owner, uint64_t at, syn_slice_fn done, void *arg);
    /* Any scheduler, `here`: who has a name that it owns. The metadata lives as
     * long as the source. CNODE_NOT_FOUND; CNODE_ELSEWHERE: only another
     * scheduler knows. */
    int (*find)(void *owner, const struct node *here, struct cnode_term name,
                struct pid *pid, struct cnode_term *meta);
    /* After CNODE_ELSEWHERE: a message to whoever has it. A monitor on the
     * registered name `watched` tells a caller that nobody has, or of his end.
     * CNODE_OVERLOADED, CNODE_NOMEM. */
    int (*send)(void *owner, struct node *here, struct pid from,
                struct cnode_term name, struct cnode_term message);
    atom_t (*watched)(void *owner);
};

#endif
