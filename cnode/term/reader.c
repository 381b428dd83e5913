/* SPDX-License-Identifier: Apache-2.0
 *
 * The reader goes through the text once. A container's head is written with
 * room for a count; commas are counted on a stack of levels; at the closing
 * bracket the count is filled in, and the head made the one that OTP itself
 * would have chosen: 105 instead of 104 from 256 elements, 107 instead of 108
 * for a list of bytes.
 *
 *     read_term   one term (reader_scalar.c), or the opening of a container
 *     after_term  what may follow: a separator, a closing bracket, the end
 */
#include "term/reader.h"

#include <string.h>

#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "term/build.h"
#include "term/lex.h"
#include "term/map_keys.h"
#include "term/tag.h"

enum { DONE = 0, NEXT = 1 }; /* or a negative error */

static int read_term(struct reader *r);
static int after_term(struct reader *r);
static int close_tuple(struct reader *r);
static int close_list(struct reader *r);
static int close_map(struct reader *r);

void reader_init(struct reader *r, struct buf *out, const char *text,
                 size_t len)
{
    r->out = out;
    r->text = r->at = text;
    r->end = text + len;
    r->what = NULL;
    r->has_args = r->is_sequence = r->strings_are_binaries = false;
    r->levels = r->small;
    r->depth = 0;
    r->maps = 0;
    r->cap = READER_SMALL;
}

void reader_fini(struct reader *r)
{
    if (r->levels != r->small) {
        mem_free(r->levels);
    }
}

int reader_run(struct reader *r)
{
    size_t before = buf_size(r->out);
    int rc = buf_error(r->out);

    if (rc != 0) {
        return rc;
    }
    do {
        rc = read_term(r);
        while (rc == DONE && buf_error(r->out) == 0) {
            rc = after_term(r);
            if (rc == DONE && r->depth == 0) {
                return 0;
            }
        }
    } while (rc == NEXT && buf_error(r->out) == 0);
    buf_truncate(r->out, before);
    return buf_error(r->out) != 0 ? buf_error(r->out) : rc;
}

int reader_expected(struct reader *r, const char *what)
{
    r->what = what;
    return CNODE_SYNTAX;
}

/* The next character that is not white space; 0 at the end. */
char reader_peek(struct reader *r)
{
    r->at = lex_space(r->at, r->end);
    return (char)(r->at < r->end ? *r->at : '\0');
}

bool reader_take(struct reader *r, const char *token)
{
    size_t len = strlen(token);

    reader_peek(r);
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, token, len) != 0) {
        return false;
    }
    r->at += len;
    return true;
}

uint8_t *reader_written(struct reader *r, size_t start)
{
    return buf_data(r->out) + start;
}

/* -- containers ------------------------------------------------------------ */

static int enter(struct reader *r, char kind, size_t start)
{
    if (r->depth == r->cap) {
        struct reader_level *old = r->levels == r->small ? NULL : r->levels;
        struct reader_level *levels;
        if (r->depth >= limits.term_depth) {
            return CNODE_TOO_DEEP;
        }
        levels = mem_try_realloc(old, 2 * (size_t)r->cap * sizeof(*levels));
        if (levels == NULL) {
            return CNODE_NOMEM;
        }
        if (old == NULL) {
            memcpy(levels, r->small, sizeof(r->small));
        }
        r->levels = levels;
        r->cap *= 2;
    }
    r->levels[r->depth++] = (struct reader_level){.start = start, .kind = kind};
    return NEXT;
}

static int open_tuple(struct reader *r)
{
    size_t start = buf_size(r->out);

    r->at++;
    term_put_tuple(r->out, 0);
    return reader_take(r, "}") ? DONE : enter(r, '{', start);
}

static int open_list(struct reader *r)
{
    size_t start = buf_size(r->out);

    r->at++;
    if (reader_take(r, "]")) {
        term_put_nil(r->out);
        return DONE;
    }
    term_put_list(r->out, 1);
    return enter(r, '[', start);
}

static int open_map(struct reader *r)
{
    size_t start = buf_size(r->out);

    r->at++;
    if (!reader_take(r, "{")) {
        return reader_expected(r, "\"{\" after \"#\"");
    }
    term_put_map(r->out, 0);
    if (reader_take(r, "}")) {
        return DONE;
    }
    r->maps++;
    return enter(r, '#', start);
}

static int after_tuple(struct reader *r)
{
    return reader_take(r, ",")   ? NEXT
           : reader_take(r, "}") ? close_tuple(r)
                                 : reader_expected(r, "\",\" or \"}\"");
}

static int after_list(struct reader *r, struct reader_level *level)
{
    if (reader_take(r, ",")) {
        return NEXT;
    }
    if (reader_take(r, "|")) {
        level->kind = '|';
        return NEXT;
    }
    if (reader_take(r, "]")) {
        term_put_nil(r->out);
        return close_list(r);
    }
    return reader_expected(r, "\",\", \"|\" or \"]\"");
}

static int after_tail(struct reader *r, struct reader_level *level)
{
    level->count--; /* the tail is no element */
    return reader_take(r, "]") ? close_list(r) : reader_expected(r, "\"]\"");
}

static int after_map(struct reader *r, struct reader_level *level)
{
    if (level->count % 2 == 1) {
        return reader_take(r, "=>") ? NEXT : reader_expected(r, "\"=>\"");
    }
    return reader_take(r, ",")   ? NEXT
           : reader_take(r, "}") ? close_map(r)
                                 : reader_expected(r, "\",\" or \"}\"");
}

static int after_term(struct reader *r)
{
    struct reader_level *level;

    if (r->depth == 0) {
        if (r->is_sequence && reader_take(r, ",")) {
            return NEXT;
        }
        reader_peek(r);
        return r->at == r->end ? DONE
                               : reader_expected(r, "the end of the term");
    }
    level = &r->levels[r->depth - 1];
    if (level->count == UINT32_MAX) {
        return CNODE_TOO_LARGE;
    }
    level->count++;
    switch (level->kind) {
    case '{':
        return after_tuple(r);
    case '[':
        return after_list(r, level);
    case '|':
        return after_tail(r, level);
    default:
        return after_map(r, level);
    }
}

static int close_tuple(struct reader *r)
{
    struct reader_level level = r->levels[--r->depth];
    uint8_t *p;

    if (level.count > 255) { /* the longer head needs three bytes more */
        size_t size = buf_size(r->out) - level.start - 2;
        if (buf_reserve(r->out, 3) == NULL) {
            return buf_error(r->out);
        }
        buf_commit(r->out, 3);
        p = reader_written(r, level.start);
        memmove(p + 5, p + 2, size);
        p[0] = TAG_TUPLE32;
        set_u32(p + 1, level.count);
        return DONE;
    }
    p = reader_written(r, level.start);
    p[1] = (uint8_t)level.count;
    return DONE;
}

static int close_list(struct reader *r)
{
    struct reader_level level = r->levels[--r->depth];

    term_finish_list(r->out, level.start, level.count);
    return DONE;
}

/* The outermost map looks at the keys of all within. */
static int close_map(struct reader *r)
{
    struct reader_level level = r->levels[--r->depth];
    int rc = DONE;

    set_u32(reader_written(r, level.start) + 1, level.count / 2);
    if (--r->maps == 0) {
        rc = term_check_keys(reader_written(r, level.start),
                             buf_size(r->out) - level.start);
    }
    if (rc != CNODE_MALFORMED) {
        return rc;
    }
    return r->has_args ? CNODE_EINVALID
                       : reader_expected(r, "every key of a map once");
}

static int read_term(struct reader *r)
{
    switch (reader_peek(r)) {
    case '{':
        return open_tuple(r);
    case '[':
        return open_list(r);
    case '#':
        return open_map(r);
    default:
        return reader_scalar(r);
    }
}
