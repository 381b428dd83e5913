/* SPDX-License-Identifier: Apache-2.0
 *
 * What all parts of a pool count together. Any scheduler: plain counters, by
 * which nothing else is ordered (relaxed).
 */
#ifndef CNODE_POOL_ROLL_H
#define CNODE_POOL_ROLL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

enum { FACE_NONE = UINT16_MAX };

struct roll_face {
    _Atomic uint32_t workers;    /* that count for it */
    _Atomic bool is_up, is_gone; /* gone: for good */
};

struct roll {
    _Atomic uint64_t workers;          /* of the pool */
    _Atomic int64_t bytes;             /* of them; record_bytes() */
    _Atomic uint32_t face_count;       /* places of `faces` in use */
    struct roll_face faces[FACE_NONE]; /* resident as far as it is used */
};

struct roll *roll_new(void);
void roll_free(struct roll *roll);

/* One more worker. False: there are `most`. */
bool roll_add(struct roll *roll, uint64_t most);
void roll_remove(struct roll *roll);
static inline uint64_t roll_workers(const struct roll *roll)
{
    return atomic_load_explicit(&roll->workers, memory_order_relaxed);
}

static inline void roll_add_bytes(struct roll *roll, int64_t bytes)
{
    atomic_fetch_add_explicit(&roll->bytes, bytes, memory_order_relaxed);
}
/* Below 0 for a moment while schedulers count. */
static inline uint64_t roll_bytes(const struct roll *roll)
{
    int64_t bytes = atomic_load_explicit(&roll->bytes, memory_order_relaxed);

    return bytes > 0 ? (uint64_t)bytes : 0;
}

/* A worker that counted for one face (FACE_NONE: for none) counts for another.
 */
void roll_move(struct roll *roll, uint16_t from, uint16_t to);
static inline uint32_t roll_face_workers(const struct roll *roll, uint16_t face)
{
    return atomic_load_explicit(&roll->faces[face].workers,
                                memory_order_relaxed);
}

void roll_set_face(struct roll *roll, uint16_t face, bool is_up);
void roll_remove_face(struct roll *roll, uint16_t face);
static inline bool roll_is_gone(const struct roll *roll, uint16_t face)
{
    return atomic_load_explicit(&roll->faces[face].is_gone,
                                memory_order_relaxed);
}
void roll_clear_faces(struct roll *roll);
/* The one that is up with the fewest workers, or FACE_NONE. */
uint16_t roll_choose_face(const struct roll *roll);

#endif
