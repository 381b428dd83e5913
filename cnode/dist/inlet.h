/* SPDX-License-Identifier: Apache-2.0
 *
 * What a connection has read: the bytes themselves, or under TLS those that
 * they decipher to. Twin of outlet.h, but pure; one thread.
 *
 *     inlet_commit(in, n);
 *     while ((rc = inlet_next(in)) > 0) { use in->plain; rc = inlet_take(..); }
 */
#ifndef CNODE_DIST_INLET_H
#define CNODE_DIST_INLET_H

#include "dist/read_buffer.h"
#include "dist/tls.h"

struct inlet {
    struct tls *tls;           /* NULL: plain; borrowed */
    struct read_buffer cipher; /* TLS: as it was read */
    struct read_buffer plain;
    bool is_fresh;  /* there are bytes that inlet_next() has not told of */
    uint64_t bytes; /* read, ever */
};

void inlet_init(struct inlet *inlet, struct tls *tls);
void inlet_fini(struct inlet *inlet);

/* Where the next read may put up to *room bytes; NULL when out of memory. */
MUST_USE uint8_t *inlet_room(struct inlet *inlet, size_t *room);
void inlet_commit(struct inlet *inlet, size_t n);

/* 1: there are more bytes in `plain` than before; 0: read on; or an error of
 * tls_take(). */
MUST_USE int inlet_next(struct inlet *inlet);
/* Drops what was used, as read_buffer_take(). */
MUST_USE int inlet_take(struct inlet *inlet, size_t used, size_t packet);

/* Gives memory back that is not in use. */
void inlet_relax(struct inlet *inlet);

#endif
