/* SPDX-License-Identifier: Apache-2.0
 *
 * A service: one permanent worker under a registered name. Its ref is
 * {ref, Name, Name}. The gate is the process that messages to the name go
 * through, so that they wait while the worker restarts. It is hidden.
 */
#ifndef CNODE_POOL_SERVICE_H
#define CNODE_POOL_SERVICE_H

#include "base/check.h"

struct pool;

MUST_USE int service_open_gate(struct pool *pool);
void service_close_gate(struct pool *pool);

/* The worker is due. */
MUST_USE int service_start(struct pool *pool);

#endif
