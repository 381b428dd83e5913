/* SPDX-License-Identifier: Apache-2.0
 *
 * See inquiry.h.
 */
#include "pool/inquiry.h"

#include <string.h>

#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "node/node.h"
#include "pool/parts.h"
#include "pool/pool.h"
#include "pool/waiting.h"
#include "term/build.h"

struct inquiry {
    struct pool *head;
    enum inquiry_kind kind;
    uint16_t face; /* FACE_NONE: those of one segment */
    uint64_t count, waiting;
    struct buf list;
    struct gen_from from; /* in `bytes`, if it goes round */
    uint8_t bytes[];
};

/* --- one segment */

static bool is_of(const struct inquiry *q, const struct cnode_worker *w)
{
    return q->face == FACE_NONE || w->face == q->face;
}

static void put_worker(struct inquiry *q, const struct pool *pool,
                       const struct cnode_worker *w)
{
    atom_t module = pool->config->worker.module;

    if (worker_is_up(w)) {
        term_format(&q->list, "{undefined, ~p, worker, [~A]}",
                    node_pid(pool->node, &w->process), module);
    } else {
        term_format(&q->list, "{undefined, restarting, worker, [~A]}", module);
    }
}

static void list_workers(struct inquiry *q, const struct segment *segment)
{
    const struct cnode_worker *w;
    uint32_t at = 0;

    while ((w = worker_table_next(&segment->table, &at)) != NULL) {
        if (is_of(q, w)) {
            put_worker(q, segment->pool, w);
            q->count++;
        }
    }
}

/* Those without a pid are few: they are on a list. */
static void count_waiting(struct inquiry *q, const struct pool *pool,
                          const struct segment *segment)
{
    LIST_EACH(it, &pool->waiting) {
        const struct cnode_worker *w =
            CONTAINER_OF(it, struct waiting, all)->worker;

        if (is_of(q, w) && (segment == NULL || segment->place == w->segment)) {
            q->waiting++;
        }
    }
}

/* --- the answer */

static void answer_which(struct inquiry *q, struct node *node,
                         struct process *self)
{
    struct buf *buf = gen_reply_begin(node, &q->from);

    term_put_list(buf, (uint32_t)q->count);
    buf_put(buf, buf_data(&q->list), buf_size(&q->list));
    term_put_nil(buf);
    if (buf_error(&q->list) != 0 || gen_reply_end(node, self, &q->from) != 0) {
        (void)gen_reply(node, self, &q->from, "{error, too_large}");
    }
}

static void answer(struct inquiry *q, struct node *node, struct process *self)
{
    if (q->kind == INQUIRY_WHICH) {
        answer_which(q, node, self);
    } else {
        (void)gen_reply(node, self, &q->from,
                        "[{specs, ~u}, {active, ~u}, {supervisors, 0}, "
                        "{workers, ~u}]",
                        q->count, q->count - q->waiting, q->count);
    }
    buf_fini(&q->list);
}

void inquiry_of_segment(struct segment *segment, enum inquiry_kind kind,
                        const struct gen_from *from)
{
    struct pool *pool = segment->pool;
    struct inquiry q = {.kind = kind, .face = FACE_NONE, .from = *from};

    buf_init(&q.list, limits.message_bytes);
    if (kind == INQUIRY_WHICH) {
        list_workers(&q, segment);
    } else {
        q.count = worker_table_count(&segment->table);
        count_waiting(&q, pool, segment);
    }
    answer(&q, pool->node, &segment->process);
}

/* --- a worker supervisor */

static void visit(struct node *here, void *arg)
{
    struct inquiry *q = arg;
    const struct pool *pool = parts_of_scheduler(q->head, here->index);

    if (pool == NULL) {
        return;
    }
    if (q->kind == INQUIRY_COUNT) {
        count_waiting(q, pool, NULL);
        return;
    }
    for (uint32_t i = 0; i < pool->segment_count; i++) {
        list_workers(q, &pool->segments[i]);
    }
}

/* The worker supervisor may be gone by now: the answer is true all the same. */
static void done(struct node *home, void *arg)
{
    struct inquiry *q = arg;
    struct pool *head = q->head;
    struct process *self = NULL;

    if (home == NULL) {
        buf_fini(&q->list);
        mem_free(q);
        return;
    }
    if (q->face < head->face_count && head->faces[q->face]->state == FACE_UP) {
        self = &head->faces[q->face]->process;
    }
    if (q->kind == INQUIRY_COUNT) {
        q->count = roll_face_workers(head->roll, q->face);
        q->waiting = q->waiting < q->count ? q->waiting : q->count;
    }
    answer(q, home, self);
    mem_free(q);
}

void inquiry_of_face(struct pool *head, uint16_t face, enum inquiry_kind kind,
                     const struct gen_from *from)
{
    size_t pid = cnode_term_size(from->pid), tag = cnode_term_size(from->tag);
    struct inquiry *q = mem_try(sizeof(*q) + pid + tag);

    if (q == NULL) {
        (void)gen_reply(head->node, NULL, from, "{error, system_limit}");
        return;
    }
    *q = (struct inquiry){.head = head, .kind = kind, .face = face};
    memcpy(q->bytes, from->pid.at, pid);
    memcpy(q->bytes + pid, from->tag.at, tag);
    q->from = *from;
    q->from.pid = term_at(q->bytes, pid);
    q->from.tag = term_at(q->bytes + pid, tag);
    buf_init(&q->list, limits.message_bytes);
    if (head->part_count > 1) {
        node_go_round(head->node, visit, done, q);
    } else {
        visit(head->node, q);
        done(head->node, q);
    }
}
