/* SPDX-License-Identifier: Apache-2.0
 *
 * See handshake_pair.h.
 */
#include "support/dist/handshake_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dist/flags.h"

struct handshake_side dialler, acceptor;

static enum handshake_status on_named(void *owner, const char *name,
                                      uint64_t flags, uint32_t creation)
{
    struct handshake_side *side = owner;

    side->named++;
    (void)snprintf(side->name, sizeof(side->name), "%s", name);
    side->flags = flags;
    side->creation = creation;
    return side->answer;
}

static void on_replace(void *owner)
{
    struct handshake_side *side = owner;

    side->replaced++;
    assert_int_equal(side->h.state, HANDSHAKE_REPLY);
}

static const char *on_cookie(void *owner, const char *name)
{
    struct handshake_side *side = owner;

    assert_string_equal(name, side == &dialler ? "b@host" : "a@host");
    return side->cookie;
}

static const struct handshake_events events = {
    .named = on_named, .replace = on_replace, .cookie = on_cookie};

static void handshake_side_open(struct handshake_side *side, const char *name,
                                uint32_t random)
{
    memset(side, 0, sizeof(*side));
    side->cookie = "secret";
    handshake_init(&side->h, &events, side, name, dist_flags_offered(false),
                   random / 2, random);
}

void dialler_reset(void)
{
    handshake_fini(&dialler.h);
    handshake_side_open(&dialler, "a@host", 4000000000U);
}

void acceptor_reset(void)
{
    handshake_fini(&acceptor.h);
    handshake_side_open(&acceptor, "b@host", 77);
}

int handshake_pair_setup(void **state)
{
    (void)state;
    handshake_side_open(&dialler, "a@host", 4000000000U);
    handshake_side_open(&acceptor, "b@host", 77);
    handshake_accept(&acceptor.h);
    return 0;
}

int handshake_pair_teardown(void **state)
{
    (void)state;
    handshake_fini(&dialler.h);
    handshake_fini(&acceptor.h);
    return 0;
}
