/* SPDX-License-Identifier: Apache-2.0
 *
 * What a stranger sends first, to the acceptor or to the dialler. The first
 * byte chooses the role and the acceptor's answer, the second the size of the
 * pieces. In one piece or in many, the outcome must be the same; and nobody
 * gets in without the digest.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "dist/flags.h"
#include "dist/handshake.h"
#include <cnode/error.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { IS_DIALLER = 8 };

struct owner {
    enum handshake_status answer;
    unsigned named, replaced, cookies;
};

struct outcome {
    struct owner owner;
    enum handshake_state state;
    int rc;
    size_t used, out;
};

static enum handshake_status on_named(void *owner, const char *name,
                                      uint64_t flags, uint32_t creation)
{
    struct owner *o = owner;

    (void)creation;
    CHECK(node_name_is_valid(name));
    CHECK(dist_flags_missing(flags) == 0);
    CHECK(o->named == 0);
    o->named++;
    return o->answer;
}

static void on_replace(void *owner)
{
    struct owner *o = owner;

    CHECK(o->cookies > 0); /* the digest was looked at before */
    o->replaced++;
}

static const char *on_cookie(void *owner, const char *name)
{
    struct owner *o = owner;

    CHECK(name[0] != '\0');
    o->cookies++;
    return "secret";
}

static const struct handshake_events events = {
    .named = on_named, .replace = on_replace, .cookie = on_cookie};

static struct outcome feed(uint8_t mode, const uint8_t *data, size_t size,
                           size_t piece)
{
    static const enum handshake_status answers[] = {
        HANDSHAKE_OK, HANDSHAKE_OK_SIMULTANEOUS, HANDSHAKE_NOK, HANDSHAKE_ALIVE,
        HANDSHAKE_NOT_ALLOWED};
    struct outcome outcome = {.owner.answer = answers[(mode & 7) % 5]};
    struct handshake h;
    size_t len = 0;

    handshake_init(&h, &events, &outcome.owner, "b@host",
                   dist_flags_offered(false), 7, 77);
    if ((mode & IS_DIALLER) != 0) {
        CHECK(handshake_dial(&h, "a@host") == 0);
    } else {
        handshake_accept(&h);
    }
    while (outcome.rc == 0 && h.state != HANDSHAKE_DONE &&
           outcome.used + len < size) {
        uint8_t *bytes;
        size_t used, rest = size - outcome.used;

        len = rest - len < piece ? rest : len + piece;
        bytes = malloc(len);
        CHECK(bytes != NULL);
        memcpy(bytes, data + outcome.used, len);
        outcome.rc = handshake_feed(&h, bytes, len, &used);
        CHECK(used <= len);
        free(bytes);
        outcome.used += used;
        len -= used;
    }
    CHECK((outcome.rc != 0) == (h.state == HANDSHAKE_FAILED));
    outcome.state = h.state;
    outcome.out = buf_size(&h.out);
    CHECK(outcome.out < 2048);
    handshake_fini(&h);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole, pieces;

    if (size < 2) {
        return 0;
    }
    whole = feed(data[0], data + 2, size - 2, size);
    pieces = feed(data[0], data + 2, size - 2, (size_t)data[1] + 1);
    CHECK(whole.state == pieces.state);
    CHECK(whole.rc == pieces.rc);
    CHECK(whole.used == pieces.used);
    CHECK(whole.out == pieces.out);
    CHECK(whole.owner.replaced == pieces.owner.replaced);
    return 0;
}
