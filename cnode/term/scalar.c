/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading atoms, numbers, binaries and identifiers in place, in all the forms
 * a BEAM accepts. The second half of term/view.h.
 */
#include "term/view.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "term/tag.h"
#include "term/utf8.h"

/* -- atoms ----------------------------------------------------------------- */

/* The text as it lies there; which of the four tags decides what it is. */
static inline bool raw_atom(struct cnode_term term, const uint8_t **text,
                            size_t *len)
{
    switch (term_tag(term)) {
    case TAG_ATOM8:
    case TAG_ATOM_LATIN1_8:
        *text = term.at + 2;
        *len = term.at[1];
        return true;
    case TAG_ATOM16:
    case TAG_ATOM_LATIN1:
        *text = term.at + 3;
        *len = get_u16(term.at + 1);
        return true;
    default:
        return false;
    }
}

bool term_get_atom_text(struct cnode_term term, uint8_t scratch[510],
                        const char **text, size_t *len)
{
    const uint8_t *raw;
    size_t n, used = 0;

    if (!raw_atom(term, &raw, &n)) {
        return false;
    }
    if (*term.at == TAG_ATOM8 || *term.at == TAG_ATOM16) {
        *text = (const char *)raw;
        *len = n;
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t bytes[UTF8_MAX_BYTES];
        size_t size = utf8_put(bytes, raw[i]);
        memcpy(scratch + used, bytes, size);
        used += size;
    }
    *text = (const char *)scratch;
    *len = used;
    return true;
}

bool cnode_get_atom(struct cnode_term term, const char **text, size_t *len)
{
    const uint8_t *raw;
    size_t n;

    if (!raw_atom(term, &raw, &n)) {
        return false;
    }
    if (*term.at == TAG_ATOM_LATIN1 || *term.at == TAG_ATOM_LATIN1_8) {
        for (size_t i = 0; i < n; i++) {
            if (raw[i] >= 0x80) {
                return false;
            }
        }
    }
    *text = (const char *)raw;
    *len = n;
    return true;
}

bool term_has_text(struct cnode_term term, const char *text, size_t len)
{
    uint8_t scratch[510];
    const char *own;
    size_t own_len;

    if (term_tag(term) == TAG_ATOM8) {
        return term.at[1] == len && memcmp(term.at + 2, text, len) == 0;
    }
    return term_get_atom_text(term, scratch, &own, &own_len) &&
           own_len == len && memcmp(own, text, len) == 0;
}

bool cnode_is_atom(struct cnode_term term, const char *name)
{
    return term_has_text(term, name, strlen(name));
}

static atom_t rare_atom(struct cnode_term term)
{
    uint8_t scratch[510];
    const char *text;
    size_t len;

    if (!term_get_atom_text(term, scratch, &text, &len)) {
        return ATOM_NONE;
    }
    return atom_find(text, len);
}

atom_t term_atom(struct cnode_term term)
{
    return term_tag(term) == TAG_ATOM8
               ? atom_find((const char *)term.at + 2, term.at[1])
               : rare_atom(term);
}

bool term_is_atom(struct cnode_term term, atom_t atom)
{
    const char *text = atom_text(atom);
    size_t len = atom_len(atom);

    if (term_tag(term) == TAG_ATOM8) {
        return term.at[1] == len && memcmp(term.at + 2, text, len) == 0 &&
               atom != ATOM_NONE;
    }
    return atom != ATOM_NONE && term_has_text(term, text, len);
}

bool cnode_get_bool(struct cnode_term term, bool *value)
{
    if (term_is_atom(term, A_true)) {
        *value = true;
        return true;
    }
    if (term_is_atom(term, A_false)) {
        *value = false;
        return true;
    }
    return false;
}

/* -- numbers --------------------------------------------------------------- */

bool term_get_big(struct cnode_term term, struct term_big *big)
{
    int32_t value;
    uint32_t magnitude;

    switch (term_tag(term)) {
    case TAG_INT8:
        *big = (struct term_big){.bytes = term.at + 1, .len = 1};
        break;
    case TAG_INT32:
        value = (int32_t)get_u32(term.at + 1);
        magnitude = value < 0 ? 0 - (uint32_t)value : (uint32_t)value;
        big->is_negative = value < 0;
        for (int i = 0; i < 4; i++) {
            big->scratch[i] = (uint8_t)(magnitude >> 8 * i);
        }
        big->bytes = big->scratch;
        big->len = 4;
        break;
    case TAG_BIG8:
        big->bytes = term.at + 3;
        big->len = term.at[1];
        big->is_negative = term.at[2] != 0;
        break;
    case TAG_BIG32:
        big->bytes = term.at + 6;
        big->len = get_u32(term.at + 1);
        big->is_negative = term.at[5] != 0;
        break;
    default:
        return false;
    }
    while (big->len > 0 && big->bytes[big->len - 1] == 0) {
        big->len--;
    }
    big->is_negative = big->is_negative && big->len > 0;
    return true;
}

/* Sign and magnitude of an integer of at most 64 bits. */
static bool get_magnitude(struct cnode_term term, uint64_t *magnitude,
                          bool *is_negative)
{
    struct term_big big;

    if (!term_get_big(term, &big) || big.len > 8) {
        return false;
    }
    *magnitude = 0;
    for (size_t i = big.len; i > 0; i--) {
        *magnitude = *magnitude << 8 | big.bytes[i - 1];
    }
    *is_negative = big.is_negative;
    return true;
}

bool cnode_get_int(struct cnode_term term, int64_t *value)
{
    uint64_t magnitude;
    bool is_negative;

    switch (term_tag(term)) {
    case TAG_INT8:
        *value = term.at[1];
        return true;
    case TAG_INT32:
        *value = (int32_t)get_u32(term.at + 1);
        return true;
    default:
        break;
    }
    if (!get_magnitude(term, &magnitude, &is_negative) ||
        magnitude > (uint64_t)INT64_MAX + is_negative) {
        return false;
    }
    *value = (int64_t)(is_negative ? 0 - magnitude : magnitude);
    return true;
}

bool cnode_get_uint(struct cnode_term term, uint64_t *value)
{
    uint64_t magnitude;
    bool is_negative;

    if (term_tag(term) == TAG_INT8) {
        *value = term.at[1];
        return true;
    }
    if (!get_magnitude(term, &magnitude, &is_negative) || is_negative) {
        return false;
    }
    *value = magnitude;
    return true;
}

bool cnode_get_float(struct cnode_term term, double *value)
{
    char text[FLOAT_TEXT_BYTES + 1] = {0};
    uint64_t bits;

    switch (term_tag(term)) {
    case TAG_DOUBLE:
        bits = get_u64(term.at + 1);
        memcpy(value, &bits, sizeof(bits));
        return true;
    case TAG_FLOAT_TEXT:
        memcpy(text, term.at + 1, FLOAT_TEXT_BYTES);
        *value = strtod(text, NULL);
        return true;
    default:
        return false;
    }
}

/* -- binaries -------------------------------------------------------------- */

bool term_get_bits(struct cnode_term term, const uint8_t **bytes, size_t *len,
                   unsigned *bits)
{
    switch (term_tag(term)) {
    case TAG_BINARY:
        *bytes = term.at + 5;
        *bits = 8;
        break;
    case TAG_BITSTRING:
        *bytes = term.at + 6;
        *bits = term.at[5];
        break;
    default:
        return false;
    }
    *len = get_u32(term.at + 1);
    return true;
}

bool cnode_get_bytes(struct cnode_term term, const char **bytes, size_t *len)
{
    const uint8_t *at;
    size_t size;
    unsigned bits;

    if (!term_get_bits(term, &at, &size, &bits) || bits != 8) {
        return false;
    }
    *bytes = (const char *)at;
    *len = size;
    return true;
}

/* -- identifiers ----------------------------------------------------------- */

/* The name of a node; the first byte behind it. */
static inline const uint8_t *read_node(struct cnode_term name, atom_t *node)
{
    const uint8_t *text = name.at;
    size_t len = 0;

    raw_atom(name, &text, &len);
    *node = term_atom(name);
    return text + len;
}

bool term_get_pid(struct cnode_term term, struct pid *pid)
{
    const uint8_t *at;
    uint8_t tag = term_tag(term);

    if (tag != TAG_PID && tag != TAG_PID_OLD) {
        return false;
    }
    at = read_node(term_behind(term, 1), &pid->node);
    pid->id = get_u32(at);
    pid->serial = get_u32(at + 4);
    pid->creation = tag == TAG_PID ? get_u32(at + 8) : at[8];
    return true;
}

bool term_get_ref(struct cnode_term term, struct ref *ref)
{
    uint8_t tag = term_tag(term);
    const uint8_t *at;

    if (tag != TAG_REF && tag != TAG_REF_CREATION8 && tag != TAG_REF_OLD) {
        return false;
    }
    *ref = (struct ref){.len = 1};
    at = read_node(term_behind(term, tag == TAG_REF_OLD ? 1 : 3), &ref->node);
    if (tag == TAG_REF_OLD) { /* the word comes first */
        ref->words[0] = get_u32(at);
        ref->creation = at[4];
        return true;
    }
    ref->len = get_u16(term.at + 1);
    ref->creation = tag == TAG_REF ? get_u32(at) : *at;
    at += tag == TAG_REF ? 4 : 1;
    for (uint32_t i = 0; i < ref->len; i++) {
        ref->words[i] = get_u32(at + 4 * (size_t)i);
    }
    return true;
}

bool term_get_node(struct cnode_term term, const char **text, size_t *len)
{
    switch (term_tag(term)) {
    case TAG_PID:
    case TAG_PID_OLD:
    case TAG_PORT:
    case TAG_PORT_32:
    case TAG_PORT_OLD:
    case TAG_REF_OLD:
        return cnode_get_atom(term_behind(term, 1), text, len);
    case TAG_REF:
    case TAG_REF_CREATION8:
        return cnode_get_atom(term_behind(term, 3), text, len);
    default:
        return false;
    }
}
