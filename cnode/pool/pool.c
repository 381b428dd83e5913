/* SPDX-License-Identifier: Apache-2.0
 *
 * See pool.h. What must not happen inside a callback (restarts, ends) is noted
 * and done by on_work() at the next turn, in slices.
 */
#include "pool/pool.h"

#include <cnode/error.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/trace.h"
#include "node/node.h"
#include "pool/about.h"
#include "pool/dispatch.h"
#include "pool/known.h"
#include "pool/parts.h"
#include "pool/persist.h"
#include "pool/place.h"
#include "pool/pools.h"
#include "pool/service.h"
#include "pool/supervisor.h"
#include "pool/sweep.h"
#include "pool/waiting.h"

enum {
    STARTS_PER_TURN = 1000,
    STOPS_PER_TURN = 1000,
    TURN_NS = 5 * 1000 * 1000, /* the same in time: others have deadlines */
};

static void on_message(struct process *process, const struct signal *signal);
static void on_exit_signal(struct process *process, struct cnode_term reason);
static void on_work(struct timer *timer);

static const struct process_class pool_class = {
    .name = "pool",
    .message = on_message,
    .exit = on_exit_signal,
    .describe = about_pool,
    .put_label = about_pool_label,
    .put_state = about_pool_state,
};

static const uint32_t pool_moves[] = {
    [POOL_DOWN] = BIT(POOL_UP),
    [POOL_UP] = BIT(POOL_STOPPING),
    [POOL_STOPPING] = BIT(POOL_EMPTY),
    [POOL_EMPTY] = BIT(POOL_DOWN),
};

static void pool_move(struct pool *pool, enum pool_state to)
{
    CHECK((pool_moves[pool->state] & BIT(to)) != 0);
    TRACE("pool_move", pool->state, to);
    pool->state = to;
}

static void on_message(struct process *process, const struct signal *signal)
{
    supervisor_pool_message(CONTAINER_OF(process, struct pool, process),
                            signal);
}

/* --- up */

/* For the watchdog, whose thread may read it at any time: an atom, as those
 * live for ever. */
static const char *worker_label(const struct pool_config *config)
{
    const char *behaviour = config->behaviour->name;
    atom_t label;
    struct buf text;

    buf_init(&text, 0);
    buf_printf(&text, "%s in %s", behaviour, atom_text(config->name));
    label = atom_intern((const char *)buf_data(&text), buf_size(&text));
    buf_fini(&text);
    return label != ATOM_NONE ? atom_text(label) : behaviour;
}

/* What all parts share is the head's. */
static void share(struct pool *pool, struct pool *head)
{
    uint64_t segments = pool->config->supervisors.segments;

    if (head == NULL) {
        pool->parts = mem_zalloc(pool->part_count * sizeof(*pool->parts));
        pool->part_pids =
            mem_zalloc(pool->part_count * sizeof(*pool->part_pids));
        pool->segment_pids = mem_zalloc(segments * sizeof(*pool->segment_pids));
        pool->roll = roll_new();
        pool->known = known_new(pool);
        pool->place = pool->known != NULL
                          ? place_new(&pool->pools->broker, pool->config, pool)
                          : NULL;
        pool->standing = mem_zalloc(sizeof(*pool->standing));
        standing_init(pool->standing, pool_config_is_online(pool->config)
                                          ? STANDING_ONLINE
                                          : STANDING_OFFLINE);
    } else {
        pool->parts = head->parts;
        pool->part_pids = head->part_pids;
        pool->roll = head->roll;
        pool->known = head->known;
        pool->place = head->place;
        pool->standing = head->standing;
    }
    pool->parts[pool->part] = pool;
}

/* Every part_count-th one. */
static void init_segments(struct pool *pool)
{
    uint32_t all = (uint32_t)pool->config->supervisors.segments;

    pool->segment_count =
        (all - pool->part + pool->part_count - 1) / pool->part_count;
    pool->segments = mem_zalloc(pool->segment_count * sizeof(*pool->segments));
    for (uint32_t i = 0; i < pool->segment_count; i++) {
        segment_init(&pool->segments[i], pool,
                     (uint16_t)(i * pool->part_count + pool->part),
                     (uint16_t)i);
    }
}

/* Of a worker, with what persist.h has behind it. */
static size_t state_bytes(const struct pool *pool)
{
    size_t size = pool->behaviour->state_size;

    return pool->persist == NULL ? size
                                 : ((size + 7) & ~(size_t)7) + PERSIST_BYTES;
}

struct pool *pool_new(struct pools *pools, const struct pool_config *config,
                      struct pool *head, uint32_t part, uint32_t part_count)
{
    struct pool *pool = mem_zalloc(sizeof(*pool));
    uint32_t restarts = (uint32_t)config->supervisors.max_restarts;
    uint64_t period_ms = config->supervisors.max_seconds * 1000;

    pool->pools = pools;
    pool->node = pools->node;
    pool->config = config;
    pool->behaviour = config->behaviour;
    pool->part = part;
    pool->part_count = part_count;
    pool->worker_class = (struct process_class){
        .name = worker_label(config),
        .message = worker_on_message,
        .exit = worker_on_exit,
        .describe = about_worker,
        .put_label = about_worker_label,
        .put_state = about_worker_state,
    };
    share(pool, head);
    pool->persist = persist_new(pool);
    worker_slab_init(&pool->slab,
                     sizeof(struct cnode_worker) + state_bytes(pool),
                     pool->known != NULL ? KNOWN_BYTES : 0);
    passed_init(&pool->passed, pool->node, &pool->process);
    absents_init(&pool->absents, pool->node, &pool->process, pool, pool->place);
    init_segments(pool);
    intensity_init(&pool->children, restarts, period_ms);
    intensity_init(&pool->self, restarts, period_ms);
    list_init(&pool->due);
    list_init(&pool->waiting);
    timer_init(&pool->work, on_work);
    sweep_init(pool);
    recount_init(pool);
    offload_init(pool);
    drain_init(pool);
    grade_init(pool);
    return pool;
}

struct pid pool_pid(const struct pool *pool)
{
    struct pid pid = PID_NONE;

    if (pool->part == 0) {
        return node_pid(pool->node, &pool->process);
    }
    return names_whereis(pool->node, pool->config->name, &pid) ? pid : PID_NONE;
}

/* As many faces as the configuration says: those added later are gone. */
static int open_faces(struct pool *pool)
{
    struct face *face;
    int rc = 0;

    while (pool->face_count > 0) {
        face_free(pool->faces[--pool->face_count]);
    }
    roll_clear_faces(pool->roll);
    for (uint64_t i = 0; i < pool->config->supervisors.count && rc == 0; i++) {
        rc = pool_add_face(pool, &face);
    }
    return rc;
}

static int open_segment(struct segment *segment)
{
    struct pool *pool = segment->pool;
    int rc;

    segment->is_told = false; /* if it fails or falls, the head is to know */
    rc = segment_open(segment);
    if (rc == 0 && pool->config->is_service) {
        rc = service_start(pool);
    }
    return rc;
}

static int open_self(struct pool *pool)
{
    atom_t name = pool->config->name;
    struct pid taken;
    int rc;

    if (names_receiver(pool->node, name, &taken)) {
        return CNODE_EXISTS;
    }
    rc = node_spawn(pool->node, &pool->process, &pool_class);
    if (rc != 0) {
        return rc;
    }
    pool->process.flags |= PROCESS_TRAP_EXIT;
    pool_move(pool, POOL_UP);
    pool->open_parts = 1;
    intensity_clear(&pool->children);
    grade_start(pool);
    return pool->config->is_service
               ? service_open_gate(pool)
               : names_register(pool->node, name, &pool->process);
}

static int open_segments(struct pool *pool)
{
    int rc = 0;

    for (uint32_t i = 0; i < pool->segment_count && rc == 0; i++) {
        rc = open_segment(&pool->segments[i]);
    }
    return rc;
}

int pool_open_part(struct pool *part)
{
    int rc;

    pool_move(part, POOL_UP);
    rc = open_segments(part);
    if (rc != 0) {
        pool_stop(part, atom_term(A_shutdown), false);
    }
    return rc;
}

int pool_open(struct pool *pool)
{
    int rc = open_self(pool);

    if (rc == 0 && pool->place != NULL) {
        place_opened(pool->place);
    }
    if (rc == 0) {
        rc = open_faces(pool);
    }
    if (rc == 0) {
        rc = open_segments(pool);
    }
    if (rc == 0) {
        rc = parts_open(pool);
    }
    if (rc != 0) {
        pool_stop(pool, atom_term(A_shutdown), false);
    }
    return rc;
}

int pool_revive(struct pool *pool)
{
    if (pool->state != POOL_DOWN) {
        return CNODE_EXISTS;
    }
    intensity_clear(&pool->self);
    METRIC_INC(pools_restarted);
    return pool_open(pool);
}

/* --- faces */

int pool_add_face(struct pool *pool, struct face **out)
{
    struct face *face;
    int rc;

    if (pool->face_count >= FACE_NONE) {
        return CNODE_LIMIT;
    }
    face = face_new(pool, (uint16_t)pool->face_count);
    rc = face_open(face);
    if (rc != 0) {
        face_free(face);
        return rc;
    }
    if (pool->face_count == pool->face_cap) {
        pool->face_cap = pool->face_cap == 0 ? 4 : pool->face_cap * 2;
        pool->faces =
            mem_realloc(pool->faces, pool->face_cap * sizeof(struct face *));
    }
    pool->faces[pool->face_count++] = face;
    if (pool->pools->on_face != NULL) {
        pool->pools->on_face(pool->pools->face_owner);
    }
    *out = face;
    return 0;
}

void pool_remove_face(struct pool *pool, struct face *face)
{
    face_stop(face);
    face_remove(face);
    roll_remove_face(pool->roll, face->index);
    recount_begin(pool);
}

void pool_count_worker(struct pool *pool, struct cnode_worker *w, uint16_t face)
{
    roll_move(pool->roll, w->face, face);
    w->face = face;
    sweep_wake(pool);
}

/* --- messages */

void pool_send_again(struct pool *pool, const struct signal *signal)
{
    struct signal message = {.kind = SIGNAL_MESSAGE,
                             .since_ms = signal->since_ms,
                             .from = signal->from,
                             .term = signal->term};

    message.to = node_pid(
        pool->node, pool->config->is_service ? &pool->gate : &pool->process);
    if (pool->state != POOL_UP ||
        scheduler_return(&pool->node->scheduler, &message) != 0) {
        dispatch_refuse(pool, signal, atom_term(A_shutdown));
    }
}

/* --- work at the next turn */

bool pool_must_wait(const struct pool *pool)
{
    return known_must_wait(pool) || persist_must_wait(pool);
}

static void work_soon(struct pool *pool)
{
    if (!timer_is_active(&pool->work)) {
        loop_timer_start(node_loop(pool->node), &pool->work,
                         pool_must_wait(pool) ? POOL_WAIT_MS : 0);
    }
}

void pool_has_work(struct pool *pool)
{
    pool->has_fallen = true;
    work_soon(pool);
}

void pool_is_due(struct pool *pool, struct list *waiting_node)
{
    list_remove(waiting_node);
    list_push_back(&pool->due, waiting_node);
    work_soon(pool);
}

void pool_start_due(struct pool *pool)
{
    uint64_t until_ns = loop_clock_ns() + TURN_NS;
    unsigned done = 0;

    while (!pool_must_wait(pool) && done < STARTS_PER_TURN &&
           (done % 16 != 0 || loop_clock_ns() < until_ns)) {
        struct list *node = list_pop(&pool->due);
        struct waiting *waiting;

        if (node == NULL) {
            return;
        }
        waiting = CONTAINER_OF(node, struct waiting, node);
        if (worker_segment(waiting->worker)->state == SEGMENT_UP) {
            waiting_start(waiting);
            done++;
        } /* else it ends with its segment */
    }
    if (!list_is_empty(&pool->due)) {
        work_soon(pool);
    }
}

/* One more restart of a child. False: too many, the pool ends. */
static bool may_restart_child(struct pool *pool)
{
    uint64_t now_ms = loop_now_ms(node_loop(pool->node));

    if (!intensity_add(&pool->children, now_ms)) {
        return true;
    }
    LOG_ERROR("pool_failed", F_STR("pool", atom_text(pool->config->name)),
              F_STR("reason", "its supervisors restart too often"));
    pool_stop(pool, atom_term(A_shutdown), true);
    return false;
}

static void restart_segment(struct segment *segment)
{
    METRIC_INC(segments_restarted);
    if (open_segment(segment) != 0) {
        pool_has_work(segment->pool); /* a limit: once more, it counts */
    }
}

/* On behalf of the head, which has counted it. */
void pool_restart_segment(struct pool *part, uint32_t index)
{
    struct segment *segment = pool_segment(part, index);

    if (part->state == POOL_UP && segment->state == SEGMENT_DOWN) {
        restart_segment(segment);
    }
}

void pool_segment_fell(struct pool *head, uint32_t index)
{
    if (head->state == POOL_UP && may_restart_child(head)) {
        parts_restart(head, index);
    }
}

static bool restart_face(struct face *face)
{
    if (!may_restart_child(face->pool)) {
        return false;
    }
    if (face_open(face) != 0) {
        pool_has_work(face->pool);
    }
    return true;
}

/* Ends workers of segments that stop; true when all of them are down or up. The
 * terminate callbacks may be slow, and other things have deadlines. */
static bool stop_segments(struct pool *pool)
{
    uint64_t until_ns = loop_clock_ns() + TURN_NS;
    unsigned budget = pool_must_wait(pool) ? 1 : STOPS_PER_TURN;

    for (uint32_t i = 0; i < pool->segment_count; i++) {
        struct segment *segment = &pool->segments[i];

        if (segment->state != SEGMENT_STOPPING) {
            continue;
        }
        segment_stop(segment, atom_term(A_shutdown));
        do {
            budget -= segment_stop_some(segment, 1);
        } while (segment->state == SEGMENT_STOPPING && budget > 0 &&
                 loop_clock_ns() < until_ns);
        if (segment->state == SEGMENT_STOPPING) {
            return false;
        }
    }
    return true;
}

/* Another part asks the head. */
static void tell_fallen(struct pool *pool)
{
    for (uint32_t i = 0; i < pool->segment_count; i++) {
        struct segment *segment = &pool->segments[i];

        if (segment->state == SEGMENT_DOWN && !segment->is_told) {
            segment->is_told = true;
            parts_segment_fell(pool, segment->index);
        }
    }
}

static void restart_fallen(struct pool *pool)
{
    for (uint32_t i = 0; i < pool->segment_count; i++) {
        if (pool->segments[i].state == SEGMENT_DOWN) {
            if (!may_restart_child(pool)) {
                return;
            }
            restart_segment(&pool->segments[i]);
        }
    }
    for (uint32_t i = 0; i < pool->face_count; i++) {
        if (pool->faces[i]->state == FACE_DOWN &&
            !restart_face(pool->faces[i])) {
            return;
        }
    }
}

/* --- down */

static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    pool_stop(CONTAINER_OF(process, struct pool, process), reason, true);
}

static void close_self(struct pool *pool, struct cnode_term reason)
{
    passed_clear(&pool->passed);
    node_exit(pool->node, &pool->process, reason);
    if (pool->config->is_service) {
        service_close_gate(pool);
    }
    for (uint32_t i = 0; i < pool->face_count; i++) {
        face_close(pool->faces[i], atom_term(A_shutdown));
    }
}

void pool_stop(struct pool *pool, struct cnode_term reason, bool comes_back)
{
    if (pool->state != POOL_UP) {
        pool->comes_back = pool->comes_back && comes_back;
        return;
    }
    pool_move(pool, POOL_STOPPING);
    if (pool->part == 0) {
        pool->comes_back = comes_back;
        close_self(pool, reason);
        parts_stop(pool);
    }
    for (uint32_t i = 0; i < pool->segment_count; i++) {
        segment_stop(&pool->segments[i], atom_term(A_shutdown));
        waiting_refuse_all(pool, &pool->segments[i].held,
                           atom_term(A_shutdown));
    }
    pool_has_work(pool);
}

/* Nothing of it is left: the root decides. */
static void on_closed(struct pool *pool)
{
    uint64_t now_ms = loop_now_ms(node_loop(pool->node));

    if (pool->comes_back && !pool->pools->is_stopping) {
        if (intensity_add(&pool->self, now_ms)) {
            LOG_ERROR("pool_down", F_STR("pool", atom_text(pool->config->name)),
                      F_STR("reason", "it restarts too often: it stays down "
                                      "until it is brought online"));
        } else {
            int rc = pool_open(pool);

            METRIC_INC(pools_restarted);
            if (rc != 0) {
                LOG_ERROR("pool_down",
                          F_STR("pool", atom_text(pool->config->name)),
                          F_ERR(rc));
            }
        }
    }
    pools_on_closed(pool->pools);
}

void pool_part_closed(struct pool *head)
{
    if (--head->open_parts == 0) {
        pool_move(head, POOL_DOWN);
        on_closed(head);
    }
}

/* None of its workers is left. */
static void close_part(struct pool *pool)
{
    pool_move(pool, POOL_EMPTY);
    if (pool->part != 0) {
        pool_move(pool, POOL_DOWN);
    }
    parts_closed(pool);
}

static void on_work(struct timer *timer)
{
    struct pool *pool = CONTAINER_OF(timer, struct pool, work);

    if (pool->pools->is_over) {
        return; /* out of time: what is left ends with the node */
    }
    if (pool->has_fallen) {
        pool->has_fallen = false;
        if (!stop_segments(pool)) {
            pool_has_work(pool);
        } else if (pool->state == POOL_STOPPING) {
            close_part(pool);
            return;
        } else if (pool->state == POOL_UP && pool->part == 0) {
            restart_fallen(pool);
        } else if (pool->state == POOL_UP) {
            tell_fallen(pool);
        }
    }
    if (pool->state == POOL_UP) {
        pool_start_due(pool);
    }
}

void pool_free(struct pool *pool)
{
    struct loop *loop = node_loop(pool->node);

    for (uint32_t i = 0; i < pool->segment_count; i++) {
        segment_fini(&pool->segments[i]);
    }
    while (pool->face_count > 0) {
        face_free(pool->faces[--pool->face_count]);
    }
    if (pool->part == 0 ? pool->state == POOL_UP
                        : pool->process.class != NULL) {
        node_exit(pool->node, &pool->process, atom_term(A_shutdown));
        if (pool->config->is_service) {
            service_close_gate(pool);
        }
    }
    passed_clear(&pool->passed);
    absents_fini(&pool->absents);
    loop_timer_stop(loop, &pool->work);
    loop_timer_stop(loop, &pool->sweep);
    recount_fini(pool);
    offload_fini(pool);
    drain_fini(pool);
    grade_stop(pool);
    persist_free(pool->persist);
    worker_slab_fini(&pool->slab);
    intensity_fini(&pool->children);
    intensity_fini(&pool->self);
    if (pool->part == 0) {
        roll_free(pool->roll);
        place_free(pool->place);
        known_free(pool->known);
        mem_free(pool->standing);
        mem_free(pool->parts);
        mem_free(pool->part_pids);
        mem_free(pool->segment_pids);
    }
    mem_free(pool->faces);
    mem_free(pool->segments);
    mem_free(pool->own_config);
    mem_free(pool);
}
