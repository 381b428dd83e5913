/* SPDX-License-Identifier: Apache-2.0
 *
 * Counted, immutable bytes. The count is plain: a block belongs to one
 * scheduler, and crosses to another only as sole ownership (refs == 1).
 */
#ifndef CNODE_BASE_BLOCK_H
#define CNODE_BASE_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct block {
    uint32_t refs;
    size_t size;
    uint8_t *bytes;
    uint8_t *memory; /* to free; NULL: the bytes follow this struct */
};

/* Takes the unconsumed bytes of a buffer without copying; the buffer is empty
 * afterwards. NULL when out of memory (the buffer keeps its bytes). */
MUST_USE struct block *block_from_buf(struct buf *buf);
/* Bytes somewhere in `memory` of mem_alloc(), which is taken over. NULL when
 * out of memory (`memory` stays the caller's). */
MUST_USE struct block *block_adopt(void *memory, void *bytes, size_t size);
/* A copy, for sizes from outside. NULL when out of memory. */
MUST_USE struct block *block_copy(const void *bytes, size_t size);
struct block *block_ref(struct block *block);
void block_unref(struct block *block); /* NULL is fine */

#endif
