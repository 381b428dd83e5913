/* SPDX-License-Identifier: Apache-2.0
 *
 * The canonical form is written in one walk over the term, with a stack of the
 * open containers:
 *
 *   lists    are flattened (a tail may be a list again), counted, and become
 *            107 at their end if they are lists of bytes
 *   maps     are written in the order they came; where each pair starts is
 *            noted, and at the end of the map the pairs are sorted in place
 *   funs     get their size filled in at their end
 *
 * No encoded term is the beginning of another, so comparing pairs compares
 * their keys. Sorting moves the bytes of a map once more for each map around
 * it; hostile nesting would make that quadratic, so moved bytes are limited.
 *
 * Integers and floats are never equal (=:=), nor are 0.0 and -0.0 (as in OTP 27
 * and newer).
 */
#include "term/canonical.h"

#include <stdlib.h>
#include <string.h>

#include <cnode/error.h>

#include "base/mem.h"
#include "term/build.h"
#include "term/tag.h"

enum { MOVED_FREE_BYTES = 1 << 20, MOVED_FACTOR = 64 };

enum level_kind { LEVEL_PLAIN, LEVEL_LIST, LEVEL_MAP, LEVEL_FUN };

struct canonical_level {
    enum level_kind kind;
    uint64_t left;  /* terms still to come; LEVEL_LIST: without the tail */
    size_t start;   /* of its head in the output */
    uint64_t count; /* LEVEL_LIST: elements so far */
    size_t pairs;   /* LEVEL_MAP: its first note in `starts` */
    bool is_tail;   /* LEVEL_LIST: an improper tail was written */
};

struct canonical {
    struct buf *out;
    const uint8_t *at;
    const uint8_t *end;
    size_t moved_left;
    struct canonical_level *levels;
    size_t depth, levels_cap;
    size_t *starts; /* of the pairs of all open maps */
    size_t starts_len, starts_cap;
};

static int put_all(struct canonical *c);
static int put_term(struct canonical *c);
static int put_scalar(struct canonical *c, struct cnode_term term);
static int finish(struct canonical *c);
static int sort_pairs(struct canonical *c, const struct canonical_level *level);

int term_put_canonical(struct buf *buf, struct cnode_term term)
{
    struct canonical c = {.out = buf, .at = term.at, .end = term.end};
    size_t before = buf_size(buf);
    int rc;

    if (term_is_canonical(term)) {
        term_put_copy(buf, term);
        return buf_error(buf);
    }
    c.moved_left = MOVED_FREE_BYTES + MOVED_FACTOR * cnode_term_size(term);
    rc = put_all(&c);
    mem_free(c.levels);
    mem_free(c.starts);
    if (rc != 0) {
        buf_truncate(buf, before);
    }
    return rc;
}

static int put_all(struct canonical *c)
{
    int rc;

    do {
        rc = put_term(c);
        while (rc == 0 && c->depth > 0 && c->levels[c->depth - 1].left == 0) {
            rc = finish(c);
        }
        rc = rc == 0 ? buf_error(c->out) : rc;
    } while (rc == 0 && c->depth > 0);
    return rc;
}

static uint8_t *written(struct canonical *c, size_t start)
{
    return buf_data(c->out) + start;
}

/* Room for one more in a growing array; false when there is no memory. */
static bool grow(void *array, size_t len, size_t *cap, size_t size)
{
    void *old, *grown;
    size_t more = *cap == 0 ? 16 : *cap * 2;

    if (len < *cap) {
        return true;
    }
    memcpy(&old, array, sizeof(old));
    grown = mem_try_realloc(old, more * size);
    if (grown == NULL) {
        return false;
    }
    memcpy(array, &grown, sizeof(grown));
    *cap = more;
    return true;
}

static int push(struct canonical *c, enum level_kind kind, uint64_t left,
                size_t start)
{
    if (!grow(&c->levels, c->depth, &c->levels_cap, sizeof(*c->levels))) {
        return CNODE_NOMEM;
    }
    c->levels[c->depth++] = (struct canonical_level){
        .kind = kind,
        .left = left,
        .start = start,
        .count = left,
        .pairs = c->starts_len,
    };
    return 0;
}

/* Counts the term that comes now in the container it is in. */
static int count_in(struct canonical *c)
{
    struct canonical_level *level;

    if (c->depth == 0) {
        return 0;
    }
    level = &c->levels[c->depth - 1];
    if (level->kind == LEVEL_MAP && level->left % 2 == 0) {
        if (!grow(&c->starts, c->starts_len, &c->starts_cap,
                  sizeof(*c->starts))) {
            return CNODE_NOMEM;
        }
        c->starts[c->starts_len++] = buf_size(c->out);
    }
    level->left--;
    return 0;
}

/* Copies a head and steps over it. */
static void put_head(struct canonical *c, size_t bytes)
{
    buf_put(c->out, c->at, bytes);
    c->at += bytes;
}

static int put_term(struct canonical *c)
{
    struct cnode_term term = {c->at, c->end};
    size_t start = buf_size(c->out);
    uint32_t n;
    int rc = count_in(c);

    if (rc != 0) {
        return rc;
    }
    switch (term_tag(term)) {
    case TAG_TUPLE8:
    case TAG_TUPLE32:
        (void)cnode_get_tuple(term, &n, NULL);
        term_put_tuple(c->out, n);
        c->at += *c->at == TAG_TUPLE8 ? 2 : 5;
        return push(c, LEVEL_PLAIN, n, start);
    case TAG_LIST:
        put_head(c, 5); /* finish() counts anew */
        return push(c, LEVEL_LIST, get_u32(term.at + 1), start);
    case TAG_MAP:
        put_head(c, 5);
        return push(c, LEVEL_MAP, 2 * (uint64_t)get_u32(term.at + 1), start);
    case TAG_RECORD:
        put_head(c, 6);
        return push(c, LEVEL_PLAIN, 2 * (uint64_t)get_u32(term.at + 1) + 2,
                    start);
    case TAG_EXPORT:
        put_head(c, 1);
        return push(c, LEVEL_PLAIN, 3, start);
    case TAG_FUN:
        put_head(c, FUN_HEAD_BYTES);
        return push(c, LEVEL_FUN, 4 + (uint64_t)get_u32(term.at + FUN_FREE_AT),
                    start);
    default:
        c->at = term_skip(c->at);
        return put_scalar(c, term);
    }
}

/* -- the ends of containers ------------------------------------------------ */

/* All heads of a list were written: its tail decides how it goes on. */
static int finish_list(struct canonical *c, struct canonical_level *level)
{
    struct cnode_term tail = {c->at, c->end};
    uint32_t n;

    if (!level->is_tail && term_get_list(tail, &n, &tail)) {
        c->at = tail.at;
        level->left = n;
        level->count += n;
        return 0;
    }
    if (!level->is_tail && cnode_type(tail) == CNODE_TYPE_LIST) { /* 107 */
        n = get_u16(c->at + 1);
        for (uint32_t i = 0; i < n; i++) {
            term_put_int(c->out, c->at[3 + i]);
        }
        c->at += 3 + n;
        level->count += n;
        term_put_nil(c->out);
    } else if (!level->is_tail && cnode_type(tail) == CNODE_TYPE_NIL) {
        c->at++;
        term_put_nil(c->out);
    } else if (!level->is_tail) {
        level->is_tail = true;
        level->left = 1;
        return 0;
    }
    if (level->count > UINT32_MAX) {
        return CNODE_TOO_LARGE;
    }
    term_finish_list(c->out, level->start, (uint32_t)level->count);
    c->depth--;
    return 0;
}

/* A container has no more terms to come. */
static int finish(struct canonical *c)
{
    struct canonical_level *level = &c->levels[c->depth - 1];
    int rc = 0;

    if (buf_error(c->out) != 0) {
        return buf_error(c->out);
    }
    switch (level->kind) {
    case LEVEL_LIST:
        return finish_list(c, level);
    case LEVEL_MAP:
        rc = sort_pairs(c, level);
        c->starts_len = level->pairs;
        break;
    case LEVEL_FUN:
        set_u32(written(c, level->start) + 1,
                (uint32_t)(buf_size(c->out) - level->start - 1));
        break;
    default:
        break;
    }
    c->depth--;
    return rc;
}

struct pair {
    const uint8_t *at;
    size_t size;
};

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;

    return memcmp(x->at, y->at, x->size < y->size ? x->size : y->size);
}

static void permute(uint8_t *bytes, uint8_t *copy, size_t size,
                    const struct pair *pairs, size_t n)
{
    uint8_t *at = copy;

    for (size_t i = 0; i < n; i++) {
        memcpy(at, pairs[i].at, pairs[i].size);
        at += pairs[i].size;
    }
    memcpy(bytes, copy, size);
}

static int sort_pairs(struct canonical *c, const struct canonical_level *level)
{
    size_t n = c->starts_len - level->pairs;
    size_t end = buf_size(c->out);
    bool is_sorted = true;
    const size_t *starts;
    struct pair *pairs;
    uint8_t *copy;

    if (n < 2 || c->starts == NULL) {
        return 0;
    }
    starts = c->starts + level->pairs;
    pairs = mem_try(n * sizeof(*pairs));
    if (pairs == NULL) {
        return CNODE_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        size_t next = i + 1 < n ? starts[i + 1] : end;
        pairs[i] = (struct pair){written(c, starts[i]), next - starts[i]};
        is_sorted = is_sorted &&
                    (i == 0 || compare_pairs(&pairs[i - 1], &pairs[i]) < 0);
    }
    if (is_sorted) {
        mem_free(pairs);
        return 0;
    }
    copy = end - starts[0] > c->moved_left ? NULL : mem_try(end - starts[0]);
    if (copy == NULL) {
        mem_free(pairs);
        return end - starts[0] > c->moved_left ? CNODE_TOO_LARGE : CNODE_NOMEM;
    }
    c->moved_left -= end - starts[0];
    qsort(pairs, n, sizeof(*pairs), compare_pairs);
    permute(written(c, starts[0]), copy, end - starts[0], pairs, n);
    mem_free(copy);
    mem_free(pairs);
    return 0;
}

/* -- terms without terms inside -------------------------------------------- */

static void put_atom(struct canonical *c, struct cnode_term term)
{
    uint8_t scratch[510];
    const char *text = NULL;
    size_t len = 0;

    (void)term_get_atom_text(term, scratch, &text, &len);
    term_put_atom_text(c->out, text, len);
}

static void put_bits(struct canonical *c, struct cnode_term term)
{
    const uint8_t *bytes = NULL;
    size_t len = 0;
    unsigned bits = 8;

    (void)term_get_bits(term, &bytes, &len, &bits);
    if (bits == 8) {
        term_put_binary(c->out, bytes, len);
        return;
    }
    buf_put(c->out, term.at, 6 + len - 1);
    buf_put_u8(c->out, (uint8_t)(bytes[len - 1] & (0xFF00u >> bits)));
}

/* Old tags have 32 bits less of id, or three bytes less of creation. */
static void put_pid_or_port(struct canonical *c, struct cnode_term term)
{
    uint8_t tag = term_tag(term);
    bool is_pid = tag == TAG_PID || tag == TAG_PID_OLD;
    struct cnode_term node = term_behind(term, 1);
    const uint8_t *rest = term_skip(node.at);

    buf_put_u8(c->out, is_pid ? TAG_PID : TAG_PORT);
    put_atom(c, node);
    if (tag == TAG_PORT_32 || tag == TAG_PORT_OLD) {
        buf_put_u32(c->out, 0);
        buf_put(c->out, rest, 4);
        rest += 4;
    } else {
        buf_put(c->out, rest, 8);
        rest += 8;
    }
    buf_put_u32(c->out, tag == TAG_PID_OLD || tag == TAG_PORT_OLD
                            ? *rest
                            : get_u32(rest));
}

/* All words are kept, also those that are 0 at the end and do not count when a
 * BEAM compares references: it would not know its own alias without them. */
static void put_ref(struct canonical *c, struct cnode_term term)
{
    struct ref ref;

    (void)term_get_ref(term, &ref);
    buf_put_u8(c->out, TAG_REF);
    buf_put_u16(c->out, (uint16_t)ref.len);
    put_atom(c, term_behind(term, *term.at == TAG_REF_OLD ? 1 : 3));
    buf_put_u32(c->out, ref.creation);
    for (uint32_t i = 0; i < ref.len; i++) {
        buf_put_u32(c->out, ref.words[i]);
    }
}

static int put_scalar(struct canonical *c, struct cnode_term term)
{
    struct term_big big;
    double value;

    switch (cnode_type(term)) {
    case CNODE_TYPE_INT:
        (void)term_get_big(term, &big);
        term_put_big(c->out, big.bytes, big.len, big.is_negative);
        break;
    case CNODE_TYPE_FLOAT:
        (void)cnode_get_float(term, &value);
        term_put_float(c->out, value);
        break;
    case CNODE_TYPE_ATOM:
        put_atom(c, term);
        break;
    case CNODE_TYPE_BINARY:
    case CNODE_TYPE_BITSTRING:
        put_bits(c, term);
        break;
    case CNODE_TYPE_PID:
    case CNODE_TYPE_PORT:
        put_pid_or_port(c, term);
        break;
    case CNODE_TYPE_REF:
        put_ref(c, term);
        break;
    default: /* [] and strings */
        term_put_copy(c->out, term);
    }
    return buf_error(c->out);
}
