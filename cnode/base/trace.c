/* SPDX-License-Identifier: Apache-2.0
 *
 * Dumps the ring of this thread: one line an entry, oldest first, times in
 * microseconds before the newest entry.
 */
#include "base/trace.h"

#include <inttypes.h>
#include <stdio.h>

_Thread_local struct trace_ring trace_ring;

void trace_dump(int fd)
{
    uint64_t end = trace_ring.written;
    uint64_t at = end > TRACE_RING ? end - TRACE_RING : 0;

    for (; at < end; at++) {
        const struct trace_entry *entry = &trace_ring.entries[at % TRACE_RING];
        dprintf(fd, "trace: -%" PRIu64 "us %s %" PRIu64 " %" PRIu64 "\n",
                (trace_ring.now_ns - entry->ns) / 1000, entry->event, entry->a,
                entry->b);
    }
}
