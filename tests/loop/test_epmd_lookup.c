/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking up nodes, against scripted epmds and, once, the real one.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/mem.h"
#include "dist/address.h"
#include "dist/epmd.h"
#include "dist/epmd_program.h"
#include "support/child_reaper.h"
#include "support/loop_until.h"
#include "support/raw_socket.h"

/* port 4711, normal node, TCP, versions 6..6, "me", no extra */
#define REPLY_FOUND                                                            \
    "\x77\x00\x12\x67\x4d\x00\x00\x06\x00\x06\x00\x02"                         \
    "me\x00\x00"
#define REPLY_OLD                                                              \
    "\x77\x00\x12\x67\x4d\x00\x00\x05\x00\x05\x00\x02"                         \
    "me\x00\x00"
#define REPLY_UNKNOWN "\x77\x01"

enum { REPLY_BYTES = 16 };

struct fixture {
    struct loop loop;
    struct epmd_lookup *lookup; /* NULL once done */
    unsigned done;
    int rc;
    char address[ADDRESS_TEXT_MAX];

    uint16_t port;
    int listener, fd;
    uint8_t in[512];
    size_t in_size;

    unsigned registered; /* with the real epmd */
    unsigned closed;
};

static void on_done(void *owner, int rc, const struct sockaddr *address)
{
    struct fixture *f = owner;

    f->done++;
    f->lookup = NULL;
    f->rc = rc;
    f->address[0] = '\0';
    if (address != NULL) {
        address_text(address, f->address);
    }
}

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));

    *state = f;
    (void)signal(SIGPIPE, SIG_IGN);
    child_reaper_start();
    f->fd = -1;
    f->listener = raw_listen(&f->port);
    return loop_init(&f->loop, NULL, NULL);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->lookup != NULL) {
        epmd_lookup_cancel(f->lookup);
        LOOP_UNTIL(&f->loop, f->lookup == NULL);
    }
    child_reaper_kill_all();
    raw_close(f->fd);
    raw_close(f->listener);
    loop_fini(&f->loop);
    mem_free(f);
    return 0;
}

static int look_up(struct fixture *f, const char *node, uint16_t port,
                   uint64_t timeout_ms)
{
    struct epmd_where where = {
        .node = node, .epmd_port = f->port, .port = port};

    f->done = 0;
    return epmd_lookup_open(&f->lookup, &f->loop, &where, timeout_ms, on_done,
                            f);
}

static void fake_accept(struct fixture *f)
{
    raw_close(f->fd);
    LOOP_UNTIL(&f->loop, (f->fd = raw_accept(f->listener)) >= 0);
    f->in_size = 0;
}

/* --- answered */

static void node_is_found_where_its_epmd_says(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(look_up(f, "me@127.0.0.1", 0, 5000), 0);
    fake_accept(f);
    LOOP_UNTIL(&f->loop, raw_read(f->fd, f->in, &f->in_size, sizeof(f->in)) ||
                             f->in_size >= 5);
    assert_memory_equal(f->in, "\0\3zme", 5);
    assert_int_equal(f->done, 0);
    assert_int_equal(raw_write(f->fd, REPLY_FOUND, REPLY_BYTES), REPLY_BYTES);
    LOOP_UNTIL(&f->loop, f->done == 1);
    assert_int_equal(f->rc, 0);
    assert_string_equal(f->address, "127.0.0.1:4711");
}

static void reply_may_come_one_byte_at_a_time(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(look_up(f, "me@127.0.0.1", 0, 5000), 0);
    fake_accept(f);
    for (size_t i = 0; i < REPLY_BYTES && f->done == 0; i++) {
        assert_int_equal(raw_write(f->fd, &REPLY_FOUND[i], 1), 1);
        loop_run_ms(&f->loop, 2);
    }
    LOOP_UNTIL(&f->loop, f->done == 1);
    assert_int_equal(f->rc, 0);
}

static void host_names_are_resolved(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(look_up(f, "me@localhost", 0, 10000), 0);
    fake_accept(f);
    assert_int_equal(raw_write(f->fd, REPLY_FOUND, REPLY_BYTES), REPLY_BYTES);
    LOOP_UNTIL(&f->loop, f->done == 1);
    assert_int_equal(f->rc, 0);
    assert_string_equal(f->address, "127.0.0.1:4711");
}

static void known_port_needs_no_epmd_and_is_not_told_at_once(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(look_up(f, "me@127.0.0.1", 99, 5000), 0);
    assert_int_equal(f->done, 0);
    LOOP_UNTIL(&f->loop, f->done == 1);
    assert_string_equal(f->address, "127.0.0.1:99");
    assert_int_equal(look_up(f, "me@::1", 99, 5000), 0);
    LOOP_UNTIL(&f->loop, f->done == 1);
    assert_string_equal(f->address, "[::1]:99");
    assert_int_equal(raw_accept(f->listener), -1);
}

static void every_bad_reply_has_its_error(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        int rc;
    } cases[] = {
        {REPLY_UNKNOWN, 2, CNODE_NOT_REGISTERED},
        {REPLY_OLD, REPLY_BYTES, CNODE_REFUSED},
        {"HTTP/1.1 400 Bad Request\r\n", 26, CNODE_PROTOCOL},
        {"", 0, CNODE_CLOSED},
        {REPLY_FOUND, 1, CNODE_CLOSED},
        {REPLY_FOUND, 4, CNODE_CLOSED},
        {"\x77\x00\x00\x00\x4d\x00\x00\x06\x00\x06\x00\x02me\x00\x00", 16,
         CNODE_PROTOCOL}, /* port 0 */
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(look_up(f, "me@127.0.0.1", 0, 5000), 0);
        fake_accept(f);
        /* a close with our request unread would be a reset */
        LOOP_UNTIL(&f->loop,
                   raw_read(f->fd, f->in, &f->in_size, sizeof(f->in)) ||
                       f->in_size >= 5);
        assert_int_equal(raw_write(f->fd, cases[i].bytes, cases[i].size),
                         cases[i].size);
        raw_close(f->fd);
        f->fd = -1;
        LOOP_UNTIL(&f->loop, f->done == 1);
        assert_int_equal(f->rc, cases[i].rc);
        assert_string_equal(f->address, "");
    }
}

static void nobody_there_is_an_error_of_libuv(void **state)
{
    struct fixture *f = *state;

    f->port = raw_free_port();
    assert_int_equal(look_up(f, "me@127.0.0.1", 0, 5000), 0);
    LOOP_UNTIL(&f->loop, f->done == 1);
    assert_int_equal(f->rc, UV_ECONNREFUSED);
}

static void names_without_two_parts_fail_at_once(void **state)
{
    static const char *const bad[] = {"", "me", "me@", "@host", "a@b@c"};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(look_up(f, bad[i], 0, 5000), CNODE_BAD_NAME);
    }
    loop_run_ms(&f->loop, 3);
    assert_int_equal(f->done, 0);
}

/* --- not answered */

static void silent_epmd_is_given_up_at_the_deadline(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(look_up(f, "me@127.0.0.1", 0, 30), 0);
    LOOP_UNTIL(&f->loop, f->done == 1);
    assert_int_equal(f->rc, CNODE_TIMEOUT);
}

static void deadline_holds_while_the_resolver_works(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(look_up(f, "me@nowhere.invalid", 0, 0), 0);
    LOOP_UNTIL(&f->loop, f->done == 1);
    assert_true(f->rc < 0);
    loop_run_ms(&f->loop, 10);
    assert_int_equal(f->done, 1);
}

static void canceled_in_any_turn_is_done_once_and_later(void **state)
{
    static const char *const nodes[] = {"me@127.0.0.1", "me@localhost"};
    struct fixture *f = *state;

    for (unsigned turn = 0; turn < 20; turn++) {
        assert_int_equal(look_up(f, nodes[turn % 2], 0, 5000), 0);
        for (unsigned i = 0; i < turn / 2 && f->lookup != NULL; i++) {
            loop_turn(&f->loop, 1);
            if (i == 4) {
                raw_close(f->fd);
                f->fd = raw_accept(f->listener);
            }
            if (i == 6 && f->fd >= 0) {
                (void)raw_write(f->fd, REPLY_FOUND, REPLY_BYTES);
            }
        }
        if (f->lookup != NULL) {
            epmd_lookup_cancel(f->lookup);
            assert_int_equal(f->done, 0);
            epmd_lookup_cancel(f->lookup);
            LOOP_UNTIL(&f->loop, f->done == 1);
            assert_int_equal(f->rc, CNODE_CANCELED);
        }
        loop_run_ms(&f->loop, 2);
        assert_int_equal(f->done, 1);
        raw_close(f->fd);
        while ((f->fd = raw_accept(f->listener)) >= 0) {
            raw_close(f->fd);
        }
    }
}

static void canceled_although_the_result_is_there_is_canceled(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(look_up(f, "me@127.0.0.1", 99, 5000), 0);
    epmd_lookup_cancel(f->lookup);
    LOOP_UNTIL(&f->loop, f->done == 1);
    assert_int_equal(f->rc, CNODE_CANCELED);
}

/* --- the real one */

static void on_registered(void *owner, int rc, uint32_t creation)
{
    struct fixture *f = owner;

    (void)creation;
    f->registered += rc == 0;
}

static void on_renewed(void *owner)
{
    (void)owner;
}

static void on_closed(void *owner)
{
    struct fixture *f = owner;

    f->closed++;
}

static const struct epmd_events epmd_events = {
    .registered = on_registered,
    .renewed = on_renewed,
    .closed = on_closed,
};

static void real_epmd_knows_a_name_until_it_is_closed(void **state)
{
    struct fixture *f = *state;
    struct epmd_client *client;
    char *program = epmd_program_find(getenv("PATH"));

    if (program == NULL) {
        skip();
    }
    mem_free(program);
    f->port = raw_free_port();
    assert_int_equal(epmd_open(&client, &f->loop, f->port, "me", 4711, true,
                               &epmd_events, f),
                     0);
    LOOP_UNTIL(&f->loop, f->registered == 1);
    assert_int_equal(look_up(f, "me@127.0.0.1", 0, 5000), 0);
    LOOP_UNTIL(&f->loop, f->done == 1);
    assert_int_equal(f->rc, 0);
    assert_string_equal(f->address, "127.0.0.1:4711");
    assert_int_equal(look_up(f, "you@127.0.0.1", 0, 5000), 0);
    LOOP_UNTIL(&f->loop, f->done == 1);
    assert_int_equal(f->rc, CNODE_NOT_REGISTERED);

    epmd_close(client);
    LOOP_UNTIL(&f->loop, f->closed == 1);
    f->rc = 0;
    /* epmd may see the end of the connection a little later */
    for (int i = 0; i < 100 && f->rc == 0; i++) {
        assert_int_equal(look_up(f, "me@127.0.0.1", 0, 5000), 0);
        LOOP_UNTIL(&f->loop, f->done == 1);
    }
    assert_int_equal(f->rc, CNODE_NOT_REGISTERED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(node_is_found_where_its_epmd_says),
        TEST(reply_may_come_one_byte_at_a_time),
        TEST(host_names_are_resolved),
        TEST(known_port_needs_no_epmd_and_is_not_told_at_once),
        TEST(every_bad_reply_has_its_error),
        TEST(nobody_there_is_an_error_of_libuv),
        TEST(names_without_two_parts_fail_at_once),
        TEST(silent_epmd_is_given_up_at_the_deadline),
        TEST(deadline_holds_while_the_resolver_works),
        TEST(canceled_in_any_turn_is_done_once_and_later),
        TEST(canceled_although_the_result_is_there_is_canceled),
        TEST(real_epmd_knows_a_name_until_it_is_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
