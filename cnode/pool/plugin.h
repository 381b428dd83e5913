/* SPDX-License-Identifier: Apache-2.0
 *
 * Behaviours by name: those that ship, and those loaded from shared objects.
 * The tables live until behaviours_fini(), so workers point into them.
 */
#ifndef CNODE_POOL_PLUGIN_H
#define CNODE_POOL_PLUGIN_H

#include <stddef.h>

#include <cnode/behaviour.h>

#include "base/buf.h"

enum { BEHAVIOUR_STATE_MOST = 64 * 1024 * 1024 }; /* bytes of one state */

struct behaviours {
    struct plugin **plugins;
    size_t count, cap;
};

void behaviours_init(struct behaviours *behaviours); /* those that ship */
void behaviours_fini(struct behaviours *behaviours);

/* Loads the behaviour of a shared object. 0; CNODE_PLUGIN, CNODE_BAD_ABI or
 * CNODE_EXISTS, and a text for people appended to `why`. */
MUST_USE int behaviours_load(struct behaviours *behaviours, const char *path,
                             struct buf *why);

/* Checks a behaviour's own words about itself and makes a table of our size of
 * it: an older, smaller one has NULL for what it does not know. As above. */
MUST_USE int behaviour_check(const struct cnode_behaviour *theirs,
                             struct cnode_behaviour *ours, struct buf *why);

/* By name, or NULL. */
const struct cnode_behaviour *
behaviours_find(const struct behaviours *behaviours, const char *name);
/* Name number i, NULL behind the last. */
const char *behaviours_name(const struct behaviours *behaviours, size_t i);

#endif
