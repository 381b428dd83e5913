/* SPDX-License-Identifier: Apache-2.0
 *
 * Two ends of TLS back to back, and one end against bytes that are not TLS.
 * test_tls_refused.c has the certificates that are not accepted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "support/dist/certs.h"
#include "support/dist/tls_pair.h"

static struct tls_context *context;
static struct tls_pair pair;

static const unsigned versions[] = {TLS_1_2, TLS_1_3, TLS_1_2 | TLS_1_3};

static void open_pair(unsigned version)
{
    (void)cert_options();
    context = cert_context("node", "ca", version);
    tls_pair_open(&pair, context, context, "localhost");
}

static void close_pair(void)
{
    tls_pair_close(&pair);
    tls_context_free(context);
}

static void assert_up(void)
{
    assert_int_equal(pair.dialler.rc, 0);
    assert_int_equal(pair.acceptor.rc, 0);
    assert_int_equal(pair.dialler.tls->state, TLS_UP);
    assert_int_equal(pair.acceptor.tls->state, TLS_UP);
}

static void assert_got(const struct tls_end *end, const char *text)
{
    assert_int_equal(buf_size(&end->got), strlen(text));
    assert_memory_equal(buf_data(&end->got), text, strlen(text));
}

/* Puts a text and clears what came before it. */
static void say(struct tls_end *from, struct tls_end *to, const char *text)
{
    buf_clear(&to->got);
    tls_end_put(from, text, strlen(text));
    tls_pair_run(&pair);
    assert_up();
    assert_got(to, text);
}

/* --- the happy path */

static void bytes_go_both_ways_in_each_version(void **state)
{
    static const size_t steps[] = {0, 1, 7, 1000};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        for (size_t k = 0; k < 4; k++) {
            open_pair(versions[i]);
            pair.step = steps[k];
            tls_pair_run(&pair);
            assert_up();
            assert_int_equal(SSL_version(pair.acceptor.tls->ssl),
                             versions[i] == TLS_1_2 ? TLS1_2_VERSION
                                                    : TLS1_3_VERSION);
            say(&pair.dialler, &pair.acceptor, "hello");
            say(&pair.acceptor, &pair.dialler, "welcome");
            close_pair();
        }
    }
}

static void the_dialler_says_the_host_and_no_address(void **state)
{
    (void)state;
    open_pair(TLS_1_3);
    tls_pair_run(&pair);
    assert_string_equal(
        SSL_get_servername(pair.acceptor.tls->ssl, TLSEXT_NAMETYPE_host_name),
        "localhost");
    tls_pair_close(&pair);
    tls_pair_open(&pair, context, context, "127.0.0.1");
    tls_pair_run(&pair);
    assert_up();
    assert_null(
        SSL_get_servername(pair.acceptor.tls->ssl, TLSEXT_NAMETYPE_host_name));
    close_pair();
}

static void large_amounts_go_in_full_records(void **state)
{
    enum { SIZE = 1000000 };
    uint8_t *bytes = malloc(SIZE);
    size_t records = (SIZE + TLS_RECORD_BYTES - 1) / TLS_RECORD_BYTES;

    (void)state;
    for (size_t i = 0; i < SIZE; i++) {
        bytes[i] = (uint8_t)(i * 31);
    }
    for (size_t i = 0; i < 2; i++) {
        open_pair(versions[i]);
        tls_pair_run(&pair);
        tls_end_put(&pair.dialler, bytes, SIZE);
        assert_in_range(pair.dialler.tls->overhead, 5, 64);
        assert_int_equal(buf_size(&pair.dialler.tls->out),
                         SIZE + records * pair.dialler.tls->overhead);
        tls_pair_run(&pair);
        assert_int_equal(buf_size(&pair.acceptor.got), SIZE);
        assert_memory_equal(buf_data(&pair.acceptor.got), bytes, SIZE);
        close_pair();
    }
    free(bytes);
}

static void small_pieces_share_a_record(void **state)
{
    size_t used, before;

    (void)state;
    open_pair(TLS_1_3);
    tls_pair_run(&pair);
    before = buf_size(&pair.dialler.tls->out);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(
            tls_put(pair.dialler.tls, (const uint8_t *)"abc", 3, &used), 0);
        assert_int_equal(used, 3);
    }
    assert_int_equal(buf_size(&pair.dialler.tls->out), before);
    assert_int_equal(tls_end_record(pair.dialler.tls), 0);
    assert_int_equal(buf_size(&pair.dialler.tls->out),
                     before + 30 + pair.dialler.tls->overhead);
    tls_pair_run(&pair);
    assert_int_equal(buf_size(&pair.acceptor.got), 30);
    close_pair();
}

static void nothing_is_sent_before_the_handshake_is_done(void **state)
{
    size_t used, before;

    (void)state;
    open_pair(TLS_1_3);
    before = buf_size(&pair.dialler.tls->out);
    assert_int_equal(
        tls_put(pair.dialler.tls, (const uint8_t *)"early", 5, &used), 0);
    assert_int_equal(tls_end_record(pair.dialler.tls), 1);
    assert_int_equal(buf_size(&pair.dialler.tls->out), before);
    tls_pair_run(&pair);
    assert_int_equal(tls_end_record(pair.dialler.tls), 0);
    tls_pair_run(&pair);
    assert_got(&pair.acceptor, "early");
    close_pair();
}

/* --- new keys */

static void new_keys_come_after_so_many_records(void **state)
{
    (void)state;
    open_pair(TLS_1_3);
    context->rekey_records = 3;
    tls_pair_run(&pair);
    for (int i = 0; i < 20; i++) {
        say(&pair.dialler, &pair.acceptor, "there");
        say(&pair.acceptor, &pair.dialler, "and back");
    }
    assert_true(pair.dialler.tls->records < 3);
    close_pair();
}

static void a_peer_that_asks_for_new_keys_gets_them(void **state)
{
    (void)state;
    open_pair(TLS_1_3);
    tls_pair_run(&pair);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(
            SSL_key_update(pair.dialler.tls->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        say(&pair.dialler, &pair.acceptor, "new keys please");
        say(&pair.acceptor, &pair.dialler, "here they are");
    }
    close_pair();
}

static void renegotiate(struct tls_end *asking, struct tls_end *other)
{
    size_t used;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(SSL_renegotiate(asking->tls->ssl), 1);
        (void)SSL_do_handshake(asking->tls->ssl);
        /* In the middle of it both have more to say. */
        tls_end_feed(other, buf_data(&asking->tls->out),
                     buf_size(&asking->tls->out));
        buf_clear(&asking->tls->out);
        buf_clear(&other->got);
        assert_int_equal(
            tls_put(asking->tls, (const uint8_t *)"later", 5, &used), 0);
        assert_int_equal(used, 5);
        assert_in_range(tls_end_record(asking->tls), 0, 1);
        tls_pair_run(&pair);
        assert_int_equal(tls_end_record(asking->tls), 0);
        tls_pair_run(&pair);
        assert_got(other, "later");
        say(other, asking, "fine");
        say(asking, other, "fine too");
    }
}

static void the_peer_may_renegotiate_once_it_is_trusted(void **state)
{
    (void)state;
    open_pair(TLS_1_2);
    tls_pair_run(&pair);
    tls_trust(pair.dialler.tls);
    tls_trust(pair.acceptor.tls);
    renegotiate(&pair.dialler, &pair.acceptor);
    renegotiate(&pair.acceptor, &pair.dialler);
    close_pair();
}

static void a_stranger_may_not_renegotiate(void **state)
{
    (void)state;
    open_pair(TLS_1_2);
    tls_pair_run(&pair);
    assert_int_equal(SSL_renegotiate(pair.dialler.tls->ssl), 1);
    (void)SSL_do_handshake(pair.dialler.tls->ssl);
    tls_pair_run(&pair);
    assert_true(pair.dialler.rc != 0); /* told no, by an alert */
    close_pair();
}

/* --- the end */

static void what_came_before_the_end_is_given_first(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        open_pair(versions[i]);
        tls_pair_run(&pair);
        tls_end_put(&pair.dialler, "last words", 10);
        tls_close(pair.dialler.tls);
        tls_pair_run(&pair);
        assert_got(&pair.acceptor, "last words");
        assert_int_equal(pair.acceptor.rc, CNODE_CLOSED);
        close_pair();
    }
}

static void a_record_that_was_changed_ends_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        open_pair(versions[i]);
        tls_pair_run(&pair);
        tls_end_put(&pair.dialler, "secret", 6);
        buf_data(&pair.dialler.tls->out)[10] ^= 1;
        tls_pair_run(&pair);
        assert_int_equal(pair.acceptor.rc, CNODE_TLS);
        assert_int_equal(buf_size(&pair.acceptor.got), 0);
        assert_string_not_equal(pair.acceptor.tls->why, "");
        assert_int_equal(pair.dialler.rc, CNODE_TLS_REFUSED);
        tls_end_feed(&pair.acceptor, (const uint8_t *)"more", 4); /* nothing */
        close_pair();
    }
}

static void a_handshake_cut_anywhere_just_waits(void **state)
{
    size_t size;

    (void)state;
    open_pair(TLS_1_3);
    size = buf_size(&pair.dialler.tls->out);
    close_pair();
    for (size_t cut = 0; cut < size; cut += 13) {
        open_pair(TLS_1_3);
        tls_end_feed(&pair.acceptor, buf_data(&pair.dialler.tls->out), cut);
        assert_int_equal(pair.acceptor.rc, 0);
        assert_int_equal(pair.acceptor.tls->state, TLS_HANDSHAKE);
        assert_int_equal(buf_size(&pair.acceptor.tls->out), 0);
        assert_int_equal(tls_end_reason(pair.acceptor.tls, CNODE_CLOSED),
                         cut == 0 ? CNODE_CLOSED : CNODE_TLS);
        close_pair();
    }
}

static void a_dialler_without_an_answer_suspects_a_plain_node(void **state)
{
    static const int ends[] = {CNODE_CLOSED, CNODE_TIMEOUT};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        open_pair(TLS_1_3);
        assert_int_equal(tls_end_reason(pair.dialler.tls, ends[i]),
                         CNODE_TLS_MISSING);
        assert_non_null(strstr(pair.dialler.tls->why, "inet_tls"));
        assert_int_equal(tls_end_reason(pair.acceptor.tls, CNODE_TIMEOUT),
                         CNODE_TIMEOUT); /* anybody may say nothing */
        assert_int_equal(tls_end_reason(pair.acceptor.tls, CNODE_STOPPED),
                         CNODE_STOPPED);
        close_pair();
    }
}

static void what_is_not_tls_is_told_from_its_first_byte(void **state)
{
    static const char *const texts[] = {"\x00\x1dN", "GET / HTTP/1.1\r\n",
                                        "\x80\x2e\x01", "SSH-2.0-x"};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        open_pair(TLS_1_3);
        tls_end_feed(&pair.acceptor, (const uint8_t *)texts[i], 3);
        tls_end_feed(&pair.dialler, (const uint8_t *)texts[i], 1);
        assert_int_equal(pair.acceptor.rc, CNODE_TLS_MISSING);
        assert_int_equal(pair.dialler.rc, CNODE_TLS_MISSING);
        assert_int_equal(buf_size(&pair.acceptor.tls->out), 7); /* an alert */
        close_pair();
    }
}

static void without_a_version_in_common_both_are_told(void **state)
{
    struct tls_context *older;

    (void)state;
    open_pair(TLS_1_3);
    older = cert_context("node", "ca", TLS_1_2);
    tls_pair_close(&pair);
    tls_pair_open(&pair, older, context, "localhost");
    tls_pair_run(&pair);
    assert_int_equal(pair.acceptor.rc, CNODE_TLS);
    assert_non_null(strstr(pair.acceptor.tls->why, "node.tls.versions"));
    assert_int_equal(pair.dialler.rc, CNODE_TLS_REFUSED);
    assert_non_null(strstr(pair.dialler.tls->why, "node.tls.versions"));
    tls_context_free(older);
    close_pair();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways_in_each_version),
        cmocka_unit_test(the_dialler_says_the_host_and_no_address),
        cmocka_unit_test(large_amounts_go_in_full_records),
        cmocka_unit_test(small_pieces_share_a_record),
        cmocka_unit_test(nothing_is_sent_before_the_handshake_is_done),
        cmocka_unit_test(new_keys_come_after_so_many_records),
        cmocka_unit_test(a_peer_that_asks_for_new_keys_gets_them),
        cmocka_unit_test(the_peer_may_renegotiate_once_it_is_trusted),
        cmocka_unit_test(a_stranger_may_not_renegotiate),
        cmocka_unit_test(what_came_before_the_end_is_given_first),
        cmocka_unit_test(a_record_that_was_changed_ends_it),
        cmocka_unit_test(a_handshake_cut_anywhere_just_waits),
        cmocka_unit_test(a_dialler_without_an_answer_suspects_a_plain_node),
        cmocka_unit_test(what_is_not_tls_is_told_from_its_first_byte),
        cmocka_unit_test(without_a_version_in_common_both_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
