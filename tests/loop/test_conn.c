/* SPDX-License-Identifier: Apache-2.0
 *
 * Two conns in one loop, or one conn against a peer played on a plain socket.
 * The scripted peer uses the pure handshake and channel.
 */
#include "dist/conn.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "dist/flags.h"
#include "dist/listener.h"
#include "support/loop_until.h"
#include "support/raw_socket.h"
#include "term/atom.h"

#define A_NAME "a@127.0.0.1"
#define B_NAME "b@127.0.0.1"

enum at { AT_NONE, AT_NAMED, AT_COOKIE, AT_UP, AT_SIGNAL };

/* What happened to one end, and what its owner does. */
struct side {
    struct fixture *f;
    struct conn *conn; /* NULL before and after */
    struct conn_config config;
    const char *cookie;
    enum handshake_status answer;
    enum at close_at;
    unsigned echoes; /* signals to send at up */

    unsigned named, replaced, up, signals, over_limit, closed;
    int reason;
    size_t payload_bytes; /* of all signals */
    bool out_of_order;
    char peer[NODE_NAME_MAX + 1];
    uint64_t peer_flags;
    uint32_t peer_creation;
};

struct fixture {
    struct loop loop;
    struct listener *listener;
    struct side a, b; /* the dialler and the acceptor */
    struct pid sender;
};

/* --- the owner */

static void close_if(struct side *side, enum at at)
{
    if (side->close_at == at) {
        conn_close(side->conn, CNODE_STOPPED);
    }
}

static enum handshake_status on_named(void *owner, struct conn *conn,
                                      const char *name, uint64_t flags,
                                      uint32_t creation)
{
    struct side *side = owner;

    (void)conn, (void)name, (void)flags, (void)creation;
    side->named++;
    close_if(side, AT_NAMED);
    return side->answer;
}

static void on_replace(void *owner, struct conn *conn)
{
    struct side *side = owner;

    (void)conn;
    side->replaced++;
}

static const char *on_cookie(void *owner, const char *name)
{
    struct side *side = owner;

    (void)name;
    close_if(side, AT_COOKIE);
    return side->cookie;
}

static int send_number(struct channel *channel, struct pid sender, uint32_t n,
                       size_t size)
{
    struct payload payload;
    uint8_t *bytes = mem_zalloc(size);
    int rc;

    CHECK(size >= 9);
    bytes[0] = 109; /* a binary */
    set_u32(bytes + 1, (uint32_t)(size - 5));
    set_u32(bytes + 5, n);
    payload = (struct payload){.bytes = bytes, .size = size};
    control_put_reg_send(channel_begin(channel), sender, A_rex);
    rc = channel_end(channel, sender, payload);
    mem_free(bytes);
    return rc;
}

static void on_up(void *owner, struct conn *conn)
{
    struct side *side = owner;

    side->up++;
    strcpy(side->peer, conn_peer_name(conn));
    side->peer_flags = conn_peer_flags(conn);
    side->peer_creation = conn_peer_creation(conn);
    for (unsigned i = 0; i < side->echoes; i++) {
        CHECK(send_number(conn_channel(conn), side->f->sender, i, 9) == 0);
    }
    conn_flush_later(conn);
    close_if(side, AT_UP);
}

static void on_signal(void *owner, struct conn *conn,
                      const struct control *control)
{
    struct side *side = owner;
    const char *bytes;
    size_t size;

    (void)conn;
    if (!cnode_get_bytes(control->payload, &bytes, &size) || size < 4 ||
        get_u32((const uint8_t *)bytes) != side->signals) {
        side->out_of_order = true;
    } else {
        side->payload_bytes += size;
    }
    side->signals++;
    close_if(side, AT_SIGNAL);
}

static void on_over_limit(void *owner, struct conn *conn,
                          const struct control *control, const uint8_t *start,
                          size_t size)
{
    struct side *side = owner;

    (void)conn, (void)control, (void)start, (void)size;
    side->over_limit++;
}

static void on_closed(void *owner, struct conn *conn, int reason)
{
    struct side *side = owner;

    conn_close(conn, CNODE_CANCELED); /* still allowed, and still nothing */
    side->closed++;
    side->reason = reason;
    side->conn = NULL;
}

static const struct conn_events conn_events = {
    .named = on_named,
    .replace = on_replace,
    .cookie = on_cookie,
    .up = on_up,
    .signal = on_signal,
    .over_limit = on_over_limit,
    .closed = on_closed,
};

static void on_incoming(void *owner, uv_stream_t *server)
{
    struct fixture *f = owner;

    CHECK(f->b.conn == NULL);
    CHECK(conn_accept(&f->b.conn, &f->loop, &f->b.config, server, &conn_events,
                      &f->b) == 0);
}

static void on_listener_closed(void *owner)
{
    struct fixture *f = owner;

    f->listener = NULL;
}

static const struct listener_events listener_events = {
    .incoming = on_incoming,
    .closed = on_listener_closed,
};

/* --- fixture */

static void side_init(struct fixture *f, struct side *side, const char *name,
                      uint32_t creation)
{
    *side = (struct side){
        .f = f,
        .config = {.self = name,
                   .flags = dist_flags_offered(false),
                   .creation = creation,
                   .setup_ms = 5000,
                   .ticktime_ms = 60000},
        .cookie = "apple",
        .answer = HANDSHAKE_OK,
    };
}

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));

    *state = f;
    (void)signal(SIGPIPE, SIG_IGN);
    hash_seed(1, 2);
    atom_init();
    f->sender = (struct pid){
        .node = atom_intern(A_NAME, strlen(A_NAME)), .id = 1, .creation = 11};
    side_init(f, &f->a, A_NAME, 11);
    side_init(f, &f->b, B_NAME, 22);
    return loop_init(&f->loop, NULL, NULL) ||
           listener_open(&f->listener, &f->loop, "127.0.0.1", 0,
                         &listener_events, f);
}

static void close_all(struct fixture *f)
{
    if (f->a.conn != NULL) {
        conn_close(f->a.conn, CNODE_STOPPED);
    }
    if (f->b.conn != NULL) {
        conn_close(f->b.conn, CNODE_STOPPED);
    }
    LOOP_UNTIL(&f->loop, f->a.conn == NULL && f->b.conn == NULL);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    close_all(f);
    listener_close(f->listener);
    loop_fini(&f->loop);
    mem_free(f);
    return 0;
}

static int dial_port(struct fixture *f, uint16_t port, const char *peer)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };

    return conn_dial(&f->a.conn, &f->loop, &f->a.config, peer,
                     (const struct sockaddr *)&address, &conn_events, &f->a);
}

static void dial(struct fixture *f)
{
    assert_int_equal(dial_port(f, listener_port(f->listener), B_NAME), 0);
}

static void both_up(struct fixture *f)
{
    dial(f);
    LOOP_UNTIL(&f->loop, f->a.up == 1 && f->b.up == 1);
}

/* --- a peer on a plain socket */

struct raw_peer {
    int fd;
    struct handshake handshake;
    struct channel channel;
    bool has_channel;
    uint8_t in[4096];
    size_t in_size;
};

static const char *raw_cookie(void *owner, const char *name)
{
    (void)owner, (void)name;
    return "apple";
}

static const struct handshake_events raw_events = {.cookie = raw_cookie};

static void raw_peer_init(struct raw_peer *peer)
{
    memset(peer, 0, sizeof(*peer));
    peer->fd = -1;
    handshake_init(&peer->handshake, &raw_events, peer, A_NAME,
                   dist_flags_offered(false), 11, 12345);
    assert_int_equal(handshake_dial(&peer->handshake, B_NAME), 0);
}

static void raw_peer_dial(struct raw_peer *peer, struct fixture *f)
{
    raw_peer_init(peer);
    peer->fd = raw_connect(listener_port(f->listener));
}

static void raw_peer_fini(struct raw_peer *peer)
{
    if (peer->has_channel) {
        channel_fini(&peer->channel);
    }
    handshake_fini(&peer->handshake);
    raw_close(peer->fd);
}

/* The next thing this peer has to say; false when it waits or is done. */
static bool raw_peer_think(struct raw_peer *peer)
{
    size_t used = 0;

    if (buf_size(&peer->handshake.out) == 0) {
        (void)raw_read(peer->fd, peer->in, &peer->in_size, sizeof(peer->in));
        assert_int_equal(
            handshake_feed(&peer->handshake, peer->in, peer->in_size, &used),
            0);
        peer->in_size -= used;
        memmove(peer->in, peer->in + used, peer->in_size);
    }
    return buf_size(&peer->handshake.out) > 0;
}

static void raw_peer_say(struct raw_peer *peer, size_t size)
{
    assert_int_equal(raw_write(peer->fd, buf_data(&peer->handshake.out), size),
                     size);
    buf_consume(&peer->handshake.out, size);
}

/* Up to and including the last packet of this side, which is left in out. */
static void raw_peer_before_last(struct raw_peer *peer, struct fixture *f)
{
    while (peer->handshake.state != HANDSHAKE_ACK) {
        if (raw_peer_think(peer) && peer->handshake.state != HANDSHAKE_ACK) {
            raw_peer_say(peer, buf_size(&peer->handshake.out));
        }
        loop_turn(&f->loop, 1);
    }
    channel_init(&peer->channel,
                 peer->handshake.peer_flags & dist_flags_offered(false), NULL,
                 NULL);
    peer->has_channel = true;
}

static void raw_peer_up(struct raw_peer *peer, struct fixture *f)
{
    raw_peer_dial(peer, f);
    raw_peer_before_last(peer, f);
    raw_peer_say(peer, buf_size(&peer->handshake.out));
    LOOP_UNTIL(&f->loop, f->b.up == 1);
}

/* --- opening */

static void dialled_and_accepted_ends_come_up_and_know_each_other(void **state)
{
    struct fixture *f = *state;

    dial(f);
    assert_false(conn_is_up(f->a.conn));
    LOOP_UNTIL(&f->loop, f->a.up == 1 && f->b.up == 1);
    assert_true(conn_is_up(f->a.conn));
    assert_string_equal(f->a.peer, B_NAME);
    assert_string_equal(f->b.peer, A_NAME);
    assert_int_equal(f->a.peer_creation, 22);
    assert_int_equal(f->b.peer_creation, 11);
    assert_true(f->a.peer_flags & DIST_PUBLISHED);
    assert_memory_equal(conn_address(f->a.conn), "127.0.0.1:", 10);
    assert_memory_equal(conn_address(f->b.conn), "127.0.0.1:", 10);
    assert_int_equal(f->b.named, 1);
    assert_int_equal(f->b.replaced, 0);
}

static void signals_sent_at_up_arrive_in_order_both_ways(void **state)
{
    struct fixture *f = *state;

    f->a.echoes = 100;
    f->b.echoes = 50; /* right behind the last packet of the handshake */
    dial(f);
    LOOP_UNTIL(&f->loop, f->a.signals == 50 && f->b.signals == 100);
    assert_false(f->a.out_of_order);
    assert_false(f->b.out_of_order);
    assert_true(conn_last_frames(f->b.conn) > 0);
}

static void nobody_listening_ends_in_the_closed_event(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(dial_port(f, raw_free_port(), B_NAME), 0);
    assert_int_equal(f->a.closed, 0);
    LOOP_UNTIL(&f->loop, f->a.closed == 1);
    assert_int_equal(f->a.reason, UV_ECONNREFUSED);
}

static void bad_peer_name_fails_at_once_without_an_event(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(dial_port(f, 1, "nohost"), CNODE_BAD_NAME);
    loop_run_ms(&f->loop, 5);
    assert_int_equal(f->a.closed, 0);
    assert_null(f->a.conn);
}

static void impossible_address_fails_at_once_without_an_event(void **state)
{
    struct fixture *f = *state;
    struct sockaddr address = {.sa_family = AF_UNIX};

    assert_int_equal(conn_dial(&f->a.conn, &f->loop, &f->a.config, B_NAME,
                               &address, &conn_events, &f->a),
                     UV_EINVAL);
    loop_run_ms(&f->loop, 5);
    assert_int_equal(f->a.closed, 0);
}

static void wrong_cookie_closes_both_ends(void **state)
{
    struct fixture *f = *state;
    uint64_t failed = metric_read(METRIC_handshakes_failed);

    f->a.cookie = "pear";
    dial(f);
    LOOP_UNTIL(&f->loop, f->a.closed == 1 && f->b.closed == 1);
    assert_int_equal(f->b.reason, CNODE_COOKIE);
    assert_int_equal(f->a.up + f->b.up, 0);
    assert_int_equal(metric_read(METRIC_handshakes_failed) - failed, 2);
}

static void refusal_reaches_the_dialler_before_the_end(void **state)
{
    static const struct {
        enum handshake_status answer;
        int reason;
    } cases[] = {
        {HANDSHAKE_NOT_ALLOWED, CNODE_REFUSED},
        {HANDSHAKE_NOK, CNODE_EXISTS},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        f->a.closed = f->b.closed = 0;
        f->b.answer = cases[i].answer;
        dial(f);
        LOOP_UNTIL(&f->loop, f->a.closed == 1 && f->b.closed == 1);
        assert_int_equal(f->a.reason, cases[i].reason);
        assert_int_equal(f->a.up + f->b.up, 0);
    }
}

static void alive_leads_to_replace_and_then_up(void **state)
{
    struct fixture *f = *state;

    f->b.answer = HANDSHAKE_ALIVE;
    both_up(f);
    assert_int_equal(f->b.replaced, 1);
}

static void dialler_drops_a_node_of_another_name(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(
        dial_port(f, listener_port(f->listener), "other@127.0.0.1"), 0);
    LOOP_UNTIL(&f->loop, f->a.closed == 1 && f->b.closed == 1);
    assert_int_equal(f->a.reason, CNODE_BAD_NAME);
}

/* --- peers that stall, lie or stop half-way */

static void silent_acceptor_is_given_up_after_the_set_up_time(void **state)
{
    struct fixture *f = *state;
    uint16_t port;
    int fd = raw_listen(&port);

    f->a.config.setup_ms = 30;
    assert_int_equal(dial_port(f, port, B_NAME), 0);
    LOOP_UNTIL(&f->loop, f->a.closed == 1);
    assert_int_equal(f->a.reason, CNODE_TIMEOUT);
    raw_close(fd);
}

static void dialler_stalling_after_any_byte_is_given_up(void **state)
{
    struct fixture *f = *state;
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
    struct fixture *f = *state;
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

static void handshake_cut_after_any_byte_closes_and_never_comes_up(void **state)
{
    struct fixture *f = *state;
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
        }
        assert_null(f->b.conn);
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
    struct fixture *f = *state;

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
    struct fixture *f = *state;
    uint32_t seed = 20261120;

    print_message("seed %u\n", seed);
    f->b.config.setup_ms = 20;
    for (int round = 0; round < 50; round++) {
        uint8_t bytes[300];
        int fd = raw_connect(listener_port(f->listener));
        for (size_t i = 0; i < sizeof(bytes); i++) {
            seed = seed * 1664525 + 1013904223;
            bytes[i] = (uint8_t)(seed >> 24);
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
    struct fixture *f = *state;
    struct raw_peer peer;
    struct channel_vec vecs[CHANNEL_VECS];

    raw_peer_dial(&peer, f);
    raw_peer_before_last(&peer, f);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(send_number(&peer.channel, f->sender, i, 20), 0);
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
    struct fixture *f = *state;
    struct raw_peer peer;
    struct channel_vec vecs[CHANNEL_VECS];

    raw_peer_dial(&peer, f);
    while (peer.handshake.state != HANDSHAKE_DONE) {
        if (raw_peer_think(&peer)) {
            raw_peer_say(&peer, 1);
        }
        loop_turn(&f->loop, 0);
    }
    channel_init(&peer.channel,
                 peer.handshake.peer_flags & dist_flags_offered(false), NULL,
                 NULL);
    peer.has_channel = true;
    assert_int_equal(send_number(&peer.channel, f->sender, 0, 20), 0);
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
    struct fixture *f = *state;
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
    struct fixture *f = *state;
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
    struct fixture *f = *state;
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

static void idle_ends_keep_each_other_up_by_ticks(void **state)
{
    struct fixture *f = *state;

    f->a.config.ticktime_ms = f->b.config.ticktime_ms = 400;
    both_up(f);
    loop_run_ms(&f->loop, 1300);
    assert_true(conn_is_up(f->a.conn));
    assert_true(conn_is_up(f->b.conn));
    assert_true(conn_channel(f->a.conn)->frames_out >= 10);
}

static void silent_peer_is_given_up_after_a_ticktime(void **state)
{
    struct fixture *f = *state;
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

static void peer_that_ticks_but_never_reads_is_given_up(void **state)
{
    struct fixture *f = *state;
    struct raw_peer peer;
    int rc = 0;

    f->b.config.ticktime_ms = 160;
    raw_peer_up(&peer, f);
    for (uint32_t i = 0; i < 1000; i++) {
        rc |= send_number(conn_channel(f->b.conn), f->sender, i, 30000);
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

/* --- writing */

static void tens_of_megabytes_arrive_in_order(void **state)
{
    enum { COUNT = 2000, SIZE = 20009 };
    struct fixture *f = *state;
    int rc = 0;

    both_up(f);
    for (uint32_t i = 0; i < COUNT; i++) {
        rc |= send_number(conn_channel(f->a.conn), f->sender, i, SIZE);
    }
    assert_int_equal(rc, 0);
    conn_flush_later(f->a.conn);
    LOOP_UNTIL(&f->loop, f->b.signals == COUNT);
    assert_false(f->b.out_of_order);
    assert_int_equal(f->b.payload_bytes, (size_t)COUNT * (SIZE - 5));
    assert_int_equal(conn_channel(f->a.conn)->queued_bytes, 0);
}

static void large_payloads_cross_in_fragments_both_ways(void **state)
{
    enum { COUNT = 4, SIZE = 3000000 };
    struct fixture *f = *state;
    int rc = 0;

    both_up(f);
    for (uint32_t i = 0; i < COUNT; i++) {
        rc |= send_number(conn_channel(f->a.conn), f->sender, i, SIZE);
        rc |= send_number(conn_channel(f->b.conn), f->sender, i, SIZE);
    }
    assert_int_equal(rc, 0);
    conn_flush_later(f->a.conn);
    conn_flush_later(f->b.conn);
    LOOP_UNTIL(&f->loop, f->b.signals == COUNT && f->a.signals == COUNT);
    assert_false(f->a.out_of_order || f->b.out_of_order);
}

static void what_was_queued_before_the_close_still_arrives(void **state)
{
    enum { COUNT = 200 };
    struct fixture *f = *state;

    both_up(f);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(
            send_number(conn_channel(f->a.conn), f->sender, i, 100), 0);
    }
    conn_close(f->a.conn, CNODE_STOPPED);
    LOOP_UNTIL(&f->loop, f->a.closed == 1 && f->b.closed == 1);
    assert_int_equal(f->b.signals, COUNT);
    assert_int_equal(f->b.reason, CNODE_CLOSED);
}

/* --- closing */

static void second_close_keeps_first_reason(void **state)
{
    struct fixture *f = *state;

    both_up(f);
    conn_close(f->a.conn, CNODE_STOPPED);
    conn_close(f->a.conn, CNODE_REFUSED);
    assert_int_equal(f->a.closed, 0);
    LOOP_UNTIL(&f->loop, f->a.closed == 1 && f->b.closed == 1);
    assert_int_equal(f->a.reason, CNODE_STOPPED);
    assert_int_equal(f->b.reason, CNODE_CLOSED);
}

static void closing_in_any_turn_gives_one_closed_event(void **state)
{
    enum { TURNS = 24 };
    struct fixture *f = *state;

    for (unsigned turn = 0; turn < TURNS * 2; turn++) {
        struct side *side = turn % 2 == 0 ? &f->a : &f->b;
        f->a.closed = f->b.closed = f->a.up = f->b.up = 0;
        f->a.signals = f->b.signals = 0;
        f->a.echoes = f->b.echoes = 30;
        dial(f);
        for (unsigned i = 0; i < turn / 2; i++) {
            loop_turn(&f->loop, 1);
        }
        if (side->conn != NULL) {
            conn_close(side->conn, CNODE_STOPPED);
        } else {
            conn_close(f->a.conn, CNODE_STOPPED);
        }
        LOOP_UNTIL(&f->loop, f->a.closed == 1);
        loop_run_ms(&f->loop, 2); /* it may have been accepted late */
        LOOP_UNTIL(&f->loop, f->b.conn == NULL);
        assert_int_equal(f->a.closed, 1);
        assert_true(f->b.closed <= 1);
    }
}

static void closing_inside_any_event_is_allowed(void **state)
{
    struct fixture *f = *state;

    for (enum at at = AT_NAMED; at <= AT_SIGNAL; at++) {
        for (int who = 0; who < 2; who++) {
            struct side *side = who == 0 ? &f->a : &f->b;
            if (at == AT_NAMED && who == 0) {
                continue; /* a dialler is not asked */
            }
            f->a.closed = f->b.closed = 0;
            f->a.signals = f->b.signals = 0;
            f->a.close_at = f->b.close_at = AT_NONE;
            f->a.echoes = f->b.echoes = 5;
            side->close_at = at;
            dial(f);
            LOOP_UNTIL(&f->loop, f->a.closed == 1 && f->b.closed == 1);
            assert_int_equal(side->reason, CNODE_STOPPED);
            if (at == AT_SIGNAL) {
                assert_int_equal(side->signals, 1); /* and none after it */
            }
        }
    }
}

static void closing_while_a_write_waits_is_clean(void **state)
{
    struct fixture *f = *state;
    struct raw_peer peer;
    int rc = 0;

    raw_peer_up(&peer, f);
    for (uint32_t i = 0; i < 20; i++) {
        rc |= send_number(conn_channel(f->b.conn), f->sender, i, 1000000);
        rc |= send_number(conn_channel(f->b.conn), f->sender, i, 50000);
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
    struct fixture *f = *state;
    struct raw_peer peer;
    int rc = 0;

    raw_peer_up(&peer, f);
    for (uint32_t i = 0; i < 20; i++) {
        rc |= send_number(conn_channel(f->b.conn), f->sender, i, 1000000);
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
    struct fixture *f = *state;
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(dialled_and_accepted_ends_come_up_and_know_each_other),
        TEST(signals_sent_at_up_arrive_in_order_both_ways),
        TEST(nobody_listening_ends_in_the_closed_event),
        TEST(bad_peer_name_fails_at_once_without_an_event),
        TEST(impossible_address_fails_at_once_without_an_event),
        TEST(wrong_cookie_closes_both_ends),
        TEST(refusal_reaches_the_dialler_before_the_end),
        TEST(alive_leads_to_replace_and_then_up),
        TEST(dialler_drops_a_node_of_another_name),
        TEST(silent_acceptor_is_given_up_after_the_set_up_time),
        TEST(dialler_stalling_after_any_byte_is_given_up),
        TEST(each_step_of_the_handshake_has_its_own_time),
        TEST(handshake_cut_after_any_byte_closes_and_never_comes_up),
        TEST(garbage_is_refused_without_waiting_for_a_deadline),
        TEST(random_bytes_never_come_up),
        TEST(handshake_and_first_frames_may_share_one_read),
        TEST(bytes_may_come_one_at_a_time),
        TEST(frame_above_the_limit_closes),
        TEST(frame_of_garbage_closes),
        TEST(one_frame_of_megabytes_arrives_whole_and_small_ones_after_it),
        TEST(idle_ends_keep_each_other_up_by_ticks),
        TEST(silent_peer_is_given_up_after_a_ticktime),
        TEST(peer_that_ticks_but_never_reads_is_given_up),
        TEST(tens_of_megabytes_arrive_in_order),
        TEST(large_payloads_cross_in_fragments_both_ways),
        TEST(what_was_queued_before_the_close_still_arrives),
        TEST(second_close_keeps_first_reason),
        TEST(closing_in_any_turn_gives_one_closed_event),
        TEST(closing_inside_any_event_is_allowed),
        TEST(closing_while_a_write_waits_is_clean),
        TEST(peer_reset_while_a_write_waits_is_its_error),
        TEST(no_memory_for_the_read_buffer_closes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
