/* SPDX-License-Identifier: Apache-2.0
 *
 * Two whole nodes in one thread, over loopback, with an epmd of their own (the
 * real one; skipped where Erlang is not installed), and up to two impostors on
 * raw sockets. `nodes.a` takes its turn, then `nodes.b`.
 */
#ifndef CNODE_SUPPORT_NODES_H
#define CNODE_SUPPORT_NODES_H

#include "support/node/impostor.h"
#include "support/node/live_node.h"

#define A nodes.names[0]
#define B nodes.names[1]

struct nodes {
    struct live_node a, b;
    char names[2][32];
    struct impostor impostor, second;
    unsigned refusals; /* log lines "handshake_failed" */
    bool is_uneven;    /* turns come at random */
    uint64_t random;   /* for these: random_seed() */
};

extern struct nodes nodes;

/* For cmocka: the epmd, and nodes that are not open yet. */
int nodes_group_setup(void **state);
int nodes_group_teardown(void **state);
int nodes_setup(void **state);
int nodes_teardown(void **state);
/* Skips the test when there is no epmd. */
void need_epmd(void);

/* Nodes to be opened, with names of their own: epmd may not have noticed yet
 * that the last ones are gone. */
void nodes_rename(void);
void nodes_open(void);
/* One turn of whoever is there. */
void nodes_turn(void);
void nodes_run_ms(uint64_t ms);

/* `cond` is evaluated before each turn and never again once it was true. */
#define NODES_UNTIL(cond)                                                      \
    do {                                                                       \
        uint64_t until_end_ns_ = uv_hrtime() + NODES_UNTIL_NS;                 \
        while (!(cond)) {                                                      \
            if (uv_hrtime() > until_end_ns_) {                                 \
                fail_msg("never came true: %s", #cond);                        \
            }                                                                  \
            nodes_turn();                                                      \
        }                                                                      \
    } while (0)
#define NODES_UNTIL_NS UINT64_C(20000000000)

bool nodes_are_up(void);   /* connected, as both see it */
bool nodes_are_idle(void); /* neither has a connection */
void nodes_connect(struct live_node *from, const char *to);
/* A message to the sink of the node `to`. */
void nodes_send(struct live_node *from, const char *to, const char *text);

atom_t atom_of(const char *name);

#endif
