/* SPDX-License-Identifier: Apache-2.0
 *
 * See persist_save.h.
 */
#include "pool/persist_save.h"

#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "node/node.h"
#include "pool/extras.h"
#include "pool/pending.h"
#include "pool/pools.h"
#include "pool/run.h"
#include "term/build.h"
#include "term/text.h"

enum {
    RETRY_MS = 1000,
    LATE_MS = 5000, /* nobody waits longer for a write */
    LOOK_MS = 500,
    LOG_TEXT_BYTES = 200,
};

/* --- what belongs to a worker */

uint64_t *persist_tail(const struct cnode_worker *w)
{
    size_t state = (worker_pool(w)->behaviour->state_size + 7) & ~(size_t)7;

    return (uint64_t *)((char *)(w + 1) + state);
}

static void put_key(struct buf *buf, const struct pool *pool)
{
    const char *name = atom_text(pool->config->name);

    buf_put(buf, name, strlen(name) + 1);
}

void persist_put_key(struct buf *buf, const struct cnode_worker *w)
{
    put_key(buf, worker_pool(w));
    worker_put_ref(buf, w);
}

static struct saving *saving_of(struct cnode_worker *w)
{
    struct extras *extras = extras_of(w);

    if (extras->saving == NULL) {
        extras->saving = mem_zalloc(sizeof(*extras->saving));
        extras->saving->worker = w;
        list_init(&extras->saving->node);
    }
    return extras->saving;
}

static void saving_trim(struct cnode_worker *w)
{
    struct saving *saving = w->extras->saving;

    if (saving->under_way == 0 && list_is_empty(&saving->node)) {
        mem_free(saving);
        w->extras->saving = NULL;
        extras_trim(w);
    }
}

void persist_forget(struct cnode_worker *w)
{
    if (w->extras != NULL && w->extras->saving != NULL) {
        list_remove(&w->extras->saving->node);
        mem_free(w->extras->saving);
        w->extras->saving = NULL;
    }
}

void persist_is_unsaved(struct cnode_worker *w)
{
    struct persist *persist = worker_pool(w)->persist;
    struct saving *saving = saving_of(w);

    *persist_tail(w) = TAIL_CHANGED;
    list_remove(&saving->node);
    list_push_back(&persist->unsaved, &saving->node);
    if (!timer_is_active(&persist->retry)) {
        loop_timer_start(node_loop(persist->pool->node), &persist->retry,
                         RETRY_MS);
    }
}

/* --- one write is over */

static struct cnode_worker *worker_of(const struct save *save)
{
    struct pool *pool = save->persist->pool;
    struct process *process = node_find(pool->node, save->pid);

    return process != NULL && process->class == &pool->worker_class
               ? CONTAINER_OF(process, struct cnode_worker, process)
               : NULL;
}

static void log_failed(const struct save *save)
{
    const struct buf *key = &save->op.key;
    size_t name = strlen((const char *)buf_data(key)) + 1;
    struct buf text;

    buf_init(&text, 0);
    term_print(&text, term_at(buf_data(key) + name, buf_size(key) - name),
               LOG_TEXT_BYTES);
    LOG_ERROR("state_not_written", F_STR("pool", (const char *)buf_data(key)),
              F_BYTES("ref", buf_data(&text), buf_size(&text)),
              F_ERR(save->op.rc));
    buf_fini(&text);
}

/* `ok` or {error, Atom}, as a message to the worker that asked. */
static void answer(const struct save *save, struct cnode_worker *w, int rc)
{
    struct node *node = worker_pool(w)->node;
    struct pid self = node_pid(node, &w->process);
    struct signal signal = {.kind = SIGNAL_MESSAGE, .to = self, .from = self};
    struct buf result, message;

    buf_init(&result, 0);
    buf_init(&message, 0);
    if (rc == 0) {
        term_put_atom(&result, A_ok);
    } else {
        term_format(&result, "{error, ~a}", cnode_error_atom(rc));
    }
    pending_put_answer(&message, &save->ref,
                       term_at(buf_data(&result), buf_size(&result)));
    signal.term = term_at(buf_data(&message), buf_size(&message));
    (void)scheduler_deliver(&node->scheduler, &signal);
    buf_fini(&result);
    buf_fini(&message);
}

static void let_go(struct save *save, struct cnode_worker *w, int rc)
{
    struct node *node = save->persist->pool->node;
    struct process *self = w != NULL ? &w->process : NULL;

    if (rc == 0) {
        held_send(&save->held, node, self);
    } else {
        held_refuse(&save->held, node, self, cnode_error_atom(rc));
    }
    if (save->is_asked && w != NULL) {
        answer(save, w, rc);
    }
}

void persist_answer_late(struct persist *persist)
{
    struct loop *loop = node_loop(persist->pool->node);
    uint64_t now_ms = loop_now_ms(loop);
    int rc = store_is_failing(persist->store) ? CNODE_STORE_UNREACHABLE
                                              : CNODE_OVERLOADED;

    LIST_EACH(it, &persist->under_way) {
        struct save *save = CONTAINER_OF(it, struct save, node);

        if (now_ms - save->since_ms < LATE_MS) {
            break;
        }
        let_go(save, worker_of(save), rc);
        save->is_asked = false;
    }
    if (!list_is_empty(&persist->under_way)) {
        loop_timer_start(loop, &persist->late, LOOK_MS);
    }
}

static void save_over(struct save *save)
{
    struct cnode_worker *w = worker_of(save);

    list_remove(&save->node);
    if (save->op.rc != 0) {
        log_failed(save);
    }
    let_go(save, w, save->op.rc);
    if (w != NULL) {
        struct saving *saving = w->extras->saving;

        saving->under_way--;
        if (saving->newest == save) {
            saving->newest = NULL;
            if (save->op.rc != 0 && save->op.kind == STORE_PUT) {
                persist_is_unsaved(w);
            }
        }
        saving_trim(w);
    } else if (save->op.rc != 0 && save->op.kind == STORE_PUT) {
        persist_lost_add(save);
    }
}

static void on_over(struct signal_task *task, void *owner)
{
    struct save *save = CONTAINER_OF(task, struct save, task);

    if (owner != NULL) { /* else the node has ended */
        save_over(save);
    }
    if (save->done != NULL) {
        save->done(owner, save->done_arg, save->op.rc);
    }
    held_drop(&save->held);
    store_op_fini(&save->op);
}

/* On the store's thread. */
static void on_done(struct store_op *op)
{
    struct save *save = CONTAINER_OF(op, struct save, op);

    scheduler_post(&save->persist->pool->node->scheduler, &save->task.signal);
}

/* --- and begins */

static void drop(struct save *save)
{
    save->task.run = NULL;
    store_op_fini(&save->op);
    signal_free(&save->task.signal);
}

struct save *persist_save_new(struct persist *persist, enum store_kind kind)
{
    struct save *save = mem_zalloc(sizeof(*save));

    save->task.signal.kind = SIGNAL_TASK;
    save->task.run = on_over;
    save->persist = persist;
    list_init(&save->node);
    store_op_init(&save->op, kind, on_done);
    return save;
}

int persist_submit(struct save *save)
{
    save->op.rc = 0;
    return store_submit(save->persist->store, &save->op);
}

static void watch(struct save *save)
{
    struct persist *persist = save->persist;
    struct loop *loop = node_loop(persist->pool->node);

    save->since_ms = loop_now_ms(loop);
    list_push_back(&persist->under_way, &save->node);
    if (!timer_is_active(&persist->late)) {
        loop_timer_start(loop, &persist->late, LOOK_MS);
    }
}

/* It counts for the worker, unless that is about to end. */
static void begin(struct cnode_worker *w, struct save *save)
{
    struct saving *saving;

    if (w == save->persist->ending) {
        return;
    }
    saving = saving_of(w);
    saving->under_way++;
    saving->newest = save;
    list_remove(&saving->node);
    save->pid = node_pid(worker_pool(w)->node, &w->process);
    watch(save);
}

static void submit_for(struct cnode_worker *w, struct save *save)
{
    int rc;

    begin(w, save);
    persist_put_key(&save->op.key, w);
    if (save->persist->lost.count > 0) { /* it is older */
        persist_lost_remove(save->persist, &save->op.key);
    }
    rc = persist_submit(save);
    if (rc != 0) {
        save->op.rc = rc;
        signal_run(&save->task.signal, worker_pool(w)->node);
        signal_free(&save->task.signal);
    }
}

/* The state, and behind it the arguments of the start if there were any. */
static int put_value(struct save *save, struct cnode_worker *w,
                     const struct buf *state)
{
    struct buf *value = store_op_value(&save->op);

    buf_put(value, buf_data(state), buf_size(state));
    if (w->extras != NULL && w->extras->args != NULL) {
        term_put_copy(value, cnode_kept_term(w->extras->args));
    }
    return buf_error(value);
}

/* Its state in the scratch buffer of the pools, and the hash of that. */
static int dump(struct cnode_worker *w, struct buf *state, uint64_t *hash)
{
    int rc;

    buf_clear(state);
    rc = worker_dump(w, state);
    if (rc == 0) {
        rc = buf_error(state);
    }
    if (rc == 0 && buf_size(state) > limits.state_bytes) {
        METRIC_INC(states_refused);
        rc = CNODE_TOO_LARGE;
    }
    if (rc == 0) {
        *hash = hash_stable(buf_data(state), buf_size(state)) &
                ~(uint64_t)TAIL_CHANGED;
    }
    return rc;
}

/* Answers that wait for a write take their place in its list, which is bounded
 * as a mailbox. */
static void wait_for(struct cnode_worker *w, struct save *save,
                     struct held *held)
{
    const struct pool *pool = worker_pool(w);

    if (save->held.count + held->count > pool->config->worker.mailbox_limit) {
        METRIC_ADD(buffer_overflow, held->count);
        held_refuse(held, pool->node, &w->process,
                    cnode_error_atom(CNODE_OVERLOADED));
        return;
    }
    held_move(&save->held, held);
}

static struct save *newest_of(const struct cnode_worker *w)
{
    return w->extras != NULL && w->extras->saving != NULL
               ? w->extras->saving->newest
               : NULL;
}

/* Nothing new: answers wait for what is under way, if anything is. False: that
 * cannot tell one more who asks. */
static bool is_same_as_before(struct cnode_worker *w, struct held *held,
                              const struct ref *ref)
{
    struct save *newest = newest_of(w);
    struct save nothing = {.persist = worker_pool(w)->persist};

    if (newest == NULL) {
        held_send(held, worker_pool(w)->node, &w->process);
        if (ref != NULL) {
            nothing.ref = *ref;
            answer(&nothing, w, 0);
        }
        return true;
    }
    if (ref != NULL) {
        if (newest->is_asked) {
            return false;
        }
        newest->is_asked = true;
        newest->ref = *ref;
    }
    wait_for(w, newest, held);
    return true;
}

/* A write that has not begun takes the newer state instead. */
static bool is_replaced(struct cnode_worker *w, struct held *held,
                        const struct ref *ref, struct buf *value)
{
    struct save *newest = newest_of(w);

    if (newest == NULL || newest->op.kind != STORE_PUT ||
        (ref != NULL && newest->is_asked) ||
        !store_replace(newest->persist->store, &newest->op, value)) {
        return false;
    }
    if (ref != NULL) {
        newest->is_asked = true;
        newest->ref = *ref;
    }
    wait_for(w, newest, held);
    return true;
}

void persist_write(struct cnode_worker *w, struct held *held,
                   const struct ref *ref)
{
    struct persist *persist = worker_pool(w)->persist;
    struct buf *state = &worker_pool(w)->pools->dumped;
    struct save *save;
    uint64_t hash;
    int rc = dump(w, state, &hash);

    if (rc == 0 && hash == (*persist_tail(w) & ~(uint64_t)TAIL_CHANGED) &&
        is_same_as_before(w, held, ref)) {
        *persist_tail(w) = hash;
        return;
    }
    save = persist_save_new(persist, STORE_PUT);
    if (rc == 0) {
        rc = put_value(save, w, state);
    }
    if (rc == 0 && is_replaced(w, held, ref, &save->op.value)) {
        *persist_tail(w) = hash;
        drop(save);
        return;
    }
    held_move(&save->held, held);
    save->is_asked = ref != NULL;
    if (ref != NULL) {
        save->ref = *ref;
    }
    if (rc == 0) {
        *persist_tail(w) = hash;
        submit_for(w, save);
        return;
    }
    save->pid = node_pid(worker_pool(w)->node, &w->process);
    persist_put_key(&save->op.key, w);
    save->op.rc = rc; /* nothing to be tried again: the next state may be ok */
    log_failed(save);
    let_go(save, w, rc);
    drop(save);
}

static void delete_by(struct cnode_worker *w, struct save *save)
{
    struct buf *state = &worker_pool(w)->pools->dumped;
    uint64_t hash;

    if (dump(w, state, &hash) == 0) { /* as it is now it need not be kept */
        *persist_tail(w) = hash;
    }
    submit_for(w, save);
}

void persist_delete(struct cnode_worker *w, const struct ref *ref)
{
    struct save *save = persist_save_new(worker_pool(w)->persist, STORE_DELETE);

    save->is_asked = ref != NULL;
    if (ref != NULL) {
        save->ref = *ref;
    }
    delete_by(w, save);
}

/* Of a worker that is not up. */
static void erase(struct save *save, const struct worker_key *key)
{
    const struct pool *pool = save->persist->pool;
    int rc;

    put_key(&save->op.key, pool);
    term_put_tuple(&save->op.key, 3);
    term_put_atom(&save->op.key, A_ref);
    term_put_atom(&save->op.key, pool->config->worker.module);
    buf_put(&save->op.key, key->bytes, key->size);
    persist_lost_remove(save->persist, &save->op.key);
    rc = persist_submit(save);
    if (rc != 0) {
        save->op.rc = rc;
        signal_run(&save->task.signal, pool->node);
        signal_free(&save->task.signal);
    }
}

int persist_erase(struct pool *part, const struct worker_key *key,
                  persist_done_fn done, void *arg)
{
    struct segment *segment = pool_segment(part, pool_segment_index(part, key));
    struct cnode_worker *w = worker_table_get(&segment->table, key);
    struct run *run = &part->pools->run;
    struct save *save;

    if (part->persist == NULL) {
        return CNODE_UNSUPPORTED;
    }
    save = persist_save_new(part->persist, STORE_DELETE);
    save->done = done;
    save->done_arg = arg;
    if (w == NULL || !worker_is_up(w)) {
        erase(save, key);
        return 0;
    }
    run_begin(run, w);
    run->may_stop = false;
    delete_by(w, save);
    run_end(run);
    return 0;
}

void persist_write_later(struct cnode_worker *w)
{
    struct run *run = run_of(w);
    struct run_watch before;

    run_begin(run, w);
    run->may_stop = false;
    before = run_watch_begin(w);
    persist_write(w, &run->held, NULL);
    run_watch_end(&before);
    run_end(run);
}
