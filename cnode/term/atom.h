/* SPDX-License-Identifier: Apache-2.0
 *
 * Atoms by number. What a peer sends is looked up, never interned; interning is
 * for names of ours and of peers that proved the cookie, and is capped
 * (limits.atoms). The table only grows: reading it takes no lock. Any thread.
 */
#ifndef CNODE_TERM_ATOM_H
#define CNODE_TERM_ATOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

typedef uint32_t atom_t;

enum {
    ATOM_NONE, /* no atom, or one that is not in the table */
#define ATOM(name)            A_##name,
#define ATOM_TEXT(name, text) A_##name,
#include "term/atoms.def"
#undef ATOM
#undef ATOM_TEXT
    ATOM_FIXED_COUNT
};

enum { ATOM_MAX_CHARS = 255, ATOM_MAX_BYTES = 1020 };

/* Reserves room for limits.atoms and fills in the fixed atoms. Once, after
 * hash_seed() and after the limits were read, before any other use of terms;
 * again is harmless. */
void atom_init(void);

/* Frees the table. At the end of the program, when no other thread knows terms;
 * also when there is none. atom_init() makes a new one. */
void atom_fini(void);

/* The number of a text, or ATOM_NONE. */
atom_t atom_find(const char *text, size_t len);

/* Same, adding it when it is new. ATOM_NONE when the table is full (counted),
 * or the text is not valid UTF-8 of at most 255 characters. */
MUST_USE atom_t atom_intern(const char *text, size_t len);

/* NUL terminated, lives for ever. "" for ATOM_NONE. */
const char *atom_text(atom_t atom);
size_t atom_len(atom_t atom);

uint32_t atom_count(void);
/* What atom_count() never exceeds. */
uint32_t atom_capacity(void);
/* Memory of the table in use. */
size_t atom_bytes(void);

#endif
