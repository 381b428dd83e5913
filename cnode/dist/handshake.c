/* SPDX-License-Identifier: Apache-2.0
 *
 *   A dials B
 *   A -> B  N, Flags:64, Creation:32, Len:16, NameA
 *   B -> A  s, Status                    ok, ok_simultaneous, alive; or an end
 *  [A -> B  s, "true"                    only after alive]
 *   B -> A  N, Flags:64, Challenge:32, Creation:32, Len:16, NameB
 *   A -> B  r, Challenge:32, Digest:16   MD5(cookie ++ decimal challenge of B)
 *   B -> A  a, Digest:16                 MD5(cookie ++ decimal challenge of A)
 *
 * Every packet has its length in front, 16 bits, over TLS 32. One function a
 * state takes one packet; a table says which. Whatever is not the expected
 * packet ends it: there is nobody to be patient with before the cookie is
 * proved.
 *
 * A wrong digest gets no answer, as with the BEAM. The older connection of a
 * node is replaced only after the digest of the newer one was right, else
 * anyone could cut it.
 */
#include "dist/handshake.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "dist/flags.h"
#include <cnode/error.h>

enum {
    PACKET_MAX = 2048, /* the longest is a name of 255 bytes and some extras */
    DIGEST_BYTES = 16,
    NAME_HEAD = 15,      /* N, flags, creation, length of the name */
    CHALLENGE_HEAD = 19, /* N, flags, challenge, creation, length */
};

typedef int (*packet_fn)(struct handshake *h, const uint8_t *packet,
                         size_t len);

static int on_status(struct handshake *h, const uint8_t *packet, size_t len);
static int on_challenge(struct handshake *h, const uint8_t *packet, size_t len);
static int on_ack(struct handshake *h, const uint8_t *packet, size_t len);
static int on_name(struct handshake *h, const uint8_t *packet, size_t len);
static int on_confirm(struct handshake *h, const uint8_t *packet, size_t len);
static int on_reply(struct handshake *h, const uint8_t *packet, size_t len);

static const struct {
    packet_fn on_packet; /* NULL: nothing more is read */
    uint32_t moves;
} steps[] = {
    [HANDSHAKE_STATUS] = {on_status,
                          BIT(HANDSHAKE_CHALLENGE) | BIT(HANDSHAKE_FAILED)},
    [HANDSHAKE_CHALLENGE] = {on_challenge,
                             BIT(HANDSHAKE_ACK) | BIT(HANDSHAKE_FAILED)},
    [HANDSHAKE_ACK] = {on_ack, BIT(HANDSHAKE_DONE) | BIT(HANDSHAKE_FAILED)},
    [HANDSHAKE_NAME] = {on_name, BIT(HANDSHAKE_CONFIRM) | BIT(HANDSHAKE_REPLY) |
                                     BIT(HANDSHAKE_FAILED)},
    [HANDSHAKE_CONFIRM] = {on_confirm,
                           BIT(HANDSHAKE_REPLY) | BIT(HANDSHAKE_FAILED)},
    [HANDSHAKE_REPLY] = {on_reply, BIT(HANDSHAKE_DONE) | BIT(HANDSHAKE_FAILED)},
    [HANDSHAKE_DONE] = {NULL, 0},
    [HANDSHAKE_FAILED] = {NULL, 0},
};

static void handshake_move(struct handshake *h, enum handshake_state state)
{
    CHECK((steps[h->state].moves & BIT(state)) != 0);
    h->state = state;
}

/* --- names */

/* Bytes that stand for themselves in any encoding, and in a log line. */
static bool is_name_char(char c)
{
    return c > ' ' && c < 0x7f;
}

bool node_name_is_valid(const char *name)
{
    size_t len = strlen(name), ats = 0;

    for (size_t i = 0; i < len; i++) {
        if (!is_name_char(name[i])) {
            return false;
        }
        ats += name[i] == '@';
    }
    return len <= NODE_NAME_MAX && ats == 1 && name[0] != '@' &&
           name[len - 1] != '@';
}

/* The name of `len` bytes as text. */
static int read_name(char out[NODE_NAME_MAX + 1], const uint8_t *name,
                     size_t len)
{
    if (len > NODE_NAME_MAX || memchr(name, '\0', len) != NULL) {
        return CNODE_BAD_NAME;
    }
    memcpy(out, name, len);
    out[len] = '\0';
    return node_name_is_valid(out) ? 0 : CNODE_BAD_NAME;
}

/* --- digests */

static int digest_of(const char *cookie, uint32_t challenge,
                     uint8_t digest[DIGEST_BYTES])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    char decimal[16];
    int n = snprintf(decimal, sizeof(decimal), "%u", (unsigned)challenge);
    bool is_made = md != NULL && n > 0 &&
                   EVP_DigestInit_ex(md, EVP_md5(), NULL) == 1 &&
                   EVP_DigestUpdate(md, cookie, strlen(cookie)) == 1 &&
                   EVP_DigestUpdate(md, decimal, (size_t)n) == 1 &&
                   EVP_DigestFinal_ex(md, digest, NULL) == 1;

    EVP_MD_CTX_free(md);
    return is_made ? 0 : CNODE_NOMEM;
}

/* Does the peer know the cookie? 0, CNODE_COOKIE. */
static int check_digest(struct handshake *h, const uint8_t *theirs)
{
    const char *cookie = h->events->cookie(h->owner, h->peer);
    uint8_t ours[DIGEST_BYTES];
    int rc = digest_of(cookie, h->challenge, ours);

    if (rc == 0 && CRYPTO_memcmp(ours, theirs, DIGEST_BYTES) != 0) {
        rc = CNODE_COOKIE;
    }
    OPENSSL_cleanse(ours, sizeof(ours));
    return rc;
}

static int put_digest(struct handshake *h)
{
    const char *cookie = h->events->cookie(h->owner, h->peer);
    uint8_t digest[DIGEST_BYTES];
    int rc = digest_of(cookie, h->peer_challenge, digest);

    if (rc == 0) {
        buf_put(&h->out, digest, sizeof(digest));
        rc = buf_error(&h->out);
    }
    return rc;
}

/* --- begin and end */

void handshake_init(struct handshake *h, const struct handshake_events *events,
                    void *owner, const char *self, uint64_t self_flags,
                    uint32_t self_creation, uint32_t random)
{
    memset(h, 0, sizeof(*h));
    h->events = events;
    h->owner = owner;
    h->self = self;
    h->self_flags = self_flags;
    h->self_creation = self_creation;
    h->challenge = random;
    h->state = HANDSHAKE_NAME;
    buf_init(&h->out, 0);
}

void handshake_fini(struct handshake *h)
{
    buf_fini(&h->out);
}

void handshake_widen(struct handshake *h)
{
    h->is_wide = true;
}

/* The length in front of a packet. */
static void put_length(struct handshake *h, size_t size)
{
    if (h->is_wide) {
        buf_put_u32(&h->out, (uint32_t)size);
    } else {
        buf_put_u16(&h->out, (uint16_t)size);
    }
}

void handshake_accept(struct handshake *h)
{
    h->state = HANDSHAKE_NAME;
}

int handshake_dial(struct handshake *h, const char *peer)
{
    size_t len = strlen(h->self);

    if (!node_name_is_valid(peer) || !node_name_is_valid(h->self)) {
        h->state = HANDSHAKE_FAILED;
        return CNODE_BAD_NAME;
    }
    memcpy(h->peer, peer, strlen(peer) + 1);
    h->state = HANDSHAKE_STATUS;

    put_length(h, NAME_HEAD + len);
    buf_put_u8(&h->out, 'N');
    buf_put_u64(&h->out, h->self_flags);
    buf_put_u32(&h->out, h->self_creation);
    buf_put_u16(&h->out, (uint16_t)len);
    buf_put(&h->out, h->self, len);
    return buf_error(&h->out);
}

/* A TLS record where a packet should be: its type (alert or handshake) and
 * version. No packet is that long. */
static bool is_tls(const struct handshake *h, const uint8_t *bytes)
{
    return !h->is_wide && (bytes[0] == 21 || bytes[0] == 22) && bytes[1] == 3;
}

int handshake_feed(struct handshake *h, const uint8_t *bytes, size_t len,
                   size_t *used)
{
    size_t at = 0, head = h->is_wide ? 4 : 2;
    int rc = 0;

    while (rc == 0 && steps[h->state].on_packet != NULL && len - at >= head) {
        size_t size = h->is_wide ? get_u32(bytes + at) : get_u16(bytes + at);

        if (size == 0 || size > PACKET_MAX) {
            rc = is_tls(h, bytes + at) ? CNODE_TLS_UNWANTED : CNODE_PROTOCOL;
            break;
        }
        if (len - at - head < size) {
            break;
        }
        rc = steps[h->state].on_packet(h, bytes + at + head, size);
        at += head + size;
    }
    if (rc == 0) {
        rc = buf_error(&h->out);
    }
    if (rc != 0) {
        handshake_move(h, HANDSHAKE_FAILED);
    }
    *used = at;
    return rc;
}

static bool is_text(const uint8_t *bytes, size_t len, const char *text)
{
    return len == strlen(text) && memcmp(bytes, text, len) == 0;
}

static void put_status(struct handshake *h, const char *status)
{
    size_t len = strlen(status);

    put_length(h, 1 + len);
    buf_put_u8(&h->out, 's');
    buf_put(&h->out, status, len);
}

/* --- dialler */

static int on_status(struct handshake *h, const uint8_t *packet, size_t len)
{
    const uint8_t *status = packet + 1;
    size_t size = len - 1;

    if (packet[0] != 's') {
        return CNODE_PROTOCOL;
    }
    if (is_text(status, size, "nok")) {
        return CNODE_EXISTS; /* the peer's own dial goes on */
    }
    if (is_text(status, size, "not_allowed")) {
        return CNODE_REFUSED;
    }
    if (is_text(status, size, "alive")) {
        put_status(h, "true"); /* what the peer takes for us is dead */
    } else if (!is_text(status, size, "ok") &&
               !is_text(status, size, "ok_simultaneous")) {
        return CNODE_PROTOCOL;
    }
    handshake_move(h, HANDSHAKE_CHALLENGE);
    return 0;
}

static int on_challenge(struct handshake *h, const uint8_t *packet, size_t len)
{
    size_t name_len;

    if (packet[0] != 'N' || len < CHALLENGE_HEAD) {
        return CNODE_PROTOCOL;
    }
    h->peer_flags = dist_flags_expand(get_u64(packet + 1));
    h->peer_challenge = get_u32(packet + 9);
    h->peer_creation = get_u32(packet + 13);
    name_len = get_u16(packet + 17);
    if (name_len > len - CHALLENGE_HEAD) {
        return CNODE_PROTOCOL;
    }
    if (!is_text(packet + CHALLENGE_HEAD, name_len, h->peer)) {
        return CNODE_BAD_NAME; /* somebody else lives at that address */
    }
    if (dist_flags_missing(h->peer_flags) != 0) {
        return CNODE_UNSUPPORTED;
    }

    put_length(h, 1 + 4 + DIGEST_BYTES);
    buf_put_u8(&h->out, 'r');
    buf_put_u32(&h->out, h->challenge);
    handshake_move(h, HANDSHAKE_ACK);
    return put_digest(h);
}

static int on_ack(struct handshake *h, const uint8_t *packet, size_t len)
{
    int rc;

    if (packet[0] != 'a' || len != 1 + DIGEST_BYTES) {
        return CNODE_PROTOCOL;
    }
    rc = check_digest(h, packet + 1);
    if (rc == 0) {
        handshake_move(h, HANDSHAKE_DONE);
    }
    return rc;
}

/* --- acceptor */

static int refuse(struct handshake *h, int reason)
{
    put_status(h, "not_allowed");
    return reason;
}

/* Our name and challenge; the reply is next. */
static void put_challenge(struct handshake *h)
{
    size_t len = strlen(h->self);

    put_length(h, CHALLENGE_HEAD + len);
    buf_put_u8(&h->out, 'N');
    buf_put_u64(&h->out, h->self_flags);
    buf_put_u32(&h->out, h->challenge);
    buf_put_u32(&h->out, h->self_creation);
    buf_put_u16(&h->out, (uint16_t)len);
    buf_put(&h->out, h->self, len);
    handshake_move(h, HANDSHAKE_REPLY);
}

/* Says what the owner decided about a peer. */
static int answer_name(struct handshake *h, enum handshake_status status)
{
    switch (status) {
    case HANDSHAKE_OK:
        put_status(h, "ok");
        put_challenge(h);
        return 0;
    case HANDSHAKE_OK_SIMULTANEOUS:
        put_status(h, "ok_simultaneous");
        put_challenge(h);
        return 0;
    case HANDSHAKE_NOK:
        put_status(h, "nok");
        return CNODE_EXISTS;
    case HANDSHAKE_ALIVE:
        put_status(h, "alive");
        handshake_move(h, HANDSHAKE_CONFIRM);
        return 0;
    case HANDSHAKE_NOT_ALLOWED:
    default:
        return refuse(h, CNODE_NOT_ALLOWED);
    }
}

static int on_name(struct handshake *h, const uint8_t *packet, size_t len)
{
    size_t name_len;
    int rc;

    if (packet[0] != 'N' || len < NAME_HEAD) {
        return CNODE_PROTOCOL;
    }
    h->peer_flags = dist_flags_expand(get_u64(packet + 1));
    h->peer_creation = get_u32(packet + 9);
    name_len = get_u16(packet + 13);
    if (name_len > len - NAME_HEAD) {
        return CNODE_PROTOCOL;
    }
    if ((h->peer_flags & DIST_NAME_ME) != 0) {
        return refuse(h, CNODE_NOT_ALLOWED); /* wants a name: we give none */
    }
    rc = read_name(h->peer, packet + NAME_HEAD, name_len);
    if (rc != 0) {
        h->peer[0] = '\0';
        return refuse(h, rc);
    }
    if (dist_flags_missing(h->peer_flags) != 0) {
        return refuse(h, CNODE_UNSUPPORTED);
    }
    if (strcmp(h->peer, h->self) == 0) {
        return refuse(h, CNODE_NOT_ALLOWED);
    }
    return answer_name(h, h->events->named(h->owner, h->peer, h->peer_flags,
                                           h->peer_creation));
}

static int on_confirm(struct handshake *h, const uint8_t *packet, size_t len)
{
    if (packet[0] != 's') {
        return CNODE_PROTOCOL;
    }
    if (is_text(packet + 1, len - 1, "false")) {
        return CNODE_EXISTS;
    }
    if (!is_text(packet + 1, len - 1, "true")) {
        return CNODE_PROTOCOL;
    }
    h->replaces = true;
    put_challenge(h);
    return 0;
}

static int on_reply(struct handshake *h, const uint8_t *packet, size_t len)
{
    int rc;

    if (packet[0] != 'r' || len != 1 + 4 + DIGEST_BYTES) {
        return CNODE_PROTOCOL;
    }
    h->peer_challenge = get_u32(packet + 1);
    rc = check_digest(h, packet + 5);
    if (rc != 0) {
        return rc;
    }
    if (h->replaces) {
        h->events->replace(h->owner);
    }
    put_length(h, 1 + DIGEST_BYTES);
    buf_put_u8(&h->out, 'a');
    rc = put_digest(h);
    if (rc == 0) {
        handshake_move(h, HANDSHAKE_DONE);
    }
    return rc;
}
