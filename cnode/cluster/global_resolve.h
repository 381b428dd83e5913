/* SPDX-License-Identifier: Apache-2.0
 *
 * The methods that OTP's global ships for two processes with one name, for
 * processes of this node.
 */
#ifndef CNODE_CLUSTER_GLOBAL_RESOLVE_H
#define CNODE_CLUSTER_GLOBAL_RESOLVE_H

#include "node/node.h"

/* `method` is a fun global:random_exit_name/3, random_notify_name/3 or
 * notify_all_name/3: does what that does, and gives who keeps the name
 * (PID_NONE: nobody). False: it is another one. */
bool global_resolve(struct node *node, struct pid self,
                    struct cnode_term method, struct cnode_term name,
                    struct pid a, struct pid b, struct pid *winner);

#endif
