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

#include "base/buf.h"
#include "runtime/mailbox.h"

enum {
    PID_SCHEDULER_BITS = 6,
    PID_SCHEDULER_MASK = (1 << PID_SCHEDULER_BITS) - 1,
};

struct process;

enum { PROCESS_ANCESTORS_MOST = 3 };

/* What process_info and sys tell about a process besides what every process
 * has. */
struct process_about {
    atom_t module;      /* {module, init, 1} began it */
    bool is_supervisor; /* {supervisor, module, 1} */
    struct process_ancestor {
        struct pid pid;
        atom_t name;                     /* ATOM_NONE: it has none */
    } ancestors[PROCESS_ANCESTORS_MOST]; /* its supervisor first */
    uint32_t ancestor_count;
    size_t bytes;       /* all memory of its own but its mailbox */
    size_t state_bytes; /* of these, its state: the heap of a BEAM's process */
};

struct process_class {
    const char *name; /* what kind: for logs and the watchdog */
    bool is_router;   /* passes messages on, also those for OTP's sys */
    /* A message, at the top level of a turn. signal->term dies on return. The
     * process may end itself in it. */
    void (*message)(struct process *process, const struct signal *signal);
    /* An exit signal it does not trap, or kill: it must end with that reason
     * (node_exit()). Not called from inside its own callback. NULL: it is
     * hidden. */
    void (*exit)(struct process *process, struct cnode_term reason);
    /* Fills in what is not as for a struct process without ancestors of the
     * module cnode. NULL: all is. */
    void (*describe)(const struct process *process,
                     struct process_about *about);
    /* Appends one term that tells it from others of its class. NULL: nothing
     * does but its pid. */
    void (*put_label)(const struct process *process, struct buf *buf);
    /* Appends its state as one term, for sys:get_state. At the top level. A
     * negative error: there is none to be had now. NULL: its name. */
    int (*put_state)(struct process *process, struct buf *buf);
};

enum process_flags {
    PROCESS_QUEUED = 1,       /* on the run queue */
    PROCESS_TRAP_EXIT = 2,    /* exit signals become messages */
    PROCESS_HELD = 4,         /* messages wait: starting or suspended */
    PROCESS_DEAD = 8,         /* ended; its slot is gone */
    PROCESS_SUSPENDED = 32,   /* sys:suspend(): all but system messages wait */
    PROCESS_HIDDEN = 64,      /* gets messages only; nobody else sees it */
    PROCESS_REGISTERED = 128, /* its end is told: node/registered.h */
};

struct relations; /* links, monitors, name: node/relations.h */

struct process {
    const struct process_class *class;
    struct relations *relations; /* NULL while there are none */
    struct mailbox mailbox;
    uint16_t flags;
    uint16_t handled_high; /* see process_handled() */
    uint32_t slot;
    uint32_t serial;
    uint32_t mailbox_limit; /* 0: none */
    struct process *run_next;
};

/* Messages it has handled, 48 bits wide: what BEAM tools see as reductions. */
static inline uint64_t process_handled(const struct process *process)
{
    return (uint64_t)process->handled_high << 32 | process->mailbox.handled;
}

static inline void process_count_handled(struct process *process)
{
    if (++process->mailbox.handled == 0) {
        process->handled_high++;
    }
}

#endif
