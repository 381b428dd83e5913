/* SPDX-License-Identifier: Apache-2.0
 *
 * What cnode_admin says of pools: each as a map, and counts. Nothing is asked
 * of another scheduler: the numbers are there, and no worker is touched.
 */
#include <string.h>

#include <cnode/error.h>

#include "manager/ask_query.h"
#include "pool/pool.h"
#include "term/build.h"

/* --- one pool */

static const char *restart_name(const struct pool *pool)
{
    static const char *const names[] = {
        [RESTART_PERMANENT] = "permanent",
        [RESTART_TRANSIENT] = "transient",
        [RESTART_TEMPORARY] = "temporary",
    };

    return names[pool->config->worker.restart];
}

/* As other nodes see it in syn. */
static const char *status_of(const struct pool *pool)
{
    const struct standing *standing = pool->standing;

    if (pool->state != POOL_UP || !standing_is_online(standing)) {
        return "offline";
    }
    return standing_takes(standing) ? "online" : "{locked, online}";
}

static const char *condition_of(const struct pool *pool)
{
    static const char *const names[] = {
        [STANDING_WELL] = "online",
        [STANDING_DEGRADED] = "degraded",
        [STANDING_CRITICAL] = "critical",
    };

    if (pool->state == POOL_DOWN) {
        return "down"; /* it restarted too often */
    }
    return names[atomic_load_explicit(&pool->standing->condition,
                                      memory_order_relaxed)];
}

static const char *locks_of(const struct pool *pool)
{
    static const char *const lists[] = {
        [0] = "[]",
        [STANDING_LOCK_POOL] = "[pool]",
        [STANDING_LOCK_NODE] = "[node]",
        [STANDING_LOCK_POOL | STANDING_LOCK_NODE] = "[pool, node]",
    };

    return lists[atomic_load_explicit(&pool->standing->locks,
                                      memory_order_relaxed)];
}

static void put_health(struct buf *buf, const struct pool *pool)
{
    double health;

    if (standing_health(pool->standing, &health)) {
        term_put_float(buf, health);
    } else {
        term_format(buf, "initializing");
    }
}

static void put_most(struct buf *buf, uint64_t most)
{
    if (most == UINT64_MAX) {
        term_format(buf, "nil");
    } else {
        term_put_uint(buf, most);
    }
}

static uint64_t count_faces(const struct pool *pool)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < pool->face_count; i++) {
        count += pool->faces[i]->state == FACE_UP;
    }
    return count;
}

/* --- as a map: pairs are counted by whoever puts them */

static void put_key(struct buf *buf, const char *key)
{
    term_put_atom_text(buf, key, strlen(key));
}

static void put_count(struct buf *buf, const char *key, uint64_t value)
{
    put_key(buf, key);
    term_put_uint(buf, value);
}

static uint32_t put_events(struct buf *buf, const struct standing *standing)
{
    static const char *const names[STANDING_EVENT_COUNT] = {
        [STANDING_INIT] = "inits",       [STANDING_TERMINATE] = "terminates",
        [STANDING_FAILURE] = "failures", [STANDING_ERROR] = "errors",
        [STANDING_WARNING] = "warnings",
    };

    for (int i = 0; i < STANDING_EVENT_COUNT; i++) {
        put_count(buf, names[i],
                  standing_counted(standing, (enum standing_event)i));
    }
    return STANDING_EVENT_COUNT;
}

static void put_named(struct buf *buf, const char *key, const char *value)
{
    put_key(buf, key);
    term_put_atom_text(buf, value, strlen(value));
}

static uint32_t put_names(struct buf *buf, const struct pool *pool)
{
    const struct pool_config *config = pool->config;

    put_key(buf, "pool");
    term_put_atom(buf, config->name);
    put_key(buf, "module");
    term_put_atom(buf, config->worker.module);
    put_named(buf, "behaviour",
              config->behaviour != NULL ? config->behaviour->name : "nil");
    put_named(buf, "registry", pool->known != NULL ? "syn" : "none");
    put_named(buf, "restart", restart_name(pool));
    return 5;
}

static uint32_t put_standing(struct buf *buf, const struct pool *pool)
{
    put_key(buf, "status");
    term_format(buf, status_of(pool));
    put_named(buf, "condition", condition_of(pool));
    put_key(buf, "locks");
    term_format(buf, locks_of(pool));
    put_key(buf, "health");
    put_health(buf, pool);
    return 4;
}

static uint32_t put_sizes(struct buf *buf, const struct pool *pool)
{
    const struct pool_config *config = pool->config;
    const struct pool_window *target = &config->worker.target;

    put_count(buf, "workers", roll_workers(pool->roll));
    put_key(buf, "max");
    put_most(buf, config->worker.max);
    put_key(buf, "target");
    term_format(buf, "{~u, ~u, ~u}", target->low, target->target, target->high);
    put_count(buf, "supervisors", count_faces(pool));
    put_count(buf, "segments", config->supervisors.segments);
    put_count(buf, "parts", pool->part_count);
    return 6;
}

enum { POOL_PAIRS = 5 + 4 + 6 + STANDING_EVENT_COUNT };

static void put_pool(struct buf *buf, const struct pool *pool)
{
    uint32_t pairs;

    term_put_map(buf, POOL_PAIRS);
    pairs = put_names(buf, pool);
    pairs += put_standing(buf, pool);
    pairs += put_sizes(buf, pool);
    pairs += put_events(buf, pool->standing);
    CHECK(pairs == POOL_PAIRS);
}

int ask_pools(const struct ask_query *query)
{
    const struct ask *ask = query->ask;
    struct buf *buf = ask_begin(query);
    uint32_t count = 0;
    size_t start;

    term_put_tuple(buf, 2);
    term_put_atom(buf, A_ok);
    start = term_open_list(buf);
    for (size_t i = 0; i < ask->head_count; i++) {
        if (!ask->heads[i]->config->is_service) {
            put_pool(buf, ask->heads[i]);
            count++;
        }
    }
    term_close_list(buf, start, count);
    return ask_end(query);
}

int ask_pool(const struct ask_query *query)
{
    struct buf *buf = ask_begin(query);

    term_put_tuple(buf, 2);
    term_put_atom(buf, A_ok);
    put_pool(buf, query->pool);
    return ask_end(query);
}

/* --- counts */

/* Those of services belong to another scheduler. */
static void put_faces(struct buf *buf, const struct ask *ask,
                      const struct pool *pool)
{
    size_t start = term_open_list(buf);
    uint32_t count = 0;

    for (uint32_t i = 0; pool->node == ask->node && i < pool->face_count; i++) {
        const struct face *face = pool->faces[i];

        if (face->state == FACE_UP) {
            term_format(buf, "{~p, ~u}", node_pid(pool->node, &face->process),
                        (uint64_t)roll_face_workers(pool->roll, face->index));
            count++;
        }
    }
    term_close_list(buf, start, count);
}

static void put_segments(struct buf *buf, const struct pool *pool)
{
    uint32_t segments = (uint32_t)pool->config->supervisors.segments;

    term_put_list(buf, segments);
    for (uint32_t i = 0; i < segments; i++) {
        const struct pool *part = pool->parts[i % pool->part_count];
        const struct segment *segment = &part->segments[i / pool->part_count];

        term_format(buf, "{~u, ~u}", (uint64_t)i,
                    (uint64_t)worker_table_count(&segment->table));
    }
    term_put_nil(buf);
}

int ask_count(const struct ask_query *query)
{
    struct buf *buf = ask_begin(query);

    term_put_tuple(buf, 2);
    term_put_atom(buf, A_ok);
    term_put_map(buf, 3);
    term_format(buf, "total");
    term_put_uint(buf, roll_workers(query->pool->roll));
    term_format(buf, "supervisors");
    put_faces(buf, query->ask, query->pool);
    term_format(buf, "segments");
    put_segments(buf, query->pool);
    return ask_end(query);
}
