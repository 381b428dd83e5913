/* SPDX-License-Identifier: Apache-2.0
 *
 * See extras.h.
 */
#include "pool/extras.h"

#include <string.h>

#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "node/node.h"
#include "pool/dispatch.h"
#include "pool/pending.h"
#include "pool/persist.h"
#include "pool/pool.h"
#include "pool/record.h"
#include "term/build.h"

struct worker_timer {
    struct timer timer;
    struct list node; /* extras.timers */
    struct cnode_worker *worker;
    uint64_t number;
    size_t size;
    uint8_t message[];
};

struct extras *extras_of(struct cnode_worker *w)
{
    if (w->extras == NULL) {
        w->extras = mem_zalloc(sizeof(*w->extras));
        list_init(&w->extras->froms);
        list_init(&w->extras->timers);
    }
    return w->extras;
}

void extras_trim(struct cnode_worker *w)
{
    struct extras *extras = w->extras;

    if (extras != NULL && !extras_are_busy(extras) && extras->args == NULL &&
        extras->context == NULL && extras->record == NULL &&
        extras->waiting == NULL && extras->last_timer == 0) {
        mem_free(extras);
        w->extras = NULL;
    }
}

void extras_free(struct cnode_worker *w)
{
    persist_forget(w);
    if (w->extras != NULL) {
        cnode_term_free(w->extras->args);
        cnode_term_free(w->extras->context);
        mem_free(w->extras->record);
        mem_free(w->extras);
        w->extras = NULL;
    }
}

/* --- the start */

static int keep(struct cnode_kept **kept, struct cnode_term term)
{
    if (term_is_none(term)) {
        return 0;
    }
    *kept = cnode_term_copy(term);
    return *kept == NULL ? CNODE_NOMEM : 0;
}

int extras_keep_start(struct cnode_worker *w, struct cnode_term args,
                      struct cnode_term context)
{
    struct extras *extras = extras_of(w);
    int rc = keep(&extras->args, args);

    return rc == 0 ? keep(&extras->context, context) : rc;
}

void extras_drop_start(struct cnode_worker *w)
{
    if (w->extras != NULL) {
        uint64_t before = record_bytes(w);

        cnode_term_free(w->extras->args);
        cnode_term_free(w->extras->context);
        w->extras->args = w->extras->context = NULL;
        roll_add_bytes(worker_pool(w)->roll,
                       (int64_t)(record_bytes(w) - before));
        extras_trim(w);
    }
}

struct cnode_term extras_args(const struct cnode_worker *w)
{
    return w->extras != NULL && w->extras->args != NULL
               ? cnode_kept_term(w->extras->args)
               : term_nil();
}

struct cnode_term extras_context(const struct cnode_worker *w)
{
    if (w->extras != NULL && w->extras->context != NULL) {
        return cnode_kept_term(w->extras->context);
    }
    return atom_term(w->context_is_nil ? A_nil : A_undefined);
}

/* --- callers */

struct cnode_from *extras_keep(struct cnode_worker *w,
                               const struct gen_from *from, bool by_ref,
                               bool is_safe)
{
    size_t pid_size = cnode_term_size(from->pid);
    size_t tag_size = cnode_term_size(from->tag);
    struct cnode_from *kept = mem_try(sizeof(*kept) + pid_size + tag_size);

    if (kept == NULL) {
        return NULL;
    }
    memcpy(kept->bytes, from->pid.at, pid_size);
    memcpy(kept->bytes + pid_size, from->tag.at, tag_size);
    kept->from = *from;
    kept->from.pid = term_at(kept->bytes, pid_size);
    kept->from.tag = term_at(kept->bytes + pid_size, tag_size);
    kept->by_ref = by_ref;
    kept->is_safe = is_safe;
    list_push_back(&extras_of(w)->froms, &kept->node);
    return kept;
}

void extras_drop_from(struct cnode_worker *w, struct cnode_from *from)
{
    list_remove(&from->node);
    mem_free(from);
    extras_trim(w);
}

/* --- timers */

static struct loop *loop_of(const struct cnode_worker *w)
{
    return node_loop(worker_pool(w)->node);
}

static void timer_free(struct worker_timer *timer)
{
    list_remove(&timer->node);
    timer->worker->extras->timer_count--;
    mem_free(timer);
}

static void on_timer(struct timer *wheel_timer)
{
    struct worker_timer *timer =
        CONTAINER_OF(wheel_timer, struct worker_timer, timer);
    struct cnode_worker *w = timer->worker;
    struct node *node = worker_pool(w)->node;
    struct pid self = node_pid(node, &w->process);
    struct signal signal = {.kind = SIGNAL_MESSAGE,
                            .to = self,
                            .from = self,
                            .term = term_at(timer->message, timer->size)};

    (void)scheduler_deliver(&node->scheduler, &signal);
    timer_free(timer);
}

int extras_timer_start(struct cnode_worker *w, uint64_t ms,
                       struct cnode_term message, uint64_t *number)
{
    struct extras *extras = extras_of(w);
    size_t size = cnode_term_size(message);
    struct worker_timer *timer;

    if (extras->timer_count >= limits.timers_per_worker) {
        METRIC_INC(timers_refused);
        return CNODE_LIMIT;
    }
    timer = mem_try(sizeof(*timer) + size);
    if (timer == NULL) {
        return CNODE_NOMEM;
    }
    timer_init(&timer->timer, on_timer);
    timer->worker = w;
    timer->number = ++extras->last_timer;
    timer->size = size;
    memcpy(timer->message, message.at, size);
    list_push_back(&extras->timers, &timer->node);
    extras->timer_count++;
    loop_timer_start(loop_of(w), &timer->timer, ms);
    *number = timer->number;
    return 0;
}

int extras_timer_stop(struct cnode_worker *w, uint64_t number)
{
    if (w->extras == NULL) {
        return CNODE_NOT_FOUND;
    }
    LIST_EACH(it, &w->extras->timers) {
        struct worker_timer *timer =
            CONTAINER_OF(it, struct worker_timer, node);

        if (timer->number == number) {
            loop_timer_stop(loop_of(w), &timer->timer);
            timer_free(timer);
            return 0;
        }
    }
    return CNODE_NOT_FOUND;
}

/* --- the end */

void extras_worker_ends(struct cnode_worker *w, struct cnode_term reason)
{
    struct extras *extras;
    struct list *node;

    pending_free(w);
    persist_forget(w);
    extras = w->extras;
    if (extras == NULL) {
        return;
    }
    while (!list_is_empty(&extras->timers)) {
        struct worker_timer *timer =
            CONTAINER_OF(extras->timers.next, struct worker_timer, node);

        loop_timer_stop(loop_of(w), &timer->timer);
        timer_free(timer);
    }
    while ((node = list_pop(&extras->froms)) != NULL) {
        struct cnode_from *from = CONTAINER_OF(node, struct cnode_from, node);

        if (from->is_safe) {
            dispatch_call_exits(worker_pool(w), &from->from, reason);
        } else if (from->by_ref) {
            dispatch_call_lost(worker_pool(w), &from->from, reason);
        }
        mem_free(from);
    }
    extras->last_timer = 0;
    extras_trim(w);
}
