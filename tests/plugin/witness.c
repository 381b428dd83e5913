/* SPDX-License-Identifier: Apache-2.0
 *
 * A behaviour that uses all of the interface, built outside this tree:
 *
 *     call later            answered after 20 ms, others meanwhile
 *     call {watch, Dest}    ok; the DOWN is in seen
 *     call unwatch          ok
 *     call {tell, Dest, T}  ok; Dest gets {told, Ref, T}
 *     call {after, Ms, T}   ok; T is in seen after Ms
 *     call cancel           ok or not_found: the newest timer
 *     call seen             list of what came as message, newest first
 *     call context          the call context
 *     call {stop, Reason}   stops
 *     cast {note, T}        T is in seen
 */
#include <stdlib.h>

#include <cnode/cnode.h>

struct seen {
    struct seen *next;
    struct cnode_kept *term;
};

struct witness {
    struct seen *seen;
    uint32_t count;
    struct cnode_from *waiting;
    struct cnode_ref watched;
    uint64_t timer;
    bool is_loaded;
};

static int note(struct witness *s, struct cnode_term term)
{
    struct seen *seen = malloc(sizeof(*seen));

    if (seen == NULL) {
        return CNODE_NOMEM;
    }
    seen->next = s->seen;
    seen->term = cnode_term_copy(term);
    s->seen = seen;
    s->count++;
    return 0;
}

static void forget(struct witness *s)
{
    while (s->seen != NULL) {
        struct seen *next = s->seen->next;

        cnode_term_free(s->seen->term);
        free(s->seen);
        s->seen = next;
    }
    s->count = 0;
}

static int witness_init(struct cnode_worker *w, void *state,
                        struct cnode_term id, struct cnode_term args)
{
    struct witness *s = state;

    if (cnode_is_atom(id, "refused")) {
        return CNODE_REFUSED;
    }
    if (cnode_is_atom(id, "stopped")) {
        return cnode_stop(w, "{not_today, ~t}", id);
    }
    cnode_log(w, CNODE_LOG_DEBUG, "a witness starts");
    return cnode_type(args) == CNODE_TYPE_NIL ? 0 : note(s, args);
}

static int witness_load(struct cnode_worker *w, void *state)
{
    struct witness *s = state;

    (void)w;
    s->is_loaded = true;
    return 0;
}

static int reply_seen(struct cnode_worker *w, const struct witness *s)
{
    struct cnode_build build;
    int rc = CNODE_NOMEM;

    cnode_build_init(&build);
    cnode_build_list(&build, s->count);
    for (const struct seen *seen = s->seen; seen != NULL; seen = seen->next) {
        cnode_build_add(&build, "~t", cnode_kept_term(seen->term));
    }
    cnode_build_add(&build, "[]");
    if (cnode_build_term(&build).at != NULL) {
        rc = cnode_reply(w, "~t", cnode_build_term(&build));
    }
    cnode_build_fini(&build);
    return rc;
}

static int witness_handle_call(struct cnode_worker *w, void *state,
                               struct cnode_term call)
{
    struct witness *s = state;
    struct cnode_term dest, term;
    uint64_t ms;
    int rc = 0;

    if (cnode_is_atom(call, "later")) {
        cnode_from_free(w, s->waiting); /* only the newest is answered */
        s->waiting = cnode_from_keep(w);
        return cnode_timer_start(w, 20, NULL, "answer");
    }
    if (cnode_is_atom(call, "seen")) {
        return reply_seen(w, s);
    }
    if (cnode_is_atom(call, "context")) {
        return cnode_reply(w, "~t", cnode_context(w));
    }
    if (cnode_is_atom(call, "who")) {
        return cnode_reply(w, "{~t, ~t, ~a, ~a}", cnode_self(w), cnode_id(w),
                           cnode_pool_name(w), cnode_node_name(w));
    }
    if (cnode_match(call, "{stop, ~t}", &term)) {
        return cnode_stop(w, "~t", term);
    }
    if (cnode_is_atom(call, "cancel")) {
        rc = cnode_timer_cancel(w, s->timer);
        return cnode_reply(w, "~a", rc == 0 ? "ok" : cnode_error_atom(rc));
    }
    if (cnode_match(call, "{watch, ~t}", &dest)) {
        rc = cnode_monitor(w, dest, &s->watched);
    } else if (cnode_is_atom(call, "unwatch")) {
        rc = cnode_demonitor(w, s->watched);
    } else if (cnode_match(call, "{tell, ~t, ~t}", &dest, &term)) {
        rc = cnode_send(w, dest, "{told, ~t, ~t}", cnode_ref_term(w), term);
    } else if (cnode_match(call, "{cast, ~t, ~t}", &dest, &term)) {
        rc = cnode_cast(w, dest, "~t", term);
    } else if (cnode_match(call, "{after, ~u, ~t}", &ms, &term)) {
        rc = cnode_timer_start(w, ms, &s->timer, "{due, ~u, ~t}",
                               cnode_now_ms(w), term);
    } else {
        return CNODE_UNHANDLED;
    }
    return rc == 0 ? cnode_reply(w, "ok") : rc;
}

static int witness_handle_cast(struct cnode_worker *w, void *state,
                               struct cnode_term cast)
{
    struct cnode_term term;

    (void)w;
    return cnode_match(cast, "{note, ~t}", &term) ? note(state, term)
                                                  : CNODE_UNHANDLED;
}

static int witness_handle_info(struct cnode_worker *w, void *state,
                               struct cnode_term message)
{
    struct witness *s = state;
    struct cnode_from *from = s->waiting;
    struct cnode_term ref, reason, term;

    if (cnode_is_atom(message, "answer") && from != NULL) {
        s->waiting = NULL;
        return cnode_reply_to(w, from, "at_last");
    }
    if (cnode_match(message, "{'DOWN', ~t, process, _, ~t}", &ref, &reason) &&
        cnode_is_ref(w, ref, s->watched)) {
        return note(s, reason);
    }
    if (cnode_match(message, "{due, _, ~t}", &term)) {
        return note(s, term);
    }
    return note(s, message);
}

static void witness_terminate(struct cnode_worker *w, void *state,
                              struct cnode_term reason)
{
    (void)w;
    (void)reason;
    forget(state);
}

static int witness_fetch(struct cnode_worker *w, void *state,
                         struct cnode_term what)
{
    const struct witness *s = state;

    if (cnode_is_atom(what, "count")) {
        return cnode_reply(w, "~u", (uint64_t)s->count);
    }
    return CNODE_UNHANDLED;
}

static int witness_ping(struct cnode_worker *w, void *state)
{
    (void)state;
    return cnode_reply(w, "{pong, ~t}", cnode_id(w));
}

static int witness_reload(struct cnode_worker *w, void *state)
{
    (void)w;
    forget(state);
    return 0;
}

static int witness_persist(struct cnode_worker *w, void *state)
{
    (void)state;
    return cnode_reply(w, "{saved, ~t}", cnode_id(w));
}

static int witness_hibernate(struct cnode_worker *w, void *state)
{
    (void)w;
    (void)state;
    return 0;
}

static int witness_dump(struct cnode_worker *w, const void *state,
                        struct cnode_build *out)
{
    const struct witness *s = state;

    (void)w;
    cnode_build_tuple(out, 2);
    cnode_build_add(out, "seen, ~u", (uint64_t)s->count);
    return 0;
}

static int witness_restore(struct cnode_worker *w, void *state,
                           struct cnode_term dumped)
{
    (void)w;
    (void)state;
    return cnode_match(dumped, "{seen, _}") ? 0 : CNODE_EINVALID;
}

CNODE_BEHAVIOUR(witness, .state_size = sizeof(struct witness),
                .init = witness_init, .load = witness_load,
                .handle_call = witness_handle_call,
                .handle_cast = witness_handle_cast,
                .handle_info = witness_handle_info,
                .terminate = witness_terminate, .fetch = witness_fetch,
                .ping = witness_ping, .reload = witness_reload,
                .persist = witness_persist, .hibernate = witness_hibernate,
                .dump = witness_dump, .restore = witness_restore);
