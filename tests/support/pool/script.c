/* SPDX-License-Identifier: Apache-2.0
 *
 * See script.h.
 */
#include "support/pool/script.h"

#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "pool/worker.h"
#include "term/text.h"

struct script {
    int64_t calls;
    struct cnode_from *kept;
    struct cnode_ref watched;
    uint64_t timer;
};

struct script_knobs script_knobs;
static char log_text[65536];
static size_t log_len;

static void note(struct cnode_worker *w, const char *what,
                 struct cnode_term term)
{
    struct buf buf;

    buf_init(&buf, 0);
    buf_printf(&buf, "%s%s(", log_len > 0 ? " " : "", what);
    term_print(&buf, cnode_id(w), 0);
    if (!term_is_none(term)) {
        buf_printf(&buf, ",");
        term_print(&buf, term, 0);
    }
    buf_printf(&buf, ")");
    if (log_len + buf_size(&buf) < sizeof(log_text)) {
        memcpy(log_text + log_len, buf_data(&buf), buf_size(&buf));
        log_len += buf_size(&buf);
        log_text[log_len] = '\0';
    }
    buf_fini(&buf);
}

const char *script_log(void)
{
    static char copy[sizeof(log_text)];

    memcpy(copy, log_text, log_len);
    copy[log_len] = '\0';
    log_len = 0;
    log_text[0] = '\0';
    return copy;
}

void script_reset(void)
{
    script_knobs = (struct script_knobs){0};
    log_len = 0;
    log_text[0] = '\0';
}

static int script_init(struct cnode_worker *w, void *state,
                       struct cnode_term id, struct cnode_term args)
{
    (void)state;
    (void)id;
    if (script_knobs.notes_context) {
        args = cnode_make(w, "{~t, ~t}", args, cnode_context(w));
    }
    note(w, "init", cnode_type(args) == CNODE_TYPE_NIL ? TERM_NONE : args);
    if (script_knobs.stop_in_init) {
        return cnode_stop(w, "{why, init}");
    }
    if (script_knobs.fail_inits > 0) {
        script_knobs.fail_inits--;
        return CNODE_REFUSED;
    }
    return 0;
}

static int script_load(struct cnode_worker *w, void *state)
{
    (void)state;
    note(w, "load", TERM_NONE);
    if (script_knobs.fail_loads > 0) {
        script_knobs.fail_loads--;
        return CNODE_NOT_FOUND;
    }
    return 0;
}

static int no_news(struct cnode_worker *w, void *state, void *context,
                   const struct cnode_answer *answer)
{
    (void)w, (void)state, (void)context, (void)answer;
    return 0;
}

/* What calls, casts and messages have in common. */
static int act(struct cnode_worker *w, struct script *s,
               struct cnode_term message)
{
    struct cnode_term term, dest, scope;
    int64_t ms;

    if (cnode_match(message, "{stop, ~t}", &term)) {
        return cnode_stop(w, "~t", term);
    }
    if (cnode_is_atom(message, "fail")) {
        return CNODE_EINVALID;
    }
    if (cnode_match(message, "{answer, ~t}", &term)) {
        struct cnode_from *kept = s->kept;

        s->kept = NULL;
        return cnode_reply_to(w, kept, "~t", term);
    }
    if (cnode_match(message, "{timer, ~i, ~t}", &ms, &term)) {
        return cnode_timer_start(w, (uint64_t)ms, &s->timer, "~t", term);
    }
    if (cnode_is_atom(message, "cancel")) {
        return cnode_timer_cancel(w, s->timer);
    }
    if (cnode_match(message, "{watch, ~t}", &term)) {
        return cnode_monitor(w, term, &s->watched);
    }
    if (cnode_match(message, "{send, ~t, ~t}", &dest, &term)) {
        return cnode_send(w, dest, "{from, ~t, ~t}", cnode_id(w), term);
    }
    if (cnode_match(message, "{cast, ~t, ~t}", &dest, &term)) {
        return cnode_cast(w, dest, "~t", term);
    }
    if (cnode_match(message, "{syn, ~t, ~t, ~t}", &scope, &dest, &term)) {
        return cnode_syn_register(w, scope, dest, cnode_self(w), term, no_news,
                                  NULL);
    }
    if (cnode_match(message, "{memory, ~i}", &ms)) {
        return cnode_memory(w, (uint64_t)ms);
    }
    if (cnode_is_atom(message, "raise_error")) {
        return cnode_count_error(w);
    }
    if (cnode_is_atom(message, "raise_warning")) {
        return cnode_count_warning(w);
    }
    if (cnode_is_atom(message, "unwatch")) {
        return cnode_demonitor(w, s->watched);
    }
    return CNODE_UNHANDLED;
}

/* What cnode_persist() and cnode_persist_delete() are answered. */
static int on_stored(struct cnode_worker *w, void *state, void *context,
                     const struct cnode_answer *answer)
{
    (void)state;
    return cnode_reply_to(w, context, "{stored, ~t}", answer->term);
}

static int script_handle_call(struct cnode_worker *w, void *state,
                              struct cnode_term call)
{
    struct script *s = state;
    struct cnode_term term, reason;
    int rc;

    s->calls++;
    note(w, "call", call);
    if (cnode_match(call, "{reply, ~t}", &term)) {
        return cnode_reply(w, "~t", term);
    }
    if (cnode_match(call, "{pair, ~t, ~t}", &term, &reason)) {
        return cnode_reply(w, "#{~t => 1, ~t => 2}", term, reason);
    }
    if (cnode_is_atom(call, "silent")) {
        return 0;
    }
    if (cnode_match(call, "{reply_stop, ~t, ~t}", &term, &reason)) {
        (void)cnode_reply(w, "~t", term);
        return cnode_stop(w, "~t", reason);
    }
    if (cnode_is_atom(call, "later")) {
        s->kept = cnode_from_keep(w);
        return s->kept != NULL ? 0 : CNODE_EINVALID;
    }
    if (cnode_is_atom(call, "keep_state")) {
        return cnode_persist(w, on_stored, cnode_from_keep(w));
    }
    if (cnode_is_atom(call, "forget_state")) {
        return cnode_persist_delete(w, on_stored, cnode_from_keep(w));
    }
    if (cnode_is_atom(call, "who")) {
        return cnode_reply(w, "{~t, ~t, ~t, ~t}", cnode_self(w), cnode_id(w),
                           cnode_ref_term(w), cnode_context(w));
    }
    rc = act(w, s, call);
    if (rc == 0 && !cnode_match(call, "{stop, _}")) {
        return cnode_reply(w, "ok");
    }
    return rc;
}

static int script_handle_cast(struct cnode_worker *w, void *state,
                              struct cnode_term cast)
{
    note(w, "cast", cast);
    return act(w, state, cast);
}

static int script_handle_info(struct cnode_worker *w, void *state,
                              struct cnode_term message)
{
    struct script *s = state;
    struct cnode_term ref, reason;

    if (cnode_match(message, "{'DOWN', ~t, process, _, ~t}", &ref, &reason) &&
        cnode_is_ref(w, ref, s->watched)) {
        note(w, "down", reason);
        return 0;
    }
    note(w, "info", message);
    return act(w, state, message);
}

static void busy(unsigned ms)
{
    struct timespec now, end;

    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += (long)ms * 1000000;
    do {
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - end.tv_sec) * 1000000000 + now.tv_nsec <
             end.tv_nsec);
}

static void script_terminate(struct cnode_worker *w, void *state,
                             struct cnode_term reason)
{
    (void)state;
    note(w, "terminate", reason);
    if (script_knobs.waits > 0) {
        script_knobs.waits--;
        script_knobs.wait_rc = cnode_wait(w);
    }
    busy(script_knobs.terminate_ms);
    CHECK(cnode_stop(w, "again") != 0); /* it stops already */
}

static int script_dump(struct cnode_worker *w, const void *state,
                       struct cnode_build *out)
{
    const struct script *s = state;

    (void)w;
    cnode_build_add(out, "{calls, ~i}", s->calls);
    return 0;
}

static int script_restore(struct cnode_worker *w, void *state,
                          struct cnode_term dumped)
{
    struct script *s = state;

    note(w, "restore", dumped);
    if (script_knobs.fail_restores > 0) {
        script_knobs.fail_restores--;
        return CNODE_REFUSED;
    }
    return cnode_match(dumped, "{calls, ~i}", &s->calls) ? 0 : CNODE_EINVALID;
}

static int own(struct cnode_worker *w, const char *what)
{
    if (!script_knobs.own_answers) {
        return CNODE_UNHANDLED;
    }
    return cnode_reply(w, "{own, ~a}", what);
}

static int script_fetch(struct cnode_worker *w, void *state,
                        struct cnode_term what)
{
    (void)state;
    if (cnode_is_atom(what, "nothing")) {
        return 0;
    }
    return own(w, "fetch");
}

static int script_ping(struct cnode_worker *w, void *state)
{
    (void)state;
    return own(w, "ping");
}

static int script_reload(struct cnode_worker *w, void *state)
{
    (void)state;
    note(w, "reload", TERM_NONE);
    return 0;
}

static int script_persist(struct cnode_worker *w, void *state)
{
    (void)state;
    return own(w, "persist");
}

static int script_hibernate(struct cnode_worker *w, void *state)
{
    (void)state;
    return own(w, "hibernate");
}

static int script_health(struct cnode_worker *w, void *state)
{
    (void)state;
    return own(w, "health");
}

static int script_resolve_conflict(struct cnode_worker *w, void *state,
                                   const struct cnode_syn_conflict *conflict)
{
    (void)state;
    note(w, "conflict",
         cnode_make(w, "{~t, ~t, {~t, ~t, ~i}, {~t, ~i}}", conflict->scope,
                    conflict->name, conflict->theirs.pid, conflict->theirs.meta,
                    conflict->theirs.time, conflict->ours.meta,
                    (int64_t)(conflict->ours.time > 0)));
    return script_knobs.verdict != 0 ? script_knobs.verdict : CNODE_UNHANDLED;
}

const struct cnode_behaviour script_behaviour = {
    .abi = CNODE_ABI,
    .size = sizeof(struct cnode_behaviour),
    .name = "script",
    .state_size = sizeof(struct script),
    .init = script_init,
    .load = script_load,
    .handle_call = script_handle_call,
    .handle_cast = script_handle_cast,
    .handle_info = script_handle_info,
    .terminate = script_terminate,
    .fetch = script_fetch,
    .ping = script_ping,
    .reload = script_reload,
    .persist = script_persist,
    .hibernate = script_hibernate,
    .dump = script_dump,
    .restore = script_restore,
    .resolve_conflict = script_resolve_conflict,
    .health = script_health,
};
