/* SPDX-License-Identifier: Apache-2.0
 *
 * Anything with a pid. The struct is the first member of what it is (a worker,
 * a supervisor, a service); what it does is in its class.
 *
 * Pid layout: `id` is the slot in its scheduler's table; `serial` is the
 * generation of that slot (upper 26 bits) and the number of the scheduler
 * (lower 6 bits). So routing a pid is arithmetic, and a pid of a process that
 * ended is told from its successor's in the same slot.
 */
#ifndef CNODE_RUNTIME_PROCESS_H
#define CNODE_RUNTIME_PROCESS_H

#include "runtime/mailbox.h"

enum {
    PID_SCHEDULER_BITS = 6,
    PID_SCHEDULER_MASK = (1 << PID_SCHEDULER_BITS) - 1,
};

struct process;

struct process_class {
    const char *name; /* what kind: for logs and the watchdog */
    /* A message, at the top level of a turn. signal->term dies on return. The
     * process may end itself in it. */
    void (*message)(struct process *process, const struct signal *signal);
    /* An exit signal it does not trap, or kill: it must end with that reason
     * (node_exit()). Not called from inside its own callback. */
    void (*exit)(struct process *process, struct cnode_term reason);
};

enum process_flags {
    PROCESS_QUEUED = 1,    /* on the run queue */
    PROCESS_TRAP_EXIT = 2, /* exit signals become messages */
    PROCESS_HELD = 4,      /* messages wait: starting or suspended */
    PROCESS_DEAD = 8,      /* ended; its slot is gone */
    PROCESS_NAMED = 16,    /* has an entry in node/names */
};

struct relations; /* links, monitors, name: node/relations.h */

struct process {
    const struct process_class *class;
    struct relations *relations; /* NULL while there are none */
    struct mailbox mailbox;
    uint32_t flags;
    uint32_t slot;
    uint32_t serial;
    uint32_t mailbox_limit; /* 0: none */
    struct process *run_next;
};

#endif
