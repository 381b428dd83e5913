/* SPDX-License-Identifier: Apache-2.0
 *
 * The smallest correct part in OTP's `global`: one cast that tells a new peer
 * we are in sync, so that global:sync/0 there returns. We stay out of its
 * locks, names and partition rule (ARCHITECTURE.md, "global").
 */
#ifndef CNODE_CLUSTER_GLOBAL_H
#define CNODE_CLUSTER_GLOBAL_H

#include "node/node.h"

void global_nodeup(struct node *node, struct pid self, struct peer *peer);

#endif
