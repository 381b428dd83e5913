/* SPDX-License-Identifier: Apache-2.0
 *
 * See persist.h: when something is written. How is in persist_save.c.
 */
#include "pool/persist.h"

#include <stdatomic.h>

#include <cnode/error.h>

#include "base/config.h"
#include "base/mem.h"
#include "node/node.h"
#include "pool/extras.h"
#include "pool/persist_save.h"
#include "pool/pools.h"
#include "pool/run.h"
#include "storage/stores.h"

enum {
    RETRY_MS = 1000,
    RETRIES = 1000, /* writes of one slice that had failed */
    SLICE_SLOTS = 1024,
    LEAST_TICK_MS = 10,
    NS_PER_MS = 1000000,
};

static void on_retry(struct timer *timer);
static void on_late(struct timer *timer);
static void on_interval(struct timer *timer);

/* --- its life */

static void check_pool(const struct pool_config *pool,
                       const struct stores *stores, struct config *config)
{
    const struct cnode_behaviour *behaviour = pool->behaviour;
    char *pool_path = config_join("pools", atom_text(pool->name));
    char *path = config_join(pool_path, "persist");

    if (stores_find(stores, pool->persist.store) == NULL) {
        config_error(config, path,
                     pool->persist.store != NULL
                         ? "there is no store of that name in \"stores\""
                     : stores->count == 0 ? "there is no store in \"stores\""
                                          : "expected \"store\", as there are "
                                            "several in \"stores\"");
    }
    if (behaviour != NULL && !pool->top.stand_alone &&
        (behaviour->dump == NULL || behaviour->restore == NULL)) {
        config_error(config, path,
                     "the behaviour %s has no dump and restore: its state "
                     "cannot be kept",
                     behaviour->name);
    }
    mem_free(path);
    mem_free(pool_path);
}

void persist_check(const struct pool_settings *settings,
                   const struct stores *stores, struct config *config)
{
    for (size_t i = 0; i < settings->count; i++) {
        if (settings->pools[i].persist.is_on) {
            check_pool(&settings->pools[i], stores, config);
        }
    }
}

static uint64_t interval_ms(const struct persist *persist)
{
    return pool_config_now(&persist->pool->config->persist.interval_ns) /
           NS_PER_MS;
}

/* A slice each tick, so that a pass takes about an interval. */
static void next_slice(struct persist *persist)
{
    uint64_t slots = 2 * (uint64_t)persist->pool->slab.used + 1;
    uint64_t ms = interval_ms(persist) * SLICE_SLOTS / slots;
    uint64_t most = interval_ms(persist);

    loop_timer_start(node_loop(persist->pool->node), &persist->interval,
                     ms < LEAST_TICK_MS ? LEAST_TICK_MS
                     : ms > most        ? most
                                        : ms);
}

struct persist *persist_new(struct pool *pool)
{
    const struct pool_config_persist *config = &pool->config->persist;
    const struct stores *stores = pool->pools->root->stores;
    struct persist *persist;

    if (!config->is_on || pool->config->top.stand_alone) {
        return NULL;
    }
    persist = mem_zalloc(sizeof(*persist));
    persist->pool = pool;
    persist->store = stores_find(stores, config->store)->store;
    persist->mode = config->mode;
    list_init(&persist->unsaved);
    persist_lost_init(persist);
    list_init(&persist->under_way);
    timer_init(&persist->late, on_late);
    timer_init(&persist->retry, on_retry);
    timer_init(&persist->interval, on_interval);
    if (persist->mode == PERSIST_INTERVAL) {
        loop_timer_start(node_loop(pool->node), &persist->interval,
                         interval_ms(persist));
    }
    return persist;
}

void persist_free(struct persist *persist)
{
    if (persist != NULL) {
        loop_timer_stop(node_loop(persist->pool->node), &persist->late);
        loop_timer_stop(node_loop(persist->pool->node), &persist->retry);
        loop_timer_stop(node_loop(persist->pool->node), &persist->interval);
        persist_lost_fini(persist);
        mem_free(persist);
    }
}

bool persist_must_wait(const struct pool *pool)
{
    return pool->persist != NULL && store_is_busy(pool->persist->store);
}

bool persist_is_failing(const struct pool *pool)
{
    return pool->persist != NULL && store_is_failing(pool->persist->store);
}

/* --- messages */

bool persist_holds(const struct persist *persist)
{
    return persist != NULL && persist->mode == PERSIST_ON_CHANGE;
}

void persist_touched(struct cnode_worker *w)
{
    if (worker_pool(w)->persist != NULL) {
        *persist_tail(w) |= TAIL_CHANGED;
    }
}

void persist_handled(struct run *run)
{
    struct cnode_worker *w = run->worker;

    if (persist_holds(worker_pool(w)->persist)) {
        persist_write(w, &run->held, NULL);
    }
}

int persist_call(struct run *run)
{
    struct cnode_worker *w = run->worker;
    int rc;

    if (worker_pool(w)->persist == NULL) {
        return CNODE_UNHANDLED;
    }
    rc = held_add(&run->held, &run->gen.from, run->by_ref, atom_term(A_ok));
    if (rc == 0) {
        run->is_answered = true;
        persist_write(w, &run->held, NULL);
    }
    return rc;
}

/* --- the end of a worker */

static bool is_due_at_end(const struct cnode_worker *w, bool is_clean)
{
    const struct persist *persist = worker_pool(w)->persist;

    return is_clean && persist->mode != PERSIST_MANUAL &&
           (*persist_tail(w) & TAIL_CHANGED) != 0;
}

void persist_ends(struct cnode_worker *w, struct cnode_term reason,
                  bool is_clean)
{
    struct pool *pool = worker_pool(w);
    struct persist *persist = pool->persist;
    struct run *run = run_of(w);

    if (persist == NULL) {
        return;
    }
    if (!is_clean) {
        held_lose(&run->held, pool, reason);
        return;
    }
    persist->ending = w;
    if (is_due_at_end(w, is_clean)) {
        persist_write_later(w);
    }
    persist->ending = NULL;
    held_send(&run->held, pool->node, &w->process); /* mode manual */
}

bool persist_end_must_wait(struct cnode_worker *w)
{
    const struct persist *persist = worker_pool(w)->persist;

    if (persist == NULL || store_is_failing(persist->store)) {
        return false;
    }
    if (persist->mode != PERSIST_MANUAL &&
        (*persist_tail(w) & TAIL_CHANGED) != 0) {
        persist_write_later(w);
    }
    return w->extras != NULL && w->extras->saving != NULL &&
           w->extras->saving->under_way > 0;
}

void persist_dropped(const struct cnode_worker *w)
{
    struct persist *persist = worker_pool(w)->persist;

    if (persist != NULL && w->status != WORKER_SPAWNED &&
        is_due_at_end(w, true)) {
        persist->dropped++;
    }
}

/* --- every now and then */

static void retry_unsaved(struct persist *persist, unsigned most)
{
    struct list unsaved, *node;

    list_init(&unsaved);
    list_take(&unsaved, &persist->unsaved);
    while (most-- > 0 && (node = list_pop(&unsaved)) != NULL) {
        persist_write_later(CONTAINER_OF(node, struct saving, node)->worker);
    }
    while ((node = list_pop(&unsaved)) != NULL) {
        list_push_back(&persist->unsaved, node);
    }
}

/* One, to see whether it works again; then many. */
static void on_retry(struct timer *timer)
{
    struct persist *persist = CONTAINER_OF(timer, struct persist, retry);
    unsigned most = store_is_failing(persist->store) ? 1 : RETRIES;

    if (!store_is_busy(persist->store)) {
        retry_unsaved(persist, most);
        persist_lost_retry(persist, most);
    }
    if (!list_is_empty(&persist->unsaved) || persist->lost.count > 0) {
        loop_timer_start(node_loop(persist->pool->node), &persist->retry,
                         RETRY_MS);
    }
}

static void on_late(struct timer *timer)
{
    persist_answer_late(CONTAINER_OF(timer, struct persist, late));
}

static void write_changed(struct cnode_worker *w)
{
    if (worker_is_up(w) && (*persist_tail(w) & TAIL_CHANGED) != 0) {
        persist_write_later(w);
    }
}

static void slice(struct persist *persist)
{
    struct pool *pool = persist->pool;
    uint32_t left = SLICE_SLOTS;

    for (uint32_t i = 0; i <= pool->segment_count && left > 0; i++) {
        const struct worker_table *table =
            &pool->segments[persist->segment].table;

        while (left > 0 && persist->slot < worker_table_slots(table)) {
            struct cnode_worker *w = worker_table_at(table, persist->slot++);

            left--;
            if (w != NULL) {
                write_changed(w);
            }
        }
        if (persist->slot >= worker_table_slots(table)) {
            persist->slot = 0;
            persist->segment = (persist->segment + 1) % pool->segment_count;
        }
    }
}

static void on_interval(struct timer *timer)
{
    struct persist *persist = CONTAINER_OF(timer, struct persist, interval);

    if (!store_is_busy(persist->store)) {
        slice(persist);
    }
    next_slice(persist);
}

/* --- the node ends */

struct flush {
    struct pools *root;
    void (*done)(struct pools *root);
    _Atomic uint32_t stores; /* that have not answered */
};

struct flush_op {
    struct store_op op;
    struct flush *flush;
};

static void on_all_flushed(struct node *home, void *arg)
{
    struct flush *flush = arg;

    if (home != NULL) {
        flush->done(flush->root);
    }
    mem_free(flush);
}

/* On a store's thread. acq_rel: the last one frees what the others have read.
 */
static void on_flushed(struct store_op *op)
{
    struct flush_op *one = CONTAINER_OF(op, struct flush_op, op);
    struct flush *flush = one->flush;

    store_op_fini(op);
    mem_free(one);
    if (atomic_fetch_sub_explicit(&flush->stores, 1, memory_order_acq_rel) ==
        1) {
        node_post_task(flush->root->node, on_all_flushed, flush);
    }
}

void persist_flush(struct pools *root, void (*done)(struct pools *root))
{
    const struct stores *stores = root->stores;
    size_t count = stores != NULL ? stores->count : 0;
    struct flush *flush;

    if (count == 0) {
        done(root);
        return;
    }
    flush = mem_zalloc(sizeof(*flush));
    flush->root = root;
    flush->done = done;
    atomic_init(&flush->stores, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        struct flush_op *one = mem_zalloc(sizeof(*one));

        one->flush = flush;
        store_op_init(&one->op, STORE_FLUSH, on_flushed);
        CHECK(store_submit(stores->entries[i].store, &one->op) == 0);
    }
}
