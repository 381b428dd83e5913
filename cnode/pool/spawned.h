/* SPDX-License-Identifier: Apache-2.0
 *
 * Workers that are spawned: by a behaviour (cnode_spawn()), or by a
 * SPAWN_REQUEST that the configuration allows. They have a pid at once, start
 * with the given arguments before their first message, and are gone when they
 * end. They live in a pool of their behaviour and scheduler, <behaviour>_sup or
 * <behaviour>_sup_<scheduler>, which is made with the first of them.
 */
#ifndef CNODE_POOL_SPAWNED_H
#define CNODE_POOL_SPAWNED_H

#include "node/spawn.h"
#include "pool/pool_config.h"

struct cnode_worker;
struct pools;

/* The behaviour of that name, or NULL. */
const struct cnode_behaviour *spawned_behaviour(const struct pools *pools,
                                                const char *name);

/* A worker with a pid, registered as `name` unless that is ATOM_NONE. It does
 * nothing before spawned_go(). CNODE_EXISTS: the name is taken; CNODE_LIMIT,
 * CNODE_NOMEM, CNODE_STOPPED. */
MUST_USE int spawned_new(struct pools *pools,
                         const struct cnode_behaviour *behaviour, atom_t name,
                         struct cnode_term args, struct cnode_worker **w);
/* Its init runs before anything that is sent to it from now on. */
void spawned_go(struct cnode_worker *w);

/* The spawn handler of the configuration's "spawn". */
struct spawn_handler spawned_handler(struct pools *pools);

#endif
