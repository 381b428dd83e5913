/* SPDX-License-Identifier: Apache-2.0
 *
 * echo: answers every call with what it was called with. The smallest behaviour
 * there is: copy this file to start your own, and give it its name in the last
 * line. docs/behaviours.md shows the way from here.
 *
 *     call Term -> Term
 */
#include <cnode/behaviour.h>

static int echo_handle_call(struct cnode_worker *w, void *state,
                            struct cnode_term call)
{
    (void)state; /* it has none */
    return cnode_reply(w, "~t", call);
}

CNODE_BEHAVIOUR(echo, .handle_call = echo_handle_call);
