/* SPDX-License-Identifier: Apache-2.0
 *
 * See link_profile.h. A cast: nobody waits, and a peer that does not know it
 * (another C node) drops it.
 */
#include "cluster/link_profile.h"

#include "term/build.h"

enum { PEER_BUFFER_BYTES = 262144 };

void link_profile_nodeup(struct node *node, struct pid self, struct peer *peer)
{
    static const char *const options[] = {
        [LINK_PROFILE_LATENCY] = "{'$gen_cast', {cast, net_kernel, setopts, "
                                 "[~A, [{buffer, ~i}]], user}}",
        [LINK_PROFILE_THROUGHPUT] =
            "{'$gen_cast', {cast, net_kernel, setopts, "
            "[~A, [{buffer, ~i}, {delay_send, true}]], user}}",
    };
    struct dest rex = dest_name(A_rex, peer->name);

    if (node->config.link_profile == LINK_PROFILE_OFF) {
        return;
    }
    term_format(node_scratch(node), options[node->config.link_profile],
                node->name, (int64_t)PEER_BUFFER_BYTES);
    (void)route_send(node, self, &rex, node_scratch_payload(node));
}
