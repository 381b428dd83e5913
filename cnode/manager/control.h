/* SPDX-License-Identifier: Apache-2.0
 *
 * What operators do to a pool, or to the node with all its pools: from C, the
 * command line and the bridge. What has changed is told to the cluster at once.
 * On scheduler 0. CNODE_NOT_FOUND: there is no such pool.
 *
 *     lock      who is there lives on; placement puts nothing new here
 *     offline   nothing is started, and those who are there are ended
 */
#ifndef CNODE_MANAGER_CONTROL_H
#define CNODE_MANAGER_CONTROL_H

#include "manager/manager.h"

/* Of a pool; ATOM_NONE: of the node. CNODE_EXISTS: it is so already (locked,
 * online, offline); for release: CNODE_EINVALID: it is not locked. */
MUST_USE int control_lock(struct manager *manager, atom_t pool);
MUST_USE int control_release(struct manager *manager, atom_t pool);
MUST_USE int control_online(struct manager *manager, atom_t pool);
MUST_USE int control_offline(struct manager *manager, atom_t pool);

/* One more worker supervisor. CNODE_LIMIT; CNODE_EINVALID: the pool is down. */
MUST_USE int control_add_supervisor(struct manager *manager, atom_t pool,
                                    struct pid *pid);
/* It goes; its workers live on and count for others. CNODE_NOT_FOUND: the pool
 * has no such one. */
MUST_USE int control_remove_supervisor(struct manager *manager, atom_t pool,
                                       struct pid pid);

#endif
