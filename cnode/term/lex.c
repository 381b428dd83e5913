/* SPDX-License-Identifier: Apache-2.0
 *
 * The words of Erlang's syntax for terms (Erlang Reference Manual, "Data
 * Types"), as functions from a place in the text to the place behind.
 */
#include "term/lex.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "term/utf8.h"

enum { FLOAT_TEXT_MAX = 400 }; /* no finite double needs more digits */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Bytes of the character at `at` if it may stand in a word, else 0. */
static size_t word_char(const char *at, const char *end)
{
    if (at == end) {
        return 0;
    }
    if (*at == (char)0xC3) { /* U+00C0..U+00FF, less the signs for * and / */
        bool is_letter = end - at > 1 && (at[1] & 0xC0) == 0x80 &&
                         at[1] != (char)0x97 && at[1] != (char)0xB7;
        return is_letter ? 2 : 0;
    }
    return lex_is_word_start(*at) || is_digit(*at) || *at == '@';
}

const char *lex_word(const char *at, const char *end)
{
    const char *start = at;
    size_t n;

    do {
        n = word_char(at, end);
        if (n == 0 && at > start && at < end && *at == '.' &&
            word_char(at + 1, end) > 0) {
            n = 1;
        }
        at += n;
    } while (n > 0);
    return at;
}

bool lex_is_variable(const char *at, size_t len)
{
    static const char elixir[] = "Elixir.";

    if (len == 0 || (*at >= 'a' && *at <= 'z')) {
        return false;
    }
    if (*at == (char)0xC3) { /* sharp s and what follows are lower case */
        return (uint8_t)at[1] < 0x9F;
    }
    return len < sizeof(elixir) || memcmp(at, elixir, sizeof(elixir) - 1) != 0;
}

/* -- characters ------------------------------------------------------------ */

/* \x41 or \x{1F600}; `at` is behind the x. */
static size_t hex_escape(const char *at, const char *end, uint32_t *point)
{
    const char *p = at;
    bool is_braced = p < end && *p == '{';
    uint32_t value = 0;
    int digits = 0;

    if (is_braced) {
        p++;
    }
    while (p < end && lex_digit(*p) < 16 && digits < (is_braced ? 6 : 2)) {
        value = value * 16 + lex_digit(*p++);
        digits++;
    }
    if (digits == 0 || (!is_braced && digits != 2)) {
        return 0;
    }
    if (is_braced && (p == end || *p++ != '}')) {
        return 0;
    }
    *point = value;
    return (size_t)(p - at);
}

static size_t octal_escape(const char *at, const char *end, uint32_t *point)
{
    size_t n = 0;

    *point = 0;
    while (at + n < end && n < 3 && at[n] >= '0' && at[n] <= '7') {
        *point = *point * 8 + (uint32_t)(at[n] - '0');
        n++;
    }
    return n;
}

/* Behind a backslash. */
static size_t escape(const char *at, const char *end, uint32_t *point)
{
    static const char letters[] = "bdefnrstv";
    static const char codes[] = "\b\177\033\f\n\r \t\v";
    const char *letter;
    size_t n;

    if (at == end || *at == '\0') {
        return 0;
    }
    if (*at == 'x') {
        n = hex_escape(at + 1, end, point);
        return n == 0 ? 0 : n + 1;
    }
    if (*at >= '0' && *at <= '7') {
        return octal_escape(at, end, point);
    }
    letter = strchr(letters, *at);
    if (letter != NULL) {
        *point = (uint32_t)codes[letter - letters];
        return 1;
    }
    if (*at == '^' && end - at > 1 && at[1] >= '@' && at[1] <= '_') {
        *point = (uint32_t)at[1] & 31;
        return 2;
    }
    return utf8_get((const uint8_t *)at, (const uint8_t *)end, point);
}

size_t lex_char(const char *at, const char *end, uint32_t *point)
{
    size_t n;

    if (at < end && *at == '\\') {
        n = escape(at + 1, end, point);
        if (n == 0 || *point > 0x10FFFF ||
            (*point >= 0xD800 && *point <= 0xDFFF)) {
            return 0;
        }
        return n + 1;
    }
    return utf8_get((const uint8_t *)at, (const uint8_t *)end, point);
}

/* -- numbers --------------------------------------------------------------- */

unsigned lex_digit(char c)
{
    if (is_digit(c)) {
        return (unsigned)(c - '0');
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'z' ? (unsigned)(c - 'a') + 10 : 36;
}

/* Digits with single underscores between them. */
static const char *skip_digits(const char *at, const char *end, unsigned base)
{
    const char *start = at;

    while (at < end && (lex_digit(*at) < base ||
                        (*at == '_' && at > start && at[-1] != '_' &&
                         end - at > 1 && lex_digit(at[1]) < base))) {
        at++;
    }
    return at;
}

static void set_int(struct lex_number *number)
{
    uint64_t value = 0;
    bool is_over = false;

    for (const char *p = number->digits; p < number->digits_end; p++) {
        if (*p != '_') {
            is_over |= __builtin_mul_overflow(value, number->base, &value);
            is_over |= __builtin_add_overflow(value, lex_digit(*p), &value);
        }
    }
    number->kind = is_over ? LEX_BIG : LEX_INT;
    number->magnitude = value;
}

/* A fraction and perhaps an exponent follow the digits up to `at`. */
static const char *read_float(const char *start, const char *at,
                              const char *end, struct lex_number *number,
                              const char **what)
{
    char text[FLOAT_TEXT_MAX + 1];
    size_t len = 0;

    at = skip_digits(at + 1, end, 10);
    if (at < end && (*at | 0x20) == 'e') {
        const char *digits = at + 1;
        if (digits < end && (*digits == '-' || *digits == '+')) {
            digits++;
        }
        at = skip_digits(digits, end, 10);
        if (at == digits) {
            *what = "digits of an exponent";
            return NULL;
        }
    }
    for (const char *p = start; p < at && len <= FLOAT_TEXT_MAX; p++) {
        text[len] = *p;
        len += *p != '_';
    }
    if (len > FLOAT_TEXT_MAX) {
        *what = "a float with fewer digits";
        return NULL;
    }
    text[len] = '\0';
    number->kind = LEX_FLOAT;
    number->value = strtod(text, NULL);
    if (!isfinite(number->value)) {
        *what = "a float that is not infinite";
        return NULL;
    }
    if (number->is_negative) {
        number->value = -number->value;
    }
    return at;
}

static const char *read_based(const char *at, const char *end,
                              struct lex_number *number, const char **what)
{
    if (number->kind != LEX_INT || number->magnitude < 2 ||
        number->magnitude > 36) {
        *what = "a base of 2..36";
        return NULL;
    }
    number->base = (unsigned)number->magnitude;
    number->digits = at + 1;
    number->digits_end = skip_digits(at + 1, end, number->base);
    if (number->digits == number->digits_end) {
        *what = "digits of that base";
        return NULL;
    }
    set_int(number);
    return number->digits_end;
}

const char *lex_number(const char *at, const char *end,
                       struct lex_number *number, const char **what)
{
    const char *start;
    uint32_t point;

    *number = (struct lex_number){.base = 10};
    if (at < end && *at == '$') {
        size_t n = lex_char(at + 1, end, &point);
        number->kind = LEX_INT;
        number->magnitude = n == 0 ? 0 : point;
        *what = "a character";
        return n == 0 ? NULL : at + 1 + n;
    }
    if (at < end && (*at == '-' || *at == '+')) {
        number->is_negative = *at++ == '-';
    }
    start = at;
    at = skip_digits(at, end, 10);
    if (at == start) {
        *what = "digits";
        return NULL;
    }
    number->digits = start;
    number->digits_end = at;
    set_int(number);
    if (end - at > 1 && *at == '.' && is_digit(at[1])) {
        return read_float(start, at, end, number, what);
    }
    return at < end && *at == '#' ? read_based(at, end, number, what) : at;
}
