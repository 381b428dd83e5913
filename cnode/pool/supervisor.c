/* SPDX-License-Identifier: Apache-2.0
 *
 * See supervisor.h. A worker supervisor and a segment answer alike; they differ
 * in which workers they count as theirs: struct view.
 */
#include "pool/supervisor.h"

#include <cnode/error.h>

#include "base/metric.h"
#include "node/node.h"
#include "pool/child_spec.h"
#include "pool/children.h"
#include "pool/dispatch.h"
#include "pool/inquiry.h"
#include "pool/known.h"
#include "pool/parts.h"
#include "pool/place.h"
#include "pool/pools.h"
#include "pool/run.h"
#include "pool/standing.h"
#include "pool/start.h"
#include "pool/waiting.h"
#include "term/build.h"

/* One who is asked for workers. */
struct view {
    struct pool *pool;       /* the part that answers */
    struct process *self;    /* in whose name */
    struct segment *segment; /* its workers are in; NULL: in any */
    uint16_t face;           /* they count for it; FACE_NONE: any */
    const struct gen_message *gen;
    const struct signal *signal;
};

static void reply(const struct view *view, const char *format,
                  struct cnode_term term)
{
    (void)gen_reply(view->pool->node, view->self, &view->gen->from, format,
                    term);
}

static bool is_no_call(const struct gen_message *gen)
{
    if (gen->kind == GEN_CALL) {
        return false;
    }
    METRIC_INC(dead_letters);
    return true;
}

/* --- workers of a face or segment */

static bool is_of(const struct view *view, const struct cnode_worker *w)
{
    return (view->segment == NULL || view->segment->place == w->segment) &&
           (view->face == FACE_NONE || w->face == view->face);
}

static void reply_started(const struct view *view, struct cnode_worker *w)
{
    if (!worker_is_up(w)) {
        waiting_push_starter(w, view->signal);
        return;
    }
    (void)gen_reply(view->pool->node, view->self, &view->gen->from, "{ok, ~p}",
                    node_pid(view->pool->node, &w->process));
}

/* Another part has to answer. */
static void pass_on(const struct view *view, uint32_t part)
{
    parts_pass_on(view->pool, part, view->signal,
                  PART_REQUEST | (uint64_t)view->face << 8);
}

/* It is not for us alone whether the worker starts here: others may be about to
 * start it as well. The arbiter of a ref has made sure of that. True: whoever
 * asks is or will be told. */
static bool is_placed(const struct view *view, const struct worker_key *key,
                      const struct child_spec *child,
                      const struct cnode_worker *w)
{
    struct pool *pool = view->pool;
    uint64_t id = PART_REQUEST | (uint64_t)view->face << 8;

    if (!child->is_of_cnode &&
        dispatch_is_placing(pool, key, view->signal, id)) {
        return true;
    }
    if (w != NULL) {
        return false;
    }
    if (!standing_is_online(pool->standing) || pool->config->top.stand_alone) {
        reply(view, "{error, ~t}", atom_term(A_unavailable));
        return true;
    }
    if (child->is_of_cnode || !place_has_arbiters(pool->place)) {
        return false;
    }
    absent_place(&pool->absents, key,
                 &(struct absent_start){.args = child->args,
                                        .context = child->context,
                                        .is_fixed = true},
                 view->signal, id);
    return true;
}

/* One worker per ref: if it is there, that is the one; or one that the registry
 * has for it. */
static void start_worker(const struct view *view, struct cnode_term spec)
{
    struct pool *pool = view->pool;
    struct child_spec child;
    struct segment *segment;
    struct segment_start start;
    struct worker_key key;
    struct cnode_worker *w;
    struct pid other;
    uint32_t index;
    int rc;

    if (!child_spec_parse(spec, &child) || !child.has_ref) {
        reply(view, "{error, {invalid_child_spec, ~t}}", spec);
        return;
    }
    if (!term_is_atom(child.ref_module, pool->config->worker.module)) {
        reply(view, "{error, {wrong_module, ~t}}",
              atom_term(pool->config->worker.module));
        return;
    }
    rc = worker_key_make(&key, child.id, &pool->pools->key_bytes);
    if (rc != 0) {
        (void)gen_reply(pool->node, view->self, &view->gen->from, "{error, ~a}",
                        cnode_error_atom(rc));
        return;
    }
    index = pool_segment_index(pool, &key);
    segment = pool_segment(pool, index);
    if (segment == NULL) {
        pass_on(view, index % pool->part_count);
        return;
    }
    w = worker_table_get(&segment->table, &key);
    if (is_placed(view, &key, &child, w)) {
        return;
    }
    start = (struct segment_start){.face = view->face != FACE_NONE
                                               ? view->face
                                               : roll_choose_face(pool->roll),
                                   .in_background = known_must_wait(pool),
                                   .args = child.args,
                                   .context = child.context};
    if (w == NULL && known_elsewhere(pool, &key, &other)) {
        (void)gen_reply(pool->node, view->self, &view->gen->from, "{ok, ~p}",
                        other);
        return;
    }
    if (w == NULL && segment_start_worker(segment, &key, &start, &w) != 0) {
        reply(view, "{error, ~t}", run_reason(&pool->pools->run));
        return;
    }
    reply_started(view, w);
}

/* The worker of that pid if it is one of these. NULL: the caller was told, or
 * another part will answer. */
static struct cnode_worker *find_worker(const struct view *view,
                                        struct cnode_term term)
{
    struct pool *pool = view->pool;
    struct process *process = NULL;
    struct cnode_worker *w = NULL;
    struct pool *part;
    struct pid pid;

    if (term_get_pid(term, &pid)) {
        part = parts_of_scheduler(pool, pid.serial & PID_SCHEDULER_MASK);
        if (view->segment == NULL && part != NULL && part != pool) {
            pass_on(view, part->part);
            return NULL;
        }
        process = node_find(pool->node, pid);
    }
    if (process != NULL && process->class == &pool->worker_class) {
        w = CONTAINER_OF(process, struct cnode_worker, process);
    }
    if (w == NULL || !is_of(view, w)) {
        reply(view, "{error, not_found}", TERM_NONE);
        return NULL;
    }
    return w;
}

static void terminate_worker(const struct view *view, struct cnode_term term)
{
    struct cnode_worker *w = find_worker(view, term);

    if (w != NULL) {
        worker_end(w, atom_term(A_shutdown), AFTER_NEVER);
        reply(view, "ok", TERM_NONE);
    }
}

static void worker_spec(const struct view *view, struct cnode_term term)
{
    static const char *const restarts[] = {
        [RESTART_PERMANENT] = "permanent",
        [RESTART_TRANSIENT] = "transient",
        [RESTART_TEMPORARY] = "temporary",
    };
    struct cnode_worker *w = find_worker(view, term);
    const struct pool_config_worker *config = &view->pool->config->worker;
    struct buf ref;

    if (w == NULL) {
        return;
    }
    buf_init(&ref, 0);
    worker_put_ref(&ref, w);
    (void)gen_reply(view->pool->node, view->self, &view->gen->from,
                    "{ok, #{id => undefined, start => {~A, start_link, [~t]}, "
                    "restart => ~a, shutdown => 5000, type => worker, "
                    "modules => [~A]}}",
                    config->module, term_at(buf_data(&ref), buf_size(&ref)),
                    restarts[config->restart], config->module);
    buf_fini(&ref);
}

static void inquire(const struct view *view, enum inquiry_kind kind)
{
    if (view->segment != NULL) {
        inquiry_of_segment(view->segment, kind, &view->gen->from);
    } else {
        inquiry_of_face(view->pool, view->face, kind, &view->gen->from);
    }
}

static void answer_for_workers(const struct view *view)
{
    struct cnode_term argument = TERM_NONE;

    switch (child_request(view->gen->body, &argument)) {
    case CHILD_WHICH:
        inquire(view, INQUIRY_WHICH);
        return;
    case CHILD_COUNT:
        inquire(view, INQUIRY_COUNT);
        return;
    case CHILD_START:
        start_worker(view, argument);
        return;
    case CHILD_TERMINATE:
        terminate_worker(view, argument);
        return;
    case CHILD_SPEC:
        worker_spec(view, argument);
        return;
    case CHILD_RESTART:
    case CHILD_DELETE: /* as of a supervisor whose children are all alike */
        reply(view, "{error, simple_one_for_one}", TERM_NONE);
        return;
    case CHILD_OTHER:
        break;
    }
    reply(view, "{error, {unsupported, ~t}}", view->gen->body);
}

void supervisor_segment_message(struct segment *segment,
                                const struct signal *signal)
{
    struct gen_message gen;
    struct view view = {.pool = segment->pool,
                        .self = &segment->process,
                        .segment = segment,
                        .face = FACE_NONE,
                        .gen = &gen,
                        .signal = signal};

    gen_parse(signal->term, &gen);
    if (!is_no_call(&gen)) {
        answer_for_workers(&view);
    }
}

void supervisor_face_message(struct face *face, const struct signal *signal)
{
    struct gen_message gen;
    struct view view = {.pool = face->pool,
                        .self = &face->process,
                        .face = face->index,
                        .gen = &gen,
                        .signal = signal};

    gen_parse(signal->term, &gen);
    if (!is_no_call(&gen)) {
        answer_for_workers(&view);
    }
}

/* --- the pool supervisor */

/* What the head does not do itself. */
static void answer_for_part(struct pool *part, const struct signal *signal,
                            const struct gen_message *gen)
{
    struct view view = {.pool = part,
                        .self = &part->process,
                        .face = (uint16_t)(signal->id >> 8),
                        .gen = gen,
                        .signal = signal};

    answer_for_workers(&view);
}

static void on_call_lost(struct pool *head, struct cnode_term message)
{
    struct gen_from from;
    struct cnode_term reason;

    CHECK(
        cnode_match(message, "{{~t, ~t}, ~t}", &from.pid, &from.tag, &reason));
    dispatch_call_lost(head, &from, reason);
}

/* To the pool supervisor, or passed on from one part to another. */
void supervisor_pool_message(struct pool *pool, const struct signal *signal)
{
    struct received *received =
        received_get(&pool->pools->received, signal->term);
    const struct gen_message *gen = &received->gen;

    if ((signal->id & 0xff) == PART_CALL_LOST) {
        on_call_lost(pool, signal->term);
    } else if ((signal->id & 0xff) == PART_PASSED) {
        parts_take_passed(pool, signal->term);
    } else if ((signal->id & 0xff) == PART_NAMED) {
        known_take(pool, signal);
    } else if (pool->state != POOL_UP) { /* another part than the head */
        dispatch_refuse(pool, signal, atom_term(A_shutdown));
    } else if ((signal->id & 0xff) == PART_REQUEST) {
        answer_for_part(pool, signal, gen);
    } else if (received->is_envelope) {
        dispatch_envelope(pool, signal, received);
    } else if (gen->kind == GEN_INFO &&
               passed_down(&pool->passed, signal->term)) {
        METRIC_INC(passed_lost);
    } else if (!is_no_call(gen) && !start_request(pool, signal, gen)) {
        children_answer(pool, gen);
    }
    received_forget(received);
}
