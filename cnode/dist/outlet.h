/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes the output of a channel to a socket, under TLS if it is one of TLS: at
 * once as far as the socket takes it, the rest through libuv. Part of conn.c;
 * belongs to one loop.
 */
#ifndef CNODE_DIST_OUTLET_H
#define CNODE_DIST_OUTLET_H

#include "base/loop.h"
#include "dist/channel.h"
#include "dist/sealer.h"

struct outlet;
typedef void (*outlet_fn)(struct outlet *outlet, int status);

struct outlet {
    uv_stream_t *stream;
    struct tls *tls;         /* NULL: plain; borrowed */
    struct channel *channel; /* NULL until outlet_attach() */
    outlet_fn landed;
    uv_write_t write;
    struct sealer sealer; /* TLS: what is gathered goes through it */
    bool is_waiting;      /* what was gathered has not landed yet */
    uint64_t bytes;       /* handed over, ever */
};

void outlet_init(struct outlet *outlet, uv_stream_t *stream, struct tls *tls);
void outlet_fini(struct outlet *outlet);

/* Before there is a channel: writes `words`, and what TLS has to say. All that
 * is said until then is smaller than any socket buffer and waits for answers,
 * so what is not taken whole at once is a failure: CNODE_STALLED. */
MUST_USE int outlet_say(struct outlet *outlet, struct buf *words);

/* From now on the channel is written. `landed`: what the socket did not take at
 * once is written (status 0), or lost. It runs too (UV_ECANCELED) when the
 * stream is closed meanwhile: the channel must outlive the stream. */
void outlet_attach(struct outlet *outlet, struct channel *channel,
                   outlet_fn landed);

/* Writes until nothing is left, the socket is full (landed() follows), or the
 * share of one turn is used up: then returns 1, and the caller comes again in
 * the next turn. Does nothing while a write waits. 0, 1, or an error of libuv
 * or of tls_put(). */
MUST_USE int outlet_write(struct outlet *outlet);

/* Before closing: writes what the socket takes at once, whatever comes of it.
 */
void outlet_farewell(struct outlet *outlet);

/* What TLS adds to a few bytes. */
size_t outlet_overhead(const struct outlet *outlet);

/* Bytes that the socket has not taken yet, and those it took, ever. */
uint64_t outlet_waiting(const struct outlet *outlet);
uint64_t outlet_taken(const struct outlet *outlet);

#endif
