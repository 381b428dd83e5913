/* SPDX-License-Identifier: Apache-2.0
 *
 * Starts workers of a pool of its own node as fast as they come, for
 * run-syn.sh:
 *
 *     call {start, Pool, Module, From, To}   ok once From .. To have started
 *
 * Some are told `increment` by a cast, the last of them by a call: its answer
 * says that all are there, and the next ones follow.
 */
#include <cnode/cnode.h>

enum { AT_ONCE = 500, PATIENCE_MS = 60000 };

struct starter {
    struct cnode_kept *pool, *module;
    struct cnode_from *from; /* NULL: nothing is asked for */
    int64_t next, last;
};

static int start_some(struct cnode_worker *w, struct starter *s);

static void finish(struct starter *s)
{
    cnode_term_free(s->pool);
    cnode_term_free(s->module);
    s->pool = s->module = NULL;
    s->from = NULL;
}

static int on_answer(struct cnode_worker *w, void *state, void *context,
                     const struct cnode_answer *answer)
{
    struct starter *s = state;
    bool is_up =
        answer->error == 0 && cnode_type(answer->term) == CNODE_TYPE_INT;
    int rc;

    (void)context;
    if (is_up && s->next <= s->last) {
        return start_some(w, s);
    }
    rc = is_up ? cnode_reply_to(w, s->from, "ok")
               : cnode_reply_to(w, s->from, "{error, ~t}", answer->term);
    finish(s);
    return rc;
}

/* The settings say that whom it is for is to be started. */
#define ENVELOPE                                                               \
    "{msg_envelope, nil, ~a, {ref, ~t, ~i}, "                                  \
    "{settings, nil, true, nil, nil, nil, 60000}, {s, increment, nil, nil}}"

static int start_some(struct cnode_worker *w, struct starter *s)
{
    struct cnode_term pool = cnode_kept_term(s->pool);
    struct cnode_term module = cnode_kept_term(s->module);
    int64_t end = s->next + AT_ONCE - 1;

    end = end < s->last ? end : s->last;
    for (; s->next < end; s->next++) {
        int rc = cnode_cast(w, pool, ENVELOPE, "cast", module, s->next);

        if (rc != 0) {
            return rc;
        }
    }
    s->next++;
    return cnode_call(w, pool, PATIENCE_MS, on_answer, NULL, ENVELOPE, "call",
                      module, end);
}

static int starter_handle_call(struct cnode_worker *w, void *state,
                               struct cnode_term call)
{
    struct starter *s = state;
    struct cnode_term pool, module;
    int64_t from, to;

    if (!cnode_match(call, "{start, ~t, ~t, ~i, ~i}", &pool, &module, &from,
                     &to) ||
        from > to) {
        return CNODE_UNHANDLED;
    }
    if (s->from != NULL) {
        return cnode_reply(w, "{error, busy}");
    }
    s->pool = cnode_term_copy(pool);
    s->module = cnode_term_copy(module);
    s->from = cnode_from_keep(w);
    s->next = from;
    s->last = to;
    return start_some(w, s);
}

CNODE_BEHAVIOUR(starter, .state_size = sizeof(struct starter),
                .handle_call = starter_handle_call);
