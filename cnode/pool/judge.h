/* SPDX-License-Identifier: Apache-2.0
 *
 * Conflicts in which a worker has a say (resolve_conflict): its callback runs
 * on its scheduler, and what it returned goes back to the scope.
 */
#ifndef CNODE_POOL_JUDGE_H
#define CNODE_POOL_JUDGE_H

#include "pool/pools.h"

/* Takes the hook of pools->syn. The root. */
void judge_init(struct pools *pools);

#endif
