/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker that uses workers of pools, wherever they are:
 *
 *     call {call, Pool, Id, T}      {ok, Reply} of that worker to T, or
 *                                   {error, Reason}
 *     call {cast, Pool, Id, T}      ok
 *     call {start, Pool, Id, Args}  {ok, Pid} or {error, Reason}
 *     call {whereis, Pool, Id}      Pid or undefined
 */
#include <cnode/behaviour.h>

enum { PATIENCE_MS = 60000 };

/* The answer goes to whoever asked us; `context` is what we kept of him. */
static int on_reply(struct cnode_worker *w, void *state, void *context,
                    const struct cnode_answer *answer)
{
    (void)state;
    return cnode_reply_to(w, context,
                          answer->error == 0 ? "{ok, ~t}" : "{error, ~t}",
                          answer->term);
}

static int on_answer(struct cnode_worker *w, void *state, void *context,
                     const struct cnode_answer *answer)
{
    (void)state;
    return cnode_reply_to(w, context, answer->error == 0 ? "~t" : "{error, ~t}",
                          answer->term);
}

/* What could not even be asked is answered at once. */
static int asked(struct cnode_worker *w, struct cnode_from *from, int rc)
{
    return rc == 0
               ? 0
               : cnode_reply_to(w, from, "{error, ~a}", cnode_error_atom(rc));
}

static int relay_handle_call(struct cnode_worker *w, void *state,
                             struct cnode_term call)
{
    struct cnode_term pool, id, term;
    struct cnode_from *from;

    (void)state;
    if (cnode_match(call, "{cast, ~t, ~t, ~t}", &pool, &id, &term)) {
        int rc = cnode_pool_cast(w, pool, id, "~t", term);

        return rc == 0 ? cnode_reply(w, "ok")
                       : cnode_reply(w, "{error, ~a}", cnode_error_atom(rc));
    }
    from = cnode_from_keep(w);
    if (cnode_match(call, "{call, ~t, ~t, ~t}", &pool, &id, &term)) {
        return asked(w, from,
                     cnode_pool_call(w, pool, id, PATIENCE_MS, on_reply, from,
                                     "~t", term));
    }
    if (cnode_match(call, "{start, ~t, ~t, ~t}", &pool, &id, &term)) {
        return asked(w, from,
                     cnode_pool_start(w, pool, id, term, on_answer, from));
    }
    if (cnode_match(call, "{whereis, ~t, ~t}", &pool, &id)) {
        return asked(w, from, cnode_pool_whereis(w, pool, id, on_answer, from));
    }
    return cnode_reply_to(w, from, "{error, badarg}");
}

CNODE_BEHAVIOUR(relay, .handle_call = relay_handle_call);
