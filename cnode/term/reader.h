/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads terms as text and appends them in external term format: what stands
 * behind term_format() and term_parse(). Iterative. Pure, any thread.
 */
#ifndef CNODE_TERM_READER_H
#define CNODE_TERM_READER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct reader_level {
    size_t start; /* of the container, from the front of the buffer */
    uint32_t count;
    char kind; /* '{' '[' '#', and '|' once the tail of a list is next */
};

enum { READER_SMALL = 16 };

struct reader {
    struct buf *out;
    const char *text, *at, *end;
    const char *what; /* after an error: what was expected at `at` */

    /* set by the caller between init and run */
    bool has_args;    /* ~ directives take from args */
    bool is_sequence; /* several terms, separated by commas */
    bool strings_are_binaries;
    va_list args;

    struct reader_level *levels; /* small, or heap when deeper */
    uint32_t depth, cap;
    uint32_t maps; /* that are open */
    struct reader_level small[READER_SMALL];
};

void reader_init(struct reader *r, struct buf *out, const char *text,
                 size_t len);
void reader_fini(struct reader *r);

/* 0; CNODE_SYNTAX, CNODE_TOO_DEEP; or what is also in out->error:
 * CNODE_EINVALID (an argument, or a map key twice), CNODE_NOMEM,
 * CNODE_TOO_LARGE. After an error
 * `out` has the bytes it had before. */
MUST_USE int reader_run(struct reader *r);

/* -- between reader.c and reader_scalar.c ---------------------------------- */

/* One term that is no tuple, list or map. 0 or negative. */
MUST_USE int reader_scalar(struct reader *r);

/* Notes what was expected here; CNODE_SYNTAX. */
int reader_expected(struct reader *r, const char *what);

/* The next character that is not white space; NUL at the end. */
char reader_peek(struct reader *r);

/* Steps over a token if it is next. */
bool reader_take(struct reader *r, const char *token);

/* What was written, from `start`. Moves when more is written. */
uint8_t *reader_written(struct reader *r, size_t start);

#endif
