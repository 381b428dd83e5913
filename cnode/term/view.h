/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading validated terms in place. Pure, any thread. The public part is
 * include/cnode/term.h; here is what only the node needs.
 */
#ifndef CNODE_TERM_VIEW_H
#define CNODE_TERM_VIEW_H

#include <cnode/term.h>

#include "term/atom.h"
#include "term/ident.h"
#include "term/tag.h"

#define TERM_NONE ((struct cnode_term){NULL, NULL})

static inline struct cnode_term term_at(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    return (struct cnode_term){at, at + len};
}

/* The tag byte, 0 for no term. */
static inline uint8_t term_tag(struct cnode_term term)
{
    return __builtin_expect(term.at == NULL, 0) ? 0 : *term.at;
}

/* The term that starts `bytes` further in. */
static inline struct cnode_term term_behind(struct cnode_term term,
                                            size_t bytes)
{
    return (struct cnode_term){term.at + bytes, term.end};
}

static inline bool term_is_none(struct cnode_term term)
{
    return term.at == NULL;
}

/* cnode_type() without a call. */
extern const uint8_t term_types[256];

static inline enum cnode_type term_type(struct cnode_term term)
{
    uint8_t tag = term_tag(term);

    if (tag == TAG_BITSTRING && term.at[5] == 8) {
        return CNODE_TYPE_BINARY;
    }
    return (enum cnode_type)term_types[tag];
}

/* The first byte behind the term that starts at `at`. */
const uint8_t *term_skip(const uint8_t *at);

/* The same bytes. No canonical form is made: see term/canonical.h. */
bool term_same_bytes(struct cnode_term a, struct cnode_term b);

/* True for the atom with this text, in the table or not. */
bool term_has_text(struct cnode_term term, const char *text, size_t len);

/* True for exactly this atom, also when the peer chose a longer encoding. */
bool term_is_atom(struct cnode_term term, atom_t atom);

/* An atom as a term; lives for ever. */
struct cnode_term atom_term(atom_t atom);

/* The number of an atom term, ATOM_NONE when it is another type or unknown. */
atom_t term_atom(struct cnode_term term);

/* Exactly n elements, each stored. */
bool term_get_tuple(struct cnode_term term, uint32_t n, struct cnode_term *out);

/* node is ATOM_NONE when its name is not in the table. */
bool term_get_pid(struct cnode_term term, struct pid *pid);
bool term_get_ref(struct cnode_term term, struct ref *ref);
/* The name of the node of a pid, port or ref. */
bool term_get_node(struct cnode_term term, const char **text, size_t *len);

/* The magnitude of an integer, least significant byte first, in place for
 * bignums and else in `scratch`. No leading zeros; 0 has len 0. */
struct term_big {
    const uint8_t *bytes;
    size_t len;
    bool is_negative;
    uint8_t scratch[4];
};
bool term_get_big(struct cnode_term term, struct term_big *big);

/* The bytes of a binary or bit string; `bits` of the last byte are used (the
 * upper ones), 8 when all are or there is none. */
bool term_get_bits(struct cnode_term term, const uint8_t **bytes, size_t *len,
                   unsigned *bits);

/* The UTF-8 text of any atom, in place, or in `scratch` for the old Latin-1
 * tags. (cnode_get_atom is false for those unless they are ASCII.) */
bool term_get_atom_text(struct cnode_term term, uint8_t scratch[510],
                        const char **text, size_t *len);

/* Heads of a list (108), and the first of them; strings and nil give false. */
bool term_get_list(struct cnode_term term, uint32_t *heads,
                   struct cnode_term *first);

/* Head and tail of a cons cell at the front of a list (108) of any shape;
 * strings and nil give false. The tail is only given for lists of exactly one
 * head (as [alias | Ref]), else it is TERM_NONE. */
bool term_get_cons(struct cnode_term term, struct cnode_term *head,
                   struct cnode_term *tail);

/* The term of an integer 0..255, and []; they live for ever. */
struct cnode_term term_small_int(uint8_t value);
struct cnode_term term_nil(void);

#endif
