/* SPDX-License-Identifier: Apache-2.0
 *
 * Printing terms as text. Containers lie on a stack; each knows what to write
 * between its terms and at its end. What single terms look like is in
 * print_scalar.c.
 */
#include "term/print.h"

#include <string.h>

#include "base/mem.h"
#include "term/tag.h"
#include "term/text.h"

enum level_kind {
    LEVEL_TUPLE,
    LEVEL_LIST,
    LEVEL_TAIL, /* a list whose improper tail was printed */
    LEVEL_MAP,
    LEVEL_RECORD,
};

struct print_level {
    enum level_kind kind;
    uint64_t left;        /* terms still to come, without the tail of a list */
    uint64_t printed;     /* terms so far */
    const uint8_t *names; /* LEVEL_RECORD: of the next fields */
};

struct printer {
    struct buf *out;
    const uint8_t *at, *end;
    size_t limit; /* of the size of `out` */
    struct print_level *levels;
    size_t depth, cap;
};

static bool print_term(struct printer *p);
static bool before_next(struct printer *p, struct print_level *level);

void term_print(struct buf *buf, struct cnode_term term, size_t max)
{
    size_t start = buf_size(buf);
    struct printer p = {.out = buf, .at = term.at, .end = term.end};
    bool goes_on = !term_is_none(term);

    p.limit = max == 0 ? SIZE_MAX : start + max;
    while (goes_on) {
        goes_on = print_term(&p);
        while (goes_on && p.depth > 0 &&
               !before_next(&p, &p.levels[p.depth - 1])) {
            p.depth--;
        }
        goes_on = goes_on && p.depth > 0 && buf_error(buf) == 0 &&
                  buf_size(buf) <= p.limit;
    }
    if (buf_size(buf) > p.limit) {
        size_t cut = p.limit; /* not inside a character */
        while (cut > start && (buf_data(buf)[cut] & 0xC0) == 0x80) {
            cut--;
        }
        buf_truncate(buf, cut);
        buf_put(buf, "...", 3);
    }
    mem_free(p.levels);
}

static void put(struct printer *p, const char *text)
{
    buf_put(p->out, text, strlen(text));
}

static struct cnode_term here(const struct printer *p)
{
    return (struct cnode_term){p->at, p->end};
}

/* Opens a container of `n` terms behind a head of `head` bytes. false when
 * there is no memory to go on. */
static bool open_level(struct printer *p, enum level_kind kind, uint64_t n,
                       size_t head)
{
    if (p->depth == p->cap) {
        size_t cap = p->cap == 0 ? 16 : p->cap * 2;
        struct print_level *levels =
            mem_try_realloc(p->levels, cap * sizeof(*levels));
        if (levels == NULL) {
            put(p, "...");
            return false;
        }
        p->levels = levels;
        p->cap = cap;
    }
    p->levels[p->depth++] = (struct print_level){.kind = kind, .left = n};
    p->at += head;
    return true;
}

/* #module:name{field = value}: all names come before all values. */
static bool open_record(struct printer *p)
{
    uint32_t n = get_u32(p->at + 1);

    if (!open_level(p, LEVEL_RECORD, n, 6)) {
        return false;
    }
    put(p, "#");
    print_scalar(p->out, here(p), p->limit);
    p->at = term_skip(p->at);
    put(p, ":");
    print_scalar(p->out, here(p), p->limit);
    p->at = term_skip(p->at);
    put(p, "{");
    p->levels[p->depth - 1].names = p->at;
    for (uint32_t i = 0; i < n; i++) {
        p->at = term_skip(p->at);
    }
    return true;
}

static bool print_term(struct printer *p)
{
    switch (*p->at) {
    case TAG_TUPLE8:
        put(p, "{");
        return open_level(p, LEVEL_TUPLE, p->at[1], 2);
    case TAG_TUPLE32:
        put(p, "{");
        return open_level(p, LEVEL_TUPLE, get_u32(p->at + 1), 5);
    case TAG_LIST:
        put(p, "[");
        return open_level(p, LEVEL_LIST, get_u32(p->at + 1), 5);
    case TAG_MAP:
        put(p, "#{");
        return open_level(p, LEVEL_MAP, 2 * (uint64_t)get_u32(p->at + 1), 5);
    case TAG_RECORD:
        return open_record(p);
    default:
        print_scalar(p->out, here(p), p->limit);
        p->at = term_skip(p->at);
        return true;
    }
}

/* The heads of a list were printed: true when its tail has more to print. */
static bool before_tail(struct printer *p, struct print_level *level)
{
    uint16_t n;

    switch (*p->at) {
    case TAG_NIL:
        p->at++;
        break;
    case TAG_LIST:
        level->left = get_u32(p->at + 1) - 1;
        p->at += 5;
        put(p, ",");
        return true;
    case TAG_STRING:
        n = get_u16(p->at + 1);
        p->at += 3;
        for (; n > 0; n--) {
            buf_printf(p->out, ",%d", *p->at++);
        }
        break;
    default:
        level->kind = LEVEL_TAIL;
        put(p, "|");
        return true;
    }
    put(p, "]");
    return false;
}

static bool close_level(struct printer *p, const char *closing)
{
    put(p, closing);
    return false;
}

/* What stands between two terms of a container, or at its end: false then. */
static bool before_next(struct printer *p, struct print_level *level)
{
    if (level->left == 0) {
        return level->kind == LEVEL_LIST   ? before_tail(p, level)
               : level->kind == LEVEL_TAIL ? close_level(p, "]")
                                           : close_level(p, "}");
    }
    level->left--;
    if (level->kind == LEVEL_MAP && level->printed % 2 == 1) {
        put(p, " => ");
    } else if (level->printed > 0) {
        put(p, ",");
    }
    level->printed++;
    if (level->kind == LEVEL_RECORD) {
        print_scalar(p->out, (struct cnode_term){level->names, p->end},
                     p->limit);
        level->names = term_skip(level->names);
        put(p, " = ");
    }
    return true;
}
