/* SPDX-License-Identifier: Apache-2.0
 *
 * Counted bytes. A copy is one allocation with the bytes behind the struct; a
 * block made from a buffer takes over the buffer's memory.
 */
#include "base/block.h"

#include <string.h>

#include "base/mem.h"

struct block *block_adopt(void *memory, void *bytes, size_t size)
{
    struct block *block = mem_try(sizeof(*block));

    if (block != NULL) {
        *block = (struct block){
            .refs = 1, .size = size, .bytes = bytes, .memory = memory};
    }
    return block;
}

struct block *block_from_buf(struct buf *buf)
{
    struct block *block = block_adopt(buf->data, buf_data(buf), buf_size(buf));

    if (block != NULL) {
        buf_init(buf, buf->max);
    }
    return block;
}

struct block *block_copy(const void *bytes, size_t size)
{
    struct block *block;

    if (size > SIZE_MAX - sizeof(*block)) {
        return NULL;
    }
    block = mem_try(sizeof(*block) + size);
    if (block == NULL) {
        return NULL;
    }
    *block = (struct block){
        .refs = 1,
        .size = size,
        .bytes = (uint8_t *)(block + 1),
    };
    if (size > 0) {
        memcpy(block->bytes, bytes, size);
    }
    return block;
}

struct block *block_ref(struct block *block)
{
    CHECK(block->refs > 0 && block->refs < UINT32_MAX);
    block->refs++;
    return block;
}

void block_unref(struct block *block)
{
    if (block == NULL) {
        return;
    }
    CHECK(block->refs > 0);
    if (--block->refs == 0) {
        mem_free(block->memory);
        mem_free(block);
    }
}
