/* SPDX-License-Identifier: Apache-2.0
 *
 * Nodes in memory for tests of cluster protocols: processes with names,
 * messages and monitors over links that are cut and come back, nodes that
 * restart, time that passes when the test says so. Everything random comes from
 * one seed.
 *
 * Between two nodes everything arrives in order; between different pairs in any
 * order. What was on the way when a link is cut is lost, and monitors over it
 * fire with noconnection, as with a real connection.
 */
#ifndef CNODE_SUPPORT_SIM_NET_H
#define CNODE_SUPPORT_SIM_NET_H

#include "base/list.h"
#include "node/dest.h"

enum { SIM_NODES = 6 };

struct sim_net;

struct sim_process {
    struct list in_net;
    struct sim_net *net;
    unsigned node;
    struct pid pid;
    atom_t name; /* ATOM_NONE: none */
    void (*message)(struct sim_process *self, struct pid from,
                    struct cnode_term message);
    void *owner;
    bool is_alive;
};

struct sim_monitor {
    struct list in_net;
    struct ref ref;
    struct pid watcher;
    struct dest target;
};

struct sim_node {
    atom_t name;
    uint32_t creation;
    uint32_t next_id;
    bool is_up;
};

struct sim_net {
    unsigned count;
    uint64_t random;
    uint64_t now_ms;
    struct sim_node nodes[SIM_NODES];
    bool links[SIM_NODES][SIM_NODES];
    struct list queues[SIM_NODES][SIM_NODES]; /* from, to */
    struct list processes, monitors;
    uint32_t next_ref;
    /* A link is up or down, as node `here` sees it. */
    void (*nodeup)(struct sim_net *net, unsigned here, unsigned there);
    void (*nodedown)(struct sim_net *net, unsigned here, unsigned there);
    /* Sees each message before it arrives; may be NULL. */
    void (*watch)(struct sim_net *net, struct pid from, struct sim_process *to,
                  struct cnode_term message);
};

/* Nodes n1@sim, n2@sim, ... all up, no links. */
void sim_init(struct sim_net *net, unsigned count, uint64_t seed);
void sim_fini(struct sim_net *net);

/* The number of a node by its name; net->count: none. */
unsigned sim_node_of(const struct sim_net *net, atom_t name);

/* Sets pid. `name` may be ATOM_NONE. */
void sim_spawn(struct sim_process *process, struct sim_net *net, unsigned node,
               atom_t name,
               void (*message)(struct sim_process *self, struct pid from,
                               struct cnode_term message),
               void *owner);
/* Its monitors fire; the struct is the caller's again. */
void sim_exit(struct sim_process *process, atom_t reason);

/* CNODE_NOCONN when there is no link. */
int sim_send(struct sim_net *net, struct pid from, const struct dest *to,
             struct cnode_term message);
void sim_monitor(struct sim_net *net, struct pid watcher,
                 const struct dest *target, struct ref *ref);
/* In two steps, for one whose node is dialled first: nothing is on its way
 * before sim_monitor_go(). */
void sim_monitor_later(struct sim_net *net, struct pid watcher,
                       const struct dest *target, struct ref *ref);
void sim_monitor_go(struct sim_net *net, const struct ref *ref);
void sim_demonitor(struct sim_net *net, const struct ref *ref);
bool sim_is_alive(const struct sim_net *net, struct pid pid);

/* Both do nothing when it is so already; nodes that are down have no links. */
void sim_connect(struct sim_net *net, unsigned a, unsigned b);
void sim_cut(struct sim_net *net, unsigned a, unsigned b);
/* All its links are cut; the test ends its processes. Up: a new creation. */
void sim_node_down(struct sim_net *net, unsigned node);
void sim_node_up(struct sim_net *net, unsigned node);

/* Delivers one thing from a queue chosen at random. False: all are empty. */
bool sim_step(struct sim_net *net);
void sim_settle(struct sim_net *net);

#endif
