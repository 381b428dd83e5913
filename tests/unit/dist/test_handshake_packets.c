/* SPDX-License-Identifier: Apache-2.0
 *
 * One end of a handshake against packets made by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "dist/flags.h"
#include "support/dist/handshake_pair.h"

/* A packet made by hand; returns what the machine says. */
static int feed_packet(struct handshake_side *side, const void *packet,
                       size_t len)
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

static int feed_text(struct handshake_side *side, const char *text)
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
        dialler_reset();
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

    acceptor_reset();
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
    assert_int_equal(feed_name(flags & ~DIST_V4_NC, "a@host"),
                     CNODE_UNSUPPORTED);
    assert_not_allowed();
    assert_int_equal(feed_name(0, "a@host"), CNODE_UNSUPPORTED);
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
                     CNODE_NOT_ALLOWED);
    assert_not_allowed();
}

static void our_own_name_is_not_allowed(void **state)
{
    (void)state;
    assert_int_equal(feed_name(dist_flags_offered(false), "b@host"),
                     CNODE_NOT_ALLOWED);
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
        acceptor_reset();
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
    dialler_reset();
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
                     CNODE_UNSUPPORTED);
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
    static const struct {
        const char *bytes;
        int rc;
    } garbage[] = {{"GET / HTTP/1.1\r\n", CNODE_PROTOCOL},
                   {"SSH-2.0-x\r\n", CNODE_PROTOCOL},
                   {"\x16\x03\x01", CNODE_TLS_UNWANTED},  /* hello in TLS */
                   {"\x15\x03\x03", CNODE_TLS_UNWANTED}}; /* an alert */
    static const uint8_t empty[2] = {0, 0};
    size_t used;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
        acceptor_reset();
        assert_int_equal(handshake_feed(&acceptor.h,
                                        (const uint8_t *)garbage[i].bytes, 2,
                                        &used),
                         garbage[i].rc);
        assert_int_equal(acceptor.h.state, HANDSHAKE_FAILED);
    }
    acceptor_reset();
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

        acceptor_reset();
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
        acceptor_reset();
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

#define TEST(f)                                                                \
    cmocka_unit_test_setup_teardown(f, handshake_pair_setup,                   \
                                    handshake_pair_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
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
