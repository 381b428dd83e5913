/* SPDX-License-Identifier: Apache-2.0
 *
 * One walk over the bytes, in which the elements of a container are simply the
 * terms that come next:
 *
 *     67, N:32, Flags:8, Module, Name, N field names, N values
 *     105, N+1:32, Name, N values
 *
 * Only a fun says how long it is. Its length is set when the walk has passed
 * its end.
 */
#include "term/records.h"

#include <cnode/error.h>

#include "term/tag.h"
#include "term/validate.h"

enum { RECORD_HEAD_BYTES = 6, RECORD_COUNT_AT = 1, FUN_SIZE_AT = 1 };

_Atomic bool records_are_about;

/* A fun that is being copied. */
struct open_fun {
    const uint8_t *end; /* in the original */
    size_t at;          /* of its size field, in the copy */
};

/* The bytes of a container's head; of others all of it. */
static size_t unit_bytes(const uint8_t *at)
{
    switch (*at) {
    case TAG_TUPLE8:
        return 2;
    case TAG_TUPLE32:
    case TAG_LIST:
    case TAG_MAP:
        return 5;
    case TAG_RECORD:
        return RECORD_HEAD_BYTES;
    case TAG_FUN:
        return FUN_HEAD_BYTES;
    default:
        return (size_t)(term_skip(at) - at);
    }
}

bool term_has_records(struct cnode_term term)
{
    const uint8_t *end = term_skip(term.at);

    for (const uint8_t *at = term.at; at < end; at += unit_bytes(at)) {
        if (*at == TAG_RECORD) {
            return true;
        }
    }
    return false;
}

/* Copies the name, skips module and fields; the values come next. */
static const uint8_t *put_record(struct buf *buf, const uint8_t *at)
{
    uint32_t n = get_u32(at + RECORD_COUNT_AT);
    const uint8_t *name = term_skip(at + RECORD_HEAD_BYTES);
    const uint8_t *next = term_skip(name);

    buf_put_u8(buf, TAG_TUPLE32);
    buf_put_u32(buf, n + 1);
    buf_put(buf, name, (size_t)(next - name));
    for (; n > 0; n--) {
        next = term_skip(next);
    }
    return next;
}

/* Sets the lengths of the funs that end here. */
static void close_funs(struct buf *buf, struct buf *funs, const uint8_t *at)
{
    while (buf_size(funs) > 0) {
        size_t last = buf_size(funs) - sizeof(struct open_fun);
        struct open_fun fun;

        memcpy(&fun, buf_data(funs) + last, sizeof(fun));
        if (fun.end != at) {
            return;
        }
        if (buf_error(buf) == 0) {
            set_u32(buf_data(buf) + fun.at, (uint32_t)(buf_size(buf) - fun.at));
        }
        buf_truncate(funs, last);
    }
}

static void put_all(struct buf *buf, struct buf *funs, struct cnode_term term)
{
    const uint8_t *at = term.at, *end = term_skip(term.at);

    while (at < end) {
        size_t size = unit_bytes(at);

        if (*at == TAG_RECORD) {
            at = put_record(buf, at);
        } else {
            if (*at == TAG_FUN) {
                struct open_fun fun = {.end =
                                           at + 1 + get_u32(at + FUN_SIZE_AT),
                                       .at = buf_size(buf) + FUN_SIZE_AT};
                buf_put(funs, &fun, sizeof(fun));
            }
            buf_put(buf, at, size);
            at += size;
        }
        close_funs(buf, funs, at);
    }
}

int term_put_without_records(struct buf *buf, struct cnode_term term)
{
    size_t start = buf_size(buf), size;
    struct buf funs;
    int rc;

    buf_init(&funs, 0);
    put_all(buf, &funs, term);
    rc = buf_error(buf) != 0 ? buf_error(buf) : buf_error(&funs);
    buf_fini(&funs);
    if (rc == 0) {
        rc = term_validate(buf_data(buf) + start, buf_size(buf) - start,
                           UINT32_MAX, &size);
        rc = rc == 0 || rc == CNODE_NOMEM ? rc : CNODE_UNSUPPORTED;
    }
    return rc;
}
