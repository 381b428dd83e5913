/* SPDX-License-Identifier: Apache-2.0
 *
 * What AdvancedPool's default server does, the process <Pool>.Server beside a
 * pool that names no other behaviour for it. To have one of your own, copy
 * this, and name it in the pool's key "server".
 *
 *     call hello or {s, hello, _} -> world
 */
#include <cnode/behaviour.h>

static int server_handle_call(struct cnode_worker *w, void *state,
                              struct cnode_term call)
{
    struct cnode_term any;

    (void)state;
    if (cnode_is_atom(call, "hello") ||
        cnode_match(call, "{s, hello, ~t}", &any)) {
        return cnode_reply(w, "world");
    }
    return CNODE_UNHANDLED;
}

CNODE_BEHAVIOUR(server, .handle_call = server_handle_call);
