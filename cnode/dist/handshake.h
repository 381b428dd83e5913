/* SPDX-License-Identifier: Apache-2.0
 *
 * Handshake version 6 (erts "Distribution Protocol", 4.3), both roles, as a
 * state machine: bytes in, bytes out. No clock: the owner gives each step
 * net_setuptime. Pure.
 *
 *   dialler:  SEND_NAME -> STATUS -> CHALLENGE -> ACK -> DONE
 *   acceptor: NAME -> (ALIVE ->) REPLY -> DONE
 */
#ifndef CNODE_DIST_HANDSHAKE_H
#define CNODE_DIST_HANDSHAKE_H

#include <stdbool.h>

#include "base/buf.h"

enum { NODE_NAME_MAX = 255, COOKIE_MAX = 255 };

/* What the acceptor answers to a name (the rule is in node/peers). */
enum handshake_status {
    HANDSHAKE_OK,
    HANDSHAKE_OK_SIMULTANEOUS, /* we dial it too, and gave way */
    HANDSHAKE_NOK,             /* we dial it too, and ours goes on */
    HANDSHAKE_ALIVE,           /* connected already */
    HANDSHAKE_NOT_ALLOWED,
};

enum handshake_state {
    HANDSHAKE_STATUS,    /* dialler: name sent, waits for the status */
    HANDSHAKE_CHALLENGE, /* dialler: waits for name and challenge */
    HANDSHAKE_ACK,       /* dialler: reply sent, waits for the digest */
    HANDSHAKE_NAME,      /* acceptor: waits for the name */
    HANDSHAKE_CONFIRM,   /* acceptor: said alive, waits for true or false */
    HANDSHAKE_REPLY,     /* acceptor: challenge sent, waits for the reply */
    HANDSHAKE_DONE,
    HANDSHAKE_FAILED,
};

struct handshake_events {
    /* Acceptor: the peer said its name; flags are expanded. */
    enum handshake_status (*named)(void *owner, const char *name,
                                   uint64_t flags, uint32_t creation);
    /* Acceptor: the digest was right; an older connection of that node must be
     * down when this returns. Only called after HANDSHAKE_ALIVE. */
    void (*replace)(void *owner);
    /* The cookie for a node; NUL terminated, borrowed. */
    const char *(*cookie)(void *owner, const char *name);
};

struct handshake {
    enum handshake_state state;
    const struct handshake_events *events;
    void *owner;
    const char *self; /* our full name, borrowed */
    uint64_t self_flags;
    uint32_t self_creation;
    uint32_t challenge; /* ours; random, from the owner */
    bool is_wide;       /* lengths of 32 bits, as over TLS; else of 16 */

    char peer[NODE_NAME_MAX + 1]; /* dialler: known from the start */
    uint64_t peer_flags;          /* expanded */
    uint32_t peer_creation;
    uint32_t peer_challenge;
    bool replaces; /* we answered alive */

    struct buf out; /* to be written by the owner, then buf_consume()d */
};

/* `random`: 32 random bits for the challenge. */
void handshake_init(struct handshake *h, const struct handshake_events *events,
                    void *owner, const char *self, uint64_t self_flags,
                    uint32_t self_creation, uint32_t random);
void handshake_fini(struct handshake *h);
/* Over TLS; before the first word. */
void handshake_widen(struct handshake *h);

/* Dialler: puts the name into `out`. CNODE_BAD_NAME. */
MUST_USE int handshake_dial(struct handshake *h, const char *peer);
/* Acceptor: waits for a name. */
void handshake_accept(struct handshake *h);

/* Consumes whole packets; stops exactly at the end of the handshake, so that
 * what follows belongs to the channel. 0 and h->state tells how far it is; or
 * an error, after which what is in `out` should still be written before
 * closing: CNODE_COOKIE, CNODE_REFUSED (the peer said no), CNODE_UNSUPPORTED
 * (it lacks flags) and CNODE_NOT_ALLOWED (we said no), CNODE_EXISTS (nok or
 * alive: another connection wins), CNODE_PROTOCOL, CNODE_BAD_NAME,
 * CNODE_TLS_UNWANTED (what came is TLS). */
MUST_USE int handshake_feed(struct handshake *h, const uint8_t *bytes,
                            size_t len, size_t *used);

/* name@host, both parts not empty, at most 255 bytes, one @. */
bool node_name_is_valid(const char *name);

#endif
