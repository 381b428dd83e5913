/* SPDX-License-Identifier: Apache-2.0
 *
 * A supervisor of workers: owns the slice of the refs of its pool whose hash
 * falls to it, their workers, and how often they may restart. A segment belongs
 * to one scheduler.
 *
 *     DOWN ---> UP ---> STOPPING ---> DOWN
 *
 * UP ends when it is killed, or when its workers restart too often: its workers
 * are then ended with reason shutdown, some each turn, and the pool opens it
 * again, empty. Messages for its refs wait meanwhile.
 */
#ifndef CNODE_POOL_SEGMENT_H
#define CNODE_POOL_SEGMENT_H

#include "pool/intensity.h"
#include "pool/rate.h"
#include "pool/worker.h"
#include "pool/worker_table.h"

enum segment_state { SEGMENT_DOWN, SEGMENT_UP, SEGMENT_STOPPING };

struct segment {
    struct process process; /* first */
    struct pool *pool;
    uint16_t index; /* among all of the pool */
    uint16_t place; /* in pool->segments */
    enum segment_state state;
    bool is_alive; /* has a pid */
    bool is_told;  /* DOWN: the head knows (parts.h) */
    struct worker_table table;
    struct intensity intensity;
    struct mailbox held;  /* messages by ref while it is not up */
    struct rate failures; /* of its workers */
    uint32_t sweep_at;    /* slot of the table to look at next for idle ones */
};

void segment_init(struct segment *segment, struct pool *pool, uint16_t index,
                  uint16_t place);
/* Frees all, workers without their terminate callback. */
void segment_fini(struct segment *segment);

/* Gets a pid; what was held goes on. 0 or CNODE_LIMIT. */
MUST_USE int segment_open(struct segment *segment);

/* No more workers: they are ended by segment_stop_some(). At the top level. */
void segment_stop(struct segment *segment, struct cnode_term reason);
/* Ends at most `budget` workers; returns how many. DOWN when none is left. */
unsigned segment_stop_some(struct segment *segment, unsigned budget);

/* Ends one of the workers of a segment that has some, with this reason; one
 * without a pid goes, and who waits for it gets {error, Instead}. False: with
 * `may_wait`, one whose state must be written first is left for later. */
bool segment_end_one(struct segment *segment, struct cnode_term reason,
                     struct cnode_term instead, bool may_wait);

/* --- workers start */

struct segment_start {
    uint16_t face;
    bool in_background; /* at the pool's next turn */
    bool is_spawned;    /* with a pid now, and init later: worker_spawn() */
    struct cnode_term args, context;
};

/* Starts the worker of a key that is not there yet. 0; or a negative error, and
 * why in the run's reason. */
MUST_USE int segment_start_worker(struct segment *segment,
                                  const struct worker_key *key,
                                  const struct segment_start *start,
                                  struct cnode_worker **out);

/* --- and end */

/* The worker has no pid any more: restarts or forgets it. Empties `mail`, what
 * was sent to its ref. */
void segment_worker_ended(struct segment *segment, struct cnode_worker *w,
                          bool is_clean, enum worker_after after,
                          struct mailbox *mail);

/* One of its workers failed, or could not be started. */
void segment_worker_failed(struct segment *segment);

/* A worker without a pid goes; who waits for it gets {error, Reason}. */
void segment_forget(struct segment *segment, struct cnode_worker *w,
                    struct cnode_term reason);

/* Counts one restart. True: that was too many, and the segment is about to end.
 */
bool segment_counts_restart(struct segment *segment);

/* A message by ref while the segment is not up. */
void segment_hold(struct segment *segment, const struct signal *signal);

/* Nobody used it for longer than `idle` (both as in worker_clock()), and it
 * waits for nothing. */
bool segment_may_offload(const struct cnode_worker *w, uint32_t now,
                         uint32_t idle);

/* Looks at up to `slots` slots of its table, from where it stopped last, and
 * ends the workers there that had no message for longer than `idle` (`now` and
 * `idle` as in worker_clock()). Returns how many slots it looked at; fewer than
 * `slots` when the end of the table is reached. */
uint32_t segment_sweep(struct segment *segment, uint32_t slots, uint32_t now,
                       uint32_t idle);

#endif
