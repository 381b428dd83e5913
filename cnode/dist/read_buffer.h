/* SPDX-License-Identifier: Apache-2.0
 *
 * What was read from a peer and not consumed yet. Grows to hold a long packet,
 * doubling only when it is full: a length that a peer merely claims costs
 * nothing. Pure; one thread.
 */
#ifndef CNODE_DIST_READ_BUFFER_H
#define CNODE_DIST_READ_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum {
    READ_LEAST_BYTES = 4 * 1024,   /* at first: a handshake needs no more */
    READ_USUAL_BYTES = 256 * 1024, /* what a busy peer may make of it */
};

struct read_buffer {
    uint8_t *bytes; /* NULL until the first read */
    size_t size, cap;
};

void read_buffer_init(struct read_buffer *buffer);
void read_buffer_fini(struct read_buffer *buffer);

/* Where the next read may put up to *room bytes (never 0). NULL when out of
 * memory. */
MUST_USE uint8_t *read_buffer_room(struct read_buffer *buffer, size_t *room);
void read_buffer_commit(struct read_buffer *buffer, size_t n);

/* Drops `used` bytes at the front and makes room for the next read. `packet`:
 * how long the packet is that now stands at the front (checked against its
 * limit by the caller), 0 when not known. 0; CNODE_NOMEM; CNODE_TOO_LARGE:
 * READ_USUAL bytes and still not known. */
MUST_USE int read_buffer_take(struct read_buffer *buffer, size_t used,
                              size_t packet);

/* Gives the memory back when no byte is kept. */
void read_buffer_relax(struct read_buffer *buffer);

#endif
