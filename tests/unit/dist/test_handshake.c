/* SPDX-License-Identifier: Apache-2.0
 *
 * Dialler and acceptor back to back in memory; test_handshake_packets.c has one
 * of them against packets made by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "dist/flags.h"
#include "support/dist/handshake_pair.h"

/* Feeds what one side has put out to the other, `step` bytes more at a time.
 * True when something was consumed or nothing was there. */
static void pass(struct handshake_side *from, struct handshake_side *to,
                 size_t step)
{
    size_t len = 0;

    while (to->rc == 0 && len < buf_size(&from->h.out)) {
        size_t used;

        len = len + step < buf_size(&from->h.out) ? len + step
                                                  : buf_size(&from->h.out);
        to->rc = handshake_feed(&to->h, buf_data(&from->h.out), len, &used);
        buf_consume(&from->h.out, used);
        len -= used;
    }
}

/* Runs both until nothing moves any more. */
static void run(size_t step)
{
    assert_int_equal(handshake_dial(&dialler.h, "b@host"), 0);
    for (int i = 0; i < 5; i++) {
        pass(&dialler, &acceptor, step);
        pass(&acceptor, &dialler, step);
    }
}

static void assert_both_done(void)
{
    assert_int_equal(dialler.rc, 0);
    assert_int_equal(acceptor.rc, 0);
    assert_int_equal(dialler.h.state, HANDSHAKE_DONE);
    assert_int_equal(acceptor.h.state, HANDSHAKE_DONE);
    assert_int_equal(buf_size(&dialler.h.out), 0);
    assert_int_equal(buf_size(&acceptor.h.out), 0);
}

static void both_sides_are_done_and_know_each_other(void **state)
{
    (void)state;
    run(1000);
    assert_both_done();
    assert_string_equal(acceptor.h.peer, "a@host");
    assert_string_equal(dialler.h.peer, "b@host");
    assert_int_equal(dialler.h.peer_creation, 77 / 2);
    assert_int_equal(acceptor.h.peer_creation, 2000000000);
    assert_int_equal(dialler.h.peer_flags, dist_flags_offered(false));
    assert_int_equal(acceptor.h.peer_flags, dist_flags_offered(false));
    assert_int_equal(acceptor.named, 1);
    assert_string_equal(acceptor.name, "a@host");
    assert_int_equal(acceptor.creation, 2000000000);
    assert_int_equal(acceptor.replaced, 0);
    assert_int_equal(dialler.named, 0);
}

static void bytes_may_come_one_by_one(void **state)
{
    (void)state;
    run(1);
    assert_both_done();
}

static void a_wrong_cookie_is_noticed_by_the_acceptor(void **state)
{
    (void)state;
    dialler.cookie = "Secret";
    run(1000);
    assert_int_equal(acceptor.rc, CNODE_COOKIE);
    assert_int_equal(acceptor.h.state, HANDSHAKE_FAILED);
    assert_int_equal(buf_size(&acceptor.h.out), 0); /* no answer */
    assert_int_equal(dialler.h.state, HANDSHAKE_ACK);
}

static void a_wrong_cookie_is_noticed_by_the_dialler(void **state)
{
    (void)state;
    assert_int_equal(handshake_dial(&dialler.h, "b@host"), 0);
    pass(&dialler, &acceptor, 1000);
    pass(&acceptor, &dialler, 1000);
    pass(&dialler, &acceptor, 1000);
    assert_int_equal(acceptor.h.state, HANDSHAKE_DONE);
    buf_data(&acceptor.h.out)[10] ^= 1;
    pass(&acceptor, &dialler, 1000);
    assert_int_equal(dialler.rc, CNODE_COOKIE);
    assert_int_equal(dialler.h.state, HANDSHAKE_FAILED);
}

/* MD5("secret77") and MD5("secret4000000000"), from another program. */
static void digests_are_of_cookie_and_unsigned_decimal(void **state)
{
    static const uint8_t of_77[] = {0x30, 0xa0, 0x9d, 0xdf, 0x12, 0xa4,
                                    0x71, 0x81, 0xd0, 0x44, 0xaa, 0x5f,
                                    0xd8, 0x55, 0x3c, 0x1c};
    static const uint8_t of_4e9[] = {0x06, 0x82, 0x83, 0x26, 0x6f, 0xfc,
                                     0x7d, 0xf6, 0x09, 0x1e, 0x08, 0x4e,
                                     0x0e, 0x32, 0xbd, 0xd2};

    (void)state;
    assert_int_equal(handshake_dial(&dialler.h, "b@host"), 0);
    pass(&dialler, &acceptor, 1000);
    pass(&acceptor, &dialler, 1000);
    assert_int_equal(buf_size(&dialler.h.out), 2 + 21);
    assert_memory_equal(buf_data(&dialler.h.out) + 7, of_77, 16);
    pass(&dialler, &acceptor, 1000);
    assert_int_equal(buf_size(&acceptor.h.out), 2 + 17);
    assert_memory_equal(buf_data(&acceptor.h.out) + 3, of_4e9, 16);
}

static void what_follows_the_handshake_is_not_consumed(void **state)
{
    size_t used;

    (void)state;
    assert_int_equal(handshake_dial(&dialler.h, "b@host"), 0);
    pass(&dialler, &acceptor, 1000);
    pass(&acceptor, &dialler, 1000);
    buf_put_u32(&dialler.h.out, 0); /* a tick right behind the reply */
    assert_int_equal(handshake_feed(&acceptor.h, buf_data(&dialler.h.out),
                                    buf_size(&dialler.h.out), &used),
                     0);
    assert_int_equal(acceptor.h.state, HANDSHAKE_DONE);
    assert_int_equal(used, buf_size(&dialler.h.out) - 4);
    buf_put_u32(&acceptor.h.out, 0);
    assert_int_equal(handshake_feed(&dialler.h, buf_data(&acceptor.h.out),
                                    buf_size(&acceptor.h.out), &used),
                     0);
    assert_int_equal(dialler.h.state, HANDSHAKE_DONE);
    assert_int_equal(used, buf_size(&acceptor.h.out) - 4);
}

/* --- the status */

static void a_simultaneous_dial_goes_on(void **state)
{
    (void)state;
    acceptor.answer = HANDSHAKE_OK_SIMULTANEOUS;
    run(1000);
    assert_both_done();
}

static void nok_ends_the_dial(void **state)
{
    (void)state;
    acceptor.answer = HANDSHAKE_NOK;
    run(1000);
    assert_int_equal(acceptor.rc, CNODE_EXISTS);
    assert_int_equal(dialler.rc, CNODE_EXISTS);
}

static void not_allowed_ends_the_dial(void **state)
{
    (void)state;
    acceptor.answer = HANDSHAKE_NOT_ALLOWED;
    run(1000);
    assert_int_equal(acceptor.rc, CNODE_NOT_ALLOWED);
    assert_int_equal(dialler.rc, CNODE_REFUSED);
}

static void alive_replaces_after_the_digest_was_right(void **state)
{
    (void)state;
    acceptor.answer = HANDSHAKE_ALIVE;
    run(1);
    assert_both_done();
    assert_true(acceptor.h.replaces);
    assert_int_equal(acceptor.replaced, 1);
}

static void alive_replaces_nothing_when_the_digest_is_wrong(void **state)
{
    (void)state;
    acceptor.answer = HANDSHAKE_ALIVE;
    dialler.cookie = "wrong";
    run(1000);
    assert_int_equal(acceptor.rc, CNODE_COOKIE);
    assert_int_equal(acceptor.replaced, 0);
}

#define TEST(f)                                                                \
    cmocka_unit_test_setup_teardown(f, handshake_pair_setup,                   \
                                    handshake_pair_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_sides_are_done_and_know_each_other),
        TEST(bytes_may_come_one_by_one),
        TEST(a_wrong_cookie_is_noticed_by_the_acceptor),
        TEST(a_wrong_cookie_is_noticed_by_the_dialler),
        TEST(digests_are_of_cookie_and_unsigned_decimal),
        TEST(what_follows_the_handshake_is_not_consumed),
        TEST(a_simultaneous_dial_goes_on),
        TEST(nok_ends_the_dial),
        TEST(not_allowed_ends_the_dial),
        TEST(alive_replaces_after_the_digest_was_right),
        TEST(alive_replaces_nothing_when_the_digest_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
