/* SPDX-License-Identifier: Apache-2.0
 *
 * The last 256 things that happened on this thread, for the report of a failed
 * CHECK. Writing one costs four stores, so state moves and frames are always
 * traced. Each thread has its own ring.
 *
 *     TRACE("conn_move", old_state, new_state);
 */
#ifndef CNODE_BASE_TRACE_H
#define CNODE_BASE_TRACE_H

#include <stdint.h>

enum { TRACE_RING = 256 }; /* a power of two */

struct trace_entry {
    uint64_t ns;       /* time of the turn, see trace_time() */
    const char *event; /* a literal */
    uint64_t a, b;
};

struct trace_ring {
    uint64_t now_ns;
    uint64_t written; /* ever; the newest is entries[(written - 1) % 256] */
    struct trace_entry entries[TRACE_RING];
};

extern _Thread_local struct trace_ring trace_ring;

/* The loop sets the time once per turn: cheaper than a clock per entry. */
static inline void trace_time(uint64_t now_ns)
{
    trace_ring.now_ns = now_ns;
}

static inline void trace_add(const char *event, uint64_t a, uint64_t b)
{
    struct trace_entry *entry =
        &trace_ring.entries[trace_ring.written++ % TRACE_RING];

    entry->ns = trace_ring.now_ns;
    entry->event = event;
    entry->a = a;
    entry->b = b;
}

#define TRACE(event, a, b) trace_add("" event, (uint64_t)(a), (uint64_t)(b))

/* Writes this thread's ring to a file descriptor, oldest first. Allocates
 * nothing: it runs when the process is already lost. */
void trace_dump(int fd);

#endif
