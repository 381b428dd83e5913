/* SPDX-License-Identifier: Apache-2.0
 *
 * See pending.h.
 */
#include "pool/pending.h"

#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "node/erpc_wire.h"
#include "node/node.h"
#include "pool/extras.h"
#include "pool/pool.h"
#include "pool/run.h"
#include "term/build.h"

struct question {
    struct ref ref;
    struct pending_what what;
    struct timer timer;
    struct cnode_worker *worker;
};

struct pending {
    struct map by_ref;
};

static bool equal(const void *item, const void *key)
{
    const struct question *question = item;

    return ref_equal(&question->ref, key);
}

static uint64_t hash(const struct ref *ref)
{
    return hash_u64((uint64_t)ref->words[0] << 32 | ref->words[1]);
}

static struct node *node_of(const struct cnode_worker *w)
{
    return worker_pool(w)->node;
}

uint32_t pending_count(const struct pending *pending)
{
    return pending != NULL ? pending->by_ref.count : 0;
}

/* --- asked */

int pending_check(const struct cnode_worker *w)
{
    if (w->extras != NULL &&
        pending_count(w->extras->pending) >= limits.calls_per_worker) {
        METRIC_INC(worker_calls_refused);
        return CNODE_LIMIT;
    }
    return 0;
}

static void on_timeout(struct timer *timer)
{
    const struct question *question =
        CONTAINER_OF(timer, struct question, timer);
    struct node *node = node_of(question->worker);
    struct pid self = node_pid(node, &question->worker->process);
    struct signal signal = {.kind = SIGNAL_MESSAGE, .to = self, .from = self};
    struct buf buf;

    buf_init(&buf, 0);
    term_format(&buf, "{cnode_timeout, ~r}", &question->ref);
    signal.term = term_at(buf_data(&buf), buf_size(&buf));
    (void)scheduler_deliver(&node->scheduler, &signal);
    buf_fini(&buf);
}

void pending_add(struct cnode_worker *w, const struct ref *ref,
                 const struct pending_what *what)
{
    struct extras *extras = extras_of(w);
    struct question *question = mem_alloc(sizeof(*question));

    if (extras->pending == NULL) {
        extras->pending = mem_alloc(sizeof(*extras->pending));
        map_init(&extras->pending->by_ref, equal);
    }
    *question = (struct question){.ref = *ref, .what = *what, .worker = w};
    timer_init(&question->timer, on_timeout);
    if (what->timeout_ms != CNODE_INFINITY) {
        loop_timer_start(node_loop(node_of(w)), &question->timer,
                         what->timeout_ms);
    }
    map_add(&extras->pending->by_ref, hash(ref), question);
}

/* --- answered */

static void forget(struct question *question)
{
    struct cnode_worker *w = question->worker;
    struct pending *pending = w->extras->pending;

    map_remove(&pending->by_ref, hash(&question->ref), &question->ref);
    loop_timer_stop(node_loop(node_of(w)), &question->timer);
    mem_free(question);
    if (pending->by_ref.count == 0) {
        map_fini(&pending->by_ref);
        mem_free(pending);
        w->extras->pending = NULL;
        extras_trim(w);
    }
}

void pending_free(struct cnode_worker *w)
{
    struct question *question;

    while (w->extras != NULL && w->extras->pending != NULL) {
        uint32_t at = 0;

        question = map_next(&w->extras->pending->by_ref, &at);
        forget(question);
    }
}

/* How a message refers to a question. */
struct hint {
    struct ref ref;
    enum { REPLY, TIMEOUT, ANSWER, ERPC } sort;
    struct cnode_term term;
    bool is_down;
};

static bool read_message(struct cnode_term message, struct hint *hint)
{
    struct cnode_term parts[3], alias;

    if (erpc_read_message(message, &hint->ref, &hint->term, &hint->is_down)) {
        hint->sort = ERPC;
        return true;
    }
    if (term_get_tuple(message, 3, parts) &&
        term_is_atom(parts[0], A_cnode_answer)) {
        hint->sort = ANSWER;
        hint->term = parts[2];
        return term_get_ref(parts[1], &hint->ref);
    }
    if (!term_get_tuple(message, 2, parts)) {
        return false;
    }
    if (term_is_atom(parts[0], A_cnode_timeout)) {
        hint->sort = TIMEOUT;
        return term_get_ref(parts[1], &hint->ref);
    }
    hint->sort = REPLY;
    hint->term = parts[1];
    return gen_alias(parts[0], &alias) && term_get_ref(alias, &hint->ref);
}

/* Nobody is to send an answer any more. */
static void give_up(const struct question *question)
{
    struct node *node = node_of(question->worker);
    struct process *process = &question->worker->process;

    if (question->what.kind == PENDING_CALL) {
        (void)monitor_stop(node, process, &question->ref);
    } else if (question->what.kind == PENDING_ERPC) {
        spawn_request_abandon(node, process, &question->ref);
    }
}

static int reason_error(struct cnode_term reason)
{
    return term_is_atom(reason, A_noproc)         ? CNODE_NOPROC
           : term_is_atom(reason, A_noconnection) ? CNODE_NOCONN
                                                  : CNODE_ENDED;
}

/* What the message means for the question; false: it does not fit. `buf` may
 * hold a part of the answer. */
static bool read_answer(const struct question *question,
                        const struct hint *hint, struct buf *buf,
                        struct cnode_answer *answer)
{
    enum pending_kind kind = question->what.kind;
    struct erpc_result result = {ERPC_RETURN, TERM_NONE};

    *answer = (struct cnode_answer){.term = hint->term};
    switch (hint->sort) {
    case REPLY:
        return kind == PENDING_CALL;
    case ANSWER:
        return kind == PENDING_TASK;
    case TIMEOUT:
        answer->error = CNODE_TIMEOUT;
        answer->term = atom_term(A_timeout);
        if (kind != PENDING_ERPC) {
            return true;
        }
        erpc_failed(buf, A_timeout, &result);
        break;
    case ERPC:
        if (kind == PENDING_CALL) {
            answer->error = reason_error(hint->term);
            return hint->is_down;
        }
        erpc_read_result(buf, hint->term, hint->is_down, &result);
        break;
    }
    answer->error = result.class == ERPC_RETURN ? 0 : CNODE_RAISED;
    answer->raised =
        result.class == ERPC_RETURN ? NULL : erpc_class_name(result.class);
    answer->term = result.term;
    return kind == PENDING_ERPC;
}

/* Nothing is asked any more, but this was on its way. */
static bool is_late(struct cnode_term message)
{
    struct cnode_term head;
    uint32_t arity;

    return cnode_get_tuple(message, &arity, &head) && arity >= 2 &&
           (term_is_atom(head, A_cnode_timeout) ||
            term_is_atom(head, A_cnode_answer));
}

bool pending_take(struct run *run, struct cnode_term message, int *rc)
{
    struct cnode_worker *w = run->worker;
    struct pending_what what;
    struct question *question;
    struct cnode_answer answer;
    struct hint hint;
    struct buf buf;

    *rc = 0;
    if (w->extras == NULL || w->extras->pending == NULL) {
        return is_late(message);
    }
    if (!read_message(message, &hint)) {
        return false;
    }
    question = map_get(&w->extras->pending->by_ref, hash(&hint.ref), &hint.ref);
    if (question == NULL) {
        return hint.sort == TIMEOUT || hint.sort == ANSWER;
    }
    buf_init(&buf, 0);
    if (read_answer(question, &hint, &buf, &answer)) {
        if (hint.sort == TIMEOUT) {
            give_up(question);
        }
        what = question->what;
        forget(question);
        *rc = what.fn(w, worker_state(w), what.context, &answer);
    }
    buf_fini(&buf);
    return true;
}

void pending_put_answer(struct buf *buf, const struct ref *ref,
                        struct cnode_term answer)
{
    term_format(buf, "{cnode_answer, ~r, ~t}", ref, answer);
}
