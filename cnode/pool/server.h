/* SPDX-License-Identifier: Apache-2.0
 *
 * The process <Pool>.Server, which AdvancedPool has beside each pool: a service
 * with the behaviour that the pool's key "server" names, or one that answers as
 * AdvancedPool's own.
 */
#ifndef CNODE_POOL_SERVER_H
#define CNODE_POOL_SERVER_H

#include "pool/pool_config.h"

/* Adds one for each pool that names a behaviour, stands alone, or is a module
 * of Elixir in syn; unless there is a service of that name. */
void server_add_all(struct pool_settings *settings);

#endif
