/* SPDX-License-Identifier: Apache-2.0
 *
 * Idle workers are found by walking the segments' tables, a slice at a time, so
 * that a message costs no timer: only the time is noted in its worker. A whole
 * pass takes an eighth of the idle time-out, at most two minutes; so a worker
 * ends that much later than its time-out at worst, never earlier.
 */
#ifndef CNODE_POOL_SWEEP_H
#define CNODE_POOL_SWEEP_H

struct pool;

void sweep_init(struct pool *pool);
/* The pool has workers: sweeps go on from now, if it has an idle time-out. */
void sweep_wake(struct pool *pool);

#endif
