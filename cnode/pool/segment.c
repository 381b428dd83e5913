/* SPDX-License-Identifier: Apache-2.0
 *
 * See segment.h.
 */
#include "pool/segment.h"

#include <cnode/error.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/trace.h"
#include "node/node.h"
#include "pool/about.h"
#include "pool/dispatch.h"
#include "pool/extras.h"
#include "pool/known.h"
#include "pool/parts.h"
#include "pool/persist.h"
#include "pool/pools.h"
#include "pool/record.h"
#include "pool/run.h"
#include "pool/supervisor.h"
#include "pool/waiting.h"
#include "term/build.h"

static const uint32_t segment_moves[] = {
    [SEGMENT_DOWN] = BIT(SEGMENT_UP),
    [SEGMENT_UP] = BIT(SEGMENT_STOPPING),
    [SEGMENT_STOPPING] = BIT(SEGMENT_DOWN),
};

static void segment_move(struct segment *segment, enum segment_state to)
{
    CHECK((segment_moves[segment->state] & BIT(to)) != 0);
    TRACE("segment_move", segment->state, to);
    segment->state = to;
}

static void on_message(struct process *process, const struct signal *signal)
{
    supervisor_segment_message(CONTAINER_OF(process, struct segment, process),
                               signal);
}

static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    struct segment *segment = CONTAINER_OF(process, struct segment, process);

    segment_stop(segment, reason);
}

static const struct process_class segment_class = {
    .name = "segment",
    .message = on_message,
    .exit = on_exit_signal,
    .describe = about_segment,
    .put_label = about_segment_label,
    .put_state = about_segment_state,
};

/* --- up */

void segment_init(struct segment *segment, struct pool *pool, uint16_t index,
                  uint16_t place)
{
    const struct pool_config *config = pool->config;

    *segment = (struct segment){.pool = pool, .index = index, .place = place};
    worker_table_init(&segment->table, &pool->slab);
    intensity_init(&segment->intensity,
                   (uint32_t)config->supervisors.max_restarts,
                   config->supervisors.max_seconds * 1000);
}

static void release_held(struct segment *segment)
{
    struct signal *signal;

    while ((signal = mailbox_pop(&segment->held)) != NULL) {
        pool_send_again(segment->pool, signal);
        signal_free(signal);
    }
}

int segment_open(struct segment *segment)
{
    int rc = node_spawn(segment->pool->node, &segment->process, &segment_class);

    if (rc != 0) {
        return rc;
    }
    segment->process.flags |= PROCESS_TRAP_EXIT;
    segment->is_alive = true;
    parts_segment_is(segment->pool, segment->index,
                     node_pid(segment->pool->node, &segment->process));
    segment_move(segment, SEGMENT_UP);
    intensity_clear(&segment->intensity);
    release_held(segment);
    return 0;
}

void segment_hold(struct segment *segment, const struct signal *signal)
{
    struct pool *pool = segment->pool;
    struct signal *copy = NULL;

    if (segment->held.count <
        pool_config_now(&pool->config->worker.mailbox_limit)) {
        copy = signal_copy(signal);
    }
    if (copy == NULL) {
        METRIC_INC(buffer_overflow);
        dispatch_refuse(pool, signal, atom_term(A_overloaded));
        return;
    }
    signal_waits(copy, loop_now_ms(node_loop(pool->node)));
    mailbox_push(&segment->held, copy);
}

/* --- workers */

static void note_count(struct pool *pool)
{
    standing_set_workers(pool->standing, roll_workers(pool->roll),
                         pool_config_now(&pool->config->worker.max));
}

static struct cnode_worker *add_worker(struct segment *segment,
                                       const struct worker_key *key, int *rc)
{
    struct pool *pool = segment->pool;
    struct cnode_worker *w;
    uint32_t number;

    *rc = worker_slab_alloc(&pool->slab, &number);
    if (*rc != 0) {
        return NULL;
    }
    w = worker_slab_at(&pool->slab, number);
    *w = (struct cnode_worker){.process.class = &pool->worker_class,
                               .hash = worker_table_hash(key),
                               .segment = segment->place,
                               .face = FACE_NONE,
                               .id_is_integer = key->is_integer};
    known_init(w);
    if (key->is_integer) {
        w->id.integer = key->integer;
    } else {
        w->id.heap = worker_id_copy(key);
    }
    *rc = !key->is_integer && w->id.heap == NULL
              ? CNODE_NOMEM
              : worker_table_add(&segment->table, number);
    if (*rc == 0) {
        roll_add_bytes(pool->roll, (int64_t)record_bytes(w));
        return w;
    }
    if (!key->is_integer) {
        mem_free(w->id.heap);
    }
    worker_slab_free(&pool->slab, number);
    return NULL;
}

/* The worker is in no list and has no pid any more. */
static void remove_worker(struct segment *segment, struct cnode_worker *w)
{
    struct pool *pool = segment->pool;
    uint32_t number = worker_table_remove(&segment->table, w);

    pool_count_worker(pool, w, FACE_NONE);
    roll_add_bytes(pool->roll, -(int64_t)record_bytes(w));
    extras_free(w);
    if (!w->id_is_integer) {
        mem_free(w->id.heap);
    }
    worker_slab_free(&pool->slab, number);
    roll_remove(pool->roll);
    note_count(pool);
}

/* What init is given once more when the worker is restarted; nothing when
 * nobody looks at it. */
static int keep_start(struct cnode_worker *w, const struct segment_start *start)
{
    bool has_args = cnode_type(start->args) != CNODE_TYPE_NIL;
    bool has_context = !term_is_atom(start->context, A_undefined) &&
                       !term_is_atom(start->context, A_nil);
    uint64_t before = record_bytes(w);
    int rc;

    w->context_is_nil = term_is_atom(start->context, A_nil);
    if (worker_pool(w)->behaviour->init == NULL ||
        (!has_args && !has_context)) {
        return 0;
    }
    rc = extras_keep_start(w, has_args ? start->args : TERM_NONE,
                           has_context ? start->context : TERM_NONE);
    roll_add_bytes(worker_pool(w)->roll, (int64_t)(record_bytes(w) - before));
    return rc;
}

/* The run is another worker's when that spawns one. */
static int refuse_start(struct pool *pool, const struct segment_start *start,
                        int rc, const char *why)
{
    struct buf *reason = &pool->pools->run.reason;

    if (!start->is_spawned) {
        buf_clear(reason);
        term_format(reason, "~a", why);
    }
    return rc;
}

static int open_worker(struct cnode_worker *w,
                       const struct segment_start *start)
{
    if (start->in_background ||
        (worker_pool(w)->persist != NULL && !start->is_spawned)) {
        waiting_new(w);
        return 0;
    }
    return start->is_spawned ? worker_spawn(w)
                             : worker_open(w, start->args, start->context);
}

int segment_start_worker(struct segment *segment, const struct worker_key *key,
                         const struct segment_start *start,
                         struct cnode_worker **out)
{
    struct pool *pool = segment->pool;
    struct cnode_worker *w;
    int rc;

    if (segment->state != SEGMENT_UP) {
        return refuse_start(pool, start, CNODE_STOPPED, "shutdown");
    }
    if (!standing_is_online(pool->standing)) {
        return refuse_start(pool, start, CNODE_STOPPED, "unavailable");
    }
    if (!roll_add(pool->roll, pool_config_now(&pool->config->worker.max))) {
        return refuse_start(pool, start, CNODE_LIMIT, "max_children");
    }
    note_count(pool);
    w = add_worker(segment, key, &rc);
    if (w == NULL) {
        roll_remove(pool->roll);
        return refuse_start(pool, start, rc, cnode_error_atom(rc));
    }
    rc = keep_start(w, start);
    if (rc != 0) {
        remove_worker(segment, w);
        return refuse_start(pool, start, rc, cnode_error_atom(rc));
    }
    rc = open_worker(w, start);
    if (rc != 0) {
        remove_worker(segment, w);
        return rc;
    }
    pool_count_worker(pool, w, start->face);
    offload_look(pool);
    *out = w;
    return 0;
}

/* --- and their ends */

void segment_forget(struct segment *segment, struct cnode_worker *w,
                    struct cnode_term reason)
{
    if (w->extras != NULL && w->extras->waiting != NULL) {
        waiting_give_up(w->extras->waiting, reason);
    }
    remove_worker(segment, w);
}

void segment_worker_failed(struct segment *segment)
{
    struct pool *pool = segment->pool;

    standing_count(pool->standing, STANDING_FAILURE);
    rate_add(&segment->failures, loop_now_ms(node_loop(pool->node)), 1);
}

bool segment_counts_restart(struct segment *segment)
{
    struct pool *pool = segment->pool;
    uint64_t now_ms = loop_now_ms(node_loop(pool->node));

    if (segment->state != SEGMENT_UP) {
        return true;
    }
    if (!intensity_add(&segment->intensity, now_ms)) {
        return false;
    }
    LOG_ERROR("segment_failed", F_STR("pool", atom_text(pool->config->name)),
              F_UINT("segment", segment->index),
              F_STR("reason", "its workers restart too often"));
    segment_move(segment, SEGMENT_STOPPING);
    pool_has_work(pool);
    return true;
}

static bool rule_restarts(const struct pool *pool, bool is_clean)
{
    switch (pool->config->worker.restart) {
    case RESTART_PERMANENT:
        return true;
    case RESTART_TRANSIENT:
        return !is_clean;
    default:
        return false;
    }
}

/* The worker waits for its restart, and its mail with it. */
static void restart(struct cnode_worker *w, struct mailbox *mail)
{
    struct signal *signal;

    worker_move(w, WORKER_RESTARTING);
    (void)waiting_new(w);
    while ((signal = mailbox_pop(mail)) != NULL) {
        waiting_take(w, signal);
    }
}

void segment_worker_ended(struct segment *segment, struct cnode_worker *w,
                          bool is_clean, enum worker_after after,
                          struct mailbox *mail)
{
    struct pool *pool = segment->pool;
    struct signal *signal;

    if (segment->state == SEGMENT_UP && after == AFTER_RULE &&
        standing_is_online(pool->standing) && rule_restarts(pool, is_clean)) {
        if (!is_clean) {
            record_failure(w);
        }
        restart(w, mail);
        (void)segment_counts_restart(segment);
        return; /* too many: it goes with the others */
    }
    remove_worker(segment, w);
    while ((signal = mailbox_pop(mail)) != NULL) {
        pool_send_again(pool, signal); /* may start it again */
        signal_free(signal);
    }
}

/* --- idle workers */

bool segment_may_offload(const struct cnode_worker *w, uint32_t now,
                         uint32_t idle)
{
    return worker_is_up(w) && w->status != WORKER_SPAWNED &&
           now - w->last_used > idle && mailbox_is_empty(&w->process.mailbox) &&
           (w->process.flags & PROCESS_SUSPENDED) == 0 &&
           !extras_are_busy(w->extras) && !persist_is_failing(worker_pool(w));
}

uint32_t segment_sweep(struct segment *segment, uint32_t slots, uint32_t now,
                       uint32_t idle)
{
    struct worker_table *table = &segment->table;
    uint32_t done = 0;

    if (segment->state != SEGMENT_UP) {
        return 0;
    }
    while (done < slots && segment->sweep_at < worker_table_slots(table)) {
        struct cnode_worker *w = worker_table_at(table, segment->sweep_at);

        done++;
        if (w != NULL && segment_may_offload(w, now, idle) &&
            worker_offload(w, "inactive")) {
            METRIC_INC(workers_idle_stopped);
        } else {
            segment->sweep_at++;
        }
    }
    if (done < slots) {
        segment->sweep_at = 0;
    }
    return done;
}

/* --- down */

void segment_stop(struct segment *segment, struct cnode_term reason)
{
    struct node *node = segment->pool->node;

    if (segment->is_alive) {
        segment->is_alive = false;
        parts_segment_is(segment->pool, segment->index, PID_NONE);
        node_exit(node, &segment->process, reason);
    }
    if (segment->state == SEGMENT_UP) {
        segment_move(segment, SEGMENT_STOPPING);
    }
    pool_has_work(segment->pool);
}

bool segment_end_one(struct segment *segment, struct cnode_term reason,
                     struct cnode_term instead, bool may_wait)
{
    const struct worker_table *table = &segment->table;
    struct cnode_worker *w;

    do {
        segment->sweep_at &= table->mask;
        w = worker_table_at(table, segment->sweep_at);
        segment->sweep_at += w == NULL;
    } while (w == NULL);
    if (may_wait && worker_is_up(w) && w->status != WORKER_SPAWNED &&
        persist_end_must_wait(w)) {
        segment->sweep_at++;
        return false;
    }
    if (worker_is_up(w)) {
        worker_end(w, reason, AFTER_NEVER);
    } else {
        segment_forget(segment, w, instead);
    }
    return true;
}

unsigned segment_stop_some(struct segment *segment, unsigned budget)
{
    unsigned done = 0;

    for (; done < budget && worker_table_count(&segment->table) > 0; done++) {
        (void)segment_end_one(segment, atom_term(A_shutdown),
                              atom_term(A_shutdown), false);
    }
    if (worker_table_count(&segment->table) == 0) {
        segment_move(segment, SEGMENT_DOWN);
    }
    return done;
}

/* No terminate: who wants that stops the pool first. */
static void drop_worker(struct segment *segment, struct cnode_worker *w)
{
    struct cnode_term reason = atom_term(A_shutdown);

    if (worker_is_up(w)) {
        persist_dropped(w);
        extras_worker_ends(w, reason);
        node_exit(segment->pool->node, &w->process, reason);
        remove_worker(segment, w);
    } else {
        segment_forget(segment, w, reason);
    }
}

void segment_fini(struct segment *segment)
{
    struct worker_table *table = &segment->table;

    for (uint32_t i = 0; i < worker_table_slots(table);) {
        struct cnode_worker *w = worker_table_at(table, i);

        if (w != NULL) {
            drop_worker(segment, w);
        } else {
            i++;
        }
    }
    if (segment->is_alive) {
        node_exit(segment->pool->node, &segment->process,
                  atom_term(A_shutdown));
    }
    (void)mailbox_clear(&segment->held);
    worker_table_fini(&segment->table);
    intensity_fini(&segment->intensity);
}
