/* SPDX-License-Identifier: Apache-2.0
 *
 * Maps as the lines of a table, or as one "name  value" line for each key, for
 * people at a terminal. What other nodes say is made harmless: no control
 * characters. Pure.
 */
#ifndef CNODE_ADMIN_TABLE_H
#define CNODE_ADMIN_TABLE_H

#include "base/buf.h"
#include "term/view.h"

enum cell_kind {
    CELL_TEXT,   /* atoms and binaries as they are, all else as a term */
    CELL_NUMBER, /* the same, to the right; floats with two digits */
    CELL_BYTES,  /* 1.5 MiB */
    CELL_MS,     /* a duration: 1m30s */
    CELL_DATE,   /* ms since 1970, UTC */
    CELL_ID,     /* of {ref, Module, Id}: Id */
    CELL_LIST,   /* elements, separated by commas */
    CELL_WINDOW, /* {Low, Target, High}: low/target/high */
};

struct column {
    const char *title;
    const char *key; /* of the map */
    enum cell_kind kind;
};

struct table {
    const struct column *columns;
    size_t count;
    struct buf cells; /* all texts, one after the other */
    size_t *ends;     /* of each in `cells` */
    size_t cell_count, cell_cap;
};

void table_init(struct table *table, const struct column *columns,
                size_t count);
void table_fini(struct table *table);

/* One more line. A key that is not there, or nil, is "-". */
void table_add(struct table *table, struct cnode_term map);
/* Title and lines. */
void table_put(const struct table *table, struct buf *out);

/* One map, a line for each column. */
void table_put_pairs(struct buf *out, const struct column *columns,
                     size_t count, struct cnode_term map);

/* A value as in a cell of CELL_TEXT. */
void table_put_term(struct buf *out, struct cnode_term term);
/* Text of another node; newlines stay when `lines` is true. */
void table_put_safe(struct buf *out, const char *text, size_t len, bool lines);

#endif
