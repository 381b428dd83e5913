/* SPDX-License-Identifier: Apache-2.0
 *
 * Registration, against the real epmd on a port of its own (skipped where
 * Erlang is not installed) and against scripted ones.
 */
#include "dist/epmd.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/mem.h"
#include "base/metric.h"
#include "dist/epmd_program.h"
#include "support/child_reaper.h"
#include "support/dist/real_epmd.h"
#include "support/loop_until.h"
#include "support/raw_socket.h"

#define REPLY_OK    "\x76\x00\x01\x02\x03\x04"
#define REPLY_TAKEN "\x76\x01\x00\x00\x00\x63"

struct fixture {
    struct loop loop;
    struct epmd_client *client;
    unsigned registered, renewed, lost, closed;
    int lost_reason;
    int rc;
    uint32_t creation;
    bool closes_when_registered, closes_when_renewed;

    char *program; /* of the real epmd, NULL when there is none */
    pid_t epmd;    /* when the test itself started it */
    uint16_t port;

    int listener, fd; /* of a scripted epmd */
    uint8_t in[512];
    size_t in_size;
};

static void on_registered(void *owner, int rc, uint32_t creation)
{
    struct fixture *f = owner;

    f->registered++;
    f->rc = rc;
    f->creation = creation;
    if (f->closes_when_registered) {
        epmd_close(f->client);
    }
}

static void on_lost(void *owner, int reason)
{
    struct fixture *f = owner;

    f->lost++;
    f->lost_reason = reason;
}

static void on_renewed(void *owner)
{
    struct fixture *f = owner;

    f->renewed++;
    if (f->closes_when_renewed) {
        epmd_close(f->client);
    }
}

static void on_closed(void *owner)
{
    struct fixture *f = owner;

    f->closed++;
    f->client = NULL;
}

static const struct epmd_events events = {
    .registered = on_registered,
    .lost = on_lost,
    .renewed = on_renewed,
    .closed = on_closed,
};

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));

    *state = f;
    (void)signal(SIGPIPE, SIG_IGN);
    child_reaper_start();
    f->listener = f->fd = -1;
    f->program = epmd_program_find(getenv("PATH"));
    return loop_init(&f->loop, NULL, NULL);
}

static void real_epmd_stop(struct fixture *f)
{
    int status;

    CHECK(kill(f->epmd, SIGKILL) == 0);
    CHECK(waitpid(f->epmd, &status, 0) == f->epmd);
}

static void need_real_epmd(struct fixture *f)
{
    if (f->program == NULL) {
        skip();
    }
    f->port = raw_free_port();
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->client != NULL) {
        epmd_close(f->client);
        LOOP_UNTIL(&f->loop, f->client == NULL);
    }
    child_reaper_kill_all();
    raw_close(f->fd);
    raw_close(f->listener);
    loop_fini(&f->loop);
    mem_free(f->program);
    mem_free(f);
    return 0;
}

static void open_client(struct fixture *f, const char *alive, bool start_daemon)
{
    assert_int_equal(epmd_open(&f->client, &f->loop, f->port, alive, 4711,
                               start_daemon, &events, f),
                     0);
}

static void close_client(struct fixture *f)
{
    epmd_close(f->client);
    LOOP_UNTIL(&f->loop, f->client == NULL);
}

/* --- a scripted epmd */

static void fake_listen(struct fixture *f)
{
    f->listener = raw_listen(&f->port);
}

static void fake_accept(struct fixture *f)
{
    raw_close(f->fd);
    LOOP_UNTIL(&f->loop, (f->fd = raw_accept(f->listener)) >= 0);
    f->in_size = 0;
}

/* Waits for the request to register "me", 17 bytes. */
static void fake_accept_request(struct fixture *f)
{
    fake_accept(f);
    LOOP_UNTIL(&f->loop, raw_read(f->fd, f->in, &f->in_size, sizeof(f->in)) ||
                             f->in_size >= 17);
}

static void fake_reply(struct fixture *f, const char *bytes, size_t size)
{
    assert_int_equal(raw_write(f->fd, bytes, size), size);
}

static void fake_register(struct fixture *f)
{
    fake_listen(f);
    open_client(f, "me", false);
    fake_accept_request(f);
    fake_reply(f, REPLY_OK, 6);
    LOOP_UNTIL(&f->loop, f->registered == 1);
    assert_int_equal(f->rc, 0);
}

/* --- scripted */

static void
request_is_as_specified_and_creation_comes_from_the_reply(void **state)
{
    static const uint8_t request[] = {0, 15,  120, 4711 >> 8, 4711 & 255, 77,
                                      0, 0,   6,   0,         6,          0,
                                      2, 'm', 'e', 0,         0};
    struct fixture *f = *state;

    fake_register(f);
    assert_int_equal(f->creation, 0x01020304);
    assert_int_equal(f->in_size, sizeof(request));
    assert_memory_equal(f->in, request, sizeof(request));
}

static void reply_may_come_one_byte_at_a_time(void **state)
{
    struct fixture *f = *state;

    fake_listen(f);
    open_client(f, "me", false);
    fake_accept_request(f);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(f->registered, 0);
        fake_reply(f, &REPLY_OK[i], 1);
        loop_run_ms(&f->loop, 2);
    }
    LOOP_UNTIL(&f->loop, f->registered == 1);
    assert_int_equal(f->creation, 0x01020304);
}

static void nothing_is_ever_written_on_a_registered_connection(void **state)
{
    struct fixture *f = *state;
    size_t size;

    fake_register(f);
    size = f->in_size;
    fake_reply(f, "what?", 5); /* nor is anything believed */
    loop_run_ms(&f->loop, 50);
    assert_false(raw_read(f->fd, f->in, &f->in_size, sizeof(f->in)));
    assert_int_equal(f->in_size, size);
    assert_int_equal(f->registered, 1);
}

static void a_flood_on_a_registered_connection_is_ignored(void **state)
{
    static const char flood[100000];
    struct fixture *f = *state;
    size_t sent = 0;

    fake_register(f);
    for (int i = 0; i < 1000 && sent < sizeof(flood); i++) {
        sent += raw_write(f->fd, flood + sent, sizeof(flood) - sent);
        loop_turn(&f->loop, 1);
    }
    assert_int_equal(sent, sizeof(flood));
    loop_run_ms(&f->loop, 20);
    assert_false(raw_read(f->fd, f->in, &f->in_size, sizeof(f->in)));
}

static void every_bad_first_reply_is_reported_once(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        int rc;
    } cases[] = {
        {REPLY_TAKEN, 6, CNODE_NAME_IN_USE},
        {"HTTP/1.1 400", 12, CNODE_PROTOCOL},
        {"", 0, CNODE_CLOSED},
        {REPLY_OK, 1, CNODE_CLOSED},
        {REPLY_OK, 5, CNODE_CLOSED},
    };
    struct fixture *f = *state;

    fake_listen(f);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        f->registered = f->closed = 0;
        open_client(f, "me", false);
        fake_accept_request(f);
        fake_reply(f, cases[i].bytes, cases[i].size);
        raw_close(f->fd);
        f->fd = -1;
        LOOP_UNTIL(&f->loop, f->registered == 1);
        assert_int_equal(f->rc, cases[i].rc);
        loop_run_ms(&f->loop, 10);
        assert_int_equal(f->registered, 1);
        assert_int_equal(f->closed, 0); /* that is the owner's to ask for */
        close_client(f);
    }
}

static void nobody_there_is_reported_when_no_daemon_is_wanted(void **state)
{
    struct fixture *f = *state;

    f->port = raw_free_port();
    open_client(f, "me", false);
    assert_int_equal(f->registered, 0);
    LOOP_UNTIL(&f->loop, f->registered == 1);
    assert_int_equal(f->rc, UV_ECONNREFUSED);
}

static void
lost_registration_is_renewed_and_keeps_the_first_creation(void **state)
{
    struct fixture *f = *state;
    uint64_t reconnects = metric_read(METRIC_epmd_reconnects);
    uint8_t request[17];

    fake_register(f);
    memcpy(request, f->in, sizeof(request));
    for (unsigned i = 1; i <= 2; i++) { /* not only once */
        raw_close(f->fd);
        f->fd = -1;
        fake_accept_request(f);
        assert_memory_equal(f->in, request, sizeof(request)); /* same port */
        fake_reply(f, "\x76\x00\x09\x09\x09\x09", 6);
        LOOP_UNTIL(&f->loop, f->renewed == i);
        assert_int_equal(f->lost, i);
        assert_int_equal(f->lost_reason, CNODE_CLOSED);
        assert_int_equal(f->registered, 1);
        assert_int_equal(f->creation, 0x01020304);
    }
    assert_int_equal(metric_read(METRIC_epmd_reconnects) - reconnects, 2);
}

static void refused_renewal_is_tried_again(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {{REPLY_TAKEN, 6}, {"garbage", 7}, {"", 0}};
    struct fixture *f = *state;

    fake_register(f);
    raw_close(f->fd);
    f->fd = -1;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        fake_accept_request(f);
        fake_reply(f, bad[i].bytes, bad[i].size);
        raw_close(f->fd);
        f->fd = -1;
        if (i == 0) { /* somebody has our name: that is told */
            LOOP_UNTIL(&f->loop, f->lost == 2);
            assert_int_equal(f->lost_reason, CNODE_NAME_IN_USE);
        }
    }
    fake_accept_request(f);
    fake_reply(f, REPLY_OK, 6);
    LOOP_UNTIL(&f->loop, f->renewed == 1);
    assert_int_equal(f->registered, 1);
}

static void closing_in_any_turn_gives_one_closed_event(void **state)
{
    struct fixture *f = *state;

    fake_listen(f);
    for (unsigned turn = 0; turn < 12; turn++) {
        f->registered = f->closed = 0;
        open_client(f, "me", false);
        for (unsigned i = 0; i < turn; i++) {
            loop_turn(&f->loop, 1);
            if (i == 3) {
                raw_close(f->fd);
                f->fd = raw_accept(f->listener);
            }
            if (i == 6 && f->fd >= 0) {
                (void)raw_write(f->fd, REPLY_OK, 6);
            }
        }
        epmd_close(f->client);
        epmd_close(f->client);
        assert_int_equal(f->closed, 0);
        LOOP_UNTIL(&f->loop, f->closed == 1);
        loop_run_ms(&f->loop, 3);
        assert_int_equal(f->closed, 1);
        assert_int_equal(f->registered, 1);
        assert_true(f->rc == 0 || f->rc == CNODE_CANCELED);
        raw_close(f->fd);
        while ((f->fd = raw_accept(f->listener)) >= 0) {
            raw_close(f->fd);
        }
    }
}

static void closing_inside_the_events_is_allowed(void **state)
{
    struct fixture *f = *state;

    f->closes_when_registered = true;
    fake_register(f);
    LOOP_UNTIL(&f->loop, f->closed == 1);
    raw_close(f->listener);

    f->closes_when_registered = false;
    f->closes_when_renewed = true;
    f->registered = f->closed = 0;
    fake_register(f);
    raw_close(f->fd);
    f->fd = -1;
    fake_accept_request(f);
    fake_reply(f, REPLY_OK, 6);
    LOOP_UNTIL(&f->loop, f->closed == 1);
    assert_int_equal(f->renewed, 1);
    raw_close(f->listener);

    f->closes_when_registered = true; /* after a failure, too */
    f->registered = f->closed = 0;
    fake_listen(f);
    open_client(f, "me", false);
    fake_accept_request(f);
    fake_reply(f, REPLY_TAKEN, 6);
    LOOP_UNTIL(&f->loop, f->closed == 1);
    assert_int_equal(f->registered, 1);
}

static void closing_while_waiting_to_renew_is_clean(void **state)
{
    struct fixture *f = *state;

    fake_register(f);
    raw_close(f->fd);
    f->fd = -1;
    loop_run_ms(&f->loop, 20);
    epmd_close(f->client);
    assert_int_equal(f->closed, 0);
    LOOP_UNTIL(&f->loop, f->closed == 1);
    assert_int_equal(f->renewed, 0);
}

static void names_that_do_not_fit_are_refused_at_once(void **state)
{
    struct fixture *f = *state;
    char name[257];

    memset(name, 'x', 256);
    name[256] = '\0';
    assert_int_equal(
        epmd_open(&f->client, &f->loop, 4369, "", 1, false, &events, f),
        CNODE_EINVALID);
    assert_int_equal(
        epmd_open(&f->client, &f->loop, 4369, name, 1, false, &events, f),
        CNODE_EINVALID);
}

static void port_comes_from_the_environment_if_it_is_one(void **state)
{
    (void)state;
    (void)unsetenv("ERL_EPMD_PORT");
    assert_int_equal(epmd_port_from_env(), 4369);
    (void)setenv("ERL_EPMD_PORT", "14369", 1);
    assert_int_equal(epmd_port_from_env(), 14369);
    assert_null(epmd_env_mistake());
    for (size_t i = 0; i < 6; i++) {
        static const char *const bad[] = {"",      "0",  "65536",
                                          "4369x", "-1", " 4369"};
        (void)setenv("ERL_EPMD_PORT", bad[i], 1);
        assert_int_equal(epmd_port_from_env(), 4369);
        if (i > 0) {
            assert_string_equal(epmd_env_mistake(), bad[i]);
        }
    }
    (void)unsetenv("ERL_EPMD_PORT");
    assert_null(epmd_env_mistake());
}

/* --- the real one */

static void real_epmd_is_started_once_and_registers_us(void **state)
{
    struct fixture *f = *state;

    need_real_epmd(f);
    open_client(f, "me", true);
    LOOP_UNTIL(&f->loop, f->registered == 1);
    assert_int_equal(f->rc, 0);
    assert_true(f->creation >= 4);
    close_client(f);
}

static void closing_while_the_daemon_starts_is_clean(void **state)
{
    struct fixture *f = *state;

    need_real_epmd(f);
    for (unsigned turn = 0; turn < 8; turn++) {
        f->registered = f->closed = 0;
        open_client(f, "me", true);
        for (unsigned i = 0; i < turn; i++) {
            loop_turn(&f->loop, 1);
        }
        close_client(f);
        assert_int_equal(f->registered, 1);
    }
}

static void second_node_of_a_name_is_refused_by_the_real_epmd(void **state)
{
    struct fixture *f = *state;
    struct epmd_client *first;

    need_real_epmd(f);
    open_client(f, "me", true);
    LOOP_UNTIL(&f->loop, f->registered == 1);
    first = f->client;
    open_client(f, "me", true);
    LOOP_UNTIL(&f->loop, f->registered == 2);
    assert_int_equal(f->rc, CNODE_NAME_IN_USE);
    close_client(f);
    f->client = first;
}

static void real_epmd_that_restarts_gets_the_name_again(void **state)
{
    struct fixture *f = *state;
    uint32_t creation;

    need_real_epmd(f);
    f->epmd = real_epmd_start(f->program, f->port);
    f->rc = -1;
    for (int i = 0; i < 100 && f->rc != 0; i++) {
        f->registered = 0;
        open_client(f, "me", false); /* it takes a moment to come up */
        LOOP_UNTIL(&f->loop, f->registered == 1);
        if (f->rc != 0) {
            close_client(f);
            loop_run_ms(&f->loop, 50);
        }
    }
    assert_int_equal(f->rc, 0);
    creation = f->creation;
    real_epmd_stop(f);
    loop_run_ms(&f->loop, 300);
    f->epmd = real_epmd_start(f->program, f->port);
    LOOP_UNTIL(&f->loop, f->renewed == 1);
    assert_int_equal(f->creation, creation);
    assert_int_equal(f->registered, 1);
    close_client(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(request_is_as_specified_and_creation_comes_from_the_reply),
        TEST(reply_may_come_one_byte_at_a_time),
        TEST(nothing_is_ever_written_on_a_registered_connection),
        TEST(a_flood_on_a_registered_connection_is_ignored),
        TEST(every_bad_first_reply_is_reported_once),
        TEST(nobody_there_is_reported_when_no_daemon_is_wanted),
        TEST(lost_registration_is_renewed_and_keeps_the_first_creation),
        TEST(refused_renewal_is_tried_again),
        TEST(closing_in_any_turn_gives_one_closed_event),
        TEST(closing_inside_the_events_is_allowed),
        TEST(closing_while_waiting_to_renew_is_clean),
        TEST(names_that_do_not_fit_are_refused_at_once),
        TEST(port_comes_from_the_environment_if_it_is_one),
        TEST(real_epmd_is_started_once_and_registers_us),
        TEST(closing_while_the_daemon_starts_is_clean),
        TEST(second_node_of_a_name_is_refused_by_the_real_epmd),
        TEST(real_epmd_that_restarts_gets_the_name_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
