/* SPDX-License-Identifier: Apache-2.0
 *
 * See bring_online.h.
 */
#include "manager/bring_online.h"

#include <cnode/error.h>

#include "manager/control.h"
#include "term/build.h"

#define MODULE "Elixir.Noizu.AdvancedPool.NodeManager"

static int run(struct function_run *call)
{
    struct manager *manager = call->functions->more_owner;
    int rc = 0;

    if (!term_is_atom(call->args[0], manager->node->name)) {
        term_format(call->out, "{error, {foreign_node, ~t}}", call->args[0]);
        return 0;
    }
    if (!manager->is_over) {
        rc = control_online(manager, ATOM_NONE);
    }
    term_put_atom(call->out, A_ok);
    return rc == CNODE_EXISTS ? 0 : rc; /* it was so already */
}

static const struct function functions_here[] = {
    {MODULE, "bring_online", 2, FUNCTION_HERE, run},
    {MODULE, "bring_online__inner", 2, FUNCTION_HERE, run},
};

void bring_online_offer(struct manager *manager, struct functions *functions)
{
    functions_add(functions, functions_here, ARRAY_LEN(functions_here),
                  manager);
}
