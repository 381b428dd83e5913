/* SPDX-License-Identifier: Apache-2.0
 *
 * A simulated cluster that shares one scope of syn: nodes of ours beside models
 * of real syn, with a few processes each, that register, join and end. What is
 * done "later" on a node (a kill, the news of an end, a judgement, a slice of
 * work, a model's sending) is done when the test says so.
 */
#ifndef CNODE_TEST_REGISTRY_SYN_SIM_H
#define CNODE_TEST_REGISTRY_SYN_SIM_H

#include "registry/syn_scope.h"
#include "support/node/sim_net.h"
#include "support/registry/syn_model.h"

enum { SYN_SIM_NODES = 4, SYN_SIM_PROCESSES = 3, SYN_SIM_NAMES = 4 };

struct syn_sim_process {
    struct sim_process process;
    bool has[SYN_SIM_NAMES]; /* what it was promised, and not told of since */
    bool traps_exits;
};

struct syn_sim_node {
    struct syn_sim *sim;
    unsigned index;
    bool is_ours; /* else a model */
    bool is_hidden;
    bool has_scope;
    bool is_awake;
    int64_t skew; /* of its clock */
    struct sim_process process, sender, caller;
    struct syn_scope scope;
    struct syn_model model;
    struct syn_sim_process processes[SYN_SIM_PROCESSES];
    struct list todo;
    struct list ways[SYN_SIM_NODES][2]; /* a model's messages inside it */
    bool has_list[SYN_SIM_NODES];       /* an ack_sync of ours came there */
};

struct syn_sim {
    struct sim_net net;
    enum syn_kind kind;
    bool is_calm;   /* nothing fails any more */
    bool is_judged; /* conflicts, by the user: the lesser pid stays */
    struct syn_sim_node nodes[SYN_SIM_NODES];
    struct list calls;
    int64_t next_tag;
    atom_t process_name;
};

/* `rules`: of each node, NULL: it is ours. */
void syn_sim_init(struct syn_sim *sim, enum syn_kind kind, uint64_t seed,
                  const struct syn_model_rules *const *rules);
void syn_sim_fini(struct syn_sim *sim);

void syn_sim_node_start(struct syn_sim_node *node);
void syn_sim_node_stop(struct syn_sim_node *node);
void syn_sim_scope_start(struct syn_sim_node *node); /* or again */

/* One of its processes ends, another takes its place. */
void syn_sim_process_end(struct syn_sim_node *node, unsigned i);
/* A process at `from` asks for something about one of `to`. */
void syn_sim_call(struct syn_sim_node *from, struct syn_sim_node *to,
                  unsigned process, bool is_add, int64_t name, int64_t meta);

/* One thing that was to be done later; false: there is none. */
bool syn_sim_node_step(struct syn_sim_node *node);
/* Everything, also what is asked for later. Fails if it does not end. */
void syn_sim_settle(struct syn_sim *sim);

/* What a node itself has of its own processes: [i], false: there are less. */
bool syn_sim_truth(struct syn_sim_node *node, unsigned i,
                   struct syn_model_entry *entry);
/* What it says about one name (groups: and pid). */
bool syn_sim_look_up(struct syn_sim_node *node, int64_t name, struct pid pid,
                     struct syn_model_entry *entry);
unsigned syn_sim_count(const struct syn_sim_node *node);

#endif
