/* SPDX-License-Identifier: Apache-2.0
 *
 * The slow half of the byte buffer: growing, and formatted text.
 *
 * Growth doubles. Consumed bytes at the front are reclaimed when at least half
 * of the bytes are consumed: then moving the rest costs less than what it
 * frees. Otherwise realloc grows large buffers without copying them.
 *
 * With a maximum, the capacity never exceeds it, so that only growing has to
 * look at it. Bytes at the front are then reclaimed when the end comes too
 * close.
 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include <cnode/error.h>

enum { BUF_FIRST = 256 }; /* bytes of the first allocation */

static bool buf_grow(struct buf *buf, size_t n);

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){.max = max};
}

void buf_fini(struct buf *buf)
{
    mem_free(buf->data);
    *buf = (struct buf){.max = buf->max};
}

void buf_clear(struct buf *buf)
{
    buf->head = 0;
    buf->len = 0;
    buf->error = 0;
}

uint8_t *buf_reserve_slow(struct buf *buf, size_t n)
{
    size_t size = buf_size(buf);
    bool is_short = buf->data == NULL || buf->cap - buf->len < n;

    if (buf->error != 0) {
        return NULL;
    }
    if (n > SIZE_MAX / 4 || (buf->max != 0 && n > buf->max - size)) {
        buf->error = CNODE_TOO_LARGE;
        return NULL;
    }
    if (is_short && buf->data != NULL && buf->head > 0 &&
        (buf->head >= size || (buf->max != 0 && n > buf->max - buf->len))) {
        memmove(buf->data, buf->data + buf->head, size);
        buf->head = 0;
        buf->len = size;
        is_short = buf->cap - size < n;
    }
    if (is_short && !buf_grow(buf, n)) {
        buf->error = CNODE_NOMEM;
        return NULL;
    }
    return buf->data + buf->len;
}

/* Room for `n` more bytes after the unconsumed ones. */
static bool buf_grow(struct buf *buf, size_t n)
{
    size_t need = buf->len + n;
    size_t cap = buf->cap == 0 ? BUF_FIRST : buf->cap * 2;
    uint8_t *data;

    if (buf->max != 0 && cap > buf->max) {
        cap = buf->max;
    }
    if (cap < need) {
        cap = need;
    }
    data = mem_try_realloc(buf->data, cap);
    if (data == NULL) {
        return false;
    }
    buf->data = data;
    buf->cap = cap;
    return true;
}

void buf_put_u8(struct buf *buf, uint8_t v)
{
    buf_put(buf, &v, 1);
}

void buf_put_u16(struct buf *buf, uint16_t v)
{
    uint8_t bytes[2];

    set_u16(bytes, v);
    buf_put(buf, bytes, sizeof(bytes));
}

void buf_put_u32(struct buf *buf, uint32_t v)
{
    uint8_t bytes[4];

    set_u32(bytes, v);
    buf_put(buf, bytes, sizeof(bytes));
}

void buf_put_u64(struct buf *buf, uint64_t v)
{
    uint8_t bytes[8];

    set_u64(bytes, v);
    buf_put(buf, bytes, sizeof(bytes));
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    char small[256];
    char *large;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(small, sizeof(small), format, args);
    va_end(args);
    CHECK(n >= 0);
    if ((size_t)n < sizeof(small)) {
        buf_put(buf, small, (size_t)n);
        return;
    }
    /* vsnprintf wants room for a NUL that may be one more than `max` allows */
    large = mem_try((size_t)n + 1);
    if (large == NULL) {
        buf->error = buf->error != 0 ? buf->error : CNODE_NOMEM;
        return;
    }
    va_start(args, format);
    (void)vsnprintf(large, (size_t)n + 1, format, args);
    va_end(args);
    buf_put(buf, large, (size_t)n);
    mem_free(large);
}

void buf_consume(struct buf *buf, size_t n)
{
    CHECK(n <= buf_size(buf));
    buf->head += n;
    if (buf->head == buf->len) {
        buf->head = 0;
        buf->len = 0;
    }
}

void buf_truncate(struct buf *buf, size_t size)
{
    CHECK(size <= buf_size(buf));
    buf->len = buf->head + size;
}
