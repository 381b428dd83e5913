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
#include "pool/pools.h"
#include "pool/service.h"
#include "pool/supervisor.h"
#include "pool/sweep.h"
#include "pool/waiting.h"

enum {
    STARTS_PER_TURN = 1000,
    STOPS_PER_TURN = 1000,
    STOPS_NS = 20 * 1000 * 1000, /* the same in time */
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
    [POOL_STOPPING] = BIT(POOL_DOWN),
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

struct pool *pool_new(struct pools *pools, const struct pool_config *config)
{
    struct pool *pool = mem_zalloc(sizeof(*pool));
    uint32_t restarts = (uint32_t)config->supervisors.max_restarts;
    uint64_t period_ms = config->supervisors.max_seconds * 1000;

    pool->pools = pools;
    pool->node = pools->node;
    pool->config = config;
    pool->behaviour = config->behaviour;
    pool->worker_class = (struct process_class){
        .name = worker_label(config),
        .message = worker_on_message,
        .exit = worker_on_exit,
        .describe = about_worker,
        .put_label = about_worker_label,
        .put_state = about_worker_state,
    };
    worker_slab_init(&pool->slab, sizeof(struct cnode_worker) +
                                      config->behaviour->state_size);
    pool->segment_count = (uint32_t)config->supervisors.segments;
    pool->segments = mem_zalloc(pool->segment_count * sizeof(*pool->segments));
    for (uint32_t i = 0; i < pool->segment_count; i++) {
        segment_init(&pool->segments[i], pool, (uint16_t)i);
    }
    intensity_init(&pool->children, restarts, period_ms);
    intensity_init(&pool->self, restarts, period_ms);
    list_init(&pool->due);
    list_init(&pool->waiting);
    timer_init(&pool->work, on_work);
    sweep_init(pool);
    return pool;
}

/* As many faces as the configuration says: those added later are gone. */
static int open_faces(struct pool *pool)
{
    struct face *face;
    int rc = 0;

    while (pool->face_count > 0) {
        face_free(pool->faces[--pool->face_count]);
    }
    for (uint64_t i = 0; i < pool->config->supervisors.count && rc == 0; i++) {
        rc = pool_add_face(pool, &face);
    }
    return rc;
}

static int open_segment(struct segment *segment)
{
    struct pool *pool = segment->pool;
    int rc = segment_open(segment);

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
    intensity_clear(&pool->children);
    return pool->config->is_service
               ? service_open_gate(pool)
               : names_register(pool->node, name, &pool->process);
}

int pool_open(struct pool *pool)
{
    int rc = open_self(pool);

    if (rc == 0) {
        rc = open_faces(pool);
    }
    for (uint32_t i = 0; i < pool->segment_count && rc == 0; i++) {
        rc = open_segment(&pool->segments[i]);
    }
    if (rc != 0) {
        pool_stop(pool, atom_term(A_shutdown), false);
    }
    return rc;
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
    *out = face;
    return 0;
}

uint16_t pool_choose_face(const struct pool *pool)
{
    const struct face *best = NULL;

    for (uint32_t i = 0; i < pool->face_count; i++) {
        const struct face *face = pool->faces[i];

        if (face->state == FACE_UP &&
            (best == NULL || face->workers < best->workers)) {
            best = face;
        }
    }
    return best != NULL ? best->index : FACE_NONE;
}

void pool_count_worker(struct pool *pool, struct cnode_worker *w, uint16_t face)
{
    if (w->face != FACE_NONE) {
        pool->faces[w->face]->workers--;
    }
    w->face = face;
    if (face != FACE_NONE) {
        pool->faces[face]->workers++;
    }
    sweep_wake(pool);
}

/* --- messages */

void pool_send_again(struct pool *pool, const struct signal *signal)
{
    struct signal message = {
        .kind = SIGNAL_MESSAGE, .from = signal->from, .term = signal->term};

    message.to = node_pid(
        pool->node, pool->config->is_service ? &pool->gate : &pool->process);
    if (pool->state != POOL_UP ||
        scheduler_deliver(&pool->node->scheduler, &message) != 0) {
        dispatch_refuse(pool, signal, atom_term(A_shutdown));
    }
}

/* --- work at the next turn */

static void work_soon(struct pool *pool)
{
    if (!timer_is_active(&pool->work)) {
        loop_timer_start(node_loop(pool->node), &pool->work, 0);
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

static void start_due(struct pool *pool)
{
    struct list due, *node;
    unsigned done = 0;

    list_init(&due);
    list_take(&due, &pool->due);
    while (done < STARTS_PER_TURN && (node = list_pop(&due)) != NULL) {
        struct waiting *waiting = CONTAINER_OF(node, struct waiting, node);

        if (worker_segment(waiting->worker)->state == SEGMENT_UP) {
            waiting_start(waiting);
            done++;
        } /* else it ends with its segment */
    }
    while ((node = list_pop(&due)) != NULL) {
        pool_is_due(pool, node);
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

static bool restart_segment(struct segment *segment)
{
    if (!may_restart_child(segment->pool)) {
        return false;
    }
    METRIC_INC(segments_restarted);
    if (open_segment(segment) != 0) {
        pool_has_work(segment->pool); /* a limit: once more, it counts */
    }
    return true;
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
    uint64_t until_ns = loop_clock_ns() + STOPS_NS;
    unsigned budget = STOPS_PER_TURN;

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

static void restart_fallen(struct pool *pool)
{
    for (uint32_t i = 0; i < pool->segment_count; i++) {
        if (pool->segments[i].state == SEGMENT_DOWN &&
            !restart_segment(&pool->segments[i])) {
            return;
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

void pool_stop(struct pool *pool, struct cnode_term reason, bool comes_back)
{
    if (pool->state != POOL_UP) {
        pool->comes_back = pool->comes_back && comes_back;
        return;
    }
    pool_move(pool, POOL_STOPPING);
    pool->comes_back = comes_back;
    node_exit(pool->node, &pool->process, reason);
    if (pool->config->is_service) {
        service_close_gate(pool);
    }
    for (uint32_t i = 0; i < pool->face_count; i++) {
        face_close(pool->faces[i], atom_term(A_shutdown));
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

    pool_move(pool, POOL_DOWN);
    if (pool->comes_back && !pool->pools->is_stopping) {
        if (intensity_add(&pool->self, now_ms)) {
            LOG_ERROR("pool_down", F_STR("pool", atom_text(pool->config->name)),
                      F_STR("reason", "it restarts too often: it stays down "
                                      "until the node is started again"));
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
            on_closed(pool);
            return;
        } else if (pool->state == POOL_UP) {
            restart_fallen(pool);
        }
    }
    if (pool->state == POOL_UP) {
        start_due(pool);
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
    if (pool->state == POOL_UP) {
        node_exit(pool->node, &pool->process, atom_term(A_shutdown));
        if (pool->config->is_service) {
            service_close_gate(pool);
        }
    }
    loop_timer_stop(loop, &pool->work);
    loop_timer_stop(loop, &pool->sweep);
    worker_slab_fini(&pool->slab);
    intensity_fini(&pool->children);
    intensity_fini(&pool->self);
    mem_free(pool->faces);
    mem_free(pool->segments);
    mem_free(pool);
}
