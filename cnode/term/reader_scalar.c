/* SPDX-License-Identifier: Apache-2.0
 *
 * The terms without terms inside that term/reader.h reads: atoms, numbers,
 * strings, binaries, and the directives of formats.
 */
#include <endian.h>
#include <string.h>

#include <cnode/error.h>

#include "base/mem.h"
#include "term/build.h"
#include "term/lex.h"
#include "term/reader.h"
#include "term/tag.h"
#include "term/utf8.h"

enum { DONE = 0, NEXT = 1 }; /* or a negative error */

static int read_word(struct reader *r);
static int read_quoted_atom(struct reader *r);
static int read_number(struct reader *r);
static int read_string(struct reader *r);
static int read_binary(struct reader *r);
static int read_directive(struct reader *r);

int reader_scalar(struct reader *r)
{
    char c = reader_peek(r);

    switch (c) {
    case '\'':
        return read_quoted_atom(r);
    case '"':
        return read_string(r);
    case '<':
        return read_binary(r);
    case '~':
        return r->has_args ? read_directive(r) : reader_expected(r, "a term");
    case '-':
    case '+':
    case '$':
        return read_number(r);
    default:
        return lex_is_word_start(c)   ? read_word(r)
               : c >= '0' && c <= '9' ? read_number(r)
                                      : reader_expected(r, "a term");
    }
}

static int read_word(struct reader *r)
{
    const char *end = lex_word(r->at, r->end);
    size_t len = (size_t)(end - r->at);

    if (len == 0) {
        return reader_expected(r, "a term");
    }
    if (lex_is_variable(r->at, len)) {
        return reader_expected(r,
                               "a term: variables are not allowed, quote atoms "
                               "that start with an upper-case letter");
    }
    if (utf8_count(r->at, len) > ATOM_MAX_CHARS) {
        return reader_expected(r, "an atom of at most 255 characters");
    }
    term_put_atom_text(r->out, r->at, len);
    r->at = end;
    return DONE;
}

static int read_quoted_atom(struct reader *r)
{
    uint8_t text[ATOM_MAX_BYTES];
    size_t len = 0;
    uint32_t point;

    r->at++;
    for (int chars = 0; r->at < r->end && *r->at != '\''; chars++) {
        size_t n = lex_char(r->at, r->end, &point);
        if (n == 0) {
            return reader_expected(r, "a character or an escape");
        }
        if (chars == ATOM_MAX_CHARS) {
            return reader_expected(r, "an atom of at most 255 characters");
        }
        len += utf8_put(text + len, point);
        r->at += n;
    }
    if (r->at == r->end) {
        return reader_expected(r, "the closing \"'\"");
    }
    r->at++;
    term_put_atom_text(r->out, (const char *)text, len);
    return DONE;
}

/* Digits to bytes, least significant first: multiply by the base and add. */
static int put_big_digits(struct reader *r, const struct lex_number *number)
{
    size_t digits = (size_t)(number->digits_end - number->digits);
    size_t cap = digits * 6 / 32 + 1; /* base 36: less than 6 bits a digit */
    size_t len = 0;
    uint32_t *limbs = mem_try(cap * sizeof(*limbs));

    if (limbs == NULL) {
        return CNODE_NOMEM;
    }
    for (const char *p = number->digits; p < number->digits_end; p++) {
        uint64_t carry = lex_digit(*p);
        if (*p == '_') {
            continue;
        }
        for (size_t i = 0; i < len; i++) {
            carry += (uint64_t)limbs[i] * number->base;
            limbs[i] = (uint32_t)carry;
            carry >>= 32;
        }
        if (carry > 0) {
            DCHECK(len < cap);
            limbs[len++] = (uint32_t)carry;
        }
    }
    for (size_t i = 0; i < len; i++) { /* into the order of the wire */
        limbs[i] = htole32(limbs[i]);
    }
    term_put_big(r->out, (const uint8_t *)limbs, len * sizeof(*limbs),
                 number->is_negative);
    mem_free(limbs);
    return DONE;
}

static int read_number(struct reader *r)
{
    struct lex_number number;
    const char *what;
    const char *end = lex_number(r->at, r->end, &number, &what);
    uint8_t bytes[8];
    int rc = DONE;

    if (end == NULL) {
        return reader_expected(r, what);
    }
    switch (number.kind) {
    case LEX_FLOAT:
        term_put_float(r->out, number.value);
        break;
    case LEX_BIG:
        rc = put_big_digits(r, &number);
        break;
    default:
        for (int i = 0; i < 8; i++) {
            bytes[i] = (uint8_t)(number.magnitude >> 8 * i);
        }
        term_put_big(r->out, bytes, sizeof(bytes), number.is_negative);
    }
    r->at = end;
    return rc;
}

/* -- strings and binaries -------------------------------------------------- */

/* Steps over the opening or closing quote of a string, or one character. */
static int next_char(struct reader *r, uint32_t *point)
{
    size_t n;

    if (r->at == r->end) {
        return reader_expected(r, "the closing \"\"\"");
    }
    if (*r->at == '"') {
        r->at++;
        return DONE;
    }
    n = lex_char(r->at, r->end, point);
    if (n == 0) {
        return reader_expected(r, "a character or an escape");
    }
    r->at += n;
    return NEXT;
}

static int read_string(struct reader *r)
{
    size_t start = buf_size(r->out);
    uint32_t count = 0, point = 0;
    uint8_t bytes[UTF8_MAX_BYTES];
    int rc;

    r->at++;
    if (r->strings_are_binaries) {
        term_put_binary(r->out, NULL, 0);
        while ((rc = next_char(r, &point)) == NEXT) {
            buf_put(r->out, bytes, utf8_put(bytes, point));
        }
        if (rc == DONE && buf_error(r->out) == 0) {
            set_u32(reader_written(r, start) + 1,
                    (uint32_t)(buf_size(r->out) - start - 5));
        }
        return rc;
    }
    term_put_list(r->out, 1);
    while ((rc = next_char(r, &point)) == NEXT && count < UINT32_MAX) {
        term_put_int(r->out, point);
        count++;
    }
    if (rc != DONE) {
        return rc == NEXT ? CNODE_TOO_LARGE : rc;
    }
    if (count == 0) {
        buf_truncate(r->out, start);
    }
    term_put_nil(r->out);
    if (count > 0) {
        term_finish_list(r->out, start, count);
    }
    return DONE;
}

/* "text" of a binary: Latin-1, or UTF-8 when /utf8 follows. */
static int read_segment_text(struct reader *r)
{
    size_t start = buf_size(r->out), used;
    uint8_t bytes[UTF8_MAX_BYTES];
    uint32_t point = 0, most = 0;
    int rc;

    r->at++;
    while ((rc = next_char(r, &point)) == NEXT) {
        most = point > most ? point : most;
        buf_put(r->out, bytes, utf8_put(bytes, point));
    }
    if (rc != DONE || reader_take(r, "/utf8") || most < 0x80 ||
        buf_error(r->out) != 0) {
        return rc;
    }
    if (most > 0xFF) {
        return reader_expected(r, "/utf8 after characters above 255");
    }
    used = start;
    for (size_t at = start; at < buf_size(r->out); used++) {
        at += utf8_get(reader_written(r, at),
                       reader_written(r, buf_size(r->out)), &point);
        *reader_written(r, used) = (uint8_t)point;
    }
    buf_truncate(r->out, used);
    return DONE;
}

/* One byte, or with :N its N lowest bits as the end of a bit string. */
static int read_segment_int(struct reader *r, unsigned *bits)
{
    struct lex_number number, size;
    const char *what;
    const char *end = lex_number(r->at, r->end, &number, &what);
    unsigned value;

    if (end == NULL) {
        return reader_expected(r, what);
    }
    if (number.kind != LEX_INT || number.magnitude > 255) {
        return reader_expected(r, "a byte");
    }
    r->at = end;
    value = (unsigned)number.magnitude;
    value = number.is_negative ? 0 - value : value;
    if (reader_take(r, ":")) {
        end = lex_number(r->at, r->end, &size, &what);
        if (end == NULL || size.kind != LEX_INT || size.is_negative ||
            size.magnitude < 1 || size.magnitude > 8) {
            return reader_expected(r, "a size of 1..8 bits");
        }
        r->at = end;
        *bits = (unsigned)size.magnitude;
    }
    buf_put_u8(r->out, (uint8_t)(value << (8 - *bits)));
    return DONE;
}

static int close_binary(struct reader *r, size_t start, unsigned bits)
{
    size_t size = buf_size(r->out) - start - 5;
    uint8_t *p;

    if (bits != 8 && buf_reserve(r->out, 1) != NULL) {
        buf_commit(r->out, 1);
        p = reader_written(r, start);
        memmove(p + 6, p + 5, size);
        p[0] = TAG_BITSTRING;
        p[5] = (uint8_t)bits;
    }
    if (buf_error(r->out) == 0) {
        set_u32(reader_written(r, start) + 1, (uint32_t)size);
    }
    return DONE;
}

static int read_binary(struct reader *r)
{
    size_t start = buf_size(r->out);
    unsigned bits = 8;

    if (!reader_take(r, "<<")) {
        return reader_expected(r, "a term");
    }
    term_put_binary(r->out, NULL, 0);
    if (reader_take(r, ">>")) {
        return DONE;
    }
    do {
        int rc = reader_peek(r) == '"' ? read_segment_text(r)
                                       : read_segment_int(r, &bits);
        if (rc != DONE) {
            return rc;
        }
    } while (bits == 8 && reader_take(r, ","));
    if (buf_error(r->out) != 0) {
        return buf_error(r->out);
    }
    return reader_take(r, ">>") ? close_binary(r, start, bits)
                                : reader_expected(r, "\",\" or \">>\"");
}

/* -- directives ------------------------------------------------------------ */

/* NOLINTBEGIN(clang-analyzer-valist.Uninitialized): the caller of reader_run()
 * started it. */

static void put_atom_or_text(struct reader *r, char directive)
{
    const char *text = va_arg(r->args, const char *);

    if (text == NULL) {
        r->out->error = CNODE_EINVALID;
    } else if (directive == 'a') {
        term_put_atom_text(r->out, text, strlen(text));
    } else {
        term_put_binary(r->out, text, strlen(text));
    }
}

static int read_directive(struct reader *r)
{
    const void *bytes;
    char c = (char)(r->end - r->at > 1 ? r->at[1] : '\0');

    switch (c) {
    case 'i':
        term_put_int(r->out, va_arg(r->args, int64_t));
        break;
    case 'u':
        term_put_uint(r->out, va_arg(r->args, uint64_t));
        break;
    case 'f':
        term_put_float(r->out, va_arg(r->args, double));
        break;
    case 'a':
    case 's':
        put_atom_or_text(r, c);
        break;
    case 'b':
        bytes = va_arg(r->args, const void *);
        term_put_binary(r->out, bytes, va_arg(r->args, size_t));
        break;
    case 't':
        term_put_copy(r->out, va_arg(r->args, struct cnode_term));
        break;
    case 'A':
        term_put_atom(r->out, va_arg(r->args, atom_t));
        break;
    case 'p':
        term_put_pid(r->out, va_arg(r->args, struct pid));
        break;
    case 'r':
        term_put_ref(r->out, va_arg(r->args, const struct ref *));
        break;
    default:
        return reader_expected(r, "a directive: one of ~i ~u ~f ~a ~s ~b ~t");
    }
    r->at += 2;
    return DONE;
}

/* NOLINTEND(clang-analyzer-valist.Uninitialized) */
