/* SPDX-License-Identifier: Apache-2.0
 *
 * What one process does to another: messages, exits, links, monitors. A signal
 * is built on the stack as a view and either acted on at once, or copied to the
 * heap with its terms behind it, to wait in a queue or to cross to another
 * scheduler.
 */
#ifndef CNODE_RUNTIME_SIGNAL_H
#define CNODE_RUNTIME_SIGNAL_H

#include "term/view.h"

enum signal_kind {
    SIGNAL_MESSAGE, /* term: the message */
    SIGNAL_EXIT,    /* a linked process ended; term: reason; id: of one link */
    SIGNAL_EXIT2,   /* exit/2; term: reason */
    SIGNAL_LINK,    /* id: from another node, the number of its connection */
    SIGNAL_UNLINK,  /* id; 0: the old kind that wants no acknowledgement */
    SIGNAL_UNLINK_ACK,   /* id */
    SIGNAL_MONITOR,      /* ref; name: monitored by that name; id: as of LINK */
    SIGNAL_DEMONITOR,    /* ref */
    SIGNAL_DOWN,         /* ref; term: reason */
    SIGNAL_GROUP_LEADER, /* from: the leader */
    SIGNAL_SPAWN_REQUEST, /* ref; term: node/spawn_request.h */
    SIGNAL_SPAWN_REPLY,   /* ref; from, or name: the error; id: flags */
    SIGNAL_ALIAS,         /* to an alias; ref; term: the message */
    SIGNAL_ALIAS_EXIT,    /* exit/2 to an alias; ref; term: reason */
    SIGNAL_TASK,          /* struct signal_task */
};

struct signal {
    struct signal *next;
    enum signal_kind kind;
    union {
        atom_t name;
        uint32_t since_ms; /* MESSAGE: when it began to wait; 0: it does not */
    };
    struct pid to;   /* a local process */
    struct pid from; /* PID_NONE when unknown */
    struct ref ref;
    uint64_t id;
    struct cnode_term term;
};

/* Not for sure what its class has to act on: a tuple of three that starts with
 * a pid (gen_event), an atom of six bytes (system), or an atom in an encoding
 * that is rare. A call starts with one of nine. */
static inline bool signal_may_be_system(const struct signal *signal)
{
    const uint8_t *at = signal->term.at;

    return at != NULL && at[0] == TAG_TUPLE8 && at[1] == 3 &&
           (at[2] != TAG_ATOM8 || at[3] == 6);
}

/* A message of OTP's sys module: {system, {Pid, Tag}, Request}. */
bool signal_is_system(const struct signal *signal);

/* A message waits from now on, unless it does already. The clock starts anew
 * every 49 days. */
static inline void signal_waits(struct signal *signal, uint64_t now_ms)
{
    if (signal->kind == SIGNAL_MESSAGE && signal->since_ms == 0) {
        signal->since_ms = (uint32_t)now_ms != 0 ? (uint32_t)now_ms : 1;
    }
}

/* For how long it has been waiting. Another scheduler's clock may be a little
 * ahead. */
static inline uint32_t signal_waited_ms(const struct signal *signal,
                                        uint64_t now_ms)
{
    int32_t ms = (int32_t)((uint32_t)now_ms - signal->since_ms);

    return signal->since_ms != 0 && ms > 0 ? (uint32_t)ms : 0;
}

/* Something to be done on another scheduler; the first member of what it needs
 * for that, in one piece of memory from mem_alloc(). */
struct signal_task {
    struct signal signal; /* kind: SIGNAL_TASK; term: counts at the door */
    /* Runs once, as a callback does. owner: of the scheduler; NULL: that ends,
     * and what hangs on the task is only freed. The task itself is freed by
     * whoever runs it. */
    void (*run)(struct signal_task *task, void *owner);
};

/* A copy on the heap with the term's bytes behind it. NULL when out of memory
 * (the size came from a peer). */
MUST_USE struct signal *signal_copy(const struct signal *signal);
/* A task that did not run ends without its owner. */
void signal_free(struct signal *signal);
void signal_run(struct signal *signal, void *owner); /* a task */

#endif
