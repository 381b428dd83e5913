/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection under TLS, without its socket: ciphertext in and out, plain
 * bytes out and in. Pure; no clock (the owner gives the handshake its time) and
 * one thread.
 *
 *   HANDSHAKE -> UP -> FAILED
 *        \_____________/
 *
 * The owner feeds what it reads, takes plain bytes until there are none, and
 * writes what stands in `out` (there may be some after each call: a part of the
 * handshake, new keys, an alert). A peer that closes needs no close_notify.
 *
 *     tls_feed(tls, bytes, size);
 *     while ((rc = tls_take(tls, room, sizeof(room), &n)) == 0 && n > 0) ...
 */
#ifndef CNODE_DIST_TLS_H
#define CNODE_DIST_TLS_H

#include <cnode/error.h>

#include "base/buf.h"
#include "dist/tls_context.h"

enum tls_state { TLS_HANDSHAKE, TLS_UP, TLS_FAILED };

enum {
    TLS_RECORD_BYTES = 16384,       /* plain bytes in a record at most */
    TLS_OUT_MAX = 16 * 1024 * 1024, /* never near it: the owner writes often */
};

struct tls {
    enum tls_state state;
    const struct tls_context *context;
    struct ssl_st *ssl;
    bool is_dialler;
    bool has_heard; /* anything from the peer */
    char host[256]; /* dialler: of the node name */

    /* in: fed, and not read by the library yet; borrowed */
    const uint8_t *in;
    size_t in_size;

    /* out */
    struct buf out;  /* ciphertext: to be written, then buf_consume()d */
    uint8_t *record; /* plain bytes of a record not full yet, or NULL */
    size_t record_size;
    uint64_t records; /* with these keys */
    size_t overhead;  /* bytes that a record adds to what is in it */

    int error;     /* FAILED: why */
    char why[512]; /* the same in words that name certificates; or "" */
};

/* Both ends borrow the context. The dialler's first words are in `out`; `host`
 * is that of the node it means to reach. */
struct tls *tls_dial(const struct tls_context *context, const char *host);
struct tls *tls_accept(const struct tls_context *context);
void tls_free(struct tls *tls); /* NULL is fine */

/* Ciphertext that was read. Borrowed until tls_take() has returned 0 bytes or
 * an error; by then it is used up. */
void tls_feed(struct tls *tls, const uint8_t *bytes, size_t size);
/* Gives at most `size` plain bytes; 0 of them when more must be read first.
 * An error is final: CNODE_TLS_MISSING (what came is not TLS),
 * CNODE_TLS_CERTIFICATE, CNODE_TLS_REFUSED (an alert), CNODE_CLOSED
 * (close_notify), CNODE_TLS, CNODE_NOMEM. `out` should still be written. */
MUST_USE int tls_take(struct tls *tls, uint8_t *room, size_t size,
                      size_t *taken);

/* When UP: puts plain bytes into records; the last one stays open for more
 * until tls_end_record(). 0, or an error as above. While the peer renegotiates
 * (TLS 1.2) less may be *used, and tls_end_record() returns 1: the rest after
 * the next tls_take(). */
MUST_USE int tls_put(struct tls *tls, const uint8_t *bytes, size_t size,
                     size_t *used);
MUST_USE int tls_end_record(struct tls *tls);
/* Says that nothing more comes. */
void tls_close(struct tls *tls);

/* The peer has proved the cookie: from now on it may renegotiate (TLS 1.2). */
void tls_trust(struct tls *tls);

/* Acceptor: is the peer's certificate for the host of that node name? 0, or
 * CNODE_TLS_CERTIFICATE, which is final, when options.match_name is set. */
MUST_USE int tls_check_name(struct tls *tls, const char *node);

/* The peer left, or its time is over, for that reason: what it is called when
 * it came in the middle of the TLS handshake. `why` says what may be behind it.
 */
int tls_end_reason(struct tls *tls, int reason);

/* An error that is about TLS. */
static inline bool tls_is_reason(int rc)
{
    return rc <= CNODE_TLS && rc >= CNODE_TLS_UNWANTED;
}

#endif
