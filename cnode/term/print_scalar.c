/* SPDX-License-Identifier: Apache-2.0
 *
 * Single terms as the Erlang shell prints them (~0tp): what looks like text is
 * printed as text, floats with the fewest digits that read back the same.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "term/print.h"
#include "term/tag.h"
#include "term/utf8.h"

/* Longer integers are printed in hexadecimal: decimal digits cost the square of
 * the length. */
enum { DECIMAL_MAX_BYTES = 2048 };

static void print_atom(struct buf *out, struct cnode_term term);
static void print_int(struct buf *out, struct cnode_term term, size_t limit);
static void print_float(struct buf *out, double value);
static void print_string(struct buf *out, struct cnode_term term, size_t limit);
static void print_bits(struct buf *out, struct cnode_term term, size_t limit);
static void print_pid(struct buf *out, struct cnode_term term);
static void print_port(struct buf *out, struct cnode_term term);
static void print_ref(struct buf *out, struct cnode_term term);
static void print_fun(struct buf *out, struct cnode_term term);

void print_scalar(struct buf *out, struct cnode_term term, size_t limit)
{
    double value;

    switch (cnode_type(term)) {
    case CNODE_TYPE_ATOM:
        print_atom(out, term);
        break;
    case CNODE_TYPE_INT:
        print_int(out, term, limit);
        break;
    case CNODE_TYPE_FLOAT:
        (void)cnode_get_float(term, &value);
        print_float(out, value);
        break;
    case CNODE_TYPE_NIL:
        buf_put(out, "[]", 2);
        break;
    case CNODE_TYPE_LIST:
        print_string(out, term, limit);
        break;
    case CNODE_TYPE_BINARY:
    case CNODE_TYPE_BITSTRING:
        print_bits(out, term, limit);
        break;
    case CNODE_TYPE_PID:
        print_pid(out, term);
        break;
    case CNODE_TYPE_PORT:
        print_port(out, term);
        break;
    case CNODE_TYPE_REF:
        print_ref(out, term);
        break;
    default:
        print_fun(out, term);
    }
}

/* -- characters ------------------------------------------------------------ */

static void print_char(struct buf *out, uint32_t point, char quote)
{
    static const char codes[] = "\b\177\033\f\n\r\t\v";
    static const char letters[] = "bdefnrtv";
    uint8_t bytes[UTF8_MAX_BYTES];
    const char *code;

    if (point == (uint32_t)quote || point == '\\') {
        buf_printf(out, "\\%c", (int)point);
        return;
    }
    code = point > 0 && point < 0x80 ? strchr(codes, (int)point) : NULL;
    if (code != NULL) {
        buf_printf(out, "\\%c", letters[code - codes]);
    } else if (point < 0x20 || (point >= 0x7F && point < 0xA0)) {
        buf_printf(out, "\\%03o", point);
    } else {
        buf_put(out, bytes, utf8_put(bytes, point));
    }
}

static bool is_printable(uint32_t point)
{
    return (point >= 0x20 && point < 0x7F) || point >= 0xA0 ||
           (point >= '\b' && point <= '\r') || point == '\033';
}

static bool is_latin1_lower(uint32_t point)
{
    return (point >= 'a' && point <= 'z') ||
           (point >= 0xDF && point <= 0xFF && point != 0xF7);
}

static bool is_latin1_letter(uint32_t point)
{
    return is_latin1_lower(point) || (point >= 'A' && point <= 'Z') ||
           (point >= 0xC0 && point <= 0xDE && point != 0xD7);
}

static bool is_reserved(const char *text, size_t len)
{
    static const char *const words[] = {
        "after",   "and",   "andalso", "band", "begin", "bnot",
        "bor",     "bsl",   "bsr",     "bxor", "case",  "catch",
        "cond",    "div",   "else",    "end",  "fun",   "if",
        "let",     "maybe", "not",     "of",   "or",    "orelse",
        "receive", "rem",   "try",     "when", "xor",
    };

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strlen(words[i]) == len && memcmp(words[i], text, len) == 0) {
            return true;
        }
    }
    return false;
}

static bool needs_quotes(const char *text, size_t len)
{
    const uint8_t *at = (const uint8_t *)text;
    const uint8_t *end = at + len;
    uint32_t point = 0;

    at += utf8_get(at, end, &point);
    if (!is_latin1_lower(point)) {
        return true;
    }
    while (at < end) {
        at += utf8_get(at, end, &point);
        if (!is_latin1_letter(point) && !(point >= '0' && point <= '9') &&
            point != '_' && point != '@') {
            return true;
        }
    }
    return is_reserved(text, len);
}

static void print_atom(struct buf *out, struct cnode_term term)
{
    uint8_t scratch[510];
    const char *text = NULL;
    size_t len = 0;
    uint32_t point;

    (void)term_get_atom_text(term, scratch, &text, &len);
    if (!needs_quotes(text, len)) {
        buf_put(out, text, len);
        return;
    }
    buf_put(out, "'", 1);
    for (size_t i = 0; i < len;) {
        i += utf8_get((const uint8_t *)text + i, (const uint8_t *)text + len,
                      &point);
        print_char(out, point, '\'');
    }
    buf_put(out, "'", 1);
}

/* -- numbers --------------------------------------------------------------- */

static void print_hex(struct buf *out, const struct term_big *big, size_t limit)
{
    buf_put(out, "16#", 3);
    for (size_t i = big->len; i > 0 && buf_size(out) <= limit; i--) {
        buf_printf(out, i == big->len ? "%X" : "%02X", big->bytes[i - 1]);
    }
}

/* Divides by a billion until nothing is left; groups come last first. */
static void print_decimal(struct buf *out, const struct term_big *big)
{
    uint32_t limbs[DECIMAL_MAX_BYTES / 4] = {0};
    uint32_t groups[DECIMAL_MAX_BYTES / 3]; /* of at least 29 bits */
    size_t len = (big->len + 3) / 4, n = 0;

    for (size_t i = 0; i < big->len; i++) {
        limbs[i / 4] |= (uint32_t)big->bytes[i] << 8 * (i % 4);
    }
    do {
        uint64_t rest = 0;
        for (size_t i = len; i > 0; i--) {
            rest = rest << 32 | limbs[i - 1];
            limbs[i - 1] = (uint32_t)(rest / 1000000000);
            rest %= 1000000000;
        }
        groups[n++] = (uint32_t)rest;
        while (len > 0 && limbs[len - 1] == 0) {
            len--;
        }
    } while (len > 0);
    buf_printf(out, "%u", groups[--n]);
    while (n > 0) {
        buf_printf(out, "%09u", groups[--n]);
    }
}

static void print_int(struct buf *out, struct cnode_term term, size_t limit)
{
    struct term_big big;
    int64_t value;

    if (cnode_get_int(term, &value)) {
        buf_printf(out, "%lld", (long long)value);
        return;
    }
    (void)term_get_big(term, &big);
    if (big.is_negative) {
        buf_put(out, "-", 1);
    }
    if (big.len > DECIMAL_MAX_BYTES) {
        print_hex(out, &big, limit);
    } else {
        print_decimal(out, &big);
    }
}

/* Digits d1 d2 ... and `place`, so that the value is 0.d1d2... * 10^place. */
static void shortest_digits(double value, char digits[20], int *place)
{
    char text[40], *exponent;
    int precision = 0;

    do {
        snprintf(text, sizeof(text), "%.*e", precision++, value);
    } while (precision < 17 && strtod(text, NULL) != value);
    exponent = strchr(text, 'e');
    *place = (int)strtol(exponent + 1, NULL, 10) + 1;
    *exponent = '\0';
    snprintf(digits, 20, "%c%.18s", text[0], text[1] == '.' ? text + 2 : "");
    for (size_t n = strlen(digits); n > 1 && digits[n - 1] == '0'; n--) {
        digits[n - 1] = '\0';
    }
}

/* With or without an exponent, whichever is shorter (as float_to_list with
 * `short`); always with one where integers are no longer exact. */
static void print_float(struct buf *out, double value)
{
    char digits[20], exponent[16];
    int place, len, cost;

    if (signbit(value)) {
        buf_put(out, "-", 1);
        value = -value;
    }
    shortest_digits(value, digits, &place);
    len = (int)strlen(digits);
    cost = snprintf(exponent, sizeof(exponent), "%d", place - 1) + 1 +
           (len == 1 ? 2 : 1);
    if (value == 0) {
        buf_put(out, "0.0", 3);
    } else if (value >= 9007199254740992.0 || (place < 0 && 2 - place > cost) ||
               (place >= len && place - len + 2 > cost)) {
        buf_printf(out, "%c.%se%s", digits[0], len == 1 ? "0" : digits + 1,
                   exponent);
    } else if (place <= 0) {
        buf_printf(out, "0.%.*s%s", -place, "0000000000", digits);
    } else if (place >= len) {
        buf_printf(out, "%s%.*s.0", digits, place - len, "0000000000");
    } else {
        buf_printf(out, "%.*s.%s", place, digits, digits + place);
    }
}

/* -- strings and binaries -------------------------------------------------- */

/* Bytes separated by commas. */
static void print_bytes(struct buf *out, const uint8_t *bytes, size_t len,
                        size_t limit)
{
    for (size_t i = 0; i < len && buf_size(out) <= limit; i++) {
        buf_printf(out, i == 0 ? "%d" : ",%d", bytes[i]);
    }
}

static void print_string(struct buf *out, struct cnode_term term, size_t limit)
{
    const uint8_t *bytes = term.at + 3;
    size_t len = get_u16(term.at + 1);

    for (size_t i = 0; i < len; i++) {
        if (!is_printable(bytes[i])) {
            buf_put(out, "[", 1);
            print_bytes(out, bytes, len, limit);
            buf_put(out, "]", 1);
            return;
        }
    }
    buf_put(out, "\"", 1);
    for (size_t i = 0; i < len && buf_size(out) <= limit; i++) {
        print_char(out, bytes[i], '"');
    }
    buf_put(out, "\"", 1);
}

/* 0: not text; 1: ASCII; 2: UTF-8. */
static int text_kind(const uint8_t *bytes, size_t len)
{
    int kind = 1;
    uint32_t point;

    for (size_t i = 0; i < len;) {
        size_t n = utf8_get(bytes + i, bytes + len, &point);
        if (n == 0 || !is_printable(point)) {
            return 0;
        }
        kind = n > 1 ? 2 : kind;
        i += n;
    }
    return kind;
}

static void print_text(struct buf *out, const uint8_t *bytes, size_t len,
                       size_t limit)
{
    uint32_t point;

    buf_put(out, "\"", 1);
    for (size_t i = 0; i < len && buf_size(out) <= limit;) {
        i += utf8_get(bytes + i, bytes + len, &point);
        print_char(out, point, '"');
    }
    buf_put(out, "\"", 1);
}

static void print_bits(struct buf *out, struct cnode_term term, size_t limit)
{
    const uint8_t *bytes = NULL;
    size_t len = 0;
    unsigned bits = 8;
    int kind;

    (void)term_get_bits(term, &bytes, &len, &bits);
    kind = bits == 8 && len > 0 ? text_kind(bytes, len) : 0;
    buf_put(out, "<<", 2);
    if (kind != 0) {
        print_text(out, bytes, len, limit);
        buf_put(out, "/utf8", kind == 2 ? 5 : 0);
    } else if (bits == 8) {
        print_bytes(out, bytes, len, limit);
    } else {
        print_bytes(out, bytes, len - 1, limit);
        buf_printf(out, len > 1 ? ",%d:%u" : "%d:%u",
                   bytes[len - 1] >> (8 - bits), bits);
    }
    buf_put(out, ">>", 2);
}

/* -- identifiers and funs -------------------------------------------------- */

/* The node as it is written in identifiers, without quotes. */
static void print_node(struct buf *out, struct cnode_term node)
{
    uint8_t scratch[510];
    const char *text = NULL;
    size_t len = 0;

    (void)term_get_atom_text(node, scratch, &text, &len);
    buf_put(out, text, len);
}

static void print_pid(struct buf *out, struct cnode_term term)
{
    struct pid pid;

    (void)term_get_pid(term, &pid);
    buf_put(out, "<", 1);
    print_node(out, term_behind(term, 1));
    buf_printf(out, ".%u.%u>", pid.id, pid.serial);
}

static void print_port(struct buf *out, struct cnode_term term)
{
    const uint8_t *id = term_skip(term.at + 1);
    uint64_t number = *term.at == TAG_PORT ? get_u64(id) : get_u32(id);

    buf_put(out, "#Port<", 6);
    print_node(out, term_behind(term, 1));
    buf_printf(out, ".%llu>", (unsigned long long)number);
}

/* Words are printed as a BEAM does, last first. */
static void print_ref(struct buf *out, struct cnode_term term)
{
    struct ref ref;

    (void)term_get_ref(term, &ref);
    buf_put(out, "#Ref<", 5);
    print_node(out, term_behind(term, *term.at == TAG_REF_OLD ? 1 : 3));
    for (uint32_t i = ref.len; i > 0; i--) {
        buf_printf(out, ".%u", ref.words[i - 1]);
    }
    buf_put(out, ">", 1);
}

static void print_fun(struct buf *out, struct cnode_term term)
{
    struct cnode_term part = term_behind(term, FUN_HEAD_BYTES);
    int64_t number = 0;

    if (*term.at == TAG_EXPORT) {
        part = term_behind(term, 1);
        buf_put(out, "fun ", 4);
        print_atom(out, part);
        part = cnode_next(part);
        buf_put(out, ":", 1);
        print_atom(out, part);
        (void)cnode_get_int(cnode_next(part), &number);
        buf_printf(out, "/%lld", (long long)number);
        return;
    }
    buf_put(out, "#Fun<", 5);
    print_node(out, part);
    part = cnode_next(part);
    (void)cnode_get_int(part, &number);
    buf_printf(out, ".%lld", (long long)number);
    (void)cnode_get_int(cnode_next(part), &number);
    buf_printf(out, ".%lld>", (long long)number);
}
