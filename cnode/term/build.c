/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing terms piece by piece: each function reserves the most it may need and
 * then fills it in. What cannot be written (a float that is not finite, a text
 * that is no atom, an identifier without a node) is CNODE_EINVALID in the
 * buffer.
 */
#include "term/build.h"

#include <math.h>

#include <cnode/error.h>

#include "term/reader.h"
#include "term/tag.h"
#include "term/utf8.h"

static void refuse(struct buf *buf)
{
    if (buf->error == 0) {
        buf->error = CNODE_EINVALID;
    }
}

/* -- numbers --------------------------------------------------------------- */

static void put_magnitude(struct buf *buf, uint64_t magnitude, bool is_negative)
{
    uint8_t *p = buf_reserve(buf, 11);
    uint8_t n = 0;

    if (p == NULL) {
        return;
    }
    while (magnitude > 0) {
        p[3 + n++] = (uint8_t)magnitude;
        magnitude >>= 8;
    }
    p[0] = TAG_BIG8;
    p[1] = n;
    p[2] = is_negative;
    buf_commit(buf, 3 + (size_t)n);
}

void term_put_int(struct buf *buf, int64_t value)
{
    uint8_t *p = buf_reserve(buf, 5);

    if (p == NULL) {
        return;
    }
    if (value >= 0 && value <= 255) {
        p[0] = TAG_INT8;
        p[1] = (uint8_t)value;
        buf_commit(buf, 2);
    } else if (value >= INT32_MIN && value <= INT32_MAX) {
        p[0] = TAG_INT32;
        set_u32(p + 1, (uint32_t)value);
        buf_commit(buf, 5);
    } else {
        put_magnitude(buf, value < 0 ? 0 - (uint64_t)value : (uint64_t)value,
                      value < 0);
    }
}

void term_put_uint(struct buf *buf, uint64_t value)
{
    if (value <= INT64_MAX) {
        term_put_int(buf, (int64_t)value);
    } else {
        put_magnitude(buf, value, false);
    }
}

void term_put_big(struct buf *buf, const uint8_t *magnitude, size_t len,
                  bool is_negative)
{
    uint64_t value = 0;

    while (len > 0 && magnitude[len - 1] == 0) {
        len--;
    }
    if (len <= 8) {
        for (size_t i = len; i > 0; i--) {
            value = value << 8 | magnitude[i - 1];
        }
        if (!is_negative) {
            term_put_uint(buf, value);
        } else if (value <= (uint64_t)INT64_MAX + 1) {
            term_put_int(buf, (int64_t)(0 - value));
        } else {
            put_magnitude(buf, value, true);
        }
        return;
    }
    if (len > UINT32_MAX) {
        refuse(buf);
        return;
    }
    if (len <= 255) {
        buf_put_u8(buf, TAG_BIG8);
        buf_put_u8(buf, (uint8_t)len);
    } else {
        buf_put_u8(buf, TAG_BIG32);
        buf_put_u32(buf, (uint32_t)len);
    }
    buf_put_u8(buf, is_negative);
    buf_put(buf, magnitude, len);
}

void term_put_float(struct buf *buf, double value)
{
    uint64_t bits;
    uint8_t *p;

    if (!isfinite(value)) {
        refuse(buf);
        return;
    }
    p = buf_reserve(buf, 9);
    if (p != NULL) {
        memcpy(&bits, &value, sizeof(bits));
        p[0] = TAG_DOUBLE;
        set_u64(p + 1, bits);
        buf_commit(buf, 9);
    }
}

/* -- atoms and binaries ---------------------------------------------------- */

enum { ATOM_HEAD_BYTES = 3 }; /* at most */

/* The first byte behind it. */
static uint8_t *write_atom(uint8_t *p, const char *text, size_t len)
{
    if (len <= 255) {
        *p++ = TAG_ATOM8;
        *p++ = (uint8_t)len;
    } else {
        *p++ = TAG_ATOM16;
        set_u16(p, (uint16_t)len);
        p += 2;
    }
    memcpy(p, text, len);
    return p + len;
}

static void put_text(struct buf *buf, const char *text, size_t len)
{
    uint8_t *p = buf_reserve(buf, ATOM_HEAD_BYTES + len);

    if (p != NULL) {
        buf_commit(buf, (size_t)(write_atom(p, text, len) - p));
    }
}

void term_put_atom(struct buf *buf, atom_t atom)
{
    if (atom == ATOM_NONE) {
        refuse(buf);
        return;
    }
    put_text(buf, atom_text(atom), atom_len(atom));
}

void term_put_atom_text(struct buf *buf, const char *text, size_t len)
{
    long chars = len > ATOM_MAX_BYTES ? -1 : utf8_count(text, len);

    if (chars < 0 || chars > ATOM_MAX_CHARS) {
        refuse(buf);
        return;
    }
    put_text(buf, text, len);
}

void term_put_binary(struct buf *buf, const void *bytes, size_t len)
{
    uint8_t *p;

    if (len > UINT32_MAX) {
        refuse(buf);
        return;
    }
    p = buf_reserve(buf, 5);
    if (p != NULL) {
        p[0] = TAG_BINARY;
        set_u32(p + 1, (uint32_t)len);
        buf_commit(buf, 5);
        buf_put(buf, bytes, len);
    }
}

/* -- containers ------------------------------------------------------------ */

static void put_head32(struct buf *buf, uint8_t tag, uint32_t n)
{
    uint8_t *p = buf_reserve(buf, 5);

    if (p != NULL) {
        p[0] = tag;
        set_u32(p + 1, n);
        buf_commit(buf, 5);
    }
}

void term_put_tuple(struct buf *buf, uint32_t arity)
{
    uint8_t *p;

    if (arity > 255) {
        put_head32(buf, TAG_TUPLE32, arity);
        return;
    }
    p = buf_reserve(buf, 2);
    if (p != NULL) {
        p[0] = TAG_TUPLE8;
        p[1] = (uint8_t)arity;
        buf_commit(buf, 2);
    }
}

void term_put_list(struct buf *buf, uint32_t n)
{
    if (n > 0) {
        put_head32(buf, TAG_LIST, n);
    }
}

void term_put_nil(struct buf *buf)
{
    uint8_t *p = buf_reserve(buf, 1);

    if (p != NULL) {
        *p = TAG_NIL;
        buf_commit(buf, 1);
    }
}

void term_finish_list(struct buf *buf, size_t start, uint32_t count)
{
    size_t size = buf_size(buf) - start;
    uint8_t *p;

    if (buf->error != 0) {
        return;
    }
    p = buf_data(buf) + start;
    set_u32(p + 1, count);
    if (count > UINT16_MAX || size != 5 + 2 * (size_t)count + 1 ||
        p[size - 1] != TAG_NIL) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (p[5 + 2 * i] != TAG_INT8) {
            return;
        }
    }
    for (size_t i = 0; i < count; i++) {
        p[3 + i] = p[6 + 2 * i];
    }
    p[0] = TAG_STRING;
    set_u16(p + 1, (uint16_t)count);
    buf_truncate(buf, start + 3 + count);
}

size_t term_open_list(struct buf *buf)
{
    size_t start = buf_size(buf);

    term_put_list(buf, 1); /* the head; its count is filled in */
    return start;
}

void term_close_list(struct buf *buf, size_t start, uint32_t count)
{
    if (count == 0) {
        buf_truncate(buf, start);
    }
    term_put_nil(buf);
    if (count > 0) {
        term_finish_list(buf, start, count);
    }
}

void term_put_map(struct buf *buf, uint32_t pairs)
{
    put_head32(buf, TAG_MAP, pairs);
}

void term_put_chars(struct buf *buf, const char *text, size_t len)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + len;
    size_t start = term_open_list(buf), used;
    uint32_t point, count = 0;

    while (at < end) {
        used = utf8_get(at, end, &point);
        if (used == 0) {
            refuse(buf);
            return;
        }
        term_put_int(buf, point);
        at += used;
        count++;
    }
    term_close_list(buf, start, count);
}

/* -- identifiers and whole terms ------------------------------------------- */

void term_put_pid(struct buf *buf, struct pid pid)
{
    size_t len = atom_len(pid.node);
    uint8_t *start, *p;

    if (pid.node == ATOM_NONE) {
        refuse(buf);
        return;
    }
    start = buf_reserve(buf, 1 + ATOM_HEAD_BYTES + len + 12);
    if (start != NULL) {
        *start = TAG_PID;
        p = write_atom(start + 1, atom_text(pid.node), len);
        set_u32(p, pid.id);
        set_u32(p + 4, pid.serial);
        set_u32(p + 8, pid.creation);
        buf_commit(buf, (size_t)(p + 12 - start));
    }
}

void term_put_ref(struct buf *buf, const struct ref *ref)
{
    if (ref->node == ATOM_NONE || ref->len < 1 || ref->len > REF_MAX_WORDS) {
        refuse(buf);
        return;
    }
    buf_put_u8(buf, TAG_REF);
    buf_put_u16(buf, (uint16_t)ref->len);
    term_put_atom(buf, ref->node);
    buf_put_u32(buf, ref->creation);
    for (uint32_t i = 0; i < ref->len; i++) {
        buf_put_u32(buf, ref->words[i]);
    }
}

void term_put_copy(struct buf *buf, struct cnode_term term)
{
    if (term_is_none(term)) {
        refuse(buf);
        return;
    }
    buf_put(buf, term.at, cnode_term_size(term));
}

/* -- formats --------------------------------------------------------------- */

void term_format(struct buf *buf, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    term_vformat(buf, format, args);
    va_end(args);
}

static void format_terms(struct buf *buf, const char *format, va_list args,
                         bool is_sequence)
{
    struct reader reader;
    int rc;

    if (strcmp(format, "~t") == 0) { /* most replies are one term */
        term_put_copy(buf, va_arg(args, struct cnode_term));
        return;
    }
    reader_init(&reader, buf, format, strlen(format));
    reader.has_args = true;
    reader.is_sequence = is_sequence;
    va_copy(reader.args, args);
    rc = reader_run(&reader);
    va_end(reader.args);
    reader_fini(&reader);
    if (buf->error == 0) {
        buf->error = rc;
    }
}

void term_vformat(struct buf *buf, const char *format, va_list args)
{
    format_terms(buf, format, args, false);
}

void term_vformat_all(struct buf *buf, const char *format, va_list args)
{
    format_terms(buf, format, args, true);
}
