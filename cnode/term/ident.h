/* SPDX-License-Identifier: Apache-2.0
 *
 * Process identifiers and references as plain values. Pure.
 *
 * A node that is not in the atom table has node == ATOM_NONE; such identifiers
 * are carried as opaque bytes instead.
 */
#ifndef CNODE_TERM_IDENT_H
#define CNODE_TERM_IDENT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "term/atom.h"

struct pid {
    atom_t node;
    uint32_t id;
    uint32_t serial;
    uint32_t creation;
};

enum { REF_MAX_WORDS = 5 };

struct ref {
    atom_t node;
    uint32_t creation;
    uint32_t len;                  /* 1..5 words */
    uint32_t words[REF_MAX_WORDS]; /* unused ones are 0 */
};

static inline bool pid_equal(struct pid a, struct pid b)
{
    return a.id == b.id && a.serial == b.serial && a.creation == b.creation &&
           a.node == b.node;
}

static inline bool pid_is_none(struct pid pid)
{
    return pid.node == ATOM_NONE;
}

static inline bool ref_equal(const struct ref *a, const struct ref *b)
{
    uint64_t x[sizeof(*a) / 8], y[sizeof(*b) / 8];

    memcpy(x, a, sizeof(x)); /* no call: references are looked up often */
    memcpy(y, b, sizeof(y));
    return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3])) == 0;
}

#define PID_NONE ((struct pid){0})

#endif
