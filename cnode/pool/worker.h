/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker: a process around the state of a behaviour. Here is its life, from
 * the spawn to the exit; what it does with a message is in worker_message.c,
 * what becomes of it afterwards its segment decides.
 *
 *     STARTING ---> INIT ---> LOADED
 *          \       ^ ^  \        /
 *           v     /  |   v      v
 *           SPAWNED RESTARTING <      and from each state it may be gone
 *
 * STARTING and RESTARTING have no pid: messages by ref wait (waiting.h).
 * SPAWNED has one and runs init before anything else, at the top level
 * (spawned.h). A worker keeps its memory and its place in the segment's table
 * while it restarts.
 */
#ifndef CNODE_POOL_WORKER_H
#define CNODE_POOL_WORKER_H

#include "pool/roll.h"
#include "pool/worker_key.h"
#include "runtime/process.h"

struct extras;
struct pool;
struct segment;

enum worker_status {
    WORKER_STARTING,   /* will be started in the background */
    WORKER_INIT,       /* initialised */
    WORKER_LOADED,     /* has had its first message */
    WORKER_RESTARTING, /* ended and will be started again */
    WORKER_SPAWNED,    /* has a pid, and init comes first */
};

/* 88 bytes; the state follows. A million of them are the rule: what few workers
 * need is in the extras. */
struct cnode_worker {
    struct process process; /* first: the runtime knows it by this */
    union {
        int64_t integer;
        struct worker_id *heap; /* owned */
    } id;
    struct extras *extras; /* NULL while there is nothing rare; extras.h */
    uint32_t hash;         /* worker_table_hash() of the id */
    uint32_t last_used;    /* worker_clock() of the newest message */
    uint16_t segment;      /* its place in pool->segments */
    uint16_t face;         /* counts for that worker supervisor; FACE_NONE */
    uint8_t status;
    bool id_is_integer;
    bool context_is_nil; /* of its start; any other one is in the extras */
};

/* The id of a message says which way it came. What came through us is for the
 * ref: when the worker ends before it is handled, its next worker gets it. */
enum signal_way {
    SIGNAL_BY_PID = 0,
    SIGNAL_BY_REF = 1,   /* the pool's name; callers do not watch the worker */
    SIGNAL_BY_NAME = 2,  /* a service's name, no call */
    SIGNAL_BY_SPAWN = 3, /* from itself: no message, only init is due */
};

static inline void *worker_state(struct cnode_worker *w)
{
    return w + 1;
}

static inline bool worker_is_up(const struct cnode_worker *w)
{
    return w->status == WORKER_INIT || w->status == WORKER_LOADED ||
           w->status == WORKER_SPAWNED;
}

struct pool *worker_pool(const struct cnode_worker *w);
struct segment *worker_segment(const struct cnode_worker *w);

void worker_move(struct cnode_worker *w, enum worker_status to);

/* Time in quarters of a second, roughly: fine enough for idle time-outs. */
static inline uint32_t worker_clock(uint64_t now_ms)
{
    return (uint32_t)(now_ms >> 8);
}

/* Spawns the process and runs init. 0, or a negative error: it has no pid then,
 * and why it did not start is in the run's reason. */
MUST_USE int worker_open(struct cnode_worker *w, struct cnode_term args,
                         struct cnode_term context);

/* The same in two steps: the process now, and init as soon as it is acted upon.
 * False: it has ended. */
MUST_USE int worker_spawn(struct cnode_worker *w);
bool worker_run_init(struct cnode_worker *w);

/* What happens to a worker after its end. */
enum worker_after {
    AFTER_RULE,  /* the restart rule of its pool decides */
    AFTER_NEVER, /* it is gone until somebody needs it again */
};

/* Ends a worker: terminate runs, watchers are told, and its segment does what
 * comes after: it may be gone when this returns. Not from inside one of its
 * callbacks. `reason` must not be the run's reason unless the run is over. */
void worker_end(struct cnode_worker *w, struct cnode_term reason,
                enum worker_after after);

/* Puts a worker aside that nobody uses: it ends with {shutdown, Why} until it
 * is needed again. False: it wants to live on (cnode_wait()). */
bool worker_offload(struct cnode_worker *w, const char *why);

/* A line for a worker whose start failed with the run's reason. */
void worker_log_failed_start(struct cnode_worker *w);

/* normal, shutdown and {shutdown, _}: no failure. */
bool worker_reason_is_clean(struct cnode_term reason);

/* Its Id and its ref, appended to a buffer. */
void worker_put_id(struct buf *buf, const struct cnode_worker *w);
void worker_put_ref(struct buf *buf, const struct cnode_worker *w);

/* Its state as the behaviour dumps it, appended. From within a run. 0;
 * CNODE_UNHANDLED: the behaviour dumps nothing; or what went wrong. */
MUST_USE int worker_dump(struct cnode_worker *w, struct buf *buf);

/* The term is its id; `scratch` serves when the term is not canonical. */
bool worker_has_id(const struct cnode_worker *w, struct cnode_term id,
                   struct buf *scratch);

/* For process_class: worker_message.c and worker.c */
void worker_on_message(struct process *process, const struct signal *signal);
void worker_on_exit(struct process *process, struct cnode_term reason);

#endif
