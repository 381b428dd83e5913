/* SPDX-License-Identifier: Apache-2.0
 *
 * What a worker does with a message: open the envelope, load before the first
 * one, hand calls that every worker answers to defaults.c and the rest to the
 * behaviour, then look whether it wants to stop.
 */
#include <cnode/error.h>

#include "base/metric.h"
#include "node/node.h"
#include "pool/defaults.h"
#include "pool/dispatch.h"
#include "pool/lost.h"
#include "pool/pending.h"
#include "pool/persist.h"
#include "pool/pools.h"
#include "term/build.h"

/* False when the envelope is for somebody else; a call is then answered. */
static bool open_envelope(struct run *run, const struct envelope *envelope)
{
    struct cnode_worker *w = run->worker;

    /* what came by ref was looked up by that ref */
    if (run->by_ref || dispatch_is_for(w, envelope)) {
        run->message = envelope->message;
        run->call = envelope->call;
        run->context = envelope->context;
        run->options = envelope->options;
        return true;
    }
    if (run->gen.kind == GEN_CALL) {
        (void)run_reply(run, envelope->has_ref
                                 ? "{nz_ap_forward, nil}"
                                 : "{error, message_delivery_error}");
    } else {
        lost_because(worker_pool(w), &run->gen, "wrong_recipient");
    }
    return false;
}

static int load(struct run *run)
{
    struct cnode_worker *w = run->worker;
    const struct cnode_behaviour *behaviour = worker_pool(w)->behaviour;

    worker_move(w, WORKER_LOADED);
    return behaviour->load != NULL ? behaviour->load(w, worker_state(w)) : 0;
}

static int handle_call(struct run *run, struct cnode_term call)
{
    struct cnode_worker *w = run->worker;
    struct pool *pool = worker_pool(w);
    int rc = defaults_call(run, call);

    if (rc == CNODE_UNHANDLED && !run->is_answered && !run->is_stopping &&
        pool->behaviour->handle_call != NULL) {
        rc = pool->behaviour->handle_call(w, worker_state(w), call);
    }
    if (rc == CNODE_UNHANDLED) {
        rc = 0;
        if (!run->is_answered && !run->is_stopping) {
            METRIC_INC(calls_unhandled);
            rc = run_reply(run, "{unhandled, ~t}", run->message);
        }
    }
    return rc;
}

static int handle_info(struct run *run, struct cnode_term message)
{
    struct cnode_worker *w = run->worker;
    const struct pool *pool = worker_pool(w);
    int rc = 0;

    if (!pending_take(run, message, &rc) &&
        pool->behaviour->handle_info != NULL) {
        rc = pool->behaviour->handle_info(w, worker_state(w), message);
    }
    return rc == CNODE_UNHANDLED ? 0 : rc;
}

static int handle(struct run *run, bool is_envelope)
{
    struct cnode_worker *w = run->worker;
    const struct cnode_behaviour *behaviour = worker_pool(w)->behaviour;
    struct cnode_term message = run->call;
    enum gen_kind kind = run->gen.kind;
    int rc = 0;

    if (kind == GEN_INFO && is_envelope) {
        kind = GEN_CAST;
    }
    if (kind == GEN_CALL) {
        return handle_call(run, message);
    }
    if (kind == GEN_INFO) {
        return handle_info(run, message);
    }
    if (behaviour->handle_cast != NULL) {
        rc = behaviour->handle_cast(w, worker_state(w), message);
    }
    return rc == CNODE_UNHANDLED ? 0 : rc;
}

/* The worker dies of a call: callers that watch its pid are told by that, those
 * who called through the pool by us. */
static void stop(struct run *run)
{
    struct cnode_worker *w = run->worker;
    bool is_call = run->gen.kind == GEN_CALL && !run->is_answered;

    run_end(run);
    if (is_call && run->is_safe) {
        dispatch_call_exits(worker_pool(w), &run->gen.from, run_reason(run));
    } else if (is_call && run->by_ref) {
        dispatch_call_lost(worker_pool(w), &run->gen.from, run_reason(run));
    }
    worker_end(w, run_reason(run), run->after);
}

static int load_and_handle(struct run *run, const struct received *received)
{
    int rc = 0;

    if (run->worker->status == WORKER_INIT) {
        rc = load(run);
    }
    return rc < 0 || run->is_stopping ? rc : handle(run, received->is_envelope);
}

/* {ack, process, Identifier} for a cast or info that was handled. A call has
 * its reply. */
static void acknowledge(struct run *run, struct cnode_term identifier)
{
    struct pool *pool = worker_pool(run->worker);
    struct dest dest = {.kind = DEST_PID};
    struct cnode_term parts[2];

    if (!term_get_tuple(identifier, 2, parts) ||
        !term_get_pid(parts[0], &dest.pid)) {
        return;
    }
    dest = dest_pid(dest.pid);
    term_format(node_scratch(pool->node), "{ack, process, ~t}", identifier);
    (void)route_send(pool->node, node_pid(pool->node, &run->worker->process),
                     &dest, node_scratch_payload(pool->node));
}

/* TERM_NONE: nobody wants to know when this message was handled. */
static struct cnode_term wants_ack(const struct received *received)
{
    return received->is_envelope && received->gen.kind != GEN_CALL &&
                   envelope_wants_ack(&received->envelope)
               ? received->envelope.identifier
               : TERM_NONE;
}

static void run_message(struct run *run, const struct received *received)
{
    struct cnode_term identifier = wants_ack(received);
    int rc;

    if (received->is_envelope) {
        run->is_safe =
            run->gen.kind == GEN_CALL && envelope_is_safe(&received->envelope);
        if (!open_envelope(run, &received->envelope)) {
            return;
        }
    }
    rc = load_and_handle(run, received);
    if (!term_is_none(identifier) && rc >= 0 &&
        (!run->is_stopping || worker_reason_is_clean(run_reason(run)))) {
        acknowledge(run, identifier);
    }
    run_result(run, rc);
}

/* A call; a cast is good for as long as its worker is there. */
static bool has_expired(struct pool *pool, const struct signal *signal,
                        const struct received *received)
{
    return signal->since_ms != 0 && received->is_envelope &&
           received->gen.kind == GEN_CALL &&
           dispatch_expires(pool, signal, &received->gen, &received->envelope);
}

void worker_on_message(struct process *process, const struct signal *signal)
{
    struct cnode_worker *w =
        CONTAINER_OF(process, struct cnode_worker, process);
    struct pool *pool = worker_pool(w);
    struct run *run = &pool->pools->run;
    struct received *received;

    if ((w->status == WORKER_SPAWNED && !worker_run_init(w)) ||
        signal->id == SIGNAL_BY_SPAWN) {
        return;
    }
    received = received_get(&pool->pools->received, signal->term);
    if (has_expired(pool, signal, received)) {
        received_forget(received);
        return;
    }
    if (received->gen.kind == GEN_CALL) {
        passed_here(pool->node, signal, &received->gen);
    }
    run_begin(run, w);
    run->gen = received->gen;
    run->by_ref = signal->id == SIGNAL_BY_REF;
    run->message = run->call = run->gen.body;
    w->last_used = worker_clock(loop_now_ms(node_loop(pool->node)));
    persist_touched(w);
    run_message(run, received);
    received_forget(received);
    if (run->is_stopping) {
        stop(run);
    } else {
        persist_handled(run);
        run_end(run);
    }
}
