/* SPDX-License-Identifier: Apache-2.0
 *
 * See drain.h. What crosses is a task, as in parts.c.
 */
#include "pool/drain.h"

#include "base/mem.h"
#include "node/node.h"
#include "pool/pools.h"
#include "pool/run.h"
#include "term/build.h"

enum {
    ENDS_PER_TURN = 1000,
    WAITS_PER_TURN = 64, /* workers of a segment that are not ended yet */
    WAIT_FOR_STATE_MS = 5000,
    ENDS_NS = 5 * 1000 * 1000, /* the same in time: others have deadlines */
};

struct drain_order {
    struct pool *to;
    atom_t why;
    uint32_t round;
};

static void tell(void (*run)(struct node *here, void *arg), struct pool *to,
                 atom_t why, uint32_t round)
{
    struct drain_order *order = mem_alloc(sizeof(*order));

    *order = (struct drain_order){.to = to, .why = why, .round = round};
    node_post_task(to->node, run, order);
}

/* --- the head is told */

static void part_is_empty(struct pool *head, uint32_t round)
{
    struct drain *drain = &head->drain;
    pool_drained_fn on_drained = drain->on_drained;

    if (drain->rounds == round && drain->open_parts > 0 &&
        --drain->open_parts == 0 && on_drained != NULL) {
        drain->on_drained = NULL;
        on_drained(drain->owner);
    }
}

static void on_part_is_empty(struct node *here, void *arg)
{
    struct drain_order *order = arg;

    if (here != NULL) {
        part_is_empty(order->to, order->round);
    }
    mem_free(order);
}

/* --- a part ends its workers */

static struct cnode_term shutdown_reason(struct pool *part)
{
    struct buf *reason = &part->pools->run.reason;

    buf_clear(reason);
    term_format(reason, "{shutdown, ~A}", part->drain.why);
    return term_at(buf_data(reason), buf_size(reason));
}

/* Whoever starts a worker on another node finds its state there: for a while a
 * worker may wait until it is written. */
static bool may_wait(struct pool *part)
{
    return loop_now_ms(node_loop(part->node)) <
           part->drain.since_ms + WAIT_FOR_STATE_MS;
}

/* False: this turn's share is done, and there are more. */
static bool end_some(struct pool *part)
{
    uint64_t until_ns = loop_clock_ns() + ENDS_NS;
    unsigned left = pool_must_wait(part) ? 1 : ENDS_PER_TURN;

    for (uint32_t i = 0; i < part->segment_count; i++) {
        struct segment *segment = &part->segments[i];
        unsigned waits = 0;

        while (segment->state == SEGMENT_UP && waits < WAITS_PER_TURN &&
               worker_table_count(&segment->table) > 0) {
            if (left-- == 0 || loop_clock_ns() >= until_ns) {
                return false;
            }
            waits += !segment_end_one(segment, shutdown_reason(part),
                                      atom_term(A_unavailable), may_wait(part));
        }
    }
    return part->slab.used == 0; /* else a segment is ending them itself */
}

static void on_timer(struct timer *timer)
{
    struct pool *part = CONTAINER_OF(timer, struct pool, drain.timer);

    if (part->pools->is_over) {
        return;
    }
    if (!end_some(part)) {
        loop_timer_start(node_loop(part->node), timer,
                         pool_must_wait(part) ? POOL_WAIT_MS : 1);
    } else {
        tell(on_part_is_empty, part->parts[0], ATOM_NONE, part->drain.round);
    }
}

static void on_drain(struct node *here, void *arg)
{
    struct drain_order *order = arg;

    if (here != NULL) {
        struct drain *drain = &order->to->drain;

        drain->why = order->why;
        drain->round = order->round;
        drain->since_ms = loop_now_ms(node_loop(here));
        loop_timer_stop(node_loop(here), &drain->timer);
        if (drain->why != ATOM_NONE) {
            loop_timer_start(node_loop(here), &drain->timer, 0);
        }
    }
    mem_free(order);
}

static void tell_parts(struct pool *head, atom_t why)
{
    head->drain.rounds++;
    for (uint32_t i = 0; i < head->part_count; i++) {
        tell(on_drain, head->parts[i], why, head->drain.rounds);
    }
}

void pool_drain(struct pool *head, atom_t why, pool_drained_fn on_drained,
                void *owner)
{
    struct drain *drain = &head->drain;

    drain->open_parts = head->part_count;
    drain->on_drained = on_drained;
    drain->owner = owner;
    tell_parts(head, why);
}

void pool_undrain(struct pool *head)
{
    head->drain.on_drained = NULL;
    tell_parts(head, ATOM_NONE);
}

void drain_init(struct pool *part)
{
    timer_init(&part->drain.timer, on_timer);
}

void drain_fini(struct pool *part)
{
    loop_timer_stop(node_loop(part->node), &part->drain.timer);
}
