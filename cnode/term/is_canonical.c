/* SPDX-License-Identifier: Apache-2.0
 *
 * Looks whether term/canonical.c would change anything, without writing. Keys
 * are nearly always canonical as they come, and then this is all it costs.
 *
 * Nested deeper than LEVELS_MAX the answer is no, which costs time but is never
 * wrong.
 */
#include <string.h>

#include "base/buf.h"
#include "term/canonical.h"
#include "term/tag.h"

enum { LEVELS_MAX = 32 };

enum level_kind { LEVEL_PLAIN, LEVEL_LIST, LEVEL_MAP };

struct seen_level {
    uint64_t left; /* terms still to come, the tail of a list included */
    enum level_kind kind;
    bool only_bytes;     /* LEVEL_LIST: so far, and short enough for 107 */
    const uint8_t *pair; /* LEVEL_MAP: the pair before, NULL at the first */
};

static bool is_canonical_int(struct cnode_term term);
static bool is_canonical_plain(struct cnode_term term);
static bool fits_in(struct seen_level *level, struct cnode_term term);

/* Opens a container if `at` is one: the bytes of its head, else 0. */
static size_t open_level(const uint8_t *at, struct seen_level *level)
{
    *level = (struct seen_level){.kind = LEVEL_PLAIN};
    switch (*at) {
    case TAG_TUPLE8:
        level->left = at[1];
        return 2;
    case TAG_TUPLE32:
        level->left = get_u32(at + 1);
        return 5;
    case TAG_LIST:
        level->kind = LEVEL_LIST;
        level->left = (uint64_t)get_u32(at + 1) + 1;
        level->only_bytes = level->left <= (uint64_t)UINT16_MAX + 1;
        return 5;
    case TAG_MAP:
        level->kind = LEVEL_MAP;
        level->left = 2 * (uint64_t)get_u32(at + 1);
        return 5;
    case TAG_RECORD:
        level->left = 2 * (uint64_t)get_u32(at + 1) + 2;
        return 6;
    case TAG_EXPORT:
        level->left = 3;
        return 1;
    case TAG_FUN:
        level->left = 4 + (uint64_t)get_u32(at + FUN_FREE_AT);
        return FUN_HEAD_BYTES;
    default:
        return 0;
    }
}

bool term_is_canonical(struct cnode_term term)
{
    struct seen_level levels[LEVELS_MAX];
    unsigned depth = 0;

    do {
        size_t head;
        if (depth > 0 && !fits_in(&levels[depth - 1], term)) {
            return false;
        }
        if (*term.at == TAG_TUPLE32 && get_u32(term.at + 1) <= 255) {
            return false;
        }
        if (depth == LEVELS_MAX) {
            return false;
        }
        head = open_level(term.at, &levels[depth]);
        if (head > 0) {
            depth++;
            term.at += head;
        } else {
            if (!is_canonical_plain(term)) {
                return false;
            }
            term.at = term_skip(term.at);
        }
        while (depth > 0 && levels[depth - 1].left == 0) {
            depth--;
        }
    } while (depth > 0);
    return true;
}

static int compare_pairs(const uint8_t *a, struct cnode_term b)
{
    size_t a_size = (size_t)(b.at - a);
    size_t b_size = (size_t)(b.end - b.at);

    return memcmp(a, b.at, a_size < b_size ? a_size : b_size);
}

/* True when `term` may be the next one here. */
static bool fits_in(struct seen_level *level, struct cnode_term term)
{
    uint64_t left = level->left--;

    if (level->kind == LEVEL_MAP && left % 2 == 0) {
        bool is_later =
            level->pair == NULL || compare_pairs(level->pair, term) < 0;
        level->pair = term.at;
        return is_later;
    }
    if (level->kind != LEVEL_LIST) {
        return true;
    }
    if (left > 1) {
        level->only_bytes = level->only_bytes && *term.at == TAG_INT8;
        return true;
    }
    switch (*term.at) {
    case TAG_LIST:
    case TAG_STRING:
        return false;
    case TAG_NIL:
        return !level->only_bytes;
    default:
        return true;
    }
}

static bool is_canonical_int(struct cnode_term term)
{
    struct term_big big;
    uint32_t value;
    size_t len;

    (void)term_get_big(term, &big);
    switch (*term.at) {
    case TAG_INT32:
        return get_u32(term.at + 1) > 255;
    case TAG_BIG8:
        len = term.at[1];
        if (big.len != len || len < 4 || term.at[2] > 1) {
            return false;
        }
        value = (uint32_t)big.bytes[3] << 24 | (uint32_t)big.bytes[2] << 16 |
                (uint32_t)big.bytes[1] << 8 | big.bytes[0];
        return len > 4 || value > (uint32_t)INT32_MAX + big.is_negative;
    default:
        return big.len == get_u32(term.at + 1) && big.len > 255 &&
               term.at[5] <= 1;
    }
}

static bool is_canonical_atom(const uint8_t *at)
{
    return *at == TAG_ATOM8 || (*at == TAG_ATOM16 && get_u16(at + 1) > 255);
}

static bool is_canonical_bits(struct cnode_term term)
{
    const uint8_t *bytes;
    size_t len;
    unsigned bits;

    return term_get_bits(term, &bytes, &len, &bits) && bits < 8 &&
           (bytes[len - 1] & (0xFFu >> bits)) == 0;
}

static bool is_canonical_plain(struct cnode_term term)
{
    switch (*term.at) {
    case TAG_INT8:
    case TAG_DOUBLE:
    case TAG_ATOM8:
    case TAG_NIL:
    case TAG_STRING:
    case TAG_BINARY:
        return true;
    case TAG_INT32:
    case TAG_BIG8:
    case TAG_BIG32:
        return is_canonical_int(term);
    case TAG_ATOM16:
        return is_canonical_atom(term.at);
    case TAG_PID:
    case TAG_PORT:
        return is_canonical_atom(term.at + 1);
    case TAG_REF:
        return is_canonical_atom(term.at + 3);
    case TAG_BITSTRING:
        return is_canonical_bits(term);
    default:
        return false;
    }
}
