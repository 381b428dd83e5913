/* SPDX-License-Identifier: Apache-2.0
 *
 * See sweep.h.
 */
#include "pool/sweep.h"

#include "node/node.h"
#include "pool/pool.h"

enum {
    SLICE_SLOTS = 4096,
    LEAST_TICK_MS = 10,
    MOST_TICK_MS = 1000,
    LEAST_PASS_MS = 50,
    MOST_PASS_MS = 120000,
};

static uint64_t clamp(uint64_t value, uint64_t least, uint64_t most)
{
    return value < least ? least : value > most ? most : value;
}

static uint64_t idle_ms(const struct pool *pool)
{
    return pool_config_now(&pool->config->worker.idle_ns) / 1000000;
}

/* Time to the next slice: fewer workers, fewer slices. */
static uint64_t tick_ms(const struct pool *pool)
{
    uint64_t pass_ms = clamp(idle_ms(pool) / 8, LEAST_PASS_MS, MOST_PASS_MS);
    uint64_t slots = 2 * (uint64_t)pool->slab.used + 1; /* roughly */
    uint64_t most = pass_ms < MOST_TICK_MS ? pass_ms : MOST_TICK_MS;

    return clamp(pass_ms * SLICE_SLOTS / slots, LEAST_TICK_MS, most);
}

static void sweep_slice(struct pool *pool)
{
    uint32_t now = worker_clock(loop_now_ms(node_loop(pool->node)));
    uint32_t idle = worker_clock(idle_ms(pool)) + 1; /* rounded up */
    uint32_t left = SLICE_SLOTS;

    for (uint32_t i = 0; i < pool->segment_count && left > 0; i++) {
        struct segment *segment = &pool->segments[pool->sweep_segment];
        uint32_t done = segment_sweep(segment, left, now, idle);

        if (done == left) {
            return; /* it goes on there */
        }
        left -= done;
        pool->sweep_segment = (pool->sweep_segment + 1) % pool->segment_count;
    }
}

static void on_sweep(struct timer *timer)
{
    struct pool *pool = CONTAINER_OF(timer, struct pool, sweep);

    if (idle_ms(pool) > 0 && !pool_must_wait(pool)) {
        sweep_slice(pool);
    }
    sweep_wake(pool);
}

void sweep_init(struct pool *pool)
{
    timer_init(&pool->sweep, on_sweep);
}

void sweep_wake(struct pool *pool)
{
    if (idle_ms(pool) > 0 && pool->slab.used > 0 &&
        !timer_is_active(&pool->sweep)) {
        loop_timer_start(node_loop(pool->node), &pool->sweep, tick_ms(pool));
    }
}
