/* SPDX-License-Identifier: Apache-2.0
 *
 * See defaults.h. What each call returns without a callback is AdvancedPool's
 * answer.
 */
#include "pool/defaults.h"

#include <cnode/error.h>

#include "node/node.h"
#include "pool/envelope.h"
#include "pool/health.h"
#include "pool/persist.h"
#include "pool/pool.h"
#include "pool/record.h"
#include "term/build.h"

struct default_call {
    /* The whole call was `name`, or {name, argument}. */
    int (*handle)(struct run *run, struct cnode_term argument);
    atom_t name;
    bool takes_argument;
};

static int on_ping(struct run *run, struct cnode_term argument);
static int on_fetch(struct run *run, struct cnode_term what);
static int on_hibernate(struct run *run, struct cnode_term argument);
static int on_persist(struct run *run, struct cnode_term argument);
static int on_reload(struct run *run, struct cnode_term argument);
static int on_health(struct run *run, struct cnode_term argument);
static int on_wake(struct run *run, struct cnode_term argument);
static int on_kill(struct run *run, struct cnode_term argument);
static int on_crash(struct run *run, struct cnode_term argument);

/* clang-format off */
static const struct default_call calls[] = {
    {on_ping,      A_ping,      false},
    {on_fetch,     A_fetch,     true},
    {on_hibernate, A_hibernate, false},
    {on_persist,   A_persist_x, false},
    {on_reload,    A_reload_x,  false},
    {on_reload,    A_reload_x,  true},
    {on_health,    A_health,    false},
    {on_health,    A_health,    true},
    {on_wake,      A_wake_x,    false},
    {on_kill,      A_kill_x,    false},
    {on_crash,     A_crash_x,   false},
};
/* clang-format on */

int defaults_call(struct run *run, struct cnode_term call)
{
    struct cnode_term parts[2], argument = TERM_NONE;
    atom_t name = term_atom(call);
    bool takes_argument = false;

    if (name == ATOM_NONE && term_get_tuple(call, 2, parts)) {
        name = term_atom(parts[0]);
        argument = parts[1];
        takes_argument = true;
    }
    if (name == ATOM_NONE || name >= ATOM_FIXED_COUNT) {
        return CNODE_UNHANDLED;
    }
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        if (calls[i].name == name &&
            calls[i].takes_argument == takes_argument) {
            return calls[i].handle(run, argument);
        }
    }
    return CNODE_UNHANDLED;
}

static const struct cnode_behaviour *behaviour_of(const struct run *run)
{
    return worker_pool(run->worker)->behaviour;
}

/* A callback that answers like handle_call, `ok` when it returns 0 without an
 * answer. */
typedef int (*simple_fn)(struct cnode_worker *w, void *state);

static int run_simple(struct run *run, simple_fn callback)
{
    int rc = callback(run->worker, worker_state(run->worker));

    if (rc >= 0 && !run->is_answered && !run->is_stopping) {
        return run_reply(run, "ok");
    }
    return rc;
}

/* With a callback its answer, without one or when it does not handle it ours.
 */
static int simple_or(struct run *run, simple_fn callback, const char *format)
{
    int rc = callback != NULL ? run_simple(run, callback) : CNODE_UNHANDLED;

    if (rc == CNODE_UNHANDLED && !run->is_answered && !run->is_stopping) {
        return run_reply(run, format);
    }
    return rc == CNODE_UNHANDLED ? 0 : rc;
}

static int on_ping(struct run *run, struct cnode_term argument)
{
    (void)argument;
    return simple_or(run, behaviour_of(run)->ping, "pong");
}

static int on_hibernate(struct run *run, struct cnode_term argument)
{
    (void)argument;
    return simple_or(run, behaviour_of(run)->hibernate, "ok");
}

static int on_persist(struct run *run, struct cnode_term argument)
{
    simple_fn callback = behaviour_of(run)->persist;
    int rc = callback != NULL ? run_simple(run, callback) : CNODE_UNHANDLED;

    (void)argument;
    if (rc == CNODE_UNHANDLED && !run->is_answered && !run->is_stopping) {
        rc = persist_call(run);
    }
    if (rc == CNODE_UNHANDLED && !run->is_answered && !run->is_stopping) {
        return run_reply(run, "not_supported");
    }
    return rc == CNODE_UNHANDLED ? 0 : rc;
}

/* Without a callback: load again. Without that either the call is unhandled. */
static int on_reload(struct run *run, struct cnode_term argument)
{
    simple_fn callback = behaviour_of(run)->reload;

    (void)argument;
    if (callback == NULL) {
        callback = behaviour_of(run)->load;
    }
    return callback != NULL ? run_simple(run, callback) : CNODE_UNHANDLED;
}

/* It is awake by now. */
static int on_wake(struct run *run, struct cnode_term argument)
{
    (void)argument;
    return run_reply(run, "ok");
}

static int put_health(struct run *run)
{
    const struct cnode_worker *w = run->worker;
    struct record_report report;

    record_report(w, &report);
    return run_reply(run,
                     "#{status => ~a, failures => ~u, errors => ~u, "
                     "warnings => ~u, queue => ~u, memory => ~u}",
                     health_condition_name(report.condition), report.failures,
                     report.errors, report.warnings,
                     (uint64_t)w->process.mailbox.count, report.memory);
}

static int on_health(struct run *run, struct cnode_term argument)
{
    simple_fn callback = behaviour_of(run)->health;
    int rc = callback != NULL ? run_simple(run, callback) : CNODE_UNHANDLED;

    (void)argument;
    if (rc == CNODE_UNHANDLED && !run->is_answered && !run->is_stopping) {
        return put_health(run);
    }
    return rc == CNODE_UNHANDLED ? 0 : rc;
}

/* --- fetch */

/* The state as the behaviour dumps it; nil when it does not. */
static int put_state(struct run *run, struct buf *buf)
{
    int rc = worker_dump(run->worker, buf);

    if (rc == CNODE_UNHANDLED) {
        term_put_atom(buf, A_nil);
        rc = 0;
    }
    return rc;
}

/* AdvancedPool's Worker.State struct. */
static int fetch_state(struct run *run)
{
    struct cnode_worker *w = run->worker;
    struct pool *pool = worker_pool(w);
    struct buf state;
    int rc;

    buf_init(&state, 0);
    rc = put_state(run, &state);
    if (rc == 0) {
        rc = run_reply(run,
                       "#{'__struct__' => ~A, identifier => ~t, handler => ~A, "
                       "status => loaded, status_info => nil, worker => ~t, "
                       "aux => nil, book_keeping => nil, vsn => ~f}",
                       A_WorkerState, cnode_ref_term(w),
                       pool->config->worker.module,
                       term_at(buf_data(&state), buf_size(&state)), 1.0);
    }
    buf_fini(&state);
    return rc;
}

static int fetch_process(struct run *run)
{
    struct cnode_worker *w = run->worker;
    struct node *node = worker_pool(w)->node;

    return run_reply(run, "{~t, ~A, ~p}", cnode_ref_term(w), node->name,
                     node_pid(node, &w->process));
}

static int on_fetch(struct run *run, struct cnode_term what)
{
    struct cnode_worker *w = run->worker;
    const struct cnode_behaviour *behaviour = behaviour_of(run);
    int rc = CNODE_UNHANDLED;

    if (behaviour->fetch != NULL) {
        rc = behaviour->fetch(w, worker_state(w), what);
        if (rc >= 0 && !run->is_answered && !run->is_stopping) {
            return run_reply(run, "ok");
        }
    }
    if (rc != CNODE_UNHANDLED || run->is_answered || run->is_stopping) {
        return rc == CNODE_UNHANDLED ? 0 : rc;
    }
    if (term_is_atom(what, A_state)) {
        return fetch_state(run);
    }
    if (term_is_atom(what, A_process)) {
        return fetch_process(run);
    }
    if (term_is_atom(what, A_segment)) {
        return run_reply(run, "~i", (int64_t)worker_segment(w)->index);
    }
    return run_reply(run, "{error, {unsupported, ~t}}", what);
}

/* --- the end */

static int on_kill(struct run *run, struct cnode_term argument)
{
    bool restart = envelope_option(run->options, "restart", true);
    int rc = run_reply(run, "ok");

    (void)argument;
    (void)run_stop(run, restart ? AFTER_RULE : AFTER_NEVER, "shutdown");
    return rc;
}

static int on_crash(struct run *run, struct cnode_term argument)
{
    (void)argument;
    return run_stop(run, AFTER_RULE,
                    "{bad_return_value, <<\"User Initiated Crash\">>}");
}
