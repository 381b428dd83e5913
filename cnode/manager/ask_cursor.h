/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a walk through the workers of a pool goes on: 16 bytes that callers
 * carry without knowing what they mean. Pure.
 */
#ifndef CNODE_MANAGER_ASK_CURSOR_H
#define CNODE_MANAGER_ASK_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ASK_CURSOR_BYTES = 16 };

struct ask_cursor {
    uint32_t part;   /* of the pool */
    uint32_t number; /* of the first worker, in the slab of that part */
};

/* `mark` says of which pool, in which life of the node. */
void ask_cursor_put(const struct ask_cursor *cursor, uint64_t mark,
                    uint8_t bytes[ASK_CURSOR_BYTES]);
/* False: these are no such bytes, or of another pool or life. */
bool ask_cursor_get(struct ask_cursor *cursor, uint64_t mark,
                    const uint8_t *bytes, size_t len);

#endif
