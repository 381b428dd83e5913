/* SPDX-License-Identifier: Apache-2.0
 *
 * visits: the worker of judge.ex in C, built by the tests outside the tree
 * against an installed cnode. The state is the number of visits.
 *
 *     call visit -> the new count       cast, message visit
 *     call get, where, context -> the count, the node, the context of the call
 *     call args, started_by    -> arguments and context of the start
 *     call {echo, T} -> T               call {late, Ms, T} -> T, after a while
 *     call never: no answer             call boom: ends with reason boom
 *     call {ask, Pool, Id, T}, {tell, Pool, Id, T}, {whereis, Pool, Id}
 *                             -> what that pool's worker answers; ok; its pid
 */
#include <cnode/cnode.h>

struct visits {
    int64_t count;
    struct cnode_kept *args, *started_by; /* of the start */
    struct cnode_from *late;              /* who waits for `answer` */
    struct cnode_kept *answer;
};

static int visits_init(struct cnode_worker *w, void *state,
                       struct cnode_term id, struct cnode_term args)
{
    struct visits *v = state;

    if (cnode_match(id, "{refused, _}")) {
        return CNODE_EINVALID;
    }
    v->args = cnode_term_copy(args);
    v->started_by = cnode_term_copy(cnode_context(w));
    return v->args != NULL && v->started_by != NULL ? 0 : CNODE_NOMEM;
}

/* Before the first message, and again for reload!. */
static int visits_load(struct cnode_worker *w, void *state)
{
    (void)w;
    (void)state;
    return 0;
}

static void visits_terminate(struct cnode_worker *w, void *state,
                             struct cnode_term reason)
{
    struct visits *v = state;

    (void)reason;
    cnode_from_free(w, v->late);
    cnode_term_free(v->answer);
    cnode_term_free(v->args);
    cnode_term_free(v->started_by);
}

/* One at a time: who comes meanwhile is answered at once. */
static int answer_late(struct cnode_worker *w, struct visits *v, int64_t ms,
                       struct cnode_term answer)
{
    if (v->late != NULL) {
        return cnode_reply(w, "{error, busy}");
    }
    v->answer = cnode_term_copy(answer);
    v->late = cnode_from_keep(w);
    return cnode_timer_start(w, (uint64_t)ms, NULL, "answer");
}

static int on_answer(struct cnode_worker *w, void *state, void *from,
                     const struct cnode_answer *answer)
{
    (void)state;
    return cnode_reply_to(w, from, answer->error == 0 ? "~t" : "{failed, ~t}",
                          answer->term);
}

/* Workers of other pools, on this or any other node. */
static int ask_others(struct cnode_worker *w, struct cnode_term call)
{
    struct cnode_term pool, id, term;
    int rc;

    if (cnode_match(call, "{ask, ~t, ~t, ~t}", &pool, &id, &term)) {
        return cnode_pool_call(w, pool, id, 5000, on_answer, cnode_from_keep(w),
                               "~t", term);
    }
    if (cnode_match(call, "{whereis, ~t, ~t}", &pool, &id)) {
        return cnode_pool_whereis(w, pool, id, on_answer, cnode_from_keep(w));
    }
    if (cnode_match(call, "{tell, ~t, ~t, ~t}", &pool, &id, &term)) {
        rc = cnode_pool_cast(w, pool, id, "~t", term);
        return rc == 0 ? cnode_reply(w, "ok") : rc;
    }
    return CNODE_UNHANDLED;
}

static int ask(struct cnode_worker *w, struct visits *v, struct cnode_term call)
{
    struct cnode_term term;
    int64_t ms;

    if (cnode_is_atom(call, "get")) {
        return cnode_reply(w, "~i", v->count);
    }
    if (cnode_is_atom(call, "where")) {
        return cnode_reply(w, "~a", cnode_node_name(w));
    }
    if (cnode_is_atom(call, "context")) {
        return cnode_reply(w, "~t", cnode_context(w));
    }
    if (cnode_is_atom(call, "args")) {
        return cnode_reply(w, "~t", cnode_kept_term(v->args));
    }
    if (cnode_is_atom(call, "started_by")) {
        return cnode_reply(w, "~t", cnode_kept_term(v->started_by));
    }
    if (cnode_match(call, "{echo, ~t}", &term)) {
        return cnode_reply(w, "~t", term);
    }
    if (cnode_match(call, "{late, ~i, ~t}", &ms, &term)) {
        return answer_late(w, v, ms, term);
    }
    return ask_others(w, call);
}

static int visits_handle_call(struct cnode_worker *w, void *state,
                              struct cnode_term call)
{
    struct visits *v = state;

    if (cnode_is_atom(call, "visit")) {
        return cnode_reply(w, "~i", ++v->count);
    }
    if (cnode_is_atom(call, "never")) {
        return 0;
    }
    if (cnode_is_atom(call, "boom")) {
        return cnode_stop(w, "boom");
    }
    return ask(w, v, call);
}

static int visits_handle_cast(struct cnode_worker *w, void *state,
                              struct cnode_term cast)
{
    struct visits *v = state;

    (void)w;
    if (!cnode_is_atom(cast, "visit")) {
        return CNODE_UNHANDLED;
    }
    v->count++;
    return 0;
}

static int visits_handle_info(struct cnode_worker *w, void *state,
                              struct cnode_term message)
{
    struct visits *v = state;
    int status;

    if (cnode_is_atom(message, "visit")) {
        v->count++;
        return 0;
    }
    if (!cnode_is_atom(message, "answer") || v->late == NULL) {
        return CNODE_UNHANDLED;
    }
    status = cnode_reply_to(w, v->late, "~t", cnode_kept_term(v->answer));
    cnode_term_free(v->answer);
    v->answer = NULL;
    v->late = NULL;
    return status;
}

static int visits_dump(struct cnode_worker *w, const void *state,
                       struct cnode_build *out)
{
    const struct visits *v = state;

    (void)w;
    cnode_build_add(out, "~i", v->count);
    return 0;
}

static int visits_restore(struct cnode_worker *w, void *state,
                          struct cnode_term dumped)
{
    struct visits *v = state;

    (void)w;
    return cnode_get_int(dumped, &v->count) ? 0 : CNODE_EINVALID;
}

CNODE_BEHAVIOUR(visits, .state_size = sizeof(struct visits),
                .init = visits_init, .load = visits_load,
                .handle_call = visits_handle_call,
                .handle_cast = visits_handle_cast,
                .handle_info = visits_handle_info,
                .terminate = visits_terminate, .dump = visits_dump,
                .restore = visits_restore);
