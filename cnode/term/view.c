/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking terms in place. The bytes were validated, so nothing here looks at
 * lengths again, and nothing recurses: a term is skipped by counting the terms
 * still to come. What single terms hold is read in scalar.c.
 */
#include "term/view.h"

#include <string.h>

#include "base/buf.h"
#include "term/tag.h"

/* Two bytes each: the tag and the value. */
#define TWO(n)     TAG_INT8, (n), TAG_INT8, (n) + 1
#define EIGHT(n)   TWO(n), TWO((n) + 2), TWO((n) + 4), TWO((n) + 6)
#define THIRTY2(n) EIGHT(n), EIGHT((n) + 8), EIGHT((n) + 16), EIGHT((n) + 24)

static const uint8_t small_ints[2 * 256] = {
    THIRTY2(0),   THIRTY2(32),  THIRTY2(64),  THIRTY2(96),
    THIRTY2(128), THIRTY2(160), THIRTY2(192), THIRTY2(224),
};
static const uint8_t nil[1] = {TAG_NIL};

struct cnode_term term_small_int(uint8_t value)
{
    return term_at(small_ints + 2 * (size_t)value, 2);
}

struct cnode_term term_nil(void)
{
    return term_at(nil, 1);
}

/* -- walking --------------------------------------------------------------- */

static inline const uint8_t *skip_atom(const uint8_t *p)
{
    return *p == TAG_ATOM8 || *p == TAG_ATOM_LATIN1_8 ? p + 2 + p[1]
                                                      : p + 3 + get_u16(p + 1);
}

/* Terms without terms inside, or whose inside is skipped as one. */
static const uint8_t *skip_plain(const uint8_t *p)
{
    switch (*p) {
    case TAG_NIL:
        return p + 1;
    case TAG_DOUBLE:
        return p + 9;
    case TAG_FLOAT_TEXT:
        return p + 1 + FLOAT_TEXT_BYTES;
    case TAG_STRING:
        return p + 3 + get_u16(p + 1);
    case TAG_BITSTRING:
    case TAG_BIG32:
        return p + 6 + get_u32(p + 1);
    case TAG_BIG8:
        return p + 3 + p[1];
    case TAG_PORT:
        return skip_atom(p + 1) + 12;
    case TAG_PID_OLD:
        return skip_atom(p + 1) + 9;
    case TAG_PORT_32:
        return skip_atom(p + 1) + 8;
    case TAG_PORT_OLD:
    case TAG_REF_OLD:
        return skip_atom(p + 1) + 5;
    case TAG_REF_CREATION8:
        return skip_atom(p + 3) + 1 + 4 * (size_t)get_u16(p + 1);
    case TAG_FUN:
        return p + 1 + get_u32(p + 1);
    default:
        check_failed("a validated tag", __FILE__, __LINE__);
    }
}

const uint8_t *term_skip(const uint8_t *at)
{
    const uint8_t *p = at;
    uint64_t pending = 1;

    do {
        pending--;
        switch (*p) {
        case TAG_INT8:
            p += 2;
            break;
        case TAG_INT32:
            p += 5;
            break;
        case TAG_ATOM8:
        case TAG_ATOM_LATIN1_8:
        case TAG_ATOM16:
        case TAG_ATOM_LATIN1:
            p = skip_atom(p);
            break;
        case TAG_PID:
            p = skip_atom(p + 1) + 12;
            break;
        case TAG_REF:
            p = skip_atom(p + 3) + 4 + 4 * (size_t)get_u16(p + 1);
            break;
        case TAG_BINARY:
            p += 5 + (size_t)get_u32(p + 1);
            break;
        case TAG_TUPLE8:
            pending += p[1];
            p += 2;
            break;
        case TAG_TUPLE32:
            pending += get_u32(p + 1);
            p += 5;
            break;
        case TAG_LIST:
            pending += (uint64_t)get_u32(p + 1) + 1;
            p += 5;
            break;
        case TAG_MAP:
            pending += 2 * (uint64_t)get_u32(p + 1);
            p += 5;
            break;
        case TAG_RECORD:
            pending += 2 * (uint64_t)get_u32(p + 1) + 2;
            p += 6;
            break;
        case TAG_EXPORT:
            pending += 3;
            p += 1;
            break;
        default:
            p = skip_plain(p);
        }
    } while (pending > 0);
    return p;
}

size_t cnode_term_size(struct cnode_term term)
{
    return term.at == NULL ? 0 : (size_t)(term_skip(term.at) - term.at);
}

struct cnode_term cnode_next(struct cnode_term term)
{
    const uint8_t *next;

    if (term.at == NULL) {
        return TERM_NONE;
    }
    next = term_skip(term.at);
    return next < term.end ? (struct cnode_term){next, term.end} : TERM_NONE;
}

bool term_same_bytes(struct cnode_term a, struct cnode_term b)
{
    size_t size = cnode_term_size(a);

    return size == cnode_term_size(b) &&
           (size == 0 || memcmp(a.at, b.at, size) == 0);
}

/* -- types ----------------------------------------------------------------- */

const uint8_t term_types[256] = {
    [TAG_RECORD] = CNODE_TYPE_RECORD,
    [TAG_DOUBLE] = CNODE_TYPE_FLOAT,
    [TAG_PID] = CNODE_TYPE_PID,
    [TAG_PORT_32] = CNODE_TYPE_PORT,
    [TAG_REF] = CNODE_TYPE_REF,
    [TAG_INT8] = CNODE_TYPE_INT,
    [TAG_INT32] = CNODE_TYPE_INT,
    [TAG_FLOAT_TEXT] = CNODE_TYPE_FLOAT,
    [TAG_ATOM_LATIN1] = CNODE_TYPE_ATOM,
    [TAG_REF_OLD] = CNODE_TYPE_REF,
    [TAG_PORT_OLD] = CNODE_TYPE_PORT,
    [TAG_PID_OLD] = CNODE_TYPE_PID,
    [TAG_TUPLE8] = CNODE_TYPE_TUPLE,
    [TAG_TUPLE32] = CNODE_TYPE_TUPLE,
    [TAG_NIL] = CNODE_TYPE_NIL,
    [TAG_STRING] = CNODE_TYPE_LIST,
    [TAG_LIST] = CNODE_TYPE_LIST,
    [TAG_BINARY] = CNODE_TYPE_BINARY,
    [TAG_BITSTRING] = CNODE_TYPE_BITSTRING,
    [TAG_BIG8] = CNODE_TYPE_INT,
    [TAG_BIG32] = CNODE_TYPE_INT,
    [TAG_FUN] = CNODE_TYPE_FUN,
    [TAG_EXPORT] = CNODE_TYPE_FUN,
    [TAG_REF_CREATION8] = CNODE_TYPE_REF,
    [TAG_ATOM_LATIN1_8] = CNODE_TYPE_ATOM,
    [TAG_MAP] = CNODE_TYPE_MAP,
    [TAG_ATOM16] = CNODE_TYPE_ATOM,
    [TAG_ATOM8] = CNODE_TYPE_ATOM,
    [TAG_PORT] = CNODE_TYPE_PORT,
};

enum cnode_type cnode_type(struct cnode_term term)
{
    return term_type(term);
}

/* -- containers ------------------------------------------------------------ */

bool cnode_get_tuple(struct cnode_term term, uint32_t *arity,
                     struct cnode_term *first)
{
    size_t head;

    switch (term_tag(term)) {
    case TAG_TUPLE8:
        *arity = term.at[1];
        head = 2;
        break;
    case TAG_TUPLE32:
        *arity = get_u32(term.at + 1);
        head = 5;
        break;
    default:
        return false;
    }
    if (first != NULL) {
        *first = *arity == 0 ? TERM_NONE : term_behind(term, head);
    }
    return true;
}

bool term_get_tuple(struct cnode_term term, uint32_t n, struct cnode_term *out)
{
    uint32_t arity;
    const uint8_t *at;

    if (!cnode_get_tuple(term, &arity, NULL) || arity != n) {
        return false;
    }
    at = term.at + (*term.at == TAG_TUPLE8 ? 2 : 5);
    for (uint32_t i = 0; i < n; i++) {
        out[i] = (struct cnode_term){at, term.end};
        if (i + 1 < n) {
            at = term_skip(at);
        }
    }
    return true;
}

bool cnode_get_map(struct cnode_term term, uint32_t *pairs,
                   struct cnode_term *first_key)
{
    if (term_tag(term) != TAG_MAP) {
        return false;
    }
    *pairs = get_u32(term.at + 1);
    if (first_key != NULL) {
        *first_key = *pairs == 0 ? TERM_NONE : term_behind(term, 5);
    }
    return true;
}

bool cnode_map_get(struct cnode_term term, const char *atom_key,
                   struct cnode_term *value)
{
    size_t len = strlen(atom_key);
    struct cnode_term key;
    uint32_t pairs;

    if (!cnode_get_map(term, &pairs, &key)) {
        return false;
    }
    for (; pairs > 0; pairs--) {
        struct cnode_term found = cnode_next(key);
        if (term_has_text(key, atom_key, len)) {
            *value = found;
            return true;
        }
        key = cnode_next(found);
    }
    return false;
}

bool term_get_list(struct cnode_term term, uint32_t *heads,
                   struct cnode_term *first)
{
    if (term_tag(term) != TAG_LIST) {
        return false;
    }
    *heads = get_u32(term.at + 1);
    *first = term_behind(term, 5);
    return true;
}

bool term_get_cons(struct cnode_term term, struct cnode_term *head,
                   struct cnode_term *tail)
{
    uint32_t heads;

    if (!term_get_list(term, &heads, head)) {
        return false;
    }
    *tail = heads == 1 ? cnode_next(*head) : TERM_NONE;
    return true;
}

/* Makes `list` stand at the front of a list or string; false for others. */
static bool list_enter(struct cnode_list *list, struct cnode_term term)
{
    switch (term_tag(term)) {
    case TAG_STRING:
        list->left = get_u16(term.at + 1);
        list->next = term_behind(term, 3);
        list->is_string = true;
        return true;
    case TAG_LIST:
        list->left = get_u32(term.at + 1);
        list->next = term_behind(term, 5);
        list->is_string = false;
        return true;
    default:
        return false;
    }
}

bool cnode_list(struct cnode_term term, struct cnode_list *list)
{
    struct cnode_term at = term;

    while (term_tag(at) == TAG_LIST) { /* to the tail, which may be a list */
        uint32_t heads = get_u32(at.at + 1);
        for (at.at += 5; heads > 0; heads--) {
            at.at = term_skip(at.at);
        }
    }
    if (term_tag(at) != TAG_NIL && term_tag(at) != TAG_STRING) {
        return false;
    }
    if (!list_enter(list, term)) {
        *list = (struct cnode_list){.left = 0, .is_string = true};
    }
    return true;
}

bool cnode_list_next(struct cnode_list *list, struct cnode_term *element)
{
    if (list->left == 0 && (list->is_string || !list_enter(list, list->next))) {
        return false;
    }
    list->left--;
    if (list->is_string) {
        *element = term_small_int(*list->next.at++);
        return true;
    }
    *element = list->next;
    list->next.at = term_skip(list->next.at);
    return true;
}
