/* SPDX-License-Identifier: Apache-2.0
 *
 * One conn against a peer on a plain socket that stalls, lies, stops half-way
 * or does not read. test_conn.c has what two conns do with each other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "support/dist/raw_peer.h"
#include "support/loop_until.h"
#include "support/random.h"
#include "support/raw_socket.h"

/* --- peers that stall, lie or stop half-way */

static void silent_acceptor_is_given_up_after_the_set_up_time(void **state)
{
    struct conn_pair *f = *state;
    uint16_t port;
    int fd = raw_listen(&port);

    f->a.config.setup_ms = 30;
    assert_int_equal(conn_pair_dial_to(f, port, B_NAME), 0);
    LOOP_UNTIL(&f->loop, f->a.closed == 1);
    assert_int_equal(f->a.reason, CNODE_TIMEOUT);
    raw_close(fd);
}

static void dialler_stalling_after_any_byte_is_given_up(void **state)
{
    struct conn_pair *f = *state;
    struct raw_peer peer;
    size_t said = 0;

    f->b.config.setup_ms = 5;
    raw_peer_init(&peer);
    for (size_t size = buf_size(&peer.handshake.out); said < size; said++) {
        raw_close(peer.fd);
        peer.fd = raw_connect(listener_port(f->listener));
        f->b.closed = 0;
        assert_int_equal(
            raw_write(peer.fd, buf_data(&peer.handshake.out), said), said);
        LOOP_UNTIL(&f->loop, f->b.closed == 1);
        assert_int_equal(f->b.reason, CNODE_TIMEOUT);
    }
    raw_peer_fini(&peer);
}

static void each_step_of_the_handshake_has_its_own_time(void **state)
{
    struct conn_pair *f = *state;
    struct raw_peer peer;

    f->b.config.setup_ms = 400;
    raw_peer_dial(&peer, f);
    loop_run_ms(&f->loop, 250);
    raw_peer_before_last(&peer, f);
    loop_run_ms(&f->loop, 250); /* longer than one step in all */
    raw_peer_say(&peer, buf_size(&peer.handshake.out));
    LOOP_UNTIL(&f->loop, f->b.up + f->b.closed > 0);
    assert_int_equal(f->b.up, 1);
    raw_peer_fini(&peer);
}

/* Else a recorded digest could be played back. */
static void every_connection_has_a_challenge_of_its_own(void **state)
{
    struct conn_pair *f = *state;
    uint32_t challenges[4];

    for (size_t i = 0; i < ARRAY_LEN(challenges); i++) {
        struct raw_peer peer;

        f->b.up = f->b.closed = 0;
        raw_peer_up(&peer, f);
        challenges[i] = peer.handshake.peer_challenge;
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(challenges[i], challenges[j]);
        }
        raw_peer_fini(&peer);
        LOOP_UNTIL(&f->loop, f->b.closed == 1);
    }
}

static void handshake_cut_after_any_byte_closes_and_never_comes_up(void **state)
{
    struct conn_pair *f = *state;
    struct raw_peer peer;
    size_t cut = 0, said;
    bool finished = false;

    for (; !finished; cut++) {
        f->b.closed = 0;
        raw_peer_dial(&peer, f);
        said = 0;
        while (peer.handshake.state != HANDSHAKE_ACK ||
               buf_size(&peer.handshake.out) > 0) {
            if (raw_peer_think(&peer)) {
                size_t size = buf_size(&peer.handshake.out);
                size_t part = size < cut - said ? size : cut - said;
                raw_peer_say(&peer, part);
                said += part;
                if (part < size) {
                    break;
                }
            }
            loop_turn(&f->loop, 1);
        }
        finished = buf_size(&peer.handshake.out) == 0;
        if (finished) {
            LOOP_UNTIL(&f->loop, f->b.up == 1);
        }
        if (cut % 2 == 0) {
            raw_close(peer.fd);
        } else {
            raw_reset(peer.fd);
        }
        peer.fd = -1;
        LOOP_UNTIL(&f->loop, f->b.closed == 1 || f->b.conn == NULL);
        if (f->b.closed == 0) { /* reset before it was accepted, or since */
            loop_run_ms(&f->loop, 5);
            LOOP_UNTIL(&f->loop, f->b.conn == NULL);
        }
        assert_int_equal(f->b.up, finished ? 1 : 0);
        raw_peer_fini(&peer);
    }
    assert_true(cut > 40);
}

static void garbage_is_refused_without_waiting_for_a_deadline(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", 18},
        {"\x00\x00", 2},
        {"\xff\xff", 2},
        {"\x00\x01N", 3},
        {"\x00\x03sok", 5},
        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11},
    };
    struct conn_pair *f = *state;

    f->b.config.setup_ms = LOOP_UNTIL_MS * 2;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int fd = raw_connect(listener_port(f->listener));
        f->b.closed = 0;
        assert_int_equal(raw_write(fd, cases[i].bytes, cases[i].size),
                         cases[i].size);
        LOOP_UNTIL(&f->loop, f->b.closed == 1);
        assert_int_not_equal(f->b.reason, CNODE_TIMEOUT);
        assert_int_equal(f->b.up, 0);
        raw_close(fd);
    }
}

static void random_bytes_never_come_up(void **state)
{
    struct conn_pair *f = *state;
    uint64_t random = random_seed();

    f->b.config.setup_ms = 20;
    for (int round = 0; round < 50; round++) {
        uint8_t bytes[300];
        int fd = raw_connect(listener_port(f->listener));
        for (size_t i = 0; i < sizeof(bytes); i++) {
            bytes[i] = (uint8_t)random_u64(&random);
        }
        bytes[0] = 0; /* a length that is possible */
        f->b.closed = 0;
        (void)raw_write(fd, bytes, sizeof(bytes));
        LOOP_UNTIL(&f->loop, f->b.closed == 1);
        assert_int_equal(f->b.up, 0);
        raw_close(fd);
    }
}

static void handshake_and_first_frames_may_share_one_read(void **state)
{
    struct conn_pair *f = *state;
    struct raw_peer peer;
    struct channel_vec vecs[CHANNEL_VECS];

    raw_peer_dial(&peer, f);
    raw_peer_before_last(&peer, f);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(channel_send_number(&peer.channel, f->sender, i, 20),
                         0);
    }
    assert_int_equal(channel_gather(&peer.channel, vecs, CHANNEL_VECS), 1);
    buf_put(&peer.handshake.out, vecs[0].bytes, vecs[0].size);
    raw_peer_say(&peer, buf_size(&peer.handshake.out));
    LOOP_UNTIL(&f->loop, f->b.signals == 3);
    assert_int_equal(f->b.up, 1);
    assert_false(f->b.out_of_order);
    raw_peer_fini(&peer);
}

static void bytes_may_come_one_at_a_time(void **state)
{
    struct conn_pair *f = *state;
    struct raw_peer peer;
    struct channel_vec vecs[CHANNEL_VECS];

    raw_peer_dial(&peer, f);
    while (peer.handshake.state != HANDSHAKE_DONE) {
        if (raw_peer_think(&peer)) {
            raw_peer_say(&peer, 1);
        }
        loop_turn(&f->loop, 0);
    }
    raw_peer_open_channel(&peer);
    assert_int_equal(channel_send_number(&peer.channel, f->sender, 0, 20), 0);
    assert_int_equal(channel_gather(&peer.channel, vecs, CHANNEL_VECS), 1);
    for (size_t i = 0; i < vecs[0].size; i++) {
        assert_int_equal(f->b.signals, 0);
        assert_int_equal(raw_write(peer.fd, vecs[0].bytes + i, 1), 1);
        loop_turn(&f->loop, 1);
    }
    LOOP_UNTIL(&f->loop, f->b.signals == 1);
    assert_false(f->b.out_of_order);
    raw_peer_fini(&peer);
}

static void frame_above_the_limit_closes(void **state)
{
    struct conn_pair *f = *state;
    struct raw_peer peer;
    uint8_t length[4];

    raw_peer_up(&peer, f);
    set_u32(length, (uint32_t)limits.frame_bytes + 1);
    assert_int_equal(raw_write(peer.fd, length, 4), 4);
    LOOP_UNTIL(&f->loop, f->b.closed == 1);
    assert_int_equal(f->b.reason, CNODE_TOO_LARGE);
    raw_peer_fini(&peer);
}

static void frame_of_garbage_closes(void **state)
{
    struct conn_pair *f = *state;
    struct raw_peer peer;

    raw_peer_up(&peer, f);
    assert_int_equal(raw_write(peer.fd, "\0\0\0\4\1\2\3\4", 8), 8);
    LOOP_UNTIL(&f->loop, f->b.closed == 1);
    assert_true(f->b.reason == CNODE_PROTOCOL ||
                f->b.reason == CNODE_MALFORMED);
    assert_int_equal(f->b.signals, 0);
    raw_peer_fini(&peer);
}

static void
one_frame_of_megabytes_arrives_whole_and_small_ones_after_it(void **state)
{
    enum { SIZE = 5000000 };
    static const uint8_t head[] = {131, 68, 0};
    struct conn_pair *f = *state;
    struct raw_peer peer;
    struct buf frame;
    size_t sent = 0, size;

    raw_peer_up(&peer, f);
    buf_init(&frame, 0);
    for (uint32_t i = 0; i < 3; i++) {
        size_t start = buf_size(&frame), payload = i == 1 ? SIZE : 20;
        buf_put_u32(&frame, 0);
        buf_put(&frame, head, sizeof(head));
        control_put_reg_send(&frame, f->sender, A_rex);
        buf_put_u8(&frame, 109);
        buf_put_u32(&frame, (uint32_t)payload);
        buf_put_u32(&frame, i);
        memset(buf_reserve(&frame, payload - 4), 0, payload - 4);
        buf_commit(&frame, payload - 4);
        set_u32(buf_data(&frame) + start,
                (uint32_t)(buf_size(&frame) - start - 4));
    }
    size = buf_size(&frame);
    while (sent < size) {
        sent += raw_write(peer.fd, buf_data(&frame) + sent, size - sent);
        loop_turn(&f->loop, 1);
    }
    LOOP_UNTIL(&f->loop, f->b.signals == 3);
    assert_false(f->b.out_of_order);
    assert_int_equal(f->b.payload_bytes, SIZE + 40);
    buf_fini(&frame);
    raw_peer_fini(&peer);
}

/* --- ticks */

static void silent_peer_is_given_up_after_a_ticktime(void **state)
{
    struct conn_pair *f = *state;
    struct raw_peer peer;
    uint64_t start_ns, stalled = metric_read(METRIC_peers_stalled);

    f->b.config.ticktime_ms = 160;
    raw_peer_up(&peer, f);
    start_ns = uv_hrtime();
    LOOP_UNTIL(&f->loop, f->b.closed == 1);
    assert_int_equal(f->b.reason, CNODE_STALLED);
    assert_true(uv_hrtime() - start_ns >= 120 * UINT64_C(1000000));
    assert_int_equal(metric_read(METRIC_peers_stalled) - stalled, 1);
    raw_peer_fini(&peer);
}

/* Says `bytes` every 20 ms for that long; gives the bytes that came. */
static size_t talk_ms(struct conn_pair *f, struct raw_peer *peer,
                      const void *bytes, size_t size, uint64_t ms)
{
    uint64_t end_ns = uv_hrtime() + ms * 1000000;

    peer->in_size = 0;
    while (uv_hrtime() < end_ns) {
        (void)raw_write(peer->fd, bytes, size);
        loop_run_ms(&f->loop, 20);
        (void)raw_read(peer->fd, peer->in, &peer->in_size, sizeof(peer->in));
    }
    return peer->in_size;
}

/* The peer's ticktime is shorter than ours: nobody tells us. */
static void a_peer_that_ticks_hears_us_twice_a_second(void **state)
{
    struct conn_pair *f = *state;
    struct raw_peer peer;

    f->b.config.ticktime_ms = 600000;
    raw_peer_up(&peer, f);
    loop_run_ms(&f->loop, 20);
    assert_in_range(talk_ms(f, &peer, "\0\0\0\0", 4, 20), 0, 21); /* the ack */
    assert_int_equal(talk_ms(f, &peer, "\0\0\0\0", 4, 1300), 2 * 4);
    assert_memory_equal(peer.in, "\0\0\0\0\0\0\0\0", 8);
    assert_int_equal(f->b.closed, 0);
    raw_peer_fini(&peer);
}

static void a_long_frame_that_trickles_in_is_life_and_is_answered(void **state)
{
    struct conn_pair *f = *state;
    struct raw_peer peer;
    size_t heard;

    f->b.config.ticktime_ms = 8000;
    raw_peer_up(&peer, f);
    (void)talk_ms(f, &peer, "\0\x10\0\0\x83\x44\0", 7, 20);
    heard = talk_ms(f, &peer, "m", 1, 700); /* no whole frame came */
    assert_in_range(heard, 4, 8);
    raw_peer_fini(&peer);
    LOOP_UNTIL(&f->loop, f->b.conn == NULL);

    f->b.up = 0;
    f->b.config.ticktime_ms = 160;
    raw_peer_up(&peer, f);
    (void)talk_ms(f, &peer, "\0\x10\0\0\x83\x44\0", 7, 20);
    (void)talk_ms(f, &peer, "m", 1, 500);
    assert_non_null(f->b.conn); /* three ticktimes later */
    raw_peer_fini(&peer);
}

static void peer_that_ticks_but_never_reads_is_given_up(void **state)
{
    struct conn_pair *f = *state;
    struct raw_peer peer;
    int rc = 0;

    f->b.config.ticktime_ms = 160;
    raw_peer_up(&peer, f);
    for (uint32_t i = 0; i < 1000; i++) {
        rc |= channel_send_number(conn_channel(f->b.conn), f->sender, i, 30000);
    }
    assert_int_equal(rc, 0);
    conn_flush_later(f->b.conn);
    for (int i = 0; i < 2000 && f->b.closed == 0; i++) {
        (void)raw_write(peer.fd, "\0\0\0\0", 4);
        loop_run_ms(&f->loop, 5);
    }
    assert_int_equal(f->b.closed, 1);
    assert_int_equal(f->b.reason, CNODE_STALLED);
    raw_peer_fini(&peer);
}

/* --- closing */

static void closing_while_a_write_waits_is_clean(void **state)
{
    struct conn_pair *f = *state;
    struct raw_peer peer;
    int rc = 0;

    raw_peer_up(&peer, f);
    for (uint32_t i = 0; i < 20; i++) {
        rc |=
            channel_send_number(conn_channel(f->b.conn), f->sender, i, 1000000);
        rc |= channel_send_number(conn_channel(f->b.conn), f->sender, i, 50000);
    }
    assert_int_equal(rc, 0);
    conn_flush_later(f->b.conn);
    loop_run_ms(&f->loop, 20);
    assert_true(conn_channel(f->b.conn)->queued_bytes > 0);
    conn_close(f->b.conn, CNODE_STOPPED);
    LOOP_UNTIL(&f->loop, f->b.closed == 1);
    assert_int_equal(f->b.reason, CNODE_STOPPED);
    raw_peer_fini(&peer);
}

static void peer_reset_while_a_write_waits_is_its_error(void **state)
{
    struct conn_pair *f = *state;
    struct raw_peer peer;
    int rc = 0;

    raw_peer_up(&peer, f);
    for (uint32_t i = 0; i < 20; i++) {
        rc |=
            channel_send_number(conn_channel(f->b.conn), f->sender, i, 1000000);
    }
    assert_int_equal(rc, 0);
    conn_flush_later(f->b.conn);
    loop_run_ms(&f->loop, 20);
    raw_reset(peer.fd);
    peer.fd = -1;
    LOOP_UNTIL(&f->loop, f->b.closed == 1);
    assert_true(f->b.reason == UV_ECONNRESET || f->b.reason == UV_EPIPE);
    raw_peer_fini(&peer);
}

static void no_memory_for_the_read_buffer_closes(void **state)
{
    struct conn_pair *f = *state;
    struct raw_peer peer;

    raw_peer_dial(&peer, f);
    LOOP_UNTIL(&f->loop, f->b.conn != NULL);
    mem_fail_after(1);
    raw_peer_say(&peer, buf_size(&peer.handshake.out));
    LOOP_UNTIL(&f->loop, f->b.closed == 1);
    mem_fail_after(0);
    assert_int_equal(f->b.reason, CNODE_NOMEM);
    raw_peer_fini(&peer);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, conn_pair_setup, conn_pair_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(silent_acceptor_is_given_up_after_the_set_up_time),
        TEST(dialler_stalling_after_any_byte_is_given_up),
        TEST(each_step_of_the_handshake_has_its_own_time),
        TEST(every_connection_has_a_challenge_of_its_own),
        TEST(handshake_cut_after_any_byte_closes_and_never_comes_up),
        TEST(garbage_is_refused_without_waiting_for_a_deadline),
        TEST(random_bytes_never_come_up),
        TEST(handshake_and_first_frames_may_share_one_read),
        TEST(bytes_may_come_one_at_a_time),
        TEST(frame_above_the_limit_closes),
        TEST(frame_of_garbage_closes),
        TEST(one_frame_of_megabytes_arrives_whole_and_small_ones_after_it),
        TEST(silent_peer_is_given_up_after_a_ticktime),
        TEST(a_peer_that_ticks_hears_us_twice_a_second),
        TEST(a_long_frame_that_trickles_in_is_life_and_is_answered),
        TEST(peer_that_ticks_but_never_reads_is_given_up),
        TEST(closing_while_a_write_waits_is_clean),
        TEST(peer_reset_while_a_write_waits_is_its_error),
        TEST(no_memory_for_the_read_buffer_closes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
