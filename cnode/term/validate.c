/* SPDX-License-Identifier: Apache-2.0
 *
 * The validator walks the bytes once, term by term in the order of the wire. It
 * never recurses: what an outer container still waits for lies on a stack of
 * counts, one word a level.
 *
 * A term is checked whole or not at all: when its fixed part is not all there,
 * nothing is consumed and more bytes are asked for. So a slice may end at any
 * byte. Containers are counts only; their elements come as terms of their own.
 *
 * A level is a count of terms, with a kind in its upper bits:
 *     LEVEL_TERMS   any terms
 *     LEVEL_ATOMS   atoms only (module, name and fields of a native record)
 *     LEVEL_FUN_END not a count: where the fun says it ends; checked when its
 *                   free variables, the level above, are complete
 *
 * Most messages are short, made of common terms, and right. term_validate()
 * first looks whether this is one, in a walk that keeps no levels and knows no
 * errors.
 *
 * Stricter than a BEAM: empty lists are 106 (never 107 or 108 of length 0), an
 * empty bit string is a binary, a reference has words.
 */
#include "term/validate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cnode/error.h>

#include "base/buf.h"
#include "base/mem.h"
#include "term/atom.h"
#include "term/ident.h"
#include "term/map_keys.h"
#include "term/records.h"
#include "term/tag.h"
#include "term/utf8.h"

#define LEVEL_TERMS   UINT64_C(0)
#define LEVEL_ATOMS   (UINT64_C(1) << 62)
#define LEVEL_FUN_END (UINT64_C(2) << 62)
#define LEVEL_KIND    (UINT64_C(3) << 62)
#define LEVEL_COUNT   (~LEVEL_KIND)

enum { MORE = 0, CHECKED = 1 }; /* or a negative error */

/* What checking a plain term gives: its size; MORE; or a negative error. */
typedef int64_t size_or_rc;

enum { COMMON_DEPTH = 64 };

/* What is left to check. */
struct span {
    const uint8_t *at;
    size_t len;
};

static size_t walk_common(struct span s, uint32_t max_depth, bool *has_maps);
static int check_term(struct validator *v, const uint8_t *bytes, size_t len);
static int enter(struct validator *v, uint64_t level);
static int leave(struct validator *v);
static int check_container(struct validator *v, struct span s);
static int check_fun(struct validator *v, struct span s);
static size_or_rc check_plain(struct span s);

int term_validate(const uint8_t *bytes, size_t len, uint32_t max_depth,
                  size_t *size)
{
    struct validator v;
    bool has_maps = false;
    int rc;

    *size = walk_common((struct span){bytes, len},
                        max_depth < COMMON_DEPTH ? max_depth : COMMON_DEPTH,
                        &has_maps);
    if (*size == 0) {
        validator_init(&v, max_depth);
        rc = validator_step(&v, bytes, len, UINT64_MAX);
        *size = v.at;
        has_maps = v.has_maps;
        validator_fini(&v);
        if (rc != CHECKED) {
            return rc == MORE ? CNODE_TRUNCATED : rc;
        }
    }
    return has_maps ? term_check_keys(bytes, *size) : 0;
}

/* -- common terms: their size, or 0 when they need a closer look ----------- */

static inline size_t common_atom(struct span s)
{
    return s.len >= 2 && s.at[0] == TAG_ATOM8 && s.len - 2 >= s.at[1] &&
                   utf8_is_ascii(s.at + 2, s.at[1])
               ? 2 + (size_t)s.at[1]
               : 0;
}

/* The name of a node with `before` bytes in front of it, `after` behind it. */
static inline size_t common_ident(struct span s, size_t before, size_t after)
{
    size_t name;

    if (s.len < before) {
        return 0;
    }
    name = common_atom((struct span){s.at + before, s.len - before});
    return name == 0 ? 0 : before + name + after;
}

static inline size_t common_ref(struct span s)
{
    size_t words = s.len < 3 ? 0 : get_u16(s.at + 1);

    return words < 1 || words > REF_MAX_WORDS
               ? 0
               : common_ident(s, 3, 4 + 4 * words);
}

/* The elements of a container count as pending, and every container as one
 * more level, which is never too few. */
static size_t walk_common(struct span s, uint32_t max_depth, bool *has_maps)
{
    const uint8_t *start = s.at;
    uint64_t pending = 1;
    uint32_t containers = 0;

    do {
        size_t size = 0;

        pending--;
        switch (s.len > 1 ? *s.at : 0) {
        case TAG_INT8:
            size = 2;
            break;
        case TAG_INT32:
            size = 5;
            break;
        case TAG_BIG8:
            size = 3 + (size_t)s.at[1];
            break;
        case TAG_ATOM8:
            size = common_atom(s);
            break;
        case TAG_TUPLE8:
            if (++containers <= max_depth) {
                size = 2;
                pending += s.at[1];
            }
            break;
        case TAG_LIST:
        case TAG_MAP:
            if (++containers <= max_depth && s.len >= 5) {
                uint64_t n = get_u32(s.at + 1);
                *has_maps = *has_maps || (*s.at == TAG_MAP && n > 1);
                size = n == 0 && *s.at == TAG_LIST ? 0 : 5;
                pending += *s.at == TAG_LIST ? n + 1 : 2 * n;
            }
            break;
        case TAG_PID:
            size = common_ident(s, 1, 12);
            break;
        case TAG_REF:
            size = common_ref(s);
            break;
        case TAG_BINARY:
            size = s.len < 5 ? 0 : 5 + (size_t)get_u32(s.at + 1);
            break;
        default:
            size = s.len > 0 && *s.at == TAG_NIL;
        }
        if (size == 0 || size > s.len) {
            return 0;
        }
        s.at += size;
        s.len -= size;
    } while (pending > 0);
    return (size_t)(s.at - start);
}

/* -- all terms ------------------------------------------------------------- */

void validator_init(struct validator *v, uint32_t max_depth)
{
    v->at = 0;
    v->pending = 1;
    v->depth = 0;
    v->max_depth = max_depth;
    v->has_maps = false;
    v->stack = NULL;
    v->stack_cap = VALIDATOR_SMALL;
}

void validator_fini(struct validator *v)
{
    mem_free(v->stack);
    v->stack = NULL;
}

int validator_step(struct validator *v, const uint8_t *bytes, size_t len,
                   uint64_t budget)
{
    int rc = CHECKED;

    while (rc == CHECKED) {
        if ((v->pending & LEVEL_COUNT) != 0) {
            if (budget-- == 0) {
                return MORE;
            }
            rc = check_term(v, bytes, len);
        } else if (v->depth > 0) {
            rc = leave(v);
        } else {
            return CHECKED;
        }
    }
    return rc;
}

/* -- levels ---------------------------------------------------------------- */

static uint64_t *levels(struct validator *v)
{
    return v->stack != NULL ? v->stack : v->small;
}

static int grow(struct validator *v)
{
    uint32_t cap = v->stack_cap * 2;
    uint64_t *stack = mem_try_realloc(v->stack, (size_t)cap * sizeof(*stack));

    if (stack == NULL) {
        return CNODE_NOMEM;
    }
    if (v->stack == NULL) {
        memcpy(stack, v->small, sizeof(v->small));
    }
    v->stack = stack;
    v->stack_cap = cap;
    return CHECKED;
}

/* The terms of a container come next; the level we are in waits. */
static inline int enter(struct validator *v, uint64_t level)
{
    if (v->depth >= v->max_depth) {
        return CNODE_TOO_DEEP;
    }
    if (v->depth == v->stack_cap) {
        int rc = grow(v);
        if (rc != CHECKED) {
            return rc;
        }
    }
    levels(v)[v->depth++] = v->pending;
    v->pending = level;
    return CHECKED;
}

static int leave(struct validator *v)
{
    v->pending = levels(v)[--v->depth];
    if ((v->pending & LEVEL_KIND) == LEVEL_FUN_END) {
        if ((v->pending & LEVEL_COUNT) != v->at) {
            return CNODE_UNHANDLED; /* a BEAM does not look at it */
        }
        v->pending = levels(v)[--v->depth];
    }
    return CHECKED;
}

static bool is_atom_tag(uint8_t tag)
{
    return tag == TAG_ATOM8 || tag == TAG_ATOM16 || tag == TAG_ATOM_LATIN1 ||
           tag == TAG_ATOM_LATIN1_8;
}

static int check_term(struct validator *v, const uint8_t *bytes, size_t len)
{
    struct span s = {bytes + v->at, len - v->at};
    size_or_rc size;

    if (s.len == 0) {
        return MORE;
    }
    if ((v->pending & LEVEL_KIND) == LEVEL_ATOMS && !is_atom_tag(*s.at)) {
        return CNODE_MALFORMED;
    }
    switch (*s.at) {
    case TAG_TUPLE8:
    case TAG_TUPLE32:
    case TAG_LIST:
    case TAG_MAP:
    case TAG_RECORD:
        return check_container(v, s);
    case TAG_FUN:
        return check_fun(v, s);
    default:
        size = check_plain(s);
        if (size <= 0) {
            return (int)size;
        }
        v->pending--;
        v->at += (size_t)size;
        return CHECKED;
    }
}

static int check_container(struct validator *v, struct span s)
{
    size_t head = *s.at == TAG_TUPLE8 ? 2 : *s.at == TAG_RECORD ? 6 : 5;
    uint64_t n;
    int rc;

    if (s.len < head) {
        return MORE;
    }
    n = *s.at == TAG_TUPLE8 ? s.at[1] : get_u32(s.at + 1);
    if (*s.at == TAG_LIST && n == 0) {
        return CNODE_UNHANDLED;
    }
    v->pending--;
    v->at += head;
    switch (*s.at) {
    case TAG_LIST:
        return enter(v, n + 1); /* the tail */
    case TAG_MAP:
        v->has_maps = v->has_maps || n > 1;
        return n == 0 ? CHECKED : enter(v, 2 * n);
    case TAG_RECORD:
        records_note();
        rc = enter(v, LEVEL_TERMS | n);
        return rc == CHECKED ? enter(v, LEVEL_ATOMS | (n + 2)) : rc;
    default:
        return n == 0 ? CHECKED : enter(v, n);
    }
}

/* Steps over one plain term inside a fun. */
/* NOLINTNEXTLINE(misc-no-recursion): see check_export() */
static int step_over(struct span *s, bool (*is_wanted)(uint8_t))
{
    size_or_rc size;

    if (s->len == 0) {
        return MORE;
    }
    if (!is_wanted(*s->at)) {
        return CNODE_MALFORMED;
    }
    size = check_plain(*s);
    if (size <= 0) {
        return (int)size;
    }
    s->at += size;
    s->len -= (size_t)size;
    return CHECKED;
}

static bool is_integer_tag(uint8_t tag)
{
    return tag == TAG_INT8 || tag == TAG_INT32 || tag == TAG_BIG8;
}

static bool is_pid_tag(uint8_t tag)
{
    return tag == TAG_PID || tag == TAG_PID_OLD;
}

static int check_fun(struct validator *v, struct span s)
{
    static bool (*const parts[])(uint8_t) = {
        is_atom_tag,    /* module */
        is_integer_tag, /* old index */
        is_integer_tag, /* old uniq */
        is_pid_tag,     /* creator */
    };
    struct span rest;
    uint64_t end;
    int rc;

    if (s.len < FUN_HEAD_BYTES) {
        return MORE;
    }
    end = v->at + 1 + get_u32(s.at + 1);
    rest = (struct span){s.at + FUN_HEAD_BYTES, s.len - FUN_HEAD_BYTES};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        rc = step_over(&rest, parts[i]);
        if (rc != CHECKED) {
            return rc;
        }
    }
    v->pending--;
    v->at += (size_t)(rest.at - s.at);
    rc = enter(v, LEVEL_FUN_END | end);
    return rc == CHECKED ? enter(v, get_u32(s.at + FUN_FREE_AT)) : rc;
}

/* -- terms without terms inside ------------------------------------------- */

static inline size_or_rc within(struct span s, size_t size)
{
    return s.len < size ? MORE : (size_or_rc)size;
}

/* A length of `width` bytes behind the tag, `extra` bytes, and what it counts.
 */
static inline size_or_rc sized(struct span s, size_t width, size_t extra)
{
    size_t n;

    if (s.len < 1 + width) {
        return MORE;
    }
    n = width == 1   ? s.at[1]
        : width == 2 ? get_u16(s.at + 1)
                     : get_u32(s.at + 1);
    return within(s, 1 + width + extra + n);
}

static inline size_or_rc check_utf8_atom(struct span s, size_t width)
{
    size_or_rc size = sized(s, width, 0);
    size_t len = (size_t)size - 1 - width;
    long chars;

    if (width == 2 && s.len > width && get_u16(s.at + 1) > ATOM_MAX_BYTES) {
        return CNODE_MALFORMED;
    }
    if (size <= 0 ||
        (len <= ATOM_MAX_CHARS && utf8_is_ascii(s.at + 1 + width, len))) {
        return size;
    }
    chars = utf8_count(s.at + 1 + width, len);
    return chars < 0 || chars > ATOM_MAX_CHARS ? CNODE_MALFORMED : size;
}

static inline size_or_rc check_atom(struct span s)
{
    switch (*s.at) {
    case TAG_ATOM8:
        return check_utf8_atom(s, 1);
    case TAG_ATOM16:
        return check_utf8_atom(s, 2);
    case TAG_ATOM_LATIN1_8:
        return sized(s, 1, 0);
    case TAG_ATOM_LATIN1:
        return s.len >= 3 && get_u16(s.at + 1) > ATOM_MAX_CHARS
                   ? CNODE_MALFORMED
                   : sized(s, 2, 0);
    default:
        return CNODE_MALFORMED;
    }
}

/* A node name with `before` bytes between tag and name, `after` behind it. */
static inline size_or_rc check_ident(struct span s, size_t before, size_t after)
{
    size_t head = 1 + before;
    size_or_rc name;

    if (s.len <= head) {
        return MORE;
    }
    name = check_atom((struct span){s.at + head, s.len - head});
    return name <= 0 ? name : within(s, head + (size_t)name + after);
}

static size_or_rc check_ref(struct span s, size_t creation_bytes)
{
    unsigned words;

    if (s.len < 3) {
        return MORE;
    }
    words = get_u16(s.at + 1);
    if (words < 1 || words > REF_MAX_WORDS) {
        return words < 1 ? CNODE_UNHANDLED : CNODE_MALFORMED;
    }
    return check_ident(s, 2, creation_bytes + 4 * (size_t)words);
}

static size_or_rc check_double(struct span s)
{
    size_or_rc size = within(s, 9);

    if (size > 0 && (get_u64(s.at + 1) >> 52 & 0x7FF) == 0x7FF) {
        return CNODE_MALFORMED; /* NaN, infinite */
    }
    return size;
}

static size_or_rc check_float_text(struct span s)
{
    char text[FLOAT_TEXT_BYTES + 1] = {0};
    size_or_rc size = within(s, 1 + FLOAT_TEXT_BYTES);
    char *end;

    if (size <= 0) {
        return size;
    }
    memcpy(text, s.at + 1, FLOAT_TEXT_BYTES);
    if (text[0] == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0') {
        return CNODE_MALFORMED;
    }
    return isfinite(strtod(text, &end)) && *end == '\0' && end > text
               ? size
               : CNODE_MALFORMED;
}

static size_or_rc check_bits(struct span s)
{
    if (s.len >= 6 && (s.at[5] < 1 || s.at[5] > 8 || get_u32(s.at + 1) == 0)) {
        return get_u32(s.at + 1) == 0 && s.at[5] == 0 ? CNODE_UNHANDLED
                                                      : CNODE_MALFORMED;
    }
    return sized(s, 4, 1);
}

/* Holds plain terms and is one, but holds none of its own kind.
 * NOLINTNEXTLINE(misc-no-recursion) */
static size_or_rc check_export(struct span s)
{
    struct span rest = {s.at + 1, s.len - 1};
    int rc = step_over(&rest, is_atom_tag);

    rc = rc == CHECKED ? step_over(&rest, is_atom_tag) : rc;
    rc = rc == CHECKED ? step_over(&rest, is_integer_tag) : rc;
    return rc == CHECKED ? rest.at - s.at : rc;
}

/* NOLINTNEXTLINE(misc-no-recursion): see check_export() */
static size_or_rc check_plain(struct span s)
{
    switch (*s.at) {
    case TAG_NIL:
        return within(s, 1);
    case TAG_INT8:
        return within(s, 2);
    case TAG_INT32:
        return within(s, 5);
    case TAG_BIG8:
        return sized(s, 1, 1);
    case TAG_BIG32:
        return sized(s, 4, 1);
    case TAG_DOUBLE:
        return check_double(s);
    case TAG_FLOAT_TEXT:
        return check_float_text(s);
    case TAG_ATOM8:
    case TAG_ATOM16:
    case TAG_ATOM_LATIN1:
    case TAG_ATOM_LATIN1_8:
        return check_atom(s);
    case TAG_STRING:
        return s.len >= 3 && get_u16(s.at + 1) == 0 ? CNODE_UNHANDLED
                                                    : sized(s, 2, 0);
    case TAG_BINARY:
        return sized(s, 4, 0);
    case TAG_BITSTRING:
        return check_bits(s);
    case TAG_PID:
    case TAG_PORT:
        return check_ident(s, 0, 12);
    case TAG_PID_OLD:
        return check_ident(s, 0, 9);
    case TAG_PORT_32:
        return check_ident(s, 0, 8);
    case TAG_PORT_OLD:
    case TAG_REF_OLD:
        return check_ident(s, 0, 5);
    case TAG_REF:
        return check_ref(s, 4);
    case TAG_REF_CREATION8:
        return check_ref(s, 1);
    case TAG_EXPORT:
        return check_export(s);
    default:
        return CNODE_MALFORMED;
    }
}
