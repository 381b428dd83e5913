/* SPDX-License-Identifier: Apache-2.0
 *
 * See system.h.
 */
#include "pool/system.h"

#include "node/gen.h"
#include "node/node.h"

enum system_result system_message(struct node *node, struct process *self,
                                  struct cnode_term message,
                                  struct cnode_term *reason)
{
    struct cnode_term parts[3], from[2], request[2];
    struct gen_from caller;

    if (!term_get_tuple(message, 3, parts) ||
        !term_is_atom(parts[0], A_system) ||
        !term_get_tuple(parts[1], 2, from) ||
        cnode_type(from[0]) != CNODE_TYPE_PID) {
        return SYSTEM_OTHER;
    }
    caller = (struct gen_from){.pid = from[0], .tag = from[1]};
    if (term_get_tuple(parts[2], 2, request) &&
        cnode_is_atom(request[0], "terminate")) {
        *reason = request[1];
        (void)gen_reply(node, self, &caller, "ok");
        return SYSTEM_TERMINATE;
    }
    (void)gen_reply(node, self, &caller, "{error, {unsupported, ~t}}",
                    parts[2]);
    return SYSTEM_DONE;
}
