/* SPDX-License-Identifier: Apache-2.0
 *
 * One scope of syn on node n1@h and what it says, as text:
 *
 *     n2@h ! {'3.0',discover,<n1@h.100.0>}
 *     monitor <n2@h.100.0>          demonitor <n2@h.100.0>
 *     kill <n1@h.1.0> Reason        judge Name <theirs> <ours>
 *
 * Nodes n2@h, n3@h... have scope processes with id 100 and send from 99.
 */
#ifndef CNODE_TEST_REGISTRY_SYN_WORLD_H
#define CNODE_TEST_REGISTRY_SYN_WORLD_H

#include "registry/syn_scope.h"

enum { SYN_WORLD_MONITORS = 8 };

struct syn_world {
    struct syn_scope scope;
    struct buf said, printed;
    int64_t now;   /* what the clock says, and goes on saying */
    bool is_judge; /* SYN_LATER */
    int monitor_rc;
    bool keeps_nothing; /* no memory for a message that waits */
    bool is_awake;
    uint32_t refs;
    struct syn_world_monitor {
        struct pid pid; /* PID_NONE: unused */
        struct ref ref;
    } monitors[SYN_WORLD_MONITORS];
};

void syn_world_open(struct syn_world *w, enum syn_kind kind);
void syn_world_close(struct syn_world *w);
/* For cmocka: a registry or groups in *state, then the limits as they were. */
int syn_world_setup(void **state);
int syn_world_setup_groups(void **state);
int syn_world_teardown(void **state);
/* The scope process of a node says that it is there. */
int syn_world_discover(struct syn_world *w, unsigned node);

/* A process of node n<node>@h. */
struct pid syn_world_pid(unsigned node, uint32_t id);
atom_t syn_world_node(unsigned node);

/* A message from node n<node>@h; the format may use term/build.h's. */
int syn_world_hear(struct syn_world *w, unsigned node, const char *format, ...);
/* From its scope process itself, as 3.3.0 sends ack_sync. */
int syn_world_hear_scope(struct syn_world *w, unsigned node, const char *format,
                         ...);
/* It is connected, and a member; nothing of that is said. It has the entries
 * [{Name, Pid, Meta, Time}]. */
void syn_world_meet(struct syn_world *w, unsigned node, const char *format,
                    ...);
/* The scope process of that node ends. */
int syn_world_down(struct syn_world *w, unsigned node, atom_t reason);
/* A request of n<node>@h about a process here; returns the answer as text. */
const char *syn_world_add(struct syn_world *w, unsigned node, const char *name,
                          uint32_t id, const char *meta);
const char *syn_world_remove(struct syn_world *w, unsigned node,
                             const char *name, uint32_t id);

/* What was said since the last time, lines apart by \n. */
const char *syn_world_said(struct syn_world *w);
/* All entries, sorted by their text: {Name,Pid,Meta,Time} with spaces between.
 */
const char *syn_world_table(struct syn_world *w);

#endif
