/* SPDX-License-Identifier: Apache-2.0
 *
 * See recount.h.
 */
#include "pool/recount.h"

#include "node/node.h"
#include "pool/pools.h"

enum { SLICE_NUMBERS = 16384 };

static void on_timer(struct timer *timer)
{
    struct pool *part = CONTAINER_OF(timer, struct pool, recount.timer);
    struct recount *recount = &part->recount;
    uint32_t left = SLICE_NUMBERS;

    for (; left > 0 && recount->at < part->slab.fresh; left--) {
        uint32_t number = recount->at++;
        struct cnode_worker *w;

        if (!worker_slab_has(&part->slab, number)) {
            continue;
        }
        w = worker_slab_at(&part->slab, number);
        if (w->face != FACE_NONE && roll_is_gone(part->roll, w->face)) {
            pool_count_worker(part, w, roll_choose_face(part->roll));
        }
    }
    if (recount->at < part->slab.fresh) {
        loop_timer_start(node_loop(part->node), timer, 1);
    }
}

static void on_begin(struct node *here, void *arg)
{
    struct pool *part = arg;

    if (here != NULL) {
        part->recount.at = 0;
        loop_timer_start(node_loop(here), &part->recount.timer, 0);
    }
}

void recount_begin(struct pool *head)
{
    for (uint32_t i = 0; i < head->part_count; i++) {
        node_post_task(head->parts[i]->node, on_begin, head->parts[i]);
    }
}

void recount_init(struct pool *part)
{
    timer_init(&part->recount.timer, on_timer);
}

void recount_fini(struct pool *part)
{
    loop_timer_stop(node_loop(part->node), &part->recount.timer);
}
