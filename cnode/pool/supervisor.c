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
#include "pool/dispatch.h"
#include "pool/pools.h"
#include "pool/run.h"
#include "pool/waiting.h"
#include "term/build.h"

/* One who is asked for workers. */
struct view {
    struct pool *pool;
    struct process *self;
    uint32_t first, last; /* segments its workers are in */
    uint16_t face;        /* they count for it; FACE_NONE: any */
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
    return w->segment >= view->first && w->segment <= view->last &&
           (view->face == FACE_NONE || w->face == view->face);
}

static uint32_t count_workers(const struct view *view)
{
    const struct pool *pool = view->pool;
    uint32_t count = 0;

    if (view->face != FACE_NONE) {
        return pool->faces[view->face]->workers;
    }
    for (uint32_t i = view->first; i <= view->last; i++) {
        count += pool->segments[i].table.count;
    }
    return count;
}

/* Those without a pid are few: they are on a list. */
static uint32_t count_waiting(const struct view *view)
{
    uint32_t count = 0;

    LIST_EACH(it, &view->pool->waiting) {
        const struct waiting *waiting = CONTAINER_OF(it, struct waiting, all);

        if (is_of(view, waiting->worker)) {
            count++;
        }
    }
    return count;
}

static void put_worker(const struct view *view, struct buf *buf,
                       const struct cnode_worker *w)
{
    atom_t module = view->pool->config->worker.module;

    if (worker_is_up(w)) {
        term_format(buf, "{undefined, ~p, worker, [~A]}",
                    node_pid(view->pool->node, &w->process), module);
    } else {
        term_format(buf, "{undefined, restarting, worker, [~A]}", module);
    }
}

static void which_workers(const struct view *view)
{
    struct node *node = view->pool->node;
    struct buf *buf = gen_reply_begin(node, &view->gen->from);

    term_put_list(buf, count_workers(view));
    for (uint32_t i = view->first; i <= view->last; i++) {
        const struct cnode_worker *w;
        uint32_t at = 0;

        while ((w = worker_table_next(&view->pool->segments[i].table, &at)) !=
               NULL) {
            if (is_of(view, w)) {
                put_worker(view, buf, w);
            }
        }
    }
    term_put_nil(buf);
    if (gen_reply_end(node, view->self, &view->gen->from) != 0) {
        reply(view, "{error, too_large}", TERM_NONE);
    }
}

static void count_workers_reply(const struct view *view)
{
    uint32_t specs = count_workers(view);

    (void)gen_reply(view->pool->node, view->self, &view->gen->from,
                    "[{specs, ~u}, {active, ~u}, {supervisors, 0}, "
                    "{workers, ~u}]",
                    (uint64_t)specs, (uint64_t)(specs - count_waiting(view)),
                    (uint64_t)specs);
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

/* One worker per ref: if it is there, that is the one. */
static void start_worker(const struct view *view, struct cnode_term spec)
{
    struct pool *pool = view->pool;
    struct child_spec child;
    struct segment *segment;
    struct segment_start start;
    struct worker_key key;
    struct cnode_worker *w;
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
    segment = pool_segment(pool, &key);
    w = worker_table_get(&segment->table, &key);
    start = (struct segment_start){
        .face = view->face != FACE_NONE ? view->face : pool_choose_face(pool),
        .args = child.args,
        .context = child.context};
    if (w == NULL && segment_start_worker(segment, &key, &start, &w) != 0) {
        reply(view, "{error, ~t}", run_reason(&pool->pools->run));
        return;
    }
    reply_started(view, w);
}

static void terminate_worker(const struct view *view, struct cnode_term term)
{
    struct pool *pool = view->pool;
    struct process *process = NULL;
    struct cnode_worker *w;
    struct pid pid;

    if (term_get_pid(term, &pid)) {
        process = node_find(pool->node, pid);
    }
    if (process == NULL || process->class != &pool->worker_class) {
        reply(view, "{error, not_found}", TERM_NONE);
        return;
    }
    w = CONTAINER_OF(process, struct cnode_worker, process);
    if (!is_of(view, w)) {
        reply(view, "{error, not_found}", TERM_NONE);
        return;
    }
    worker_end(w, atom_term(A_shutdown), AFTER_NEVER);
    reply(view, "ok", TERM_NONE);
}

static void answer_for_workers(const struct view *view)
{
    struct cnode_term argument = TERM_NONE;

    switch (child_request(view->gen->body, &argument)) {
    case CHILD_WHICH:
        which_workers(view);
        return;
    case CHILD_COUNT:
        count_workers_reply(view);
        return;
    case CHILD_START:
        start_worker(view, argument);
        return;
    case CHILD_TERMINATE:
        terminate_worker(view, argument);
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
                        .first = segment->index,
                        .last = segment->index,
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
                        .first = 0,
                        .last = face->pool->segment_count - 1,
                        .face = face->index,
                        .gen = &gen,
                        .signal = signal};

    gen_parse(signal->term, &gen);
    if (!is_no_call(&gen)) {
        answer_for_workers(&view);
    }
}

/* --- the pool supervisor: its children are faces and segments */

static uint32_t count_faces(const struct pool *pool)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < pool->face_count; i++) {
        count += pool->faces[i]->state != FACE_REMOVED;
    }
    return count;
}

static void put_child(const struct pool *pool, struct buf *buf, const char *id,
                      uint64_t number, const struct process *process)
{
    term_put_tuple(buf, 4);
    term_format(buf, "{~a, ~u}", id, number);
    if (process != NULL) {
        term_put_pid(buf, node_pid(pool->node, process));
    } else {
        term_put_atom(buf, A_restarting);
    }
    term_put_atom(buf, A_supervisor);
    term_format(buf, "[~A]", A_WorkerSupervisor);
}

static void which_children(struct pool *pool, const struct gen_from *from)
{
    struct buf *buf = gen_reply_begin(pool->node, from);

    term_put_list(buf, count_faces(pool) + pool->segment_count);
    for (uint32_t i = 0; i < pool->face_count; i++) {
        const struct face *face = pool->faces[i];

        if (face->state != FACE_REMOVED) {
            put_child(pool, buf, "worker_supervisor", i + 1,
                      face->state == FACE_UP ? &face->process : NULL);
        }
    }
    for (uint32_t i = 0; i < pool->segment_count; i++) {
        const struct segment *segment = &pool->segments[i];

        put_child(pool, buf, "segment", i,
                  segment->is_alive ? &segment->process : NULL);
    }
    term_put_nil(buf);
    (void)gen_reply_end(pool->node, &pool->process, from);
}

static void count_children(struct pool *pool, const struct gen_from *from)
{
    uint64_t specs = count_faces(pool) + pool->segment_count;
    uint64_t active = 0;

    for (uint32_t i = 0; i < pool->face_count; i++) {
        active += pool->faces[i]->state == FACE_UP;
    }
    for (uint32_t i = 0; i < pool->segment_count; i++) {
        active += pool->segments[i].is_alive;
    }
    (void)gen_reply(pool->node, &pool->process, from,
                    "[{specs, ~u}, {active, ~u}, {supervisors, ~u}, "
                    "{workers, 0}]",
                    specs, active, specs);
}

/* AdvancedPool asks for one more worker supervisor when all are full. */
static void start_face(struct pool *pool, const struct gen_from *from,
                       struct cnode_term spec)
{
    struct child_spec child;
    struct face *face;
    int rc;

    if (!child_spec_parse(spec, &child) ||
        !term_is_atom(child.module, A_WorkerSupervisor)) {
        (void)gen_reply(pool->node, &pool->process, from,
                        "{error, {invalid_child_spec, ~t}}", spec);
        return;
    }
    rc = pool_add_face(pool, &face);
    if (rc != 0) {
        (void)gen_reply(pool->node, &pool->process, from, "{error, ~a}",
                        cnode_error_atom(rc));
        return;
    }
    (void)gen_reply(pool->node, &pool->process, from, "{ok, ~p}",
                    node_pid(pool->node, &face->process));
}

static struct face *face_by_id(const struct pool *pool, struct cnode_term id)
{
    struct cnode_term parts[2];
    uint64_t number;

    if (!term_get_tuple(id, 2, parts) ||
        !cnode_is_atom(parts[0], "worker_supervisor") ||
        !cnode_get_uint(parts[1], &number) || number < 1 ||
        number > pool->face_count) {
        return NULL;
    }
    return pool->faces[number - 1]->state == FACE_UP ? pool->faces[number - 1]
                                                     : NULL;
}

static void terminate_face(struct pool *pool, const struct gen_from *from,
                           struct cnode_term id)
{
    struct face *face = face_by_id(pool, id);

    if (face != NULL) {
        face_remove(face);
    }
    (void)gen_reply(pool->node, &pool->process, from,
                    face != NULL ? "ok" : "{error, not_found}");
}

static void answer_for_pool(struct pool *pool, const struct gen_message *gen)
{
    struct cnode_term argument = TERM_NONE;

    switch (child_request(gen->body, &argument)) {
    case CHILD_WHICH:
        which_children(pool, &gen->from);
        return;
    case CHILD_COUNT:
        count_children(pool, &gen->from);
        return;
    case CHILD_START:
        start_face(pool, &gen->from, argument);
        return;
    case CHILD_TERMINATE:
        terminate_face(pool, &gen->from, argument);
        return;
    case CHILD_OTHER:
        break;
    }
    (void)gen_reply(pool->node, &pool->process, &gen->from,
                    "{error, {unsupported, ~t}}", gen->body);
}

void supervisor_pool_message(struct pool *pool, const struct signal *signal)
{
    struct received *received =
        received_get(&pool->pools->received, signal->term);
    const struct gen_message *gen = &received->gen;

    if (received->is_envelope) {
        dispatch_envelope(pool, signal, received);
    } else if (!is_no_call(gen)) {
        answer_for_pool(pool, gen);
    }
    received_forget(received);
}
