/* SPDX-License-Identifier: Apache-2.0
 *
 * What pool supervisors, worker supervisors and segments answer to Supervisor,
 * DynamicSupervisor and OTP's supervisor. Whatever else is asked gets
 * {error, {unsupported, Request}}: never silence.
 */
#ifndef CNODE_POOL_SUPERVISOR_H
#define CNODE_POOL_SUPERVISOR_H

#include "pool/pool.h"

/* Envelopes go to dispatch.c. */
void supervisor_pool_message(struct pool *pool, const struct signal *signal);
void supervisor_segment_message(struct segment *segment,
                                const struct signal *signal);
void supervisor_face_message(struct face *face, const struct signal *signal);

#endif
