/* SPDX-License-Identifier: Apache-2.0
 *
 * What syn on a BEAM does, as a model for simulations: written from what is
 * known of it, for names and metadata that are small integers. It has syn's
 * weaknesses too; what would crash the real one fails the test.
 */
#ifndef CNODE_TEST_REGISTRY_SYN_MODEL_H
#define CNODE_TEST_REGISTRY_SYN_MODEL_H

#include "registry/syn_wire.h"

struct syn_model_rules {
    bool is_ordered;  /* 3.4.0: one sender for lists and changes */
    bool loser_tells; /* 3.4.0 */
    bool greater_pid; /* 3.4.1: of equal times; before, ours */
    bool list_is_all; /* HEAD */
};

extern const struct syn_model_rules syn_model_3_3_0, syn_model_3_4_1,
    syn_model_head;

enum { SYN_MODEL_NODES = 6, SYN_MODEL_ENTRIES = 256 };

/* By which of its processes: each way keeps its order. */
enum syn_model_way { SYN_WAY_SENDER, SYN_WAY_SCOPE };

struct syn_model_events {
    void (*send)(void *owner, enum syn_model_way way, atom_t node,
                 struct cnode_term message);
    void (*monitor)(void *owner, struct pid pid);
    void (*kill)(void *owner, struct pid pid, int64_t name);
    int64_t (*now)(void *owner);
    bool (*is_alive)(void *owner, struct pid pid);
};

struct syn_model_entry {
    int64_t name, meta, time;
    struct pid pid;
};

struct syn_model {
    enum syn_kind kind;
    struct syn_model_rules rules;
    struct syn_names names;
    struct pid self;
    const struct syn_model_events *events;
    void *owner;
    bool is_judged; /* by the user's handler: the lesser pid stays */
    struct pid members[SYN_MODEL_NODES]; /* scope processes */
    unsigned member_count;
    struct syn_model_entry entries[SYN_MODEL_ENTRIES];
    unsigned count;
    struct buf out;
};

void syn_model_init(struct syn_model *m, enum syn_kind kind,
                    const struct syn_model_rules *rules, struct pid self,
                    const struct syn_model_events *events, void *owner);
void syn_model_fini(struct syn_model *m);
/* Its process is another one. It finds its table; discover is up to the caller:
 * the nodes that it sees. */
void syn_model_restart(struct syn_model *m, struct pid self);
void syn_model_discover(struct syn_model *m, enum syn_model_way way,
                        atom_t node);
void syn_model_message(struct syn_model *m, struct cnode_term message);
void syn_model_down(struct syn_model *m, struct pid scope);
void syn_model_ended(struct syn_model *m, struct pid pid);
void syn_model_request(struct syn_model *m, const struct syn_request *request,
                       struct buf *answer);
void syn_model_answered(struct syn_model *m, const struct syn_request *request,
                        struct cnode_term answer);

#endif
