/* SPDX-License-Identifier: Apache-2.0
 *
 * The words of Erlang's syntax for terms, shared by what reads formats,
 * patterns and terms as people write them. Text is [at, end), UTF-8, not NUL
 * terminated. Pure, any thread.
 */
#ifndef CNODE_TERM_LEX_H
#define CNODE_TERM_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Behind white space. */
static inline const char *lex_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || (*at >= '\t' && *at <= '\r'))) {
        at++;
    }
    return at;
}

/* True for what may start an atom without quotes, or a variable; 0xC3 starts
 * the letters of Latin-1 in UTF-8. */
static inline bool lex_is_word_start(char c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' ||
           c == (char)0xC3;
}

/* The end of a word of letters of Latin-1, digits, _ and @, and of dots between
 * them (the name of an Elixir module is one word). `at` itself when there is
 * none. */
const char *lex_word(const char *at, const char *end);

/* True when a word must be quoted to be an atom: it starts like a variable and
 * is no Elixir module. */
bool lex_is_variable(const char *at, size_t len);

/* One character of quoted text, escapes decoded: its bytes in the text, 0 when
 * it is wrong. The closing quote is the caller's to look for. */
size_t lex_char(const char *at, const char *end, uint32_t *point);

enum lex_number_kind { LEX_NOT_A_NUMBER, LEX_INT, LEX_BIG, LEX_FLOAT };

struct lex_number {
    enum lex_number_kind kind;
    bool is_negative;
    uint64_t magnitude; /* LEX_INT */
    double value;       /* LEX_FLOAT, finite */
    unsigned base;      /* LEX_BIG: of the digits, which may hold _ */
    const char *digits, *digits_end;
};

/* Reads 12, -1_000, 16#ff, 1.5e3 or $a; returns the end of it. NULL when it is
 * not a number, with *what = what was expected. */
const char *lex_number(const char *at, const char *end,
                       struct lex_number *number, const char **what);

/* 0..35, or 36 for what is no digit. */
unsigned lex_digit(char c);

#endif
