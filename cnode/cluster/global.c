/* SPDX-License-Identifier: Apache-2.0
 *
 * See global.h.
 */
#include "cluster/global.h"

#include "term/build.h"

void global_nodeup(struct node *node, struct pid self, struct peer *peer)
{
    struct dest server = dest_name(A_global_name_server, peer->name);

    term_format(node_scratch(node), "{'$gen_cast', {in_sync, ~A, true}}",
                node->name);
    (void)route_send(node, self, &server, node_scratch_payload(node));
}
