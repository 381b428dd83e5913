/* SPDX-License-Identifier: Apache-2.0
 *
 * See store.h.
 */
#include "storage/store.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include <cnode/error.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/metric.h"
#include "storage/store_backend.h"
#include "storage/store_value.h"

enum {
    BATCH_OPS = 10000,
    RETRY_FIRST_MS = 100,
    RETRY_MOST_MS = 5000,
    LOOK_MS = 100, /* for reads to be given up, while it is unreachable */
    NS_PER_MS = 1000000,
};

struct queue {
    struct store_op *first, *last;
    size_t count;
};

struct store {
    const struct store_backend *backend;
    void *handle;
    const char *name;
    uint64_t most; /* operations */
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct queue queue; /* under the lock */
    bool is_asleep, is_closing;
    uint64_t submitted, taken; /* numbers of the newest operations that were */

    /* What waits or is being done. Relaxed: they are limits, nothing is ordered
     * by them. */
    _Atomic uint64_t count, bytes;
    _Atomic bool is_failing;

    /* the thread's */
    struct queue batch;
    uint64_t retry_ms; /* 0: it is reachable */
};

/* --- operations */

void store_op_init(struct store_op *op, enum store_kind kind,
                   void (*done)(struct store_op *op))
{
    *op = (struct store_op){.kind = kind, .done = done};
    buf_init(&op->key, 0);
    buf_init(&op->value, 0);
    buf_init(&op->short_key, 0);
}

void store_op_fini(struct store_op *op)
{
    buf_fini(&op->key);
    buf_fini(&op->value);
    buf_fini(&op->short_key);
}

struct buf *store_op_value(struct store_op *op)
{
    static const uint8_t header[STORE_HEADER_BYTES];

    buf_put(&op->value, header, sizeof(header));
    return &op->value;
}

static uint64_t op_bytes(const struct store_op *op)
{
    return sizeof(*op) + buf_size(&op->key) +
           (op->kind == STORE_PUT ? buf_size(&op->value) : 0);
}

static void queue_push(struct queue *queue, struct store_op *op)
{
    op->next = NULL;
    if (queue->first == NULL) {
        queue->first = op;
    } else {
        queue->last->next = op;
    }
    queue->last = op;
    queue->count++;
}

static struct store_op *queue_pop(struct queue *queue)
{
    struct store_op *op = queue->first;

    if (op != NULL) {
        queue->first = op->next;
        queue->count--;
    }
    return op;
}

/* --- any thread */

static uint64_t load(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

bool store_is_busy(const struct store *store)
{
    return load(&store->count) > store->most / 2 ||
           load(&store->bytes) > limits.store_bytes / 2;
}

bool store_is_failing(const struct store *store)
{
    return atomic_load_explicit(&store->is_failing, memory_order_relaxed);
}

/* A flush is a handful per life of a node: it always finds room. */
static bool is_full(const struct store *store, const struct store_op *op,
                    uint64_t bytes)
{
    return op->kind != STORE_FLUSH &&
           (load(&store->count) >= store->most ||
            load(&store->bytes) + bytes > limits.store_bytes);
}

int store_submit(struct store *store, struct store_op *op)
{
    uint64_t bytes;
    int rc =
        buf_error(&op->key) != 0 ? buf_error(&op->key) : buf_error(&op->value);

    if (rc != 0) {
        return rc;
    }
    store_key_shorten(op);
    bytes = op_bytes(op);
    if (is_full(store, op, bytes)) {
        METRIC_INC(store_refused);
        return CNODE_OVERLOADED;
    }
    atomic_fetch_add_explicit(&store->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&store->bytes, bytes, memory_order_relaxed);
    pthread_mutex_lock(&store->lock);
    op->number = ++store->submitted;
    queue_push(&store->queue, op);
    if (store->is_asleep) {
        pthread_cond_signal(&store->wake);
    }
    pthread_mutex_unlock(&store->lock);
    return 0;
}

bool store_replace(struct store *store, struct store_op *op, struct buf *value)
{
    uint64_t before, after = buf_size(value);
    struct buf old = op->value;
    bool waits;

    pthread_mutex_lock(&store->lock);
    waits = op->number > store->taken && buf_error(value) == 0;
    if (waits) {
        before = buf_size(&op->value);
        waits = after <= before ||
                load(&store->bytes) + after - before <= limits.store_bytes;
    }
    if (waits) {
        op->value = *value;
        *value = old;
        atomic_fetch_add_explicit(&store->bytes, after - before,
                                  memory_order_relaxed);
    }
    pthread_mutex_unlock(&store->lock);
    return waits;
}

/* --- its thread: what waits */

static struct queue take_all_locked(struct store *store)
{
    struct queue all = store->queue;

    store->queue = (struct queue){0};
    store->taken = store->submitted;
    return all;
}

/* Until something is there or `ms` are over (0: no matter how long). */
static void sleep_locked(struct store *store, uint64_t ms)
{
    struct timespec until;

    store->is_asleep = true;
    if (ms == 0) {
        pthread_cond_wait(&store->wake, &store->lock);
    } else {
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += (time_t)(ms / 1000);
        until.tv_nsec += (long)(ms % 1000) * NS_PER_MS;
        if (until.tv_nsec >= 1000L * NS_PER_MS) {
            until.tv_nsec -= 1000L * NS_PER_MS;
            until.tv_sec++;
        }
        (void)pthread_cond_timedwait(&store->wake, &store->lock, &until);
    }
    store->is_asleep = false;
}

/* What waits becomes the batch. False: it is closing, and nothing does. */
static bool take_batch(struct store *store)
{
    bool has_some;

    pthread_mutex_lock(&store->lock);
    while (store->queue.first == NULL && !store->is_closing) {
        sleep_locked(store, 0);
    }
    store->batch = take_all_locked(store);
    has_some = store->batch.first != NULL;
    pthread_mutex_unlock(&store->lock);
    return has_some;
}

static bool is_closing(struct store *store)
{
    bool closing;

    pthread_mutex_lock(&store->lock);
    closing = store->is_closing;
    pthread_mutex_unlock(&store->lock);
    return closing;
}

/* --- its thread: results */

static void count_result(struct store *store, const struct store_op *op)
{
    bool is_write = op->kind == STORE_PUT || op->kind == STORE_DELETE;

    if (op->kind == STORE_GET) {
        METRIC_INC(store_reads);
    } else if (is_write && op->rc == 0) {
        METRIC_INC(store_writes);
    }
    if (op->rc == CNODE_STORE_FULL) {
        METRIC_INC(store_full);
    } else if (op->rc == CNODE_STORE_CORRUPT) {
        METRIC_INC(store_corrupt);
    } else if (op->rc != 0 && op->rc != CNODE_NOT_FOUND) {
        METRIC_INC(store_failed);
    }
    if (is_write) {
        atomic_store_explicit(&store->is_failing, op->rc != 0,
                              memory_order_relaxed);
    }
}

static const char *const kind_names[] = {[STORE_PUT] = "put",
                                         [STORE_GET] = "get",
                                         [STORE_DELETE] = "delete",
                                         [STORE_FLUSH] = "flush"};

/* The op is gone when this returns. */
static void finish(struct store *store, struct store_op *op, int rc)
{
    uint64_t bytes = op_bytes(op);

    op->rc = rc;
    if (rc == 0 && op->kind == STORE_GET) {
        op->rc = store_value_open(op);
    }
    count_result(store, op);
    if (op->rc != 0 && op->rc != CNODE_NOT_FOUND) {
        LOG_ERROR("store_failed", F_STR("store", store->name),
                  F_STR("operation", kind_names[op->kind]), F_ERR(op->rc));
    }
    atomic_fetch_sub_explicit(&store->count, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&store->bytes, bytes, memory_order_relaxed);
    op->done(op);
}

/* The first `count` of the batch have been done, or could not be (rc). */
static void finish_some(struct store *store, size_t count, int rc)
{
    while (count-- > 0) {
        struct store_op *op = queue_pop(&store->batch);

        finish(store, op, rc != 0 ? rc : op->rc);
    }
}

/* --- its thread: while it is unreachable */

static void give_up_old(struct store *store, struct queue *queue)
{
    uint64_t now_ns = loop_clock_ns();
    struct queue old = {0}, kept = {0};
    struct store_op *op;

    while ((op = queue_pop(queue)) != NULL) {
        queue_push(op->until_ns != 0 && op->until_ns <= now_ns ? &old : &kept,
                   op);
    }
    *queue = kept;
    while ((op = queue_pop(&old)) != NULL) {
        finish(store, op, CNODE_STORE_UNREACHABLE);
    }
}

/* Those that wait outside of the batch. */
static void give_up_waiting(struct store *store)
{
    struct queue waiting;

    pthread_mutex_lock(&store->lock);
    waiting = take_all_locked(store);
    pthread_mutex_unlock(&store->lock);
    while (waiting.first != NULL) { /* behind the batch: the order is kept */
        queue_push(&store->batch, queue_pop(&waiting));
    }
    give_up_old(store, &store->batch);
}

static void lost(struct store *store)
{
    if (store->retry_ms == 0) {
        LOG_ERROR("store_unreachable", F_STR("store", store->name),
                  F_UINT("waiting", load(&store->count)));
    }
    atomic_store_explicit(&store->is_failing, true, memory_order_relaxed);
    store->retry_ms = store->retry_ms == 0 ? RETRY_FIRST_MS
                      : store->retry_ms * 2 < RETRY_MOST_MS
                          ? store->retry_ms * 2
                          : RETRY_MOST_MS;
}

/* Waits until the next attempt. False: it is closing. */
static bool wait_for_retry(struct store *store)
{
    uint64_t until_ns = loop_clock_ns() + store->retry_ms * NS_PER_MS;

    lost(store);
    while (loop_clock_ns() < until_ns) {
        give_up_waiting(store);
        pthread_mutex_lock(&store->lock);
        if (!store->is_closing) {
            sleep_locked(store, LOOK_MS);
        }
        pthread_mutex_unlock(&store->lock);
        if (is_closing(store)) {
            return false;
        }
    }
    return true;
}

static void reached(struct store *store)
{
    if (store->retry_ms != 0) {
        LOG_INFO("store_reached", F_STR("store", store->name),
                 F_UINT("waiting", load(&store->count)));
        METRIC_INC(store_reconnects);
        store->retry_ms = 0;
        atomic_store_explicit(&store->is_failing, false, memory_order_relaxed);
    }
}

/* --- its thread: work */

static void seal_batch(struct store *store)
{
    for (struct store_op *op = store->batch.first; op != NULL; op = op->next) {
        if (op->kind == STORE_PUT) {
            store_value_seal(op);
        }
    }
}

/* All at once if possible; what fails is tried in ever smaller numbers, so that
 * an operation fails only for what it is itself. */
static void run_batch(struct store *store)
{
    size_t most = BATCH_OPS;

    while (store->batch.count > 0) {
        size_t count = store->batch.count < most ? store->batch.count : most;
        int rc = store->backend->run(store->handle, store->batch.first, count);

        if (rc == CNODE_STORE_UNREACHABLE) {
            if (is_closing(store) || !wait_for_retry(store)) {
                finish_some(store, store->batch.count, rc);
            }
            seal_batch(store); /* more may have come */
            continue;
        }
        reached(store);
        if (rc == 0 || count == 1) {
            METRIC_INC(store_commits);
            finish_some(store, count, rc);
            most = most < BATCH_OPS / 2 ? most * 2 : BATCH_OPS;
        } else {
            most = (count + 1) / 2;
        }
    }
}

static void *store_main(void *arg)
{
    struct store *store = arg;

    while (take_batch(store)) {
        seal_batch(store);
        run_batch(store);
    }
    return NULL;
}

/* --- its life */

static void init_lock(struct store *store)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&store->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&store->wake, &attr);
    pthread_condattr_destroy(&attr);
}

static void fini_lock(struct store *store)
{
    pthread_cond_destroy(&store->wake);
    pthread_mutex_destroy(&store->lock);
}

int store_open(struct store **out, const struct store_backend *backend,
               const struct store_config *config, struct buf *why)
{
    struct store *store = mem_zalloc(sizeof(*store));
    int rc = backend->open(&store->handle, config, why);

    if (rc != 0) {
        mem_free(store);
        return rc;
    }
    store->backend = backend;
    store->name = config->name;
    store->most = config->queue;
    init_lock(store);
    if (pthread_create(&store->thread, NULL, store_main, store) != 0) {
        buf_printf(why, "no thread for it could be started");
        backend->close(store->handle);
        fini_lock(store);
        mem_free(store);
        return CNODE_LIMIT;
    }
    *out = store;
    return 0;
}

void store_close(struct store *store)
{
    if (store == NULL) {
        return;
    }
    pthread_mutex_lock(&store->lock);
    store->is_closing = true;
    pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->lock);
    pthread_join(store->thread, NULL);
    store->backend->close(store->handle);
    fini_lock(store);
    mem_free(store);
}
