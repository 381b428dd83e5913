/* SPDX-License-Identifier: Apache-2.0
 *
 * A behaviour as somebody outside this tree writes it: one file, the installed
 * headers, nothing else. Uses enough of the interface that a missing export
 * shows when it is loaded.
 */
#include <cnode/cnode.h>

struct thermostat {
    int64_t degrees;
};

static int thermostat_init(struct cnode_worker *w, void *state,
                           struct cnode_term id, struct cnode_term args)
{
    struct thermostat *t = state;

    (void)w;
    (void)id;
    (void)args;
    t->degrees = 20;
    return 0;
}

static int thermostat_handle_call(struct cnode_worker *w, void *state,
                                  struct cnode_term call)
{
    struct thermostat *t = state;
    int64_t degrees;

    if (cnode_is_atom(call, "get")) {
        return cnode_reply(w, "~i", t->degrees);
    }
    if (cnode_match(call, "{set, ~i}", &degrees)) {
        t->degrees = degrees;
        return cnode_reply(w, "ok");
    }
    return CNODE_UNHANDLED;
}

CNODE_BEHAVIOUR(thermostat, .state_size = sizeof(struct thermostat),
                .init = thermostat_init, .handle_call = thermostat_handle_call);
