/* SPDX-License-Identifier: Apache-2.0
 *
 * Putting fragmented messages together (erts "Distribution Protocol", 4.4.3).
 * Sequences interleave; inside one the order is required. Bytes held are
 * bounded per connection. The payload is validated as it comes, so that the
 * last fragment of a huge message costs no more than the others. Pure.
 */
#ifndef CNODE_DIST_FRAGMENT_H
#define CNODE_DIST_FRAGMENT_H

#include "base/block.h"
#include "base/map.h"
#include "term/growing.h"

enum { ASSEMBLY_START_BYTES = 4096 };

struct assembly {
    uint64_t sequence;
    uint64_t next;       /* number the next fragment must have; counts down */
    size_t control_size; /* the control tuple stands at the front of `bytes` */
    struct buf bytes;    /* control tuple, then the payload so far */
    bool over_limit;     /* too large: swallowed to its end, then dropped */
    struct growing payload; /* checked as it comes; what it says */
};

struct assembler {
    struct map by_sequence;
    size_t held_bytes;
};

void assembler_init(struct assembler *assembler);
void assembler_fini(struct assembler *assembler);

/* The first fragment: the control tuple and the start of the payload. `count`:
 * how many fragments there are in all. 0 and *done (owned by the caller:
 * assembly_free) when count is 1, else NULL; CNODE_PROTOCOL when the sequence
 * is under way already or count is 0, CNODE_TOO_LARGE over limits.partial_*.
 *
 * A message over limits.message_bytes, or too large for the memory there is, is
 * not an error: the rest of it is swallowed and it comes out with over_limit
 * set, its control tuple and the first bytes of its payload (at most
 * ASSEMBLY_START_BYTES). control_size 0 stands for a control tuple that is
 * over a limit itself: nothing of the message is kept. */
MUST_USE int assembler_first(struct assembler *assembler, uint64_t sequence,
                             uint64_t count, const uint8_t *control,
                             size_t control_size, const uint8_t *part,
                             size_t part_size, struct assembly **done);

/* A following one. CNODE_PROTOCOL for an unknown sequence or a gap. */
MUST_USE int assembler_next(struct assembler *assembler, uint64_t sequence,
                            uint64_t number, const uint8_t *part,
                            size_t part_size, struct assembly **done);

void assembly_free(struct assembly *assembly);

#endif
