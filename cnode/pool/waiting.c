/* SPDX-License-Identifier: Apache-2.0
 *
 * See waiting.h.
 */
#include "pool/waiting.h"

#include <cnode/error.h>

#include "base/mem.h"
#include "base/metric.h"
#include "node/gen.h"
#include "node/node.h"
#include "pool/dispatch.h"
#include "pool/extras.h"
#include "pool/known.h"
#include "pool/persist.h"
#include "pool/pools.h"
#include "pool/record.h"
#include "pool/run.h"

enum {
    BACKOFF_FIRST_MS = 10,
    BACKOFF_MOST_MS = 1000,
    BACKOFF_DOUBLINGS = 7,
    PATIENCE = 5, /* failures after which nobody is kept waiting */
};

static void on_backoff(struct timer *timer);

struct waiting *waiting_new(struct cnode_worker *w)
{
    struct waiting *waiting = mem_zalloc(sizeof(*waiting));

    waiting->worker = w;
    list_init(&waiting->node);
    list_push_back(&worker_pool(w)->waiting, &waiting->all);
    timer_init(&waiting->timer, on_backoff);
    extras_of(w)->waiting = waiting;
    pool_is_due(worker_pool(w), &waiting->node);
    return waiting;
}

static void waiting_free(struct waiting *waiting)
{
    struct cnode_worker *w = waiting->worker;

    loop_timer_stop(node_loop(worker_pool(w)->node), &waiting->timer);
    list_remove(&waiting->node);
    list_remove(&waiting->all);
    persist_read_free(waiting);
    w->extras->waiting = NULL;
    extras_trim(w);
    cnode_term_free(waiting->why);
    mem_free(waiting);
}

/* --- messages come */

static void push_copy(struct waiting *waiting, struct mailbox *box,
                      const struct signal *signal)
{
    struct pool *pool = worker_pool(waiting->worker);
    struct signal *copy = NULL;

    if (waiting->why != NULL) {
        dispatch_refuse(pool, signal, cnode_kept_term(waiting->why));
        return;
    }
    if (box->count < pool_config_now(&pool->config->worker.mailbox_limit)) {
        copy = signal_copy(signal);
    }
    if (copy == NULL) {
        METRIC_INC(buffer_overflow);
        dispatch_refuse(pool, signal, atom_term(A_overloaded));
        return;
    }
    signal_waits(copy, loop_now_ms(node_loop(pool->node)));
    mailbox_push(box, copy);
}

void waiting_push(struct cnode_worker *w, const struct signal *signal)
{
    push_copy(w->extras->waiting, &w->extras->waiting->mail, signal);
}

void waiting_take(struct cnode_worker *w, struct signal *signal)
{
    mailbox_push(&w->extras->waiting->mail, signal);
}

void waiting_push_starter(struct cnode_worker *w, const struct signal *signal)
{
    push_copy(w->extras->waiting, &w->extras->waiting->starters, signal);
}

/* --- it is up */

static void answer_starters(struct waiting *waiting, struct pid pid)
{
    struct node *node = worker_pool(waiting->worker)->node;
    struct gen_message gen;
    struct signal *signal;

    while ((signal = mailbox_pop(&waiting->starters)) != NULL) {
        gen_parse(signal->term, &gen);
        (void)gen_reply(node, NULL, &gen.from, "{ok, ~p}", pid);
        signal_free(signal);
    }
}

/* Whoever does not want to wait so long for a worker. */
static bool has_expired(struct pool *pool, const struct signal *signal)
{
    struct gen_message gen;
    struct envelope envelope;

    gen_parse(signal->term, &gen);
    return envelope_parse(gen.body, &envelope) &&
           dispatch_expires(pool, signal, &gen, &envelope);
}

static void deliver(struct waiting *waiting)
{
    struct cnode_worker *w = waiting->worker;
    struct pool *pool = worker_pool(w);
    struct signal *signal;

    w->process.flags |= PROCESS_HELD;
    while ((signal = mailbox_pop(&waiting->mail)) != NULL) {
        if (has_expired(pool, signal)) {
            signal_free(signal);
            continue;
        }
        signal->to = node_pid(pool->node, &w->process);
        mailbox_push(&w->process.mailbox, signal);
    }
    scheduler_resume(&pool->node->scheduler, &w->process);
}

static void on_up(struct waiting *waiting, bool is_restart)
{
    if (is_restart) {
        METRIC_INC(workers_restarted);
    }
    answer_starters(waiting, node_pid(worker_pool(waiting->worker)->node,
                                      &waiting->worker->process));
    deliver(waiting);
    waiting_free(waiting);
}

/* --- or not */

/* It may fail for ever: who waits is told why, and who comes after him. Without
 * the memory for that he waits on. */
static void lose_patience(struct waiting *waiting)
{
    struct pool *pool = worker_pool(waiting->worker);
    struct cnode_kept *why = cnode_term_copy(run_reason(&pool->pools->run));

    if (why == NULL) {
        return;
    }
    cnode_term_free(waiting->why);
    waiting->why = why;
    waiting_refuse_all(pool, &waiting->mail, cnode_kept_term(why));
    waiting_refuse_all(pool, &waiting->starters, cnode_kept_term(why));
}

static void on_failed(struct waiting *waiting)
{
    struct cnode_worker *w = waiting->worker;
    struct segment *segment = worker_segment(w);
    uint64_t delay_ms = BACKOFF_MOST_MS;

    if (waiting->failures < BACKOFF_DOUBLINGS) {
        delay_ms = (uint64_t)BACKOFF_FIRST_MS << waiting->failures;
    }
    waiting->failures++;
    record_failure(w);
    if (waiting->failures >= PATIENCE) {
        lose_patience(waiting);
    }
    if (!segment_counts_restart(segment)) {
        loop_timer_start(node_loop(worker_pool(w)->node), &waiting->timer,
                         delay_ms);
    }
}

/* The registry has another process for its ref. */
static void pass_on(struct waiting *waiting, struct pid other)
{
    struct cnode_worker *w = waiting->worker;
    struct signal *signal;

    answer_starters(waiting, other);
    while ((signal = mailbox_pop(&waiting->mail)) != NULL) {
        known_pass_on(worker_pool(w), other, signal);
        signal_free(signal);
    }
    segment_forget(worker_segment(w), w, atom_term(A_normal));
}

static void on_backoff(struct timer *timer)
{
    struct waiting *waiting = CONTAINER_OF(timer, struct waiting, timer);

    pool_is_due(worker_pool(waiting->worker), &waiting->node);
}

/* Its state of before is not to be had: it does not start without. */
static void on_state_missing(struct waiting *waiting, int rc)
{
    struct cnode_worker *w = waiting->worker;
    struct run *run = run_of(w);

    run_begin(run, w);
    (void)run_stop(run, AFTER_NEVER, "{store, ~a}", cnode_error_atom(rc));
    run_end(run);
    worker_log_failed_start(w);
    segment_forget(worker_segment(w), w, run_reason(run));
}

/* Without arguments of its own it has those that were kept with its state. */
static int take_args(struct waiting *waiting)
{
    struct cnode_worker *w = waiting->worker;
    struct cnode_term before = persist_read_args(waiting);

    return w->extras->args != NULL || term_is_none(before)
               ? 0
               : extras_keep_start(w, before, TERM_NONE);
}

static void start_now(struct waiting *waiting)
{
    struct cnode_worker *w = waiting->worker;
    struct pool *pool = worker_pool(w);
    bool is_restart = w->status == WORKER_RESTARTING;

    if (worker_open(w, extras_args(w), extras_context(w)) == 0) {
        on_up(waiting, is_restart);
    } else if (is_restart || pool->config->is_service) {
        worker_log_failed_start(w);
        on_failed(waiting);
    } else {
        segment_forget(worker_segment(w), w, run_reason(run_of(w)));
    }
}

void waiting_start(struct waiting *waiting)
{
    struct pid other;
    int rc;

    if (known_has_other(waiting->worker, &other)) {
        pass_on(waiting, other);
        return;
    }
    rc = persist_read(waiting);
    if (rc == 0) {
        rc = take_args(waiting);
    }
    if (rc == 0) {
        start_now(waiting);
    } else if (rc < 0) {
        on_state_missing(waiting, rc);
    } /* else it is due again when its state is there */
}

/* --- giving up */

void waiting_refuse_all(struct pool *pool, struct mailbox *mail,
                        struct cnode_term reason)
{
    struct signal *signal;

    while ((signal = mailbox_pop(mail)) != NULL) {
        dispatch_refuse(pool, signal, reason);
        signal_free(signal);
    }
}

void waiting_give_up(struct waiting *waiting, struct cnode_term reason)
{
    struct pool *pool = worker_pool(waiting->worker);

    waiting_refuse_all(pool, &waiting->mail, reason);
    waiting_refuse_all(pool, &waiting->starters, reason);
    waiting_free(waiting);
}
