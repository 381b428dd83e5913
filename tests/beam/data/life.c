/* SPDX-License-Identifier: Apache-2.0
 *
 * life: tells a test what became of it.
 *
 *     started            {Args, Context} of init
 *     {wait, Bool}       whether it wants to stay when nobody uses it
 *     asked              how often it was asked
 *     {raise, error}     {raise, warning}     {memory, Bytes}
 *     {fail_inits, N}    the next N inits of any worker fail
 */
#include <stdatomic.h>

#include <cnode/behaviour.h>

struct life {
    struct cnode_kept *started;
    bool waits;
    int64_t asked;
};

static _Atomic int64_t failures;

static int life_init(struct cnode_worker *w, void *state, struct cnode_term id,
                     struct cnode_term args)
{
    struct life *life = state;

    (void)id;
    if (atomic_load(&failures) > 0) {
        atomic_fetch_sub(&failures, 1);
        return CNODE_REFUSED;
    }
    life->started =
        cnode_term_copy(cnode_make(w, "{~t, ~t}", args, cnode_context(w)));
    return life->started != NULL ? 0 : CNODE_NOMEM;
}

static int raise_one(struct cnode_worker *w, struct cnode_term what)
{
    return cnode_is_atom(what, "error") ? cnode_count_error(w)
                                        : cnode_count_warning(w);
}

static int life_handle_call(struct cnode_worker *w, void *state,
                            struct cnode_term call)
{
    struct life *life = state;
    struct cnode_term term;
    int64_t number;
    int rc = CNODE_UNHANDLED;

    if (cnode_is_atom(call, "started")) {
        return cnode_reply(w, "~t", cnode_kept_term(life->started));
    }
    if (cnode_is_atom(call, "asked")) {
        return cnode_reply(w, "~i", life->asked);
    }
    if (cnode_match(call, "{wait, ~t}", &term)) {
        rc = cnode_get_bool(term, &life->waits) ? 0 : CNODE_UNHANDLED;
    } else if (cnode_match(call, "{raise, ~t}", &term)) {
        rc = raise_one(w, term);
    } else if (cnode_match(call, "{memory, ~i}", &number)) {
        rc = cnode_memory(w, (uint64_t)number);
    } else if (cnode_match(call, "{fail_inits, ~i}", &number)) {
        atomic_store(&failures, number);
        rc = 0;
    }
    return rc == 0 ? cnode_reply(w, "ok") : rc;
}

static void life_terminate(struct cnode_worker *w, void *state,
                           struct cnode_term reason)
{
    struct life *life = state;

    (void)reason;
    life->asked++;
    if (life->waits && cnode_wait(w) == 0) {
        return;
    }
    cnode_term_free(life->started);
}

CNODE_BEHAVIOUR(life, .state_size = sizeof(struct life), .init = life_init,
                .handle_call = life_handle_call, .terminate = life_terminate);
