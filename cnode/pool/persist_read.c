/* SPDX-License-Identifier: Apache-2.0
 *
 * See persist.h: a worker that starts gets its state back. What the store says
 * waits in `waiting->kept` until init has run.
 */
#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "node/node.h"
#include "pool/extras.h"
#include "pool/persist_save.h"
#include "pool/pool.h"
#include "pool/waiting.h"
#include "term/validate.h"

enum { NS_PER_MS = 1000000, UNREACHABLE_MS = 5000 };

/* One read: a task that comes back to the scheduler. */
struct reading {
    struct signal_task task; /* first */
    struct store_op op;
    struct persist *persist;
    struct kept *kept; /* NULL: nobody wants it any more */
};

/* What was read for one worker. */
struct kept {
    struct waiting *waiting;
    struct reading *reading; /* NULL: it is over */
    int rc;
    bool was_lost; /* not from the store: persist_lost_find() */
    struct buf bytes;
    struct cnode_term state, args; /* in them; TERM_NONE: none */
};

/* What is in the store was written by us, but who knows by whom since. */
static int take_term(const uint8_t **at, size_t *left, struct cnode_term *term)
{
    size_t size;

    if (term_validate(*at, *left, (uint32_t)limits.term_depth, &size) != 0) {
        return CNODE_STORE_CORRUPT;
    }
    *term = term_at(*at, size);
    *at += size;
    *left -= size;
    return 0;
}

static int parse(struct kept *kept)
{
    const uint8_t *at = buf_data(&kept->bytes);
    size_t left = buf_size(&kept->bytes);
    int rc = take_term(&at, &left, &kept->state);

    if (rc == 0 && left > 0) {
        rc = take_term(&at, &left, &kept->args);
    }
    return rc != 0 || left == 0 ? rc : CNODE_STORE_CORRUPT;
}

/* A state that waits to be written is newer than what the store has. */
static bool find_lost(struct persist *persist, struct kept *kept)
{
    const struct buf *lost;
    struct buf key;

    buf_init(&key, 0);
    persist_put_key(&key, kept->waiting->worker);
    lost = persist_lost_find(persist, &key);
    buf_fini(&key);
    if (lost == NULL) {
        return false;
    }
    buf_clear(&kept->bytes);
    buf_put(&kept->bytes, buf_data(lost) + STORE_HEADER_BYTES,
            buf_size(lost) - STORE_HEADER_BYTES);
    kept->was_lost = true;
    kept->rc =
        buf_error(&kept->bytes) != 0 ? buf_error(&kept->bytes) : parse(kept);
    return true;
}

static void reading_over(struct reading *reading)
{
    struct persist *persist = reading->persist;
    struct kept *kept = reading->kept;

    kept->reading = NULL;
    if (!find_lost(persist, kept)) {
        kept->rc = reading->op.rc;
        buf_fini(&kept->bytes);
        kept->bytes = reading->op.value; /* taken over */
        buf_init(&reading->op.value, 0);
        if (kept->rc == 0) {
            kept->rc = parse(kept);
        }
    }
    pool_is_due(persist->pool, &kept->waiting->node);
}

static void on_over(struct signal_task *task, void *owner)
{
    struct reading *reading = CONTAINER_OF(task, struct reading, task);

    if (owner != NULL && reading->kept != NULL) {
        reading_over(reading);
    }
    store_op_fini(&reading->op);
}

/* On the store's thread. */
static void on_done(struct store_op *op)
{
    struct reading *reading = CONTAINER_OF(op, struct reading, op);

    scheduler_post(&reading->persist->pool->node->scheduler,
                   &reading->task.signal);
}

static int submit(struct persist *persist, struct kept *kept)
{
    struct reading *reading = mem_zalloc(sizeof(*reading));
    int rc;

    reading->task.signal.kind = SIGNAL_TASK;
    reading->task.run = on_over;
    reading->persist = persist;
    reading->kept = kept;
    store_op_init(&reading->op, STORE_GET, on_done);
    reading->op.until_ns =
        loop_clock_ns() + (uint64_t)UNREACHABLE_MS * NS_PER_MS;
    persist_put_key(&reading->op.key, kept->waiting->worker);
    kept->reading = reading;
    rc = store_submit(persist->store, &reading->op);
    if (rc != 0) {
        kept->reading = NULL;
        reading->kept = NULL;
        signal_free(&reading->task.signal);
    }
    return rc;
}

static int begin(struct waiting *waiting)
{
    struct pool *pool = worker_pool(waiting->worker);
    struct kept *kept = mem_zalloc(sizeof(*kept));

    waiting->kept = kept;
    kept->waiting = waiting;
    buf_init(&kept->bytes, 0);
    if (find_lost(pool->persist, kept)) {
        return kept->rc;
    }
    if (submit(pool->persist, kept) != 0) { /* too much waits: so does this */
        persist_read_free(waiting);
        loop_timer_start(node_loop(pool->node), &waiting->timer,
                         PERSIST_WAIT_MS);
    }
    return 1;
}

int persist_read(struct waiting *waiting)
{
    const struct kept *kept = waiting->kept;

    if (worker_pool(waiting->worker)->persist == NULL) {
        return 0;
    }
    if (kept == NULL) {
        return begin(waiting);
    }
    if (kept->reading != NULL) {
        return 1;
    }
    return kept->rc == CNODE_NOT_FOUND ? 0 : kept->rc;
}

struct cnode_term persist_read_args(const struct waiting *waiting)
{
    return waiting->kept != NULL ? waiting->kept->args : TERM_NONE;
}

void persist_read_free(struct waiting *waiting)
{
    struct kept *kept = waiting->kept;

    if (kept != NULL) {
        if (kept->reading != NULL) {
            kept->reading->kept = NULL;
        }
        buf_fini(&kept->bytes);
        mem_free(kept);
        waiting->kept = NULL;
    }
}

static void restored(struct cnode_worker *w, const struct kept *kept)
{
    struct buf key;

    *persist_tail(w) =
        hash_stable(kept->state.at, cnode_term_size(kept->state)) &
        ~(uint64_t)TAIL_CHANGED;
    if (kept->was_lost) {
        buf_init(&key, 0);
        persist_put_key(&key, w);
        persist_lost_remove(worker_pool(w)->persist, &key);
        buf_fini(&key);
        persist_is_unsaved(w);
    }
}

int persist_restore(struct cnode_worker *w)
{
    const struct pool *pool = worker_pool(w);
    const struct kept *kept = w->extras != NULL && w->extras->waiting != NULL
                                  ? w->extras->waiting->kept
                                  : NULL;
    int rc;

    if (pool->persist == NULL) {
        return 0;
    }
    *persist_tail(w) = TAIL_CHANGED; /* nothing of it is kept yet */
    if (kept == NULL || kept->rc != 0) {
        return 0;
    }
    rc = pool->behaviour->restore(w, worker_state(w), kept->state);
    if (rc >= 0) {
        restored(w, kept);
    }
    return rc < 0 ? rc : 0;
}
