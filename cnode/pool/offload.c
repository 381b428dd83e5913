/* SPDX-License-Identifier: Apache-2.0
 *
 * See offload.h. Each part ends the same share of its workers; the one that
 * notices tells the others.
 */
#include "pool/offload.h"

#include <math.h>
#include <stdlib.h>

#include "base/metric.h"
#include "node/node.h"
#include "pool/pools.h"

enum {
    SAMPLE = 512,
    TICK_MS = 10,
    WAIT_MS = 1000, /* after a walk that ended nobody */
    SLICE_NUMBERS = 8192,
    SLICE_NS = 2 * 1000 * 1000, /* the same in time: others have deadlines */
};
#define LOW_SHARE 0.95

/* --- pure */

bool offload_is_over(const struct offload_need *need)
{
    return need->workers > need->most_workers || need->bytes > need->most_bytes;
}

static double above(uint64_t value, uint64_t most)
{
    double low = LOW_SHARE * (double)most;

    return most == UINT64_MAX || (double)value <= low
               ? 0
               : ((double)value - low) / (double)value;
}

double offload_share(const struct offload_need *need)
{
    return fmax(above(need->workers, need->most_workers),
                above(need->bytes, need->most_bytes));
}

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    return (left < right) - (left > right); /* oldest first */
}

uint32_t offload_age(uint32_t *ages, uint32_t count, double share)
{
    uint32_t place;

    if (count == 0) {
        return UINT32_MAX;
    }
    qsort(ages, count, sizeof(*ages), compare);
    place = (uint32_t)(share * count);
    return ages[place < count ? place : count - 1];
}

/* --- a walk */

static struct offload_need need_of(const struct pool *part)
{
    const struct pool_config_worker *config = &part->config->worker;

    return (struct offload_need){.workers = roll_workers(part->roll),
                                 .most_workers = config->offload_above,
                                 .bytes = roll_bytes(part->roll),
                                 .most_bytes = config->offload_memory};
}

static uint32_t now_of(const struct pool *part)
{
    return worker_clock(loop_now_ms(node_loop(part->node)));
}

static struct cnode_worker *worker_at(const struct pool *part, uint32_t number)
{
    return worker_slab_has(&part->slab, number)
               ? worker_slab_at(&part->slab, number)
               : NULL;
}

static uint32_t age_to_end(const struct pool *part, double share)
{
    uint32_t ages[SAMPLE], count = 0;
    uint32_t step = part->slab.fresh / SAMPLE + 1;
    uint32_t age;

    for (uint32_t i = part->slab.used % step;
         i < part->slab.fresh && count < SAMPLE; i += step) {
        const struct cnode_worker *w = worker_at(part, i);

        if (w != NULL && worker_is_up(w)) {
            ages[count++] = now_of(part) - w->last_used;
        }
    }
    age = offload_age(ages, count, share);
    return age > 0 ? age : 1; /* not those of just now */
}

static void begin_walk(struct pool *part, double share)
{
    struct offload *offload = &part->offload;

    offload->age = age_to_end(part, share);
    offload->left = (uint32_t)ceil(share * part->slab.used);
    offload->ended = 0;
}

static void look_at(struct pool *part, struct cnode_worker *w)
{
    struct offload *offload = &part->offload;

    if (worker_segment(w)->state == SEGMENT_UP &&
        segment_may_offload(w, now_of(part), offload->age - 1) &&
        worker_offload(w, "offload")) {
        struct offload_need need = need_of(part);

        METRIC_INC(workers_offloaded);
        offload->ended++;
        offload->left = offload_share(&need) > 0 ? offload->left - 1 : 0;
    }
}

/* True: the walk is over. */
static bool walk(struct pool *part)
{
    struct offload *offload = &part->offload;
    uint64_t until_ns = loop_clock_ns() + SLICE_NS;

    for (uint32_t i = 0; i < SLICE_NUMBERS; i++) {
        struct cnode_worker *w;

        if (offload->left == 0 || offload->at >= part->slab.fresh) {
            return true;
        }
        w = worker_at(part, offload->at++);
        if (w != NULL) {
            look_at(part, w);
        }
        if (i % 16 == 0 && loop_clock_ns() >= until_ns) {
            return false;
        }
    }
    return false;
}

static void on_tick(struct timer *timer)
{
    struct pool *part = CONTAINER_OF(timer, struct pool, offload.timer);
    struct offload *offload = &part->offload;
    struct offload_need need = need_of(part);
    double share = offload_share(&need);
    uint64_t next_ms = TICK_MS;

    if (share <= 0 || part->slab.used == 0) {
        offload->is_on = false;
        offload->at = 0;
        return;
    }
    if (!pool_must_wait(part)) {
        if (offload->at == 0) {
            begin_walk(part, share);
        }
        if (walk(part)) {
            offload->at = 0;
            next_ms = offload->ended == 0 ? WAIT_MS : TICK_MS;
        }
    }
    loop_timer_start(node_loop(part->node), timer, next_ms);
}

/* --- when */

static void begin(struct pool *part)
{
    if (!part->offload.is_on) {
        part->offload.is_on = true;
        loop_timer_start(node_loop(part->node), &part->offload.timer, TICK_MS);
    }
}

static void on_begin(struct node *here, void *arg)
{
    if (here != NULL) {
        begin(arg);
    }
}

void offload_look(struct pool *part)
{
    struct offload_need need = need_of(part);

    if (part->offload.is_on || !offload_is_over(&need)) {
        return;
    }
    begin(part);
    for (uint32_t i = 0; i < part->part_count; i++) {
        if (i != part->part) {
            node_post_task(part->parts[i]->node, on_begin, part->parts[i]);
        }
    }
}

void offload_init(struct pool *part)
{
    timer_init(&part->offload.timer, on_tick);
}

void offload_fini(struct pool *part)
{
    loop_timer_stop(node_loop(part->node), &part->offload.timer);
}
