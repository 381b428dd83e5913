/* SPDX-License-Identifier: Apache-2.0
 *
 * See worker.h.
 */
#include "pool/worker.h"

#include <string.h>

#include <cnode/error.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/trace.h"
#include "node/node.h"
#include "pool/envelope.h"
#include "pool/extras.h"
#include "pool/known.h"
#include "pool/persist.h"
#include "pool/pools.h"
#include "pool/run.h"
#include "term/build.h"
#include "term/canonical.h"
#include "term/text.h"

_Static_assert(sizeof(struct cnode_worker) == 88,
               "a million workers pay for each byte");
_Static_assert(sizeof(struct cnode_worker) % 8 == 0, "the state is aligned");

enum { LOG_TEXT_BYTES = 200 };

static const uint32_t worker_moves[] = {
    [WORKER_STARTING] = BIT(WORKER_INIT) | BIT(WORKER_SPAWNED),
    [WORKER_SPAWNED] = BIT(WORKER_INIT),
    [WORKER_INIT] = BIT(WORKER_LOADED) | BIT(WORKER_RESTARTING),
    [WORKER_LOADED] = BIT(WORKER_RESTARTING),
    [WORKER_RESTARTING] = BIT(WORKER_INIT),
};

void worker_move(struct cnode_worker *w, enum worker_status to)
{
    CHECK((worker_moves[w->status] & BIT(to)) != 0);
    TRACE("worker_move", w->status, to);
    w->status = (uint8_t)to;
}

struct pool *worker_pool(const struct cnode_worker *w)
{
    return CONTAINER_OF(w->process.class, struct pool, worker_class);
}

struct segment *worker_segment(const struct cnode_worker *w)
{
    return &worker_pool(w)->segments[w->segment];
}

void worker_put_id(struct buf *buf, const struct cnode_worker *w)
{
    if (w->id_is_integer) {
        term_put_int(buf, w->id.integer);
    } else {
        buf_put(buf, w->id.heap->bytes, w->id.heap->size);
    }
}

void worker_put_ref(struct buf *buf, const struct cnode_worker *w)
{
    term_put_tuple(buf, 3);
    term_put_atom(buf, A_ref);
    term_put_atom(buf, worker_pool(w)->config->worker.module);
    worker_put_id(buf, w);
}

bool worker_has_id(const struct cnode_worker *w, struct cnode_term id,
                   struct buf *scratch)
{
    const uint8_t *bytes = id.at;
    size_t size;
    int64_t integer;

    if (w->id_is_integer) {
        return cnode_get_int(id, &integer) && integer == w->id.integer;
    }
    size = cnode_term_size(id);
    if (size != w->id.heap->size || !term_is_canonical(id)) {
        buf_clear(scratch);
        if (size > limits.id_bytes || term_put_canonical(scratch, id) != 0) {
            return false;
        }
        bytes = buf_data(scratch);
        size = buf_size(scratch);
    }
    return size == w->id.heap->size &&
           memcmp(bytes, w->id.heap->bytes, size) == 0;
}

int worker_dump(struct cnode_worker *w, struct buf *buf)
{
    const struct cnode_behaviour *behaviour = worker_pool(w)->behaviour;
    struct cnode_build build;
    struct cnode_term term;
    int rc;

    if (behaviour->dump == NULL) {
        return CNODE_UNHANDLED;
    }
    cnode_build_init(&build);
    rc = behaviour->dump(w, worker_state(w), &build);
    term = cnode_build_term(&build);
    if (rc >= 0 && term_is_none(term)) {
        rc = build.error < 0 ? build.error : CNODE_EINVALID;
    }
    if (rc >= 0) {
        term_put_copy(buf, term);
        rc = 0;
    }
    cnode_build_fini(&build);
    return rc;
}

/* --- start */

static int call_init(struct cnode_worker *w, struct cnode_term args)
{
    const struct cnode_behaviour *behaviour = worker_pool(w)->behaviour;
    struct run_watch before;
    int rc;

    if (behaviour->init == NULL) {
        return 0;
    }
    before = run_watch_begin(w);
    rc = behaviour->init(w, worker_state(w), cnode_id(w), args);
    run_watch_end(&before);
    return rc;
}

/* Its state of before. When that is not taken the worker ends as one whose init
 * succeeded. */
static int restore(struct cnode_worker *w)
{
    const struct cnode_behaviour *behaviour = worker_pool(w)->behaviour;
    struct run_watch before = run_watch_begin(w);
    int rc = persist_restore(w);

    if (rc < 0 && behaviour->terminate != NULL) {
        run_of(w)->may_stop = false;
        behaviour->terminate(w, worker_state(w), atom_term(A_error));
        run_of(w)->may_stop = true;
    }
    run_watch_end(&before);
    return rc;
}

/* init failed, or refuses without fault (normal, shutdown): the process ends
 * without terminate. */
static int undo_open(struct cnode_worker *w, struct run *run, int rc)
{
    struct node *node = worker_pool(w)->node;

    if (!worker_reason_is_clean(run_reason(run))) {
        segment_worker_failed(worker_segment(w));
    }
    extras_worker_ends(w, run_reason(run));
    node_exit(node, &w->process, run_reason(run));
    return rc < 0 ? rc : CNODE_REFUSED;
}

static void register_service(struct cnode_worker *w)
{
    struct pool *pool = worker_pool(w);
    int rc = names_register(pool->node, pool->config->name, &w->process);

    if (rc != 0) { /* it works all the same: messages come through the gate */
        LOG_ERROR("service_name_taken",
                  F_STR("service", atom_text(pool->config->name)), F_ERR(rc));
    }
}

int worker_open(struct cnode_worker *w, struct cnode_term args,
                struct cnode_term context)
{
    struct pool *pool = worker_pool(w);
    struct run *run = run_of(w);
    int rc = node_spawn(pool->node, &w->process, &pool->worker_class);

    run_begin(run, w);
    if (rc != 0) {
        (void)run_stop(run, AFTER_RULE, "~a", cnode_error_atom(rc));
        run_end(run);
        return rc;
    }
    w->process.mailbox_limit =
        (uint32_t)pool_config_now(&pool->config->worker.mailbox_limit);
    w->last_used = worker_clock(loop_now_ms(node_loop(pool->node)));
    memset(worker_state(w), 0, pool->behaviour->state_size);
    run->context = context;
    rc = call_init(w, args);
    if (rc >= 0 && !run->is_stopping) {
        rc = restore(w);
    }
    run_end(run);
    if (rc < 0) {
        (void)run_stop(run, AFTER_RULE, "~a", cnode_error_atom(rc));
    }
    if (run->is_stopping) {
        return undo_open(w, run, rc);
    }
    worker_move(w, WORKER_INIT);
    METRIC_INC(workers_started);
    standing_count(pool->standing, STANDING_INIT);
    if (pool->config->is_service) {
        register_service(w);
    }
    known_started(w);
    return 0;
}

int worker_spawn(struct cnode_worker *w)
{
    struct pool *pool = worker_pool(w);
    int rc = node_spawn(pool->node, &w->process, &pool->worker_class);

    if (rc != 0) {
        return rc;
    }
    w->process.mailbox_limit =
        (uint32_t)pool_config_now(&pool->config->worker.mailbox_limit);
    w->last_used = worker_clock(loop_now_ms(node_loop(pool->node)));
    memset(worker_state(w), 0, pool->behaviour->state_size);
    worker_move(w, WORKER_SPAWNED);
    METRIC_INC(workers_started);
    standing_count(pool->standing, STANDING_INIT);
    return 0;
}

bool worker_run_init(struct cnode_worker *w)
{
    struct run *run = run_of(w);
    int rc;

    CHECK(w->status == WORKER_SPAWNED);
    run_begin(run, w);
    run->context = extras_context(w);
    rc = call_init(w, extras_args(w));
    run_end(run);
    if (rc < 0) {
        (void)run_stop(run, AFTER_NEVER, "~a", cnode_error_atom(rc));
    }
    if (run->is_stopping) {
        worker_end(w, run_reason(run), AFTER_NEVER);
        return false;
    }
    extras_drop_start(w); /* it is never started again */
    worker_move(w, WORKER_INIT);
    return true;
}

/* --- end */

bool worker_reason_is_clean(struct cnode_term reason)
{
    struct cnode_term parts[2];

    return term_is_atom(reason, A_normal) || term_is_atom(reason, A_shutdown) ||
           (term_get_tuple(reason, 2, parts) &&
            term_is_atom(parts[0], A_shutdown));
}

/* What the log says about a worker: its id and the reason, cut. */
static void log_end(struct cnode_worker *w, const char *event,
                    struct cnode_term reason)
{
    struct buf id, id_text, text;

    if (!log_enabled(LOG_LEVEL_WARN)) {
        return;
    }
    buf_init(&id, 0);
    buf_init(&id_text, 0);
    buf_init(&text, 0);
    worker_put_id(&id, w);
    term_print(&id_text, term_at(buf_data(&id), buf_size(&id)), LOG_TEXT_BYTES);
    term_print(&text, reason, LOG_TEXT_BYTES);
    LOG_WARN(event, F_STR("pool", atom_text(worker_pool(w)->config->name)),
             F_BYTES("id", buf_data(&id_text), buf_size(&id_text)),
             F_BYTES("reason", buf_data(&text), buf_size(&text)));
    buf_fini(&id);
    buf_fini(&id_text);
    buf_fini(&text);
}

void worker_log_failed_start(struct cnode_worker *w)
{
    log_end(w, "worker_start_failed", run_reason(run_of(w)));
}

/* False: it wants to live on. */
static bool call_terminate(struct cnode_worker *w, struct cnode_term reason,
                           bool may_wait)
{
    const struct cnode_behaviour *behaviour = worker_pool(w)->behaviour;
    struct run *run = run_of(w);
    struct run_watch before;

    if (behaviour->terminate == NULL) {
        return true;
    }
    run_begin(run, w);
    run->may_stop = false; /* it does already */
    run->may_wait = may_wait;
    before = run_watch_begin(w);
    behaviour->terminate(w, worker_state(w), reason);
    run_watch_end(&before);
    run_end(run);
    return !run->waits;
}

/* Takes what was sent to the ref, or to the old pid as an envelope without a
 * caller who waits, out of the mailbox: that is for the ref's next worker. */
static void take_mail_for_ref(struct cnode_worker *w, struct mailbox *mail)
{
    struct mailbox *from = &w->process.mailbox;
    uint32_t count = from->count;

    while (count-- > 0) {
        struct signal *signal = mailbox_pop(from);
        struct gen_message gen;
        struct envelope envelope;

        gen_parse(signal->term, &gen);
        if (signal->id != SIGNAL_BY_PID ||
            (gen.kind != GEN_CALL && envelope_parse(gen.body, &envelope))) {
            mailbox_push(mail, signal);
        } else {
            mailbox_push(from, signal);
        }
    }
}

/* terminate has run, if it is to. */
static void finish(struct cnode_worker *w, struct cnode_term reason,
                   enum worker_after after)
{
    struct pool *pool = worker_pool(w);
    struct segment *segment = worker_segment(w);
    bool is_clean = worker_reason_is_clean(reason);
    struct mailbox mail = {0};

    METRIC_INC(workers_stopped);
    standing_count(pool->standing, STANDING_TERMINATE);
    if (!is_clean) {
        METRIC_INC(workers_failed);
        log_end(w, "worker_failed", reason);
        if (!known_has_lost(w, reason)) {
            segment_worker_failed(segment);
        }
    }
    extras_worker_ends(w, reason);
    take_mail_for_ref(w, &mail);
    ended_add(&pool->pools->ended, w->process.slot, w->process.serial, pool,
              w->hash, loop_now_ms(node_loop(pool->node)));
    known_ended(w, reason);
    node_exit(pool->node, &w->process, reason);
    segment_worker_ended(segment, w, is_clean, after, &mail);
}

void worker_end(struct cnode_worker *w, struct cnode_term reason,
                enum worker_after after)
{
    CHECK(worker_is_up(w));
    if (w->status != WORKER_SPAWNED) {
        persist_ends(w, reason, worker_reason_is_clean(reason));
        (void)call_terminate(w, reason, false);
    }
    finish(w, reason, after);
}

bool worker_offload(struct cnode_worker *w, const char *why)
{
    struct buf *buf = &run_of(w)->reason;
    struct cnode_term reason;

    CHECK(worker_is_up(w) && w->status != WORKER_SPAWNED);
    if (persist_end_must_wait(w)) {
        return false;
    }
    buf_clear(buf);
    term_format(buf, "{shutdown, ~a}", why);
    reason = term_at(buf_data(buf), buf_size(buf));
    persist_ends(w, reason, true);
    if (!call_terminate(w, reason, true)) {
        METRIC_INC(workers_kept);
        w->last_used =
            worker_clock(loop_now_ms(node_loop(worker_pool(w)->node)));
        return false;
    }
    finish(w, reason, AFTER_NEVER);
    return true;
}

/* terminate runs also after kill: the state may hold memory, and nobody else
 * can free it. */
void worker_on_exit(struct process *process, struct cnode_term reason)
{
    struct cnode_worker *w =
        CONTAINER_OF(process, struct cnode_worker, process);

    worker_end(w, reason, known_has_lost(w, reason) ? AFTER_NEVER : AFTER_RULE);
}
