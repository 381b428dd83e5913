/* SPDX-License-Identifier: Apache-2.0
 *
 * Growable byte buffer: append at the end, consume from the front. One thread.
 *
 * Appending never fails to the caller's face: an allocation that fails or a
 * length above `max` sets `error`, later appends do nothing, and the owner asks
 * buf_error() once at the end.
 */
#ifndef CNODE_BASE_BUF_H
#define CNODE_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"

struct buf {
    uint8_t *data; /* NULL until the first append */
    size_t head;   /* first unconsumed byte */
    size_t len;    /* end of the bytes, from data */
    size_t cap;    /* at most `max` */
    size_t max;    /* most unconsumed bytes; 0: no limit of its own */
    int error;     /* 0, CNODE_NOMEM or CNODE_TOO_LARGE; sticky */
};

void buf_init(struct buf *buf, size_t max);
void buf_fini(struct buf *buf);
void buf_clear(struct buf *buf); /* keeps the memory; forgets the error */

static inline size_t buf_size(const struct buf *buf)
{
    return buf->len - buf->head;
}

static inline uint8_t *buf_data(const struct buf *buf)
{
    return buf->data == NULL ? NULL : buf->data + buf->head;
}

static inline int buf_error(const struct buf *buf)
{
    return buf->error;
}

/* Room for `n` more bytes; a pointer to them, or NULL (error is set). The bytes
 * count only after buf_commit(). */
uint8_t *buf_reserve_slow(struct buf *buf, size_t n);

/* An exact fit takes the slow path too: so `data` is never NULL here. */
static inline uint8_t *buf_reserve(struct buf *buf, size_t n)
{
    if (__builtin_expect(buf->cap - buf->len <= n || buf->error != 0, 0)) {
        return buf_reserve_slow(buf, n);
    }
    return buf->data + buf->len;
}

static inline void buf_commit(struct buf *buf, size_t n)
{
    DCHECK(buf->cap - buf->len >= n);
    buf->len += n;
}

static inline void buf_put(struct buf *buf, const void *bytes, size_t n)
{
    uint8_t *at = buf_reserve(buf, n);
    if (at != NULL && n > 0) {
        memcpy(at, bytes, n);
        buf->len += n;
    }
}

void buf_put_u8(struct buf *buf, uint8_t v);
void buf_put_u16(struct buf *buf, uint16_t v); /* big-endian, as all here */
void buf_put_u32(struct buf *buf, uint32_t v);
void buf_put_u64(struct buf *buf, uint64_t v);
void buf_printf(struct buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Drops `n` bytes at the front. */
void buf_consume(struct buf *buf, size_t n);
/* Cuts back to `size` unconsumed bytes, to undo appends. */
void buf_truncate(struct buf *buf, size_t size);

/* Big-endian loads and stores on plain bytes. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "bswap below assumes a little-endian host");

static inline uint16_t get_u16(const uint8_t *p)
{
    return (uint16_t)((unsigned)p[0] << 8 | p[1]);
}

static inline uint32_t get_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return __builtin_bswap32(v);
}

static inline uint64_t get_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return __builtin_bswap64(v);
}

static inline void set_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void set_u32(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, 4);
}

static inline void set_u64(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, 8);
}

#endif
