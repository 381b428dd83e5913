/* SPDX-License-Identifier: Apache-2.0
 *
 * See scheduler.h. One turn: what others posted, what callbacks sent, then the
 * run queue, each within the budget. A signal reaches its process by
 * deliver_message() on every path.
 */
#include "runtime/scheduler.h"

#include <signal.h>
#include <stdio.h>

#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"

enum { LOOKS_AT_CLOCK = 8 }; /* every so many messages */

static bool turn(void *owner)
{
    return scheduler_turn(owner);
}

int scheduler_init(struct scheduler *scheduler, uint32_t index,
                   const struct scheduler_events *events, void *owner)
{
    int rc = loop_init(&scheduler->loop, turn, scheduler);

    if (rc != 0) {
        return rc;
    }
    scheduler->index = index;
    scheduler->run_queue = (struct run_queue){0};
    scheduler->outbox = (struct mailbox){0};
    scheduler->returned = scheduler->inbox = (struct mailbox){0};
    scheduler->has_thread = false;
    scheduler->dispatching = false;
    scheduler->acting = NULL;
    scheduler->watch = (struct watch){0};
    scheduler->events = events;
    scheduler->owner = owner;
    scheduler->messages = scheduler->turn_until_ns = 0;
    atomic_init(&scheduler->door, NULL);
    atomic_init(&scheduler->door_bytes, 0);
    atomic_init(&scheduler->is_ending, false);
    process_table_init(&scheduler->table, index);
    return 0;
}

static void door_open(struct scheduler *scheduler);

void scheduler_fini(struct scheduler *scheduler)
{
    CHECK(!scheduler->has_thread);
    door_open(scheduler);
    mailbox_clear(&scheduler->inbox);
    mailbox_clear(&scheduler->returned);
    mailbox_clear(&scheduler->outbox);
    process_table_fini(&scheduler->table);
    loop_fini(&scheduler->loop);
}

void scheduler_run(struct scheduler *scheduler)
{
    loop_run(&scheduler->loop);
}

void scheduler_stop(struct scheduler *scheduler)
{
    loop_stop(&scheduler->loop);
}

int scheduler_add(struct scheduler *scheduler, struct process *process,
                  const struct process_class *class)
{
    process->class = class;
    process->relations = NULL;
    process->mailbox = (struct mailbox){0};
    process->flags = 0;
    process->handled_high = 0;
    process->run_next = NULL;
    return process_table_add(&scheduler->table, process);
}

void scheduler_remove(struct scheduler *scheduler, struct process *process)
{
    struct signal *signal;

    run_queue_remove(&scheduler->run_queue, process);
    process_table_remove(&scheduler->table, process);
    process->flags |= PROCESS_DEAD;
    while ((signal = mailbox_pop(&process->mailbox)) != NULL) {
        scheduler->events->undelivered(scheduler->owner, scheduler, signal,
                                       CNODE_NOPROC);
        signal_free(signal);
    }
}

/* --- delivery */

static bool is_waiting(const struct process *process)
{
    return (process->flags & (PROCESS_HELD | PROCESS_SUSPENDED)) != 0;
}

/* True: it was a system message. */
static bool run_system(struct scheduler *scheduler, struct process *process,
                       const struct signal *signal)
{
    return signal_may_be_system(signal) && !process->class->is_router &&
           scheduler->events->system != NULL &&
           scheduler->events->system(scheduler->owner, scheduler, process,
                                     signal);
}

static void run_message(struct scheduler *scheduler, struct process *process,
                        const struct signal *signal)
{
    scheduler->messages++;
    process_count_handled(process);
    watch_begin(&scheduler->watch, process->class->name, process->slot,
                process->serial);
    if (!run_system(scheduler, process, signal)) {
        process->class->message(process, signal); /* may free the process */
    }
    watch_end(&scheduler->watch);
}

/* What ends the wait of a suspended process. */
static bool gets_through(const struct process *process,
                         const struct signal *signal)
{
    return (process->flags & (PROCESS_HELD | PROCESS_SUSPENDED)) ==
               PROCESS_SUSPENDED &&
           signal_is_system(signal);
}

static int enqueue(struct scheduler *scheduler, struct process *process,
                   const struct signal *signal)
{
    bool is_urgent = gets_through(process, signal);
    struct signal *copy;

    if (signal->kind == SIGNAL_MESSAGE && process->mailbox_limit != 0 &&
        process->mailbox.count >= process->mailbox_limit && !is_urgent) {
        METRIC_INC(mailbox_overflow);
        return CNODE_OVERLOADED;
    }
    copy = signal_copy(signal);
    if (copy == NULL) {
        return CNODE_NOMEM;
    }
    signal_waits(copy, loop_now_ms(&scheduler->loop));
    mailbox_push(&process->mailbox, copy);
    if (is_urgent || !is_waiting(process)) {
        run_queue_push(&scheduler->run_queue, process);
    }
    return 0;
}

static int deliver_message(struct scheduler *scheduler,
                           const struct signal *signal)
{
    struct process *process =
        scheduler_find(scheduler, signal->to.id, signal->to.serial);

    if (process == NULL) {
        return CNODE_NOPROC;
    }
    if (!mailbox_is_empty(&process->mailbox) || is_waiting(process)) {
        return enqueue(scheduler, process, signal);
    }
    run_message(scheduler, process, signal);
    return 0;
}

void scheduler_become_message(struct scheduler *scheduler,
                              const struct signal *message)
{
    int rc;

    CHECK(scheduler->dispatching);
    rc = deliver_message(scheduler, message);
    if (rc != 0) {
        scheduler->events->undelivered(scheduler->owner, scheduler, message,
                                       rc);
    }
}

/* What the signal causes goes to the outbox meanwhile. */
static void act(struct scheduler *scheduler, const struct signal *signal)
{
    CHECK(!scheduler->dispatching);
    scheduler->dispatching = true;
    if (signal->kind == SIGNAL_MESSAGE) {
        scheduler_become_message(scheduler, signal);
    } else {
        scheduler->events->signal(scheduler->owner, scheduler, signal);
    }
    scheduler->dispatching = false;
}

static void free_acting(struct scheduler *scheduler)
{
    if (scheduler->acting != NULL) {
        signal_free(scheduler->acting);
        scheduler->acting = NULL;
    }
}

/* One on the heap, unless somebody keeps it. */
static void act_and_free(struct scheduler *scheduler, struct signal *signal)
{
    scheduler->acting = signal;
    act(scheduler, signal);
    free_acting(scheduler);
}

struct block *scheduler_keep(struct scheduler *scheduler,
                             struct cnode_term message)
{
    struct signal *signal = scheduler->acting;
    struct block *block;

    if (signal == NULL || signal->term.at == NULL ||
        message.at < signal->term.at || message.at >= signal->term.end) {
        return NULL;
    }
    block = block_adopt(signal, signal + 1,
                        (size_t)(signal->term.end - signal->term.at));
    if (block != NULL) {
        scheduler->acting = NULL;
    }
    return block;
}

static int deliver(struct scheduler *scheduler, struct mailbox *box,
                   const struct signal *signal)
{
    struct signal *copy = signal_copy(signal);

    if (copy == NULL) {
        return CNODE_NOMEM;
    }
    signal_waits(copy, loop_now_ms(&scheduler->loop));
    mailbox_push(box, copy);
    scheduler->loop.has_more = true; /* the next poll must not sleep */
    return 0;
}

int scheduler_deliver(struct scheduler *scheduler, const struct signal *signal)
{
    return deliver(scheduler, &scheduler->outbox, signal);
}

int scheduler_return(struct scheduler *scheduler, const struct signal *signal)
{
    return deliver(scheduler, &scheduler->returned, signal);
}

/* Nothing else is acted on meanwhile. */
static bool has_returned(const struct scheduler *scheduler)
{
    return !mailbox_is_empty(&scheduler->returned);
}

static struct signal *next_sent(struct scheduler *scheduler)
{
    return mailbox_pop(has_returned(scheduler) ? &scheduler->returned
                                               : &scheduler->outbox);
}

static bool has_sent(const struct scheduler *scheduler)
{
    return has_returned(scheduler) || !mailbox_is_empty(&scheduler->outbox);
}

/* The turn takes long by now, its callbacks being slow. Most turns end before
 * they look at the clock. */
static bool is_late(struct scheduler *scheduler)
{
    uint64_t now_ns = loop_clock_ns();

    if (scheduler->turn_until_ns == 0) {
        scheduler->turn_until_ns = now_ns + SCHEDULER_TURN_NS;
    }
    return now_ns >= scheduler->turn_until_ns;
}

/* One more of its share, of which so many are done. */
static bool has_time(struct scheduler *scheduler, unsigned done)
{
    return done % LOOKS_AT_CLOCK != LOOKS_AT_CLOCK - 1 || !is_late(scheduler);
}

/* What callbacks sent. */
static unsigned run_outbox(struct scheduler *scheduler, unsigned budget)
{
    unsigned done = 0;
    struct signal *signal;

    while (done < budget && has_time(scheduler, done) &&
           (signal = next_sent(scheduler)) != NULL) {
        done++;
        act_and_free(scheduler, signal);
    }
    return done;
}

void scheduler_dispatch(struct scheduler *scheduler,
                        const struct signal *signal)
{
    if (has_sent(scheduler)) {
        scheduler->turn_until_ns = 0;
        run_outbox(scheduler, SCHEDULER_PROCESS_BUDGET);
    }
    if (has_sent(scheduler)) {
        int rc = scheduler_deliver(scheduler, signal);

        if (rc != 0) {
            scheduler->events->undelivered(scheduler->owner, scheduler, signal,
                                           rc);
        }
        return;
    }
    act(scheduler, signal);
}

/* --- the door: a stack of signals, newest first, taken whole by the owner */

/* What a heap signal counts at the door. */
static uint64_t door_cost(const struct signal *signal)
{
    return sizeof(*signal) + (size_t)(signal->term.end - signal->term.at);
}

bool scheduler_is_full(const struct scheduler *scheduler)
{
    /* relaxed: an approximate bound is enough. */
    return atomic_load_explicit(&scheduler->door_bytes, memory_order_relaxed) >=
           limits.door_bytes;
}

void scheduler_post(struct scheduler *scheduler, struct signal *signal)
{
    struct signal *head;

    atomic_fetch_add_explicit(&scheduler->door_bytes, door_cost(signal),
                              memory_order_relaxed);
    head = atomic_load_explicit(&scheduler->door, memory_order_relaxed);
    do {
        signal->next = head;
        /* release: the owner sees the signal's bytes once it sees the head. */
    } while (!atomic_compare_exchange_weak_explicit(
        &scheduler->door, &head, signal, memory_order_release,
        memory_order_relaxed));
    if (head == NULL) { /* the first one wakes; others ride along */
        loop_wake(&scheduler->loop);
    }
}

/* Moves what waits at the door behind the inbox, oldest first. */
static void door_open(struct scheduler *scheduler)
{
    struct signal *newest, *oldest = NULL;

    if (atomic_load_explicit(&scheduler->door, memory_order_relaxed) == NULL) {
        return;
    }
    /* acquire: pairs with the release in scheduler_post. */
    newest =
        atomic_exchange_explicit(&scheduler->door, NULL, memory_order_acquire);
    while (newest != NULL) {
        struct signal *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct signal *next = oldest->next;

        mailbox_push(&scheduler->inbox, oldest);
        oldest = next;
    }
    loop_traffic(&scheduler->loop);
}

static void run_task(struct scheduler *scheduler, struct signal *signal)
{
    CHECK(!scheduler->dispatching);
    scheduler->dispatching = true;
    signal_run(signal, scheduler->owner);
    scheduler->dispatching = false;
}

/* What came through the door counts there until it is acted on, so that a
 * scheduler that does not keep up is full. */
static void leave_door(struct scheduler *scheduler, uint64_t bytes)
{
    if (bytes > 0) {
        atomic_fetch_sub_explicit(&scheduler->door_bytes, bytes,
                                  memory_order_relaxed);
    }
}

static unsigned run_inbox(struct scheduler *scheduler, unsigned budget)
{
    uint64_t bytes = 0;
    unsigned done = 0;
    struct signal *signal;

    while (done < budget && has_time(scheduler, done) &&
           !has_returned(scheduler) &&
           (signal = mailbox_pop(&scheduler->inbox)) != NULL) {
        done++;
        bytes += door_cost(signal);
        if (signal->kind == SIGNAL_TASK) {
            run_task(scheduler, signal);
            signal_free(signal);
        } else {
            act_and_free(scheduler, signal);
        }
    }
    leave_door(scheduler, bytes);
    return done;
}

/* Only what others ordered: there may be minutes of messages. */
static void end_inbox(struct scheduler *scheduler)
{
    uint64_t bytes = 0;
    struct signal *signal;

    while ((signal = mailbox_pop(&scheduler->inbox)) != NULL) {
        bytes += door_cost(signal);
        if (signal->kind == SIGNAL_TASK) {
            run_task(scheduler, signal);
        }
        signal_free(signal);
    }
    leave_door(scheduler, bytes);
}

/* --- threads */

/* Signals of the operating system are for the first thread. */
static void *thread_main(void *arg)
{
    struct scheduler *scheduler = arg;

    while (sem_wait(&scheduler->may_run) != 0) { /* EINTR */
    }
    scheduler_run(scheduler);
    return NULL;
}

int scheduler_open_thread(struct scheduler *scheduler)
{
    sigset_t all, before;
    char name[16];
    int rc;

    CHECK(!scheduler->has_thread && sem_init(&scheduler->may_run, 0, 0) == 0);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&scheduler->thread, NULL, thread_main, scheduler);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        (void)sem_destroy(&scheduler->may_run);
        return -rc;
    }
    (void)snprintf(name, sizeof(name), "scheduler %u", scheduler->index);
    (void)pthread_setname_np(scheduler->thread, name);
    scheduler->has_thread = true;
    return 0;
}

void scheduler_go(struct scheduler *scheduler)
{
    CHECK(sem_post(&scheduler->may_run) == 0);
}

struct stop {
    struct signal_task task;
    struct scheduler *scheduler;
};

static void run_stop(struct signal_task *task, void *owner)
{
    struct stop *stop = CONTAINER_OF(task, struct stop, task);

    if (owner != NULL) {
        scheduler_stop(stop->scheduler);
    }
}

void scheduler_join(struct scheduler *scheduler)
{
    struct stop *stop;

    if (!scheduler->has_thread) {
        return;
    }
    stop = mem_zalloc(sizeof(*stop));
    stop->task.signal.kind = SIGNAL_TASK;
    stop->task.run = run_stop;
    stop->scheduler = scheduler;
    /* relaxed: seen with what is posted next, or before */
    atomic_store_explicit(&scheduler->is_ending, true, memory_order_relaxed);
    scheduler_post(scheduler, &stop->task.signal);
    scheduler_go(scheduler); /* should it never have run */
    pthread_join(scheduler->thread, NULL);
    (void)sem_destroy(&scheduler->may_run);
    scheduler->has_thread = false;
}

/* --- turns */

/* The next message it may have: while it is suspended the next of sys, behind
 * `*seen`, which is moved on. */
static struct signal *take_next(struct process *process, struct signal **seen)
{
    struct mailbox *box = &process->mailbox;

    if ((process->flags & PROCESS_SUSPENDED) == 0) {
        *seen = NULL;
        return mailbox_pop(box);
    }
    if (*seen == NULL && box->tail != NULL) {
        if (signal_is_system(box->tail->next)) {
            return mailbox_pop(box);
        }
        *seen = box->tail->next; /* the oldest */
    }
    while (*seen != box->tail) {
        if (signal_is_system((*seen)->next)) {
            return mailbox_take_behind(box, *seen);
        }
        *seen = (*seen)->next;
    }
    return NULL;
}

static unsigned run_mailbox(struct scheduler *scheduler,
                            struct process *process, unsigned budget)
{
    uint32_t slot = process->slot;
    uint32_t serial = process->serial;
    struct signal *seen = NULL; /* all up to it wait until it is resumed */
    unsigned done = 0;

    while (done < budget && has_time(scheduler, done) &&
           !has_returned(scheduler)) {
        struct signal *signal = take_next(process, &seen);

        if (signal == NULL) {
            return done;
        }
        scheduler->dispatching = true;
        scheduler->acting = signal;
        run_message(scheduler, process, signal);
        scheduler->dispatching = false;
        free_acting(scheduler);
        done++;
        process = scheduler_find(scheduler, slot, serial);
        if (process == NULL || (process->flags & PROCESS_HELD) != 0) {
            return done;
        }
    }
    if (!mailbox_is_empty(&process->mailbox)) {
        run_queue_push(&scheduler->run_queue, process);
    }
    return done;
}

/* In a row, before the others have their turn. */
static unsigned share_of(unsigned budget)
{
    return budget < SCHEDULER_PROCESS_BUDGET ? budget
                                             : SCHEDULER_PROCESS_BUDGET;
}

/* What may go on for ever, callbacks that send, must not keep the others from
 * their turn: each has its share, and again. */
bool scheduler_turn(struct scheduler *scheduler)
{
    unsigned budget = SCHEDULER_TURN_BUDGET;
    bool is_first = true;

    door_open(scheduler);
    if (atomic_load_explicit(&scheduler->is_ending, memory_order_relaxed)) {
        end_inbox(scheduler);
        return false;
    }
    scheduler->turn_until_ns = 0;
    for (; budget > 0 && (is_first || !is_late(scheduler)); is_first = false) {
        unsigned done = run_outbox(scheduler, share_of(budget));
        struct process *process = NULL;

        done += run_inbox(scheduler, share_of(budget - done));
        if (done < budget && !has_returned(scheduler)) {
            process = run_queue_pop(&scheduler->run_queue);
        }
        if (process != NULL) {
            done += run_mailbox(scheduler, process, share_of(budget - done));
        } else if (done == 0) {
            break; /* there is nothing */
        }
        budget -= done;
    }
    return has_sent(scheduler) || !mailbox_is_empty(&scheduler->inbox) ||
           scheduler->run_queue.head != NULL;
}

static void clear_flag(struct scheduler *scheduler, struct process *process,
                       enum process_flags flag)
{
    process->flags &= (uint16_t)~flag;
    if ((process->flags & PROCESS_HELD) == 0 &&
        !mailbox_is_empty(&process->mailbox)) {
        run_queue_push(&scheduler->run_queue, process);
    }
}

void scheduler_resume(struct scheduler *scheduler, struct process *process)
{
    clear_flag(scheduler, process, PROCESS_HELD);
}

void scheduler_suspend(struct scheduler *scheduler, struct process *process)
{
    process->flags |= PROCESS_SUSPENDED;
    if (!mailbox_is_empty(&process->mailbox)) {
        run_queue_push(&scheduler->run_queue, process); /* of sys, maybe */
    }
}

void scheduler_unsuspend(struct scheduler *scheduler, struct process *process)
{
    clear_flag(scheduler, process, PROCESS_SUSPENDED);
}
