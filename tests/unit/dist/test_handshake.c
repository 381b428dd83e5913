/* SPDX-License-Identifier: Apache-2.0
 *
 * Dialler and acceptor back to back in memory; and one of them against packets
 * made by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "dist/flags.h"
#include "dist/handshake.h"
#include <cnode/error.h>

/* One side: the machine and what its owner was asked. */
struct side {
    struct handshake h;
    const char *cookie;
    enum handshake_status answer;
    unsigned named, replaced;
    char name[NODE_NAME_MAX + 1];
    uint64_t flags;
    uint32_t creation;
    int rc;
};

static struct side dialler, acceptor;

static enum handshake_status on_named(void *owner, const char *name,
                                      uint64_t flags, uint32_t creation)
{
    struct side *side = owner;

    side->named++;
    strcpy(side->name, name);
    side->flags = flags;
    side->creation = creation;
    return side->answer;
}

static void on_replace(void *owner)
{
    struct side *side = owner;

    side->replaced++;
    assert_int_equal(side->h.state, HANDSHAKE_REPLY);
}

static const char *on_cookie(void *owner, const char *name)
{
    struct side *side = owner;

    assert_string_equal(name, side == &dialler ? "b@host" : "a@host");
    return side->cookie;
}

static const struct handshake_events events = {
    .named = on_named, .replace = on_replace, .cookie = on_cookie};

static void open_side(struct side *side, const char *name, uint32_t random)
{
    memset(side, 0, sizeof(*side));
    side->cookie = "secret";
    handshake_init(&side->h, &events, side, name, dist_flags_offered(false),
                   random / 2, random);
}

static int setup(void **state)
{
    (void)state;
    open_side(&dialler, "a@host", 4000000000U);
    open_side(&acceptor, "b@host", 77);
    handshake_accept(&acceptor.h);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    handshake_fini(&dialler.h);
    handshake_fini(&acceptor.h);
    return 0;
}

/* Feeds what one side has put out to the other, `step` bytes more at a time.
 * True when something was consumed or nothing was there. */
static void pass(struct side *from, struct side *to, size_t step)
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
    assert_int_equal(acceptor.rc, CNODE_REFUSED);
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

/* A packet made by hand; returns what the machine says. */
static int feed_packet(struct side *side, const void *packet, size_t len)
{
    struct buf buf;
    size_t used;
    int rc;

    buf_init(&buf, 0);
    buf_put_u16(&buf, (uint16_t)len);
    buf_put(&buf, packet, len);
    rc = handshake_feed(&side->h, buf_data(&buf), buf_size(&buf), &used);
    assert_true(used <= buf_size(&buf));
    buf_fini(&buf);
    return rc;
}

static int feed_text(struct side *side, const char *text)
{
    return feed_packet(side, text, strlen(text));
}

static void the_dialler_answers_every_status(void **state)
{
    static const struct {
        const char *packet;
        int rc;
        enum handshake_state state;
    } rows[] = {
        {"sok", 0, HANDSHAKE_CHALLENGE},
        {"sok_simultaneous", 0, HANDSHAKE_CHALLENGE},
        {"salive", 0, HANDSHAKE_CHALLENGE},
        {"snok", CNODE_EXISTS, HANDSHAKE_FAILED},
        {"snot_allowed", CNODE_REFUSED, HANDSHAKE_FAILED},
        {"snamed:", CNODE_PROTOCOL, HANDSHAKE_FAILED},
        {"s", CNODE_PROTOCOL, HANDSHAKE_FAILED},
        {"sokk", CNODE_PROTOCOL, HANDSHAKE_FAILED},
        {"so", CNODE_PROTOCOL, HANDSHAKE_FAILED},
        {"xok", CNODE_PROTOCOL, HANDSHAKE_FAILED},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        handshake_fini(&dialler.h);
        open_side(&dialler, "a@host", 5);
        assert_int_equal(handshake_dial(&dialler.h, "b@host"), 0);
        buf_clear(&dialler.h.out);
        assert_int_equal(feed_text(&dialler, rows[i].packet), rows[i].rc);
        assert_int_equal(dialler.h.state, rows[i].state);
        if (strcmp(rows[i].packet, "salive") == 0) {
            assert_int_equal(buf_size(&dialler.h.out), 7);
            assert_memory_equal(buf_data(&dialler.h.out), "\0\5strue", 7);
        } else {
            assert_int_equal(buf_size(&dialler.h.out), 0);
        }
    }
}

/* --- the name */

static struct buf name_packet(uint64_t flags, const char *name, size_t len)
{
    struct buf buf;

    buf_init(&buf, 0);
    buf_put_u8(&buf, 'N');
    buf_put_u64(&buf, flags);
    buf_put_u32(&buf, 9);
    buf_put_u16(&buf, (uint16_t)len);
    buf_put(&buf, name, len);
    return buf;
}

static int feed_name(uint64_t flags, const char *name)
{
    struct buf packet = name_packet(flags, name, strlen(name));
    int rc;

    handshake_fini(&acceptor.h);
    open_side(&acceptor, "b@host", 77);
    rc = feed_packet(&acceptor, buf_data(&packet), buf_size(&packet));
    buf_fini(&packet);
    return rc;
}

static void assert_not_allowed(void)
{
    assert_int_equal(acceptor.named, 0);
    assert_int_equal(acceptor.h.state, HANDSHAKE_FAILED);
    assert_int_equal(buf_size(&acceptor.h.out), 14);
    assert_memory_equal(buf_data(&acceptor.h.out), "\0\14snot_allowed", 14);
}

static void missing_flags_are_not_allowed(void **state)
{
    uint64_t flags = dist_flags_offered(false);

    (void)state;
    assert_int_equal(feed_name(flags, "a@host"), 0);
    assert_int_equal(feed_name(flags & ~DIST_V4_NC, "a@host"), CNODE_REFUSED);
    assert_not_allowed();
    assert_int_equal(feed_name(0, "a@host"), CNODE_REFUSED);
    assert_not_allowed();
}

static void the_digest_of_flags_is_expanded(void **state)
{
    uint64_t flags = DIST_MANDATORY_25_DIGEST | DIST_V4_NC | DIST_UNLINK_ID;

    (void)state;
    assert_int_equal(feed_name(flags, "a@host"), 0);
    assert_int_equal(acceptor.flags, dist_flags_expand(flags));
}

static void a_request_for_a_name_is_not_allowed(void **state)
{
    (void)state;
    assert_int_equal(feed_name(dist_flags_offered(true) | DIST_NAME_ME, "host"),
                     CNODE_REFUSED);
    assert_not_allowed();
}

static void our_own_name_is_not_allowed(void **state)
{
    (void)state;
    assert_int_equal(feed_name(dist_flags_offered(false), "b@host"),
                     CNODE_REFUSED);
    assert_not_allowed();
}

static void a_bad_name_is_not_allowed(void **state)
{
    static const char *const names[] = {"",       "a",     "@",     "a@",
                                        "@host",  "a@b@c", "a b@c", "a\n@b",
                                        "\xe9@b", "a@\x7f"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_int_equal(feed_name(dist_flags_offered(false), names[i]),
                         CNODE_BAD_NAME);
        assert_not_allowed();
        assert_string_equal(acceptor.h.peer, "");
    }
}

static void a_name_with_a_nul_is_not_allowed(void **state)
{
    struct buf packet = name_packet(dist_flags_offered(false), "a@host\0x", 8);

    (void)state;
    assert_int_equal(
        feed_packet(&acceptor, buf_data(&packet), buf_size(&packet)),
        CNODE_BAD_NAME);
    assert_not_allowed();
    buf_fini(&packet);
}

static void a_name_has_at_most_255_bytes(void **state)
{
    char name[300];

    (void)state;
    memset(name, 'x', sizeof(name));
    name[1] = '@';
    name[255] = '\0';
    assert_true(node_name_is_valid(name));
    assert_int_equal(feed_name(dist_flags_offered(false), name), 0);
    assert_string_equal(acceptor.name, name);
    name[255] = 'x';
    name[256] = '\0';
    assert_false(node_name_is_valid(name));
    assert_int_equal(feed_name(dist_flags_offered(false), name),
                     CNODE_BAD_NAME);
    assert_not_allowed();
}

static void bytes_after_the_name_are_ignored(void **state)
{
    struct buf packet = name_packet(dist_flags_offered(false), "a@host", 6);

    (void)state;
    buf_put(&packet, "more", 4);
    assert_int_equal(
        feed_packet(&acceptor, buf_data(&packet), buf_size(&packet)), 0);
    assert_string_equal(acceptor.name, "a@host");
    buf_fini(&packet);
}

static void every_cut_name_packet_breaks_the_protocol(void **state)
{
    struct buf packet = name_packet(dist_flags_offered(false), "a@host", 6);

    (void)state;
    for (size_t len = 1; len < buf_size(&packet); len++) {
        handshake_fini(&acceptor.h);
        open_side(&acceptor, "b@host", 77);
        assert_int_equal(feed_packet(&acceptor, buf_data(&packet), len),
                         CNODE_PROTOCOL);
        assert_int_equal(acceptor.named, 0);
    }
    buf_fini(&packet);
}

static void only_good_names_can_be_dialled(void **state)
{
    (void)state;
    assert_int_equal(handshake_dial(&dialler.h, "nohost"), CNODE_BAD_NAME);
    assert_int_equal(buf_size(&dialler.h.out), 0);
}

/* --- the challenge */

static void put_challenge(struct buf *buf, uint64_t flags, const char *name)
{
    buf_clear(buf);
    buf_put_u8(buf, 'N');
    buf_put_u64(buf, flags);
    buf_put_u32(buf, 1234);
    buf_put_u32(buf, 42);
    buf_put_u16(buf, (uint16_t)strlen(name));
    buf_put(buf, name, strlen(name));
}

static int feed_challenge(const void *packet, size_t len)
{
    handshake_fini(&dialler.h);
    open_side(&dialler, "a@host", 5);
    assert_int_equal(handshake_dial(&dialler.h, "b@host"), 0);
    assert_int_equal(feed_text(&dialler, "sok"), 0);
    buf_clear(&dialler.h.out);
    return feed_packet(&dialler, packet, len);
}

static void the_dialler_checks_who_answers(void **state)
{
    uint64_t flags = dist_flags_offered(false);
    struct buf packet;

    (void)state;
    buf_init(&packet, 0);
    put_challenge(&packet, flags, "b@host");
    buf_put(&packet, "more", 4);
    assert_int_equal(feed_challenge(buf_data(&packet), buf_size(&packet)), 0);
    assert_int_equal(dialler.h.peer_challenge, 1234);
    assert_int_equal(dialler.h.peer_creation, 42);
    put_challenge(&packet, flags, "c@host");
    assert_int_equal(feed_challenge(buf_data(&packet), buf_size(&packet)),
                     CNODE_BAD_NAME);
    assert_int_equal(buf_size(&dialler.h.out), 0); /* no digest for them */
    put_challenge(&packet, flags, "b@hos");
    assert_int_equal(feed_challenge(buf_data(&packet), buf_size(&packet)),
                     CNODE_BAD_NAME);
    put_challenge(&packet, flags & ~DIST_UNLINK_ID, "b@host");
    assert_int_equal(feed_challenge(buf_data(&packet), buf_size(&packet)),
                     CNODE_REFUSED);
    put_challenge(&packet, flags, "b@host");
    for (size_t len = 1; len < buf_size(&packet); len++) {
        assert_int_equal(feed_challenge(buf_data(&packet), len),
                         CNODE_PROTOCOL);
    }
    buf_fini(&packet);
}

/* --- everything else */

static void garbage_is_refused_at_its_first_bytes(void **state)
{
    static const char *const garbage[] = {"GET / HTTP/1.1\r\n", "\x16\x03\x01",
                                          "SSH-2.0-x\r\n"};
    static const uint8_t empty[2] = {0, 0};
    size_t used;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
        handshake_fini(&acceptor.h);
        open_side(&acceptor, "b@host", 77);
        assert_int_equal(
            handshake_feed(&acceptor.h, (const uint8_t *)garbage[i], 2, &used),
            CNODE_PROTOCOL);
        assert_int_equal(acceptor.h.state, HANDSHAKE_FAILED);
    }
    handshake_fini(&acceptor.h);
    open_side(&acceptor, "b@host", 77);
    assert_int_equal(handshake_feed(&acceptor.h, empty, 2, &used),
                     CNODE_PROTOCOL);
}

static void a_failed_handshake_reads_nothing_more(void **state)
{
    size_t used = 1;

    (void)state;
    assert_int_equal(feed_text(&acceptor, "garbage"), CNODE_PROTOCOL);
    assert_int_equal(
        handshake_feed(&acceptor.h, (const uint8_t *)"\0\3sok", 5, &used), 0);
    assert_int_equal(used, 0);
    assert_int_equal(acceptor.h.state, HANDSHAKE_FAILED);
}

static void the_acceptor_wants_true_or_false_after_alive(void **state)
{
    static const struct {
        const char *packet;
        int rc;
    } rows[] = {{"strue", 0},
                {"sfalse", CNODE_EXISTS},
                {"sok", CNODE_PROTOCOL},
                {"struee", CNODE_PROTOCOL},
                {"xtrue", CNODE_PROTOCOL}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf packet = name_packet(dist_flags_offered(false), "a@host", 6);

        handshake_fini(&acceptor.h);
        open_side(&acceptor, "b@host", 77);
        acceptor.answer = HANDSHAKE_ALIVE;
        assert_int_equal(
            feed_packet(&acceptor, buf_data(&packet), buf_size(&packet)), 0);
        assert_memory_equal(buf_data(&acceptor.h.out), "\0\6salive", 8);
        assert_int_equal(feed_text(&acceptor, rows[i].packet), rows[i].rc);
        assert_int_equal(acceptor.h.replaces, rows[i].rc == 0);
        assert_int_equal(acceptor.replaced, 0);
        buf_fini(&packet);
    }
}

static void replies_and_acks_have_exactly_their_size(void **state)
{
    uint8_t packet[40] = {0};

    (void)state;
    for (size_t len = 1; len < sizeof(packet); len++) {
        struct buf name = name_packet(dist_flags_offered(false), "a@host", 6);

        packet[0] = 'r';
        handshake_fini(&acceptor.h);
        open_side(&acceptor, "b@host", 77);
        assert_int_equal(
            feed_packet(&acceptor, buf_data(&name), buf_size(&name)), 0);
        assert_int_equal(feed_packet(&acceptor, packet, len),
                         len == 21 ? CNODE_COOKIE : CNODE_PROTOCOL);

        put_challenge(&name, dist_flags_offered(false), "b@host");
        assert_int_equal(feed_challenge(buf_data(&name), buf_size(&name)), 0);
        packet[0] = 'a';
        assert_int_equal(feed_packet(&dialler, packet, len),
                         len == 17 ? CNODE_COOKIE : CNODE_PROTOCOL);
        buf_fini(&name);
    }
}

static void old_version_five_messages_are_refused(void **state)
{
    static const char old_name[] = "n\0\5\0\7\377\275a@host";

    (void)state;
    assert_int_equal(feed_packet(&acceptor, old_name, sizeof(old_name) - 1),
                     CNODE_PROTOCOL);
    assert_int_equal(feed_challenge(old_name, sizeof(old_name) - 1),
                     CNODE_PROTOCOL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

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
        TEST(the_dialler_answers_every_status),
        TEST(missing_flags_are_not_allowed),
        TEST(the_digest_of_flags_is_expanded),
        TEST(a_request_for_a_name_is_not_allowed),
        TEST(our_own_name_is_not_allowed),
        TEST(a_bad_name_is_not_allowed),
        TEST(a_name_with_a_nul_is_not_allowed),
        TEST(a_name_has_at_most_255_bytes),
        TEST(bytes_after_the_name_are_ignored),
        TEST(every_cut_name_packet_breaks_the_protocol),
        TEST(only_good_names_can_be_dialled),
        TEST(the_dialler_checks_who_answers),
        TEST(garbage_is_refused_at_its_first_bytes),
        TEST(a_failed_handshake_reads_nothing_more),
        TEST(the_acceptor_wants_true_or_false_after_alive),
        TEST(replies_and_acks_have_exactly_their_size),
        TEST(old_version_five_messages_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
