/* SPDX-License-Identifier: Apache-2.0
 *
 * A registered process of a manager: its local name, what stands in syn for it,
 * and its life: killed it is there again at once under a new pid, as under a
 * supervisor. Belongs to scheduler 0.
 */
#ifndef CNODE_MANAGER_AGENT_H
#define CNODE_MANAGER_AGENT_H

#include "manager/entries.h"
#include "node/gen.h"
#include "node/node.h"

struct manager;

struct agent {
    struct process process; /* first */
    struct manager *manager;
    const struct agent_kind *kind;
    bool is_up;
};

struct agent_kind {
    atom_t name; /* the module it is on a BEAM */
    bool is_supervisor;
    enum entry first, end; /* its entries; none when they are equal */
    /* What they say. */
    void (*put_meta)(const struct agent *agent, struct buf *buf);
    /* A message, taken apart. */
    void (*message)(struct agent *agent, const struct signal *signal,
                    struct gen_message *gen);
    /* It was killed, and is there again. May be NULL. */
    void (*restarted)(struct agent *agent);
};

/* CNODE_LIMIT; CNODE_EXISTS: its name is taken. */
MUST_USE int agent_start(struct agent *agent, struct manager *manager,
                         const struct agent_kind *kind);
void agent_stop(struct agent *agent);

/* Puts its entries, or other metadata in their place, until one cannot be put;
 * those that are as they should be stay. CNODE_EXISTS: somebody else has one of
 * its names. */
int agent_announce(struct agent *agent);

struct pid agent_pid(const struct agent *agent);

/* A call that it does not know gets {error, {unsupported, Request}}. */
void agent_refuse(struct agent *agent, const struct gen_message *gen);

#endif
