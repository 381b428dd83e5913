/* SPDX-License-Identifier: Apache-2.0
 *
 * How a pool stands on this node: what operators want of it, and how it does.
 * One for all its parts, made and freed by the head. Plain counters and words,
 * by which nothing else is ordered (relaxed): every scheduler counts and reads;
 * state and locks change on scheduler 0 only.
 */
#ifndef CNODE_POOL_STANDING_H
#define CNODE_POOL_STANDING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* OFFLINE: it starts no workers, and those that are there are ended. */
enum standing_state { STANDING_OFFLINE, STANDING_ONLINE };

/* Locked: nothing new is placed here; what is there lives on, and whoever asks
 * for a worker here all the same gets one. Any of these bits. */
enum standing_lock {
    STANDING_LOCK_POOL = 1, /* this pool */
    STANDING_LOCK_NODE = 2, /* all pools of the node */
};

/* From failures per minute; pool/health.h. */
enum standing_condition {
    STANDING_WELL,
    STANDING_DEGRADED,
    STANDING_CRITICAL,
};

/* What is counted, since the node started. */
enum standing_event {
    STANDING_INIT,      /* a worker is up: started, or again */
    STANDING_TERMINATE, /* one has ended, for whatever reason */
    STANDING_FAILURE,   /* of those: by an error, or init failed */
    STANDING_ERROR,     /* raised by behaviours */
    STANDING_WARNING,
    STANDING_EVENT_COUNT
};

struct standing {
    _Atomic uint32_t state, locks, condition;
    _Atomic bool is_full;   /* it has worker.max workers */
    _Atomic bool is_graded; /* its health was computed */
    _Atomic double health;  /* then: 8.0 is best; 3.4 in AdvancedPool's terms */
    _Atomic uint64_t events[STANDING_EVENT_COUNT];
};

void standing_init(struct standing *standing, enum standing_state state);

static inline void standing_count(struct standing *standing,
                                  enum standing_event event)
{
    atomic_fetch_add_explicit(&standing->events[event], 1,
                              memory_order_relaxed);
}

static inline uint64_t standing_counted(const struct standing *standing,
                                        enum standing_event event)
{
    return atomic_load_explicit(&standing->events[event], memory_order_relaxed);
}

/* It starts workers for those who ask here. */
static inline bool standing_is_online(const struct standing *standing)
{
    return atomic_load_explicit(&standing->state, memory_order_relaxed) ==
           STANDING_ONLINE;
}

/* Some lock is on it. */
static inline bool standing_is_locked(const struct standing *standing)
{
    return atomic_load_explicit(&standing->locks, memory_order_relaxed) != 0;
}

/* Any scheduler: it has that many workers of at most `max`. */
static inline void standing_set_workers(struct standing *standing,
                                        uint64_t workers, uint64_t max)
{
    bool is_full = workers >= max;

    if (atomic_load_explicit(&standing->is_full, memory_order_relaxed) !=
        is_full) {
        atomic_store_explicit(&standing->is_full, is_full,
                              memory_order_relaxed);
    }
}

/* New workers may be placed here. */
bool standing_takes(const struct standing *standing);

/* Scheduler 0. False: it was so already. */
bool standing_set_state(struct standing *standing, enum standing_state state);
bool standing_lock(struct standing *standing, enum standing_lock lock);
bool standing_release(struct standing *standing, enum standing_lock lock);

/* What its health makes of it. Scheduler 0. */
void standing_grade(struct standing *standing, double health,
                    enum standing_condition condition);
static inline enum standing_condition
standing_condition(const struct standing *standing)
{
    return (enum standing_condition)atomic_load_explicit(&standing->condition,
                                                         memory_order_relaxed);
}
/* False: it has none yet ("initializing"). */
bool standing_health(const struct standing *standing, double *health);

#endif
