/* SPDX-License-Identifier: Apache-2.0
 *
 * A message for a worker that is not delivered: counted, and kept for who wants
 * to see what was lost (dead_letters.h). Calls are answered by whoever refuses
 * them; they are no dead letters for the counter, as their callers know.
 */
#ifndef CNODE_POOL_LOST_H
#define CNODE_POOL_LOST_H

#include "node/gen.h"

struct pool;

void lost_message(struct pool *pool, const struct gen_message *gen,
                  struct cnode_term reason);
/* With an atom for a reason. */
void lost_because(struct pool *pool, const struct gen_message *gen,
                  const char *reason);

#endif
