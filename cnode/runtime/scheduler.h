/* SPDX-License-Identifier: Apache-2.0
 *
 * One thread, one loop, and the processes that live there. Schedulers share
 * nothing; they meet at one door, scheduler_post().
 *
 * Delivery: a signal that comes off a channel at the top level of a turn, for
 * an idle process of this scheduler, runs at once on the bytes of the read
 * buffer. Everything a callback causes is copied and queued, and acted on when
 * it has returned, in order: no recursion, order between two processes never
 * broken.
 */
#ifndef CNODE_RUNTIME_SCHEDULER_H
#define CNODE_RUNTIME_SCHEDULER_H

#include <pthread.h>
#include <semaphore.h>

#include "base/block.h"
#include "base/loop.h"
#include "runtime/process_table.h"
#include "runtime/run_queue.h"
#include "runtime/watchdog.h"

enum {
    SCHEDULER_TURN_BUDGET = 4000,   /* messages of the queues in one turn */
    SCHEDULER_TURN_NS = 10000000,   /* the same in time, roughly */
    SCHEDULER_PROCESS_BUDGET = 200, /* messages of one process in a row */
    SCHEDULER_DOOR_LINE = 64,       /* bytes that processors share at least */
};

struct scheduler;

struct scheduler_events {
    /* Any signal but a message, for a process of this scheduler that may or may
     * not be there any more. At the top level. */
    void (*signal)(void *owner, struct scheduler *scheduler,
                   const struct signal *signal);
    /* A signal_may_be_system() for a process, at the top level. False: it is
     * for its class. True: done, and the process may be gone. NULL: all are
     * for their classes. */
    bool (*system)(void *owner, struct scheduler *scheduler,
                   struct process *process, const struct signal *signal);
    /* A message that reached nobody: CNODE_NOPROC, CNODE_OVERLOADED (mailbox
     * full) or CNODE_NOMEM. */
    void (*undelivered)(void *owner, struct scheduler *scheduler,
                        const struct signal *signal, int reason);
};

struct scheduler {
    struct loop loop;
    uint32_t index;
    struct process_table table;
    struct run_queue run_queue;
    struct mailbox outbox;   /* what callbacks sent to local processes */
    struct mailbox returned; /* the same, ahead of everything else */
    struct mailbox inbox;    /* what came through the door */
    bool dispatching;        /* a signal is being acted on */
    struct signal *acting;   /* that one, on the heap; NULL: not, or kept */
    struct watch watch;
    const struct scheduler_events *events;
    void *owner;
    uint64_t messages;      /* handled, ever */
    uint64_t turn_until_ns; /* 0: the turn is young */

    /* A thread of its own; number 0 runs on the one that started the node. */
    pthread_t thread;
    sem_t may_run;
    bool has_thread;

    /* Written by other threads: not on a line with what is above. */
    char line[SCHEDULER_DOOR_LINE];
    _Atomic(struct signal *) door; /* newest first; see scheduler_post */
    _Atomic uint64_t door_bytes;   /* of what waits there and in the inbox */
    _Atomic bool is_ending;        /* by scheduler_join() */
};

MUST_USE int scheduler_init(struct scheduler *scheduler, uint32_t index,
                            const struct scheduler_events *events, void *owner);
void scheduler_fini(struct scheduler *scheduler);

/* Runs turns until scheduler_stop(). */
void scheduler_run(struct scheduler *scheduler);
void scheduler_stop(struct scheduler *scheduler); /* owner thread */

/* A thread for the scheduler, which runs it from scheduler_go() on. 0 or an
 * error of libuv. */
MUST_USE int scheduler_open_thread(struct scheduler *scheduler);
void scheduler_go(struct scheduler *scheduler);
/* Any other thread: stops it and waits for the end of its thread. The tasks
 * that were posted before are done, no signal is acted on any more. The
 * scheduler is the caller's then. Nothing without a thread. */
void scheduler_join(struct scheduler *scheduler);

/* Gives the process a pid of this scheduler. CNODE_LIMIT. */
MUST_USE int scheduler_add(struct scheduler *scheduler, struct process *process,
                           const struct process_class *class);
/* Takes it out: no signal reaches it any more, waiting messages are counted as
 * dead letters. The memory stays the caller's. */
void scheduler_remove(struct scheduler *scheduler, struct process *process);

static inline struct process *scheduler_find(const struct scheduler *scheduler,
                                             uint32_t slot, uint32_t serial)
{
    return process_table_get(&scheduler->table, slot, serial);
}

/* A signal for a process of this scheduler, from its own thread: copied and
 * queued, acted on in this turn or the next. 0 or CNODE_NOMEM. */
int scheduler_deliver(struct scheduler *scheduler, const struct signal *signal);

/* The same for what had its place in the order before and found no process
 * there, or lost it: acted on ahead of all that waits, in the order of return.
 */
int scheduler_return(struct scheduler *scheduler, const struct signal *signal);

/* The same from the top level of a turn (a channel hands up what it read): acts
 * at once on the caller's bytes when nothing older waits. */
void scheduler_dispatch(struct scheduler *scheduler,
                        const struct signal *signal);

/* For events->signal only, as its last step: the signal turns out to be a
 * message ('EXIT', 'DOWN'), which takes its place in the order. It keeps its
 * kind: a full mailbox takes what is no SIGNAL_MESSAGE all the same. */
void scheduler_become_message(struct scheduler *scheduler,
                              const struct signal *message);

/* Takes a heap signal; any thread. What one thread posts is acted on in that
 * order. Never refuses: whatever may be lost asks scheduler_is_full() first. */
void scheduler_post(struct scheduler *scheduler, struct signal *signal);
/* More than limits.door_bytes wait at its door. Any thread. */
bool scheduler_is_full(const struct scheduler *scheduler);

/* The message being handled, if it waited on the heap: its memory is taken over
 * instead of freed. NULL: it did not, or out of memory. */
struct block *scheduler_keep(struct scheduler *scheduler,
                             struct cnode_term message);

/* PROCESS_HELD off: its messages run in order from the next turn on. */
void scheduler_resume(struct scheduler *scheduler, struct process *process);

/* sys:suspend(): only system messages get through, ahead of all others, those
 * that wait already included. The process may be the one that is running. */
void scheduler_suspend(struct scheduler *scheduler, struct process *process);
/* What waited runs in order from the next turn on. */
void scheduler_unsuspend(struct scheduler *scheduler, struct process *process);

/* One slice of work; true: there is more. Called by the loop each turn. */
bool scheduler_turn(struct scheduler *scheduler);

#endif
