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
#include "pool/envelope.h"
#include "pool/inquiry.h"
#include "pool/known.h"
#include "pool/parts.h"
#include "pool/pools.h"
#include "pool/run.h"
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

/* --- the pool supervisor: its children are faces and segments */

static uint32_t count_faces(const struct pool *pool)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < pool->face_count; i++) {
        count += pool->faces[i]->state != FACE_REMOVED;
    }
    return count;
}

/* Behind its id. `without`: what stands for the pid of one that has none. */
static void put_child(struct buf *buf, struct pid pid, atom_t without)
{
    if (!pid_is_none(pid)) {
        term_put_pid(buf, pid);
    } else {
        term_put_atom(buf, without);
    }
    term_put_atom(buf, A_supervisor);
    term_format(buf, "[~A]", A_WorkerSupervisor);
}

static struct pid face_pid(const struct face *face)
{
    return face != NULL && face->state == FACE_UP
               ? node_pid(face->pool->node, &face->process)
               : PID_NONE;
}

static void put_face(struct buf *buf, const struct face *face)
{
    term_put_tuple(buf, 4);
    if (face->id != NULL) {
        term_put_copy(buf, cnode_kept_term(face->id));
    } else {
        term_format(buf, "{worker_supervisor, ~u}", face->index + (uint64_t)1);
    }
    put_child(buf, face_pid(face),
              face->state == FACE_STOPPED ? A_undefined : A_restarting);
}

static void which_children(struct pool *pool, const struct gen_from *from)
{
    struct buf *buf = gen_reply_begin(pool->node, from);
    uint32_t segments = (uint32_t)pool->config->supervisors.segments;

    term_put_list(buf, count_faces(pool) + segments);
    for (uint32_t i = 0; i < pool->face_count; i++) {
        if (pool->faces[i]->state != FACE_REMOVED) {
            put_face(buf, pool->faces[i]);
        }
    }
    for (uint32_t i = 0; i < segments; i++) {
        term_put_tuple(buf, 4);
        term_format(buf, "{segment, ~u}", (uint64_t)i);
        put_child(buf, pool->segment_pids[i], A_restarting);
    }
    term_put_nil(buf);
    (void)gen_reply_end(pool->node, &pool->process, from);
}

static void count_children(struct pool *pool, const struct gen_from *from)
{
    uint64_t segments = pool->config->supervisors.segments;
    uint64_t specs = count_faces(pool) + segments;
    uint64_t active = 0;

    for (uint32_t i = 0; i < pool->face_count; i++) {
        active += pool->faces[i]->state == FACE_UP;
    }
    for (uint64_t i = 0; i < segments; i++) {
        active += !pid_is_none(pool->segment_pids[i]);
    }
    (void)gen_reply(pool->node, &pool->process, from,
                    "[{specs, ~u}, {active, ~u}, {supervisors, ~u}, "
                    "{workers, 0}]",
                    specs, active, specs);
}

/* The id that its starter gave, if it is a face's. */
static struct face *named_face(const struct pool *pool, struct cnode_term id)
{
    for (uint32_t i = 0; i < pool->face_count; i++) {
        if (face_is_named(pool->faces[i], id)) {
            return pool->faces[i];
        }
    }
    return NULL;
}

/* Is there a child with that id: a face, or the number of a segment. */
static bool child_by_id(const struct pool *pool, struct cnode_term id,
                        struct face **face, uint32_t *segment)
{
    struct cnode_term parts[2];
    uint64_t number;

    *face = named_face(pool, id);
    if (*face != NULL) {
        return true;
    }
    if (!term_get_tuple(id, 2, parts) || !cnode_get_uint(parts[1], &number)) {
        return false;
    }
    if (cnode_is_atom(parts[0], "worker_supervisor") && number >= 1 &&
        number <= pool->face_count) {
        *face = pool->faces[number - 1];
        return (*face)->state != FACE_REMOVED;
    }
    *segment = (uint32_t)number;
    return cnode_is_atom(parts[0], "segment") &&
           number < pool->config->supervisors.segments;
}

/* One with that id is there already. AdvancedPool gives the ref of the worker
 * that it wants to start and hands errors to its caller: whoever is late with
 * such a one gets the supervisor, too. */
static void reply_present(struct pool *pool, const struct gen_from *from,
                          const struct face *face, struct cnode_term id)
{
    struct cnode_term module, worker;
    bool is_up = face != NULL && face->state == FACE_UP;
    const char *format = envelope_parse_ref(id, &module, &worker)
                             ? "{ok, ~p}"
                             : "{error, {already_started, ~p}}";

    (void)gen_reply(pool->node, &pool->process, from,
                    is_up ? format : "{error, already_present}",
                    face_pid(face));
}

/* AdvancedPool asks for one more worker supervisor when all are full. */
static void start_face(struct pool *pool, const struct gen_from *from,
                       struct cnode_term spec)
{
    struct child_spec child;
    struct face *face;
    struct cnode_term id;
    uint32_t segment;
    bool has_id;
    int rc;

    if (!child_spec_parse(spec, &child) ||
        !term_is_atom(child.module, A_WorkerSupervisor)) {
        (void)gen_reply(pool->node, &pool->process, from,
                        "{error, {invalid_child_spec, ~t}}", spec);
        return;
    }
    has_id = cnode_map_get(spec, "id", &id);
    if (has_id && child_by_id(pool, id, &face, &segment)) {
        reply_present(pool, from, face, id);
        return;
    }
    rc = pool_add_face(pool, &face);
    if (rc == 0 && has_id) {
        rc = face_name(face, id);
    }
    if (rc != 0) {
        (void)gen_reply(pool->node, &pool->process, from, "{error, ~a}",
                        cnode_error_atom(rc));
        return;
    }
    (void)gen_reply(pool->node, &pool->process, from, "{ok, ~p}",
                    face_pid(face));
}

/* A segment owns refs: it is always there, or about to be. */
static void terminate_child(struct pool *pool, const struct gen_from *from,
                            struct cnode_term id)
{
    struct face *face;
    uint32_t segment;
    bool is_face = child_by_id(pool, id, &face, &segment) && face != NULL;

    if (is_face) {
        face_stop(face);
    }
    (void)gen_reply(pool->node, &pool->process, from,
                    is_face ? "ok" : "{error, not_found}");
}

/* For restart_child and delete_child. NULL: the caller was told why. */
static struct face *stopped_child(struct pool *pool,
                                  const struct gen_from *from,
                                  struct cnode_term id)
{
    const char *answer = "{error, not_found}";
    struct face *face;
    uint32_t segment;

    if (child_by_id(pool, id, &face, &segment)) {
        bool is_up = face != NULL ? face->state == FACE_UP
                                  : !pid_is_none(pool->segment_pids[segment]);

        if (face != NULL && face->state == FACE_STOPPED) {
            return face;
        }
        answer = is_up ? "{error, running}" : "{error, restarting}";
    }
    (void)gen_reply(pool->node, &pool->process, from, answer);
    return NULL;
}

static void restart_child(struct pool *pool, const struct gen_from *from,
                          struct cnode_term id)
{
    struct face *face = stopped_child(pool, from, id);
    int rc = face != NULL ? face_open(face) : 0;

    if (rc != 0) {
        (void)gen_reply(pool->node, &pool->process, from, "{error, ~a}",
                        cnode_error_atom(rc));
    } else if (face != NULL) {
        (void)gen_reply(pool->node, &pool->process, from, "{ok, ~p}",
                        node_pid(pool->node, &face->process));
    }
}

static void delete_child(struct pool *pool, const struct gen_from *from,
                         struct cnode_term id)
{
    struct face *face = stopped_child(pool, from, id);

    if (face != NULL) {
        face_remove(face);
        (void)gen_reply(pool->node, &pool->process, from, "ok");
    }
}

static void child_spec(struct pool *pool, const struct gen_from *from,
                       struct cnode_term id)
{
    struct face *face;
    uint32_t segment;

    if (!child_by_id(pool, id, &face, &segment)) {
        (void)gen_reply(pool->node, &pool->process, from, "{error, not_found}");
        return;
    }
    (void)gen_reply(pool->node, &pool->process, from,
                    "{ok, #{id => ~t, start => {~A, start_link, [~A]}, restart "
                    "=> permanent, shutdown => infinity, type => supervisor, "
                    "modules => [~A]}}",
                    id, A_WorkerSupervisor, pool->config->name,
                    A_WorkerSupervisor);
}

static void answer_for_pool(struct pool *pool, const struct gen_message *gen)
{
    struct cnode_term argument = TERM_NONE;

    if (pool->part == 0) {
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
            terminate_child(pool, &gen->from, argument);
            return;
        case CHILD_RESTART:
            restart_child(pool, &gen->from, argument);
            return;
        case CHILD_DELETE:
            delete_child(pool, &gen->from, argument);
            return;
        case CHILD_SPEC:
            child_spec(pool, &gen->from, argument);
            return;
        case CHILD_OTHER:
            break;
        }
    }
    (void)gen_reply(pool->node, &pool->process, &gen->from,
                    "{error, {unsupported, ~t}}", gen->body);
}

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
    } else if ((signal->id & 0xff) == PART_NAMED) {
        known_take(pool, signal);
    } else if (pool->state != POOL_UP) { /* another part than the head */
        dispatch_refuse(pool, signal, atom_term(A_shutdown));
    } else if ((signal->id & 0xff) == PART_REQUEST) {
        answer_for_part(pool, signal, gen);
    } else if (received->is_envelope) {
        dispatch_envelope(pool, signal, received);
    } else if (!is_no_call(gen)) {
        answer_for_pool(pool, gen);
    }
    received_forget(received);
}
