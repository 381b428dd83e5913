/* SPDX-License-Identifier: Apache-2.0
 *
 * What a pool supervisor answers to Supervisor, DynamicSupervisor and OTP's
 * supervisor about its children: worker supervisors, which come and go, and
 * segments, which stay. Whatever else is asked gets {error, {unsupported,
 * Request}}: never silence.
 */
#ifndef CNODE_POOL_CHILDREN_H
#define CNODE_POOL_CHILDREN_H

#include "node/gen.h"
#include "pool/pool.h"

/* A call to a pool, which no part but the head answers. */
void children_answer(struct pool *pool, const struct gen_message *gen);

#endif
