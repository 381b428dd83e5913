/* SPDX-License-Identifier: Apache-2.0 */
#include "dist/listener.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/mem.h"
#include "base/metric.h"
#include "support/loop_until.h"
#include "support/raw_socket.h"

struct fixture {
    struct loop loop;
    struct listener *listener;
    unsigned incoming, accepted, closed;
    bool refuses, closes; /* what the incoming event does */
};

static void on_closed_accepted(uv_handle_t *handle)
{
    mem_free(handle);
}

static void on_incoming(void *owner, uv_stream_t *server)
{
    struct fixture *f = owner;
    uv_tcp_t *tcp;

    f->incoming++;
    if (f->closes) {
        listener_close(f->listener);
        return;
    }
    if (f->refuses) {
        listener_refuse(&f->loop, server);
        return;
    }
    tcp = mem_alloc(sizeof(*tcp));
    f->accepted += uv_tcp_init(&f->loop.uv, tcp) == 0 &&
                   uv_accept(server, (uv_stream_t *)tcp) == 0;
    uv_close((uv_handle_t *)tcp, on_closed_accepted);
}

static void on_closed(void *owner)
{
    struct fixture *f = owner;

    f->closed++;
    f->listener = NULL;
}

static const struct listener_events events = {
    .incoming = on_incoming,
    .closed = on_closed,
};

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));

    *state = f;
    return loop_init(&f->loop, NULL, NULL);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->listener != NULL) {
        listener_close(f->listener);
    }
    loop_fini(&f->loop);
    mem_free(f);
    return 0;
}

static int open_at(struct fixture *f, const char *host, uint16_t port)
{
    return listener_open(&f->listener, &f->loop, host, port, &events, f);
}

static void port_0_becomes_a_real_port(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(open_at(f, "127.0.0.1", 0), 0);
    assert_true(listener_port(f->listener) > 0);
}

static void ipv6_is_served_as_well(void **state)
{
    struct fixture *f = *state;
    int rc = open_at(f, "::1", 0);

    if (rc == UV_EADDRNOTAVAIL || rc == UV_EAFNOSUPPORT) {
        skip(); /* this machine has no IPv6 */
    }
    assert_int_equal(rc, 0);
    assert_true(listener_port(f->listener) > 0);
}

static void every_waiting_connection_is_reported(void **state)
{
    struct fixture *f = *state;
    int fds[20];

    assert_int_equal(open_at(f, "127.0.0.1", 0), 0);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = raw_connect(listener_port(f->listener));
    }
    LOOP_UNTIL(&f->loop, f->accepted == ARRAY_LEN(fds));
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        raw_close(fds[i]);
    }
}

static void refused_connection_is_closed_and_the_next_one_reported(void **state)
{
    struct fixture *f = *state;
    uint64_t refused = metric_read(METRIC_connections_refused);
    uint8_t byte;
    size_t size = 0;
    int first, second;

    f->refuses = true;
    assert_int_equal(open_at(f, "127.0.0.1", 0), 0);
    first = raw_connect(listener_port(f->listener));
    LOOP_UNTIL(&f->loop, raw_read(first, &byte, &size, 1));
    second = raw_connect(listener_port(f->listener));
    LOOP_UNTIL(&f->loop, raw_read(second, &byte, &size, 1));
    assert_int_equal(f->incoming, 2);
    assert_int_equal(metric_read(METRIC_connections_refused) - refused, 2);
    raw_close(first);
    raw_close(second);
}

static void port_in_use_fails_at_once_without_an_event(void **state)
{
    struct fixture *f = *state;
    uint16_t port;
    int fd = raw_listen(&port);

    assert_int_equal(open_at(f, "127.0.0.1", port), UV_EADDRINUSE);
    loop_run_ms(&f->loop, 5);
    assert_int_equal(f->closed, 0);
    raw_close(fd);
}

static void host_name_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(open_at(f, "localhost", 0), CNODE_EINVALID);
    assert_int_equal(open_at(f, "", 0), CNODE_EINVALID);
    assert_int_equal(open_at(f, "127.0.0.1.1", 0), CNODE_EINVALID);
}

static void closing_twice_gives_one_event_later(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(open_at(f, "127.0.0.1", 0), 0);
    listener_close(f->listener);
    listener_close(f->listener);
    assert_int_equal(f->closed, 0);
    LOOP_UNTIL(&f->loop, f->closed > 0);
    loop_run_ms(&f->loop, 5);
    assert_int_equal(f->closed, 1);
}

static void closing_inside_incoming_leaves_no_connection(void **state)
{
    struct fixture *f = *state;
    uint8_t byte;
    size_t size = 0;
    int fds[3];

    f->closes = true;
    assert_int_equal(open_at(f, "127.0.0.1", 0), 0);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = raw_connect(listener_port(f->listener));
    }
    LOOP_UNTIL(&f->loop, f->closed == 1);
    assert_int_equal(f->incoming, 1);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        LOOP_UNTIL(&f->loop, raw_read(fds[i], &byte, &size, 1));
        raw_close(fds[i]);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(port_0_becomes_a_real_port),
        TEST(ipv6_is_served_as_well),
        TEST(every_waiting_connection_is_reported),
        TEST(refused_connection_is_closed_and_the_next_one_reported),
        TEST(port_in_use_fails_at_once_without_an_event),
        TEST(host_name_is_refused),
        TEST(closing_twice_gives_one_event_later),
        TEST(closing_inside_incoming_leaves_no_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
