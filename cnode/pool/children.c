/* SPDX-License-Identifier: Apache-2.0
 *
 * See children.h.
 */
#include "pool/children.h"

#include <cnode/error.h>

#include "base/limits.h"
#include "node/node.h"
#include "pool/child_spec.h"
#include "pool/envelope.h"
#include "pool/pools.h"
#include "term/build.h"

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

    has_id = cnode_map_get(spec, "id", &id);
    if (!child_spec_parse(spec, &child) ||
        !term_is_atom(child.module, A_WorkerSupervisor) ||
        (has_id && cnode_term_size(id) > limits.id_bytes)) {
        (void)gen_reply(pool->node, &pool->process, from,
                        "{error, {invalid_child_spec, ~t}}", spec);
        return;
    }
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

static struct face *face_by_pid(const struct pool *pool, struct cnode_term term)
{
    struct pid pid;

    for (uint32_t i = 0; term_get_pid(term, &pid) && i < pool->face_count;
         i++) {
        if (pid_equal(face_pid(pool->faces[i]), pid)) {
            return pool->faces[i];
        }
    }
    return NULL;
}

/* By its pid, as DynamicSupervisor does, it is gone for good; by its id it may
 * be restarted. A segment owns refs: it is always there, or about to be. */
static void terminate_child(struct pool *pool, const struct gen_from *from,
                            struct cnode_term id)
{
    struct face *face = face_by_pid(pool, id);
    uint32_t segment;
    bool is_face = face != NULL;

    if (is_face) {
        pool_remove_face(pool, face);
    } else if (child_by_id(pool, id, &face, &segment) && face != NULL) {
        is_face = true;
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
        pool_remove_face(pool, face);
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

void children_answer(struct pool *pool, const struct gen_message *gen)
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
