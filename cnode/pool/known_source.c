/* SPDX-License-Identifier: Apache-2.0
 *
 * See known_source.h. The registry asks on scheduler 0; what another part has
 * to say crosses as a task there and back.
 */
#include "pool/known_source.h"

#include <string.h>

#include <cnode/error.h>

#include "base/mem.h"
#include "base/metric.h"
#include "node/node.h"
#include "node/registered.h"
#include "pool/dispatch.h"
#include "pool/lost.h"
#include "pool/parts.h"
#include "pool/pools.h"
#include "registry/syn.h"
#include "term/build.h"

enum {
    SLICE_CLAIMS = 1000, /* of one slice */
    SLICE_LOOKS = 16000, /* places looked at for them */
};

/* --- whose name */

/* {worker, {ref, Module, Id}} */
static bool parse(const struct pool *pool, struct cnode_term name,
                  struct cnode_term *id)
{
    struct cnode_term parts[3];

    if (!term_get_tuple(name, 2, parts) || !term_is_atom(parts[0], A_worker) ||
        !term_get_tuple(parts[1], 3, parts) || !term_is_atom(parts[0], A_ref) ||
        !term_is_atom(parts[1], pool->config->worker.module)) {
        return false;
    }
    *id = parts[2];
    return true;
}

static bool on_owns(void *owner, struct cnode_term name)
{
    const struct known *known = owner;
    struct cnode_term id;

    return parse(known->head, name, &id);
}

static uint64_t on_count(void *owner)
{
    const struct known *known = owner;

    return atomic_load_explicit(&known->count, memory_order_relaxed);
}

/* The part that owns the ref; NULL: there can be no worker of that id. */
static struct pool *part_of(const struct pool *any, struct cnode_term id,
                            struct buf *scratch, struct worker_key *key)
{
    return worker_key_make(key, id, scratch) != 0
               ? NULL
               : any->parts[pool_segment_index(any, key) % any->part_count];
}

/* Its worker, if that has its name by us. On the part's scheduler. */
static struct cnode_worker *worker_of(struct pool *part,
                                      const struct worker_key *key)
{
    struct segment *segment = pool_segment(part, pool_segment_index(part, key));
    struct cnode_worker *w = worker_table_get(&segment->table, key);

    return w != NULL && worker_is_up(w) && *known_time(part, w) != 0 ? w : NULL;
}

/* --- who has it? */

struct question {
    struct known *known;
    struct pool *part;
    bool give_up;
    syn_found_fn done;
    void *arg;
    struct pid pid; /* the answer; PID_NONE: nobody */
    int64_t time;
    size_t size;
    uint8_t name[];
};

static void look(struct question *question)
{
    struct pool *part = question->part;
    struct cnode_term id;
    struct cnode_worker *w;
    struct worker_key key;

    CHECK(parse(part, term_at(question->name, question->size), &id));
    if (part_of(part, id, &part->pools->key_bytes, &key) != part) {
        return; /* no memory */
    }
    w = worker_of(part, &key);
    if (w == NULL) {
        return;
    }
    question->pid = node_pid(part->node, &w->process);
    question->time = *known_time(part, w);
    if (question->give_up) {
        (void)known_give_up(w);
        registered_mark(&w->process);
    }
}

static void answer(struct node *home, void *arg)
{
    struct question *question = arg;
    struct syn_claim claim = {.name = term_at(question->name, question->size),
                              .pid = question->pid,
                              .meta = cnode_kept_term(question->known->meta),
                              .time = question->time};

    question->done(question->arg, home == NULL,
                   pid_is_none(question->pid) ? NULL : &claim);
    mem_free(question);
}

static void look_there(struct node *here, void *arg)
{
    struct question *question = arg;

    if (here == NULL) {
        answer(NULL, question);
        return;
    }
    look(question);
    node_post_task(here->all[0], answer, question);
}

static void on_ask(void *owner, struct cnode_term name, bool give_up,
                   syn_found_fn done, void *arg)
{
    struct known *known = owner;
    struct pool *head = known->head;
    size_t size = cnode_term_size(name);
    struct question *question = NULL;
    struct pool *part = NULL;
    struct worker_key key;
    struct cnode_term id;

    if (parse(head, name, &id)) {
        part = part_of(head, id, &head->pools->key_bytes, &key);
    }
    if (part != NULL) {
        question = mem_try(sizeof(*question) + size);
    }
    if (question == NULL) {
        done(arg, false, NULL);
        return;
    }
    *question = (struct question){.known = known,
                                  .part = part,
                                  .give_up = give_up,
                                  .done = done,
                                  .arg = arg,
                                  .size = size};
    memcpy(question->name, name.at, size);
    if (part->node == known->syn->node) {
        look(question);
        answer(part->node, question);
    } else {
        node_post_task(part->node, look_there, question);
    }
}

/* --- all of them, part by part, in the order of their places in memory */

struct list_job {
    struct known *known;
    struct pool *part;
    uint32_t at; /* number in its slab */
    syn_slice_fn done;
    void *arg;
    struct buf buf;
    struct syn_slice slice;
};

static void put_claim(struct list_job *job, struct cnode_worker *w,
                      int64_t time)
{
    struct pool *part = job->part;
    struct buf *name = &part->pools->worker_name;
    struct syn_claim claim = {.pid = node_pid(part->node, &w->process),
                              .meta = cnode_kept_term(job->known->meta),
                              .time = time};

    buf_clear(name);
    known_put_worker(name, w);
    claim.name = term_at(buf_data(name), buf_size(name));
    syn_put_claim(&job->buf, &claim);
    job->slice.count++;
}

/* Of a place that is free now only the time may be read: it is 0. */
static void fill(struct list_job *job)
{
    const struct worker_slab *slab = &job->part->slab;
    uint32_t looks = SLICE_LOOKS, at = job->at;

    for (; at < slab->fresh && looks > 0 && job->slice.count < SLICE_CLAIMS;
         at++, looks--) {
        struct cnode_worker *w = worker_slab_at(slab, at);
        int64_t time = *known_time(job->part, w);

        if (time != 0) {
            put_claim(job, w, time);
        }
    }
    job->slice.error = buf_error(&job->buf);
    job->slice.bytes = buf_data(&job->buf);
    job->slice.size = job->slice.error == 0 ? buf_size(&job->buf) : 0;
    if (at < slab->fresh) {
        job->slice.next = (uint64_t)job->part->part << 32 | at;
    } else if (job->part->part + 1 < job->part->part_count) {
        job->slice.next = (uint64_t)(job->part->part + 1) << 32;
    }
}

static void filled(struct node *home, void *arg)
{
    struct list_job *job = arg;

    job->done(job->arg, home == NULL, &job->slice);
    buf_fini(&job->buf);
    mem_free(job);
}

static void fill_there(struct node *here, void *arg)
{
    struct list_job *job = arg;

    if (here == NULL) {
        filled(NULL, job);
        return;
    }
    fill(job);
    node_post_task(here->all[0], filled, job);
}

static void on_list(void *owner, uint64_t at, syn_slice_fn done, void *arg)
{
    struct known *known = owner;
    struct pool *part = known->head->parts[at >> 32];
    struct list_job *job = mem_alloc(sizeof(*job));

    *job = (struct list_job){.known = known,
                             .part = part,
                             .at = (uint32_t)at,
                             .done = done,
                             .arg = arg};
    buf_init(&job->buf, 0);
    if (part->node == known->syn->node) {
        fill(job);
        filled(part->node, job);
    } else {
        node_post_task(part->node, fill_there, job);
    }
}

/* --- from any scheduler */

static int on_find(void *owner, const struct node *here, struct cnode_term name,
                   struct pid *pid, struct cnode_term *meta)
{
    const struct known *known = owner;
    struct pool *mine = parts_of_scheduler(known->head, here->index);
    struct cnode_worker *w;
    struct worker_key key;
    struct cnode_term id;

    if (!parse(known->head, name, &id)) {
        return CNODE_NOT_FOUND;
    }
    if (mine == NULL) {
        return CNODE_ELSEWHERE;
    }
    if (part_of(mine, id, &mine->pools->key_bytes, &key) != mine) {
        return CNODE_ELSEWHERE;
    }
    w = worker_of(mine, &key);
    if (w == NULL) {
        return CNODE_NOT_FOUND;
    }
    *pid = node_pid(mine->node, &w->process);
    *meta = cnode_kept_term(known->meta);
    return 0;
}

/* {Name, Message} for its part. */
static int send_named(struct node *here, struct signal *signal,
                      struct cnode_term name, struct cnode_term message)
{
    struct buf buf;
    int rc;

    buf_init(&buf, 0);
    term_format(&buf, "{~t, ~t}", name, message);
    rc = buf_error(&buf);
    if (rc == 0) {
        signal->term = term_at(buf_data(&buf), buf_size(&buf));
        rc = door_deliver(here, signal);
    }
    buf_fini(&buf);
    return rc;
}

/* The pool may be down: whoever watches its name knows that, then. */
static int on_send(void *owner, struct node *here, struct pid from,
                   struct cnode_term name, struct cnode_term message)
{
    const struct known *known = owner;
    const struct pool *head = known->head;
    struct signal signal = {
        .kind = SIGNAL_MESSAGE, .from = from, .id = PART_NAMED};
    const struct pool *part = NULL;
    struct cnode_term id;
    struct worker_key key;
    struct buf scratch;

    buf_init(&scratch, 0);
    if (parse(head, name, &id)) {
        part = part_of(head, id, &scratch, &key);
    }
    buf_fini(&scratch);
    if (part == NULL ||
        (part == head &&
         !names_whereis(here, head->config->name, &signal.to))) {
        METRIC_INC(dead_letters);
        return 0;
    }
    if (part != head) {
        signal.to = head->part_pids[part->part];
    }
    return send_named(here, &signal, name, message);
}

static atom_t on_watched(void *owner)
{
    const struct known *known = owner;

    return known->head->config->name;
}

static struct cnode_worker *worker_by_name(struct pool *part,
                                           struct cnode_term name)
{
    struct cnode_term id;
    struct worker_key key;

    return parse(part, name, &id) &&
                   part_of(part, id, &part->pools->key_bytes, &key) == part
               ? worker_of(part, &key)
               : NULL;
}

void known_take(struct pool *part, const struct signal *signal)
{
    struct signal message = *signal;
    struct cnode_term parts[2];
    struct gen_message gen;
    struct cnode_worker *w;

    CHECK(term_get_tuple(signal->term, 2, parts));
    message.term = parts[1];
    w = part->state == POOL_UP ? worker_by_name(part, parts[0]) : NULL;
    if (w != NULL) {
        dispatch_to_worker(w, &message, SIGNAL_BY_REF);
        return;
    }
    gen_parse(message.term, &gen);
    if (gen.kind == GEN_CALL) {
        dispatch_call_lost(part, &gen.from, atom_term(A_noproc));
    } else {
        lost_because(part, &gen, "noproc");
    }
}

const struct syn_source known_source = {
    .owns = on_owns,
    .count = on_count,
    .ask = on_ask,
    .list = on_list,
    .find = on_find,
    .send = on_send,
    .watched = on_watched,
};
