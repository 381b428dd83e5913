/* SPDX-License-Identifier: Apache-2.0
 *
 * Tunes the peer's end of the connection: a BEAM reads a distribution socket
 * 1460 bytes at a time and writes each message by itself. Its own public
 * function net_kernel:setopts/2 changes that, for this one connection, asked
 * for by a cast to its `rex` (docs/performance.md has the measurement).
 */
#ifndef CNODE_CLUSTER_LINK_PROFILE_H
#define CNODE_CLUSTER_LINK_PROFILE_H

#include "node/node.h"

void link_profile_nodeup(struct node *node, struct pid self, struct peer *peer);

#endif
