/* SPDX-License-Identifier: Apache-2.0
 *
 * The bytes lie at the front of one block. A read that fills it says that more
 * was waiting: then it doubles, up to the usual size, or to that of the packet
 * it holds the front of. When such a packet is gone it shrinks again. It begins
 * small, as strangers may open many connections and say a few bytes on each.
 */
#include "dist/read_buffer.h"

#include <cnode/error.h>
#include <string.h>

#include "base/mem.h"

void read_buffer_init(struct read_buffer *buffer)
{
    *buffer = (struct read_buffer){.bytes = NULL};
}

void read_buffer_fini(struct read_buffer *buffer)
{
    mem_free(buffer->bytes);
}

uint8_t *read_buffer_room(struct read_buffer *buffer, size_t *room)
{
    if (buffer->bytes == NULL) {
        buffer->bytes = mem_try(READ_LEAST_BYTES);
        if (buffer->bytes == NULL) {
            return NULL;
        }
        buffer->cap = READ_LEAST_BYTES;
    }
    DCHECK(buffer->size < buffer->cap); /* read_buffer_take() saw to it */
    *room = buffer->cap - buffer->size;
    return buffer->bytes + buffer->size;
}

void read_buffer_commit(struct read_buffer *buffer, size_t n)
{
    CHECK(n <= buffer->cap - buffer->size);
    buffer->size += n;
}

int read_buffer_take(struct read_buffer *buffer, size_t used, size_t packet)
{
    bool was_full = buffer->size == buffer->cap;
    size_t most = packet > READ_USUAL_BYTES ? packet : READ_USUAL_BYTES;
    size_t cap = buffer->cap;
    uint8_t *bytes;

    CHECK(used <= buffer->size);
    buffer->size -= used;
    if (used > 0 && buffer->size > 0) {
        memmove(buffer->bytes, buffer->bytes + used, buffer->size);
    }
    if (was_full && cap < most) {
        cap = cap < most / 2 ? cap * 2 : most;
    } else if (cap > most && buffer->size < most) {
        cap = most;
    }
    if (cap != buffer->cap) {
        bytes = mem_try_realloc(buffer->bytes, cap);
        if (bytes != NULL) {
            buffer->bytes = bytes;
            buffer->cap = cap;
        }
    }
    if (buffer->size < buffer->cap) {
        return 0;
    }
    return cap > buffer->cap ? CNODE_NOMEM : CNODE_TOO_LARGE;
}

void read_buffer_relax(struct read_buffer *buffer)
{
    if (buffer->size == 0) {
        mem_free(buffer->bytes);
        *buffer = (struct read_buffer){.bytes = NULL};
    }
}
