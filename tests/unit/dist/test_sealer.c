/* SPDX-License-Identifier: Apache-2.0
 *
 * A channel's output through TLS and out again at the other end, by way of the
 * inlet, without a socket.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "base/hash.h"
#include "dist/flags.h"
#include "dist/inlet.h"
#include "dist/sealer.h"
#include "support/dist/certs.h"
#include "support/dist/conn_pair.h"
#include "support/dist/tls_pair.h"

static struct tls_context *context;
static struct tls_pair pair;
static struct channel channel;
static struct sealer sealer;
static struct inlet inlet; /* of the acceptor */
static struct buf arrived;
static size_t largest; /* gather */

static const struct channel_events no_events = {.signal = NULL};
static struct pid sender = {.id = 1, .creation = 11};

static void open_all(unsigned version)
{
    hash_seed(1, 2);
    atom_init();
    sender.node = atom_intern(A_NAME, strlen(A_NAME));
    (void)cert_options();
    context = cert_context("node", "ca", version);
    tls_pair_open(&pair, context, context, "localhost");
    tls_pair_run(&pair);
    channel_init(&channel, dist_flags_offered(false), &no_events, NULL);
    sealer_init(&sealer, pair.dialler.tls);
    sealer.channel = &channel;
    inlet_init(&inlet, pair.acceptor.tls);
    buf_init(&arrived, 0);
    largest = 0;
}

static void close_all(void)
{
    channel_fini(&channel);
    sealer_fini(&sealer);
    inlet_fini(&inlet);
    buf_fini(&arrived);
    tls_pair_close(&pair);
    tls_context_free(context);
}

/* Reads as a connection does, in pieces of what the inlet has room for. */
static void carry(const struct channel_vec *vec)
{
    size_t at = 0;
    int rc = 0;

    while (at < vec->size) {
        size_t room = 0, n;
        uint8_t *to = inlet_room(&inlet, &room);

        n = room < vec->size - at ? room : vec->size - at;
        memcpy(to, vec->bytes + at, n);
        at += n;
        inlet_commit(&inlet, n);
        while ((rc = inlet_next(&inlet)) > 0) {
            buf_put(&arrived, inlet.plain.bytes, inlet.plain.size);
            rc = inlet_take(&inlet, inlet.plain.size, 0);
            assert_int_equal(rc, 0);
        }
        assert_int_equal(rc, 0);
    }
}

/* Writes one gather; false: there was nothing. */
static bool write_some(void)
{
    struct channel_vec vec;
    int count = sealer_gather(&sealer, &vec);

    assert_in_range(count, 0, 1);
    if (count > 0) {
        largest = vec.size > largest ? vec.size : largest;
        carry(&vec);
        sealer_landed(&sealer);
    }
    return count > 0;
}

/* Whole frames in what arrived; its bytes are used up. */
static unsigned frames_arrived(void)
{
    unsigned frames = 0;

    while (buf_size(&arrived) >= 4) {
        size_t size = 4 + (size_t)get_u32(buf_data(&arrived));
        assert_true(buf_size(&arrived) >= size);
        buf_consume(&arrived, size);
        frames++;
    }
    assert_int_equal(buf_size(&arrived), 0);
    return frames;
}

static void what_a_channel_queues_arrives_whole(void **state)
{
    (void)state;
    for (unsigned version = TLS_1_2; version <= TLS_1_3; version++) {
        open_all(version);
        for (uint32_t i = 0; i < 5000; i++) {
            assert_int_equal(channel_send_number(&channel, sender, i, 200), 0);
        }
        while (write_some()) {
        }
        assert_int_equal(frames_arrived(), 5000);
        assert_int_equal(channel.queued_bytes, 0);
        assert_in_range(largest, 48 * 1024, 128 * 1024);
        close_all();
    }
}

static void large_payloads_are_sealed_a_part_at_a_time(void **state)
{
    (void)state;
    open_all(TLS_1_3);
    assert_int_equal(channel_send_number(&channel, sender, 0, 5000000), 0);
    assert_true(write_some());
    assert_true(channel.large_bytes > 4000000); /* the rest still waits */
    while (write_some()) {
    }
    assert_true(frames_arrived() > 5000000 / 65536);
    assert_int_equal(channel.large_bytes, 0);
    assert_true(largest < 160 * 1024);
    close_all();
}

static void ticks_are_records_of_their_own(void **state)
{
    (void)state;
    open_all(TLS_1_3);
    for (int i = 0; i < 5; i++) {
        channel_tick(&channel);
        assert_true(write_some());
        assert_int_equal(largest, 4 + pair.dialler.tls->overhead);
    }
    assert_false(write_some());
    assert_int_equal(frames_arrived(), 5);
    close_all();
}

static void what_tls_has_to_say_is_written_too(void **state)
{
    (void)state;
    open_all(TLS_1_3);
    assert_false(write_some());
    assert_int_equal(
        SSL_key_update(pair.dialler.tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    (void)SSL_do_handshake(pair.dialler.tls->ssl);
    assert_true(write_some());
    channel_tick(&channel);
    assert_true(write_some());
    assert_int_equal(frames_arrived(), 1);
    close_all();
}

/* The library may say more while the last bytes are under way. */
static void bytes_under_way_stay_where_they_are(void **state)
{
    struct channel_vec vec;
    struct buf copy;

    (void)state;
    open_all(TLS_1_3);
    buf_init(&copy, 0);
    assert_int_equal(channel_send_number(&channel, sender, 0, 60000), 0);
    assert_int_equal(sealer_gather(&sealer, &vec), 1);
    buf_put(&copy, vec.bytes, vec.size);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(
            SSL_key_update(pair.dialler.tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED),
            1);
        (void)SSL_do_handshake(pair.dialler.tls->ssl);
    }
    assert_memory_equal(vec.bytes, buf_data(&copy), vec.size);
    carry(&vec);
    sealer_landed(&sealer);
    buf_fini(&copy);
    close_all();
}

/* TLS 1.2: nothing is written while keys are agreed on; nothing is lost. */
static void a_renegotiation_holds_the_output_back(void **state)
{
    (void)state;
    open_all(TLS_1_2);
    tls_trust(pair.acceptor.tls);
    tls_trust(pair.dialler.tls);
    assert_int_equal(SSL_renegotiate(pair.dialler.tls->ssl), 1);
    (void)SSL_do_handshake(pair.dialler.tls->ssl);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(channel_send_number(&channel, sender, i, 50000), 0);
    }
    assert_true(write_some()); /* the hello alone */
    assert_false(write_some());
    assert_int_equal(frames_arrived(), 0);
    for (int i = 0; i < 1000 && channel.queued_bytes > 0; i++) {
        struct buf *out = &pair.acceptor.tls->out;
        tls_end_feed(&pair.dialler, buf_data(out), buf_size(out));
        buf_clear(out);
        (void)write_some();
    }
    assert_int_equal(pair.dialler.rc, 0);
    assert_int_equal(frames_arrived(), 100);
    close_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_channel_queues_arrives_whole),
        cmocka_unit_test(large_payloads_are_sealed_a_part_at_a_time),
        cmocka_unit_test(ticks_are_records_of_their_own),
        cmocka_unit_test(what_tls_has_to_say_is_written_too),
        cmocka_unit_test(bytes_under_way_stay_where_they_are),
        cmocka_unit_test(a_renegotiation_holds_the_output_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
