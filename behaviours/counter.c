/* SPDX-License-Identifier: Apache-2.0
 *
 * counter: a number that grows. The state is a plain struct inside the worker;
 * it starts zero filled, so there is nothing to initialise.
 *
 *     call increment -> the new count      cast increment
 *     call {add, N}  -> {ok, new count}    cast {add, N}
 *     call get       -> the count
 */
#include <cnode/behaviour.h>

struct counter {
    int64_t count;
};

/* Over the largest number it starts again at the smallest, as unsigned numbers
 * do: signed overflow is undefined in C. */
static void add(struct counter *counter, int64_t by)
{
    counter->count = (int64_t)((uint64_t)counter->count + (uint64_t)by);
}

static int counter_handle_call(struct cnode_worker *w, void *state,
                               struct cnode_term call)
{
    struct counter *counter = state;
    int64_t by;

    if (cnode_is_atom(call, "increment")) {
        add(counter, 1);
        return cnode_reply(w, "~i", counter->count);
    }
    if (cnode_is_atom(call, "get")) {
        return cnode_reply(w, "~i", counter->count);
    }
    if (cnode_match(call, "{add, ~i}", &by)) {
        add(counter, by);
        return cnode_reply(w, "{ok, ~i}", counter->count);
    }
    return CNODE_UNHANDLED; /* the caller gets {unhandled, Call} */
}

static int counter_handle_cast(struct cnode_worker *w, void *state,
                               struct cnode_term cast)
{
    int64_t by;

    (void)w;
    if (cnode_is_atom(cast, "increment")) {
        add(state, 1);
    } else if (cnode_match(cast, "{add, ~i}", &by)) {
        add(state, by);
    } else {
        return CNODE_UNHANDLED;
    }
    return 0;
}

/* The state as one term, for {fetch, state}; and back. */
static int counter_dump(struct cnode_worker *w, const void *state,
                        struct cnode_build *out)
{
    const struct counter *counter = state;

    (void)w;
    cnode_build_add(out, "~i", counter->count);
    return 0;
}

static int counter_restore(struct cnode_worker *w, void *state,
                           struct cnode_term dumped)
{
    struct counter *counter = state;

    (void)w;
    return cnode_get_int(dumped, &counter->count) ? 0 : CNODE_EINVALID;
}

CNODE_BEHAVIOUR(counter, .state_size = sizeof(struct counter),
                .handle_call = counter_handle_call,
                .handle_cast = counter_handle_cast, .dump = counter_dump,
                .restore = counter_restore);
