/* SPDX-License-Identifier: Apache-2.0
 *
 * One call, against an epmd and a node that misbehave by script in a thread of
 * their own. What a good node answers is tests/cli.
 */
#include "admin/client.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "support/raw_socket.h"
#include "term/build.h"
#include <cnode/error.h>

enum {
    PORT_REPLY_BYTES = 15,
    GREETING_BYTES = 512,
    SHORT_MS = 200,
    LONG_MS = 20000
};

/* What the node does with the connection that it gets. */
enum act { ACT_NOTHING, ACT_CLOSE, ACT_GARBAGE };

struct script {
    int epmd, node; /* listening; -1: closed */
    uint16_t epmd_port, node_port;
    const uint8_t *reply; /* of epmd; NULL: the port of the node */
    size_t reply_size;
    enum act act;
    int done[2]; /* a pipe: closed at the end of the test */
    pthread_t thread;
};

static struct script script;

/* The next connection, or -1 when the test is over. */
static int next_connection(int listener)
{
    struct pollfd fds[] = {{.fd = listener, .events = POLLIN},
                           {.fd = script.done[0], .events = POLLIN}};

    while (poll(fds, 2, LONG_MS) > 0 && fds[1].revents == 0) {
        int fd = raw_accept(listener);
        if (fd >= 0) {
            return fd;
        }
    }
    return -1;
}

static void wait_for_bytes(int fd)
{
    struct pollfd fds = {.fd = fd, .events = POLLIN};

    (void)poll(&fds, 1, LONG_MS);
}

static void play_node(void)
{
    int fd = next_connection(script.node);
    struct pollfd end = {.fd = script.done[0], .events = POLLIN};
    uint8_t greeting[GREETING_BYTES];
    size_t size = 0;

    if (fd < 0) {
        return;
    }
    wait_for_bytes(fd);
    (void)raw_read(fd, greeting, &size, sizeof(greeting)); /* else: a reset */
    if (script.act == ACT_GARBAGE) {
        (void)raw_write(fd, "\0\4abcd", 6);
    }
    if (script.act != ACT_CLOSE) {
        (void)poll(&end, 1, LONG_MS);
    }
    raw_close(fd);
}

static void *play(void *unused)
{
    uint8_t reply[PORT_REPLY_BYTES] = {
        119, 0, 0,   0, /* PORT2_RESP, found, the port */
        77,  0,         /* visible, TCP */
        0,   6, 0,   6, /* versions */
        0,   1, 'n', 0, 0,
    };
    int fd = next_connection(script.epmd);

    reply[2] = (uint8_t)(script.node_port >> 8);
    reply[3] = (uint8_t)script.node_port;
    if (fd >= 0) {
        wait_for_bytes(fd);
        if (script.reply != NULL) {
            (void)raw_write(fd, script.reply, script.reply_size);
        } else {
            (void)raw_write(fd, reply, sizeof(reply));
        }
        raw_close(fd);
        play_node();
    }
    return unused;
}

static void start_script(const uint8_t *reply, size_t reply_size, enum act act)
{
    script.reply = reply;
    script.reply_size = reply_size;
    script.act = act;
    assert_int_equal(pthread_create(&script.thread, NULL, play, NULL), 0);
}

static int setup(void **state)
{
    (void)state;
    script = (struct script){0};
    script.epmd = raw_listen(&script.epmd_port);
    script.node = raw_listen(&script.node_port);
    return pipe(script.done);
}

static int teardown(void **state)
{
    (void)state;
    raw_close(script.done[1]);
    if (script.thread != 0) {
        (void)pthread_join(script.thread, NULL);
    }
    raw_close(script.done[0]);
    raw_close(script.epmd);
    raw_close(script.node);
    return 0;
}

static void put(void *owner, struct buf *buf, struct pid self)
{
    (void)owner;
    (void)self;
    term_put_atom(buf, A_ping);
}

static void assert_outcome(uint64_t timeout_ms, enum client_outcome outcome,
                           int rc)
{
    struct client_request request = {.node = "n@127.0.0.1",
                                     .cookie = "c",
                                     .epmd_port = script.epmd_port,
                                     .timeout_ms = timeout_ms,
                                     .name = A_rex,
                                     .put = put};
    struct client_result result;

    assert_int_equal(client_call(&request, &result), 0);
    assert_int_equal(result.outcome, outcome);
    assert_int_equal(result.rc, rc);
    assert_int_equal(buf_size(&result.term), 0);
    client_result_fini(&result);
}

static void no_epmd_is_told(void **state)
{
    (void)state;
    script.epmd_port = raw_free_port();
    assert_outcome(LONG_MS, CLIENT_NO_EPMD, UV_ECONNREFUSED);
}

static void a_silent_epmd_ends_in_time(void **state)
{
    (void)state;
    assert_outcome(SHORT_MS, CLIENT_NO_EPMD, CNODE_TIMEOUT);
}

static void a_name_epmd_does_not_know_is_told(void **state)
{
    static const uint8_t unknown[] = {119, 1};

    (void)state;
    start_script(unknown, sizeof(unknown), ACT_NOTHING);
    assert_outcome(LONG_MS, CLIENT_NO_EPMD, CNODE_NOT_REGISTERED);
}

static void a_node_that_is_gone_is_told(void **state)
{
    (void)state;
    raw_close(script.node);
    script.node = -1;
    start_script(NULL, 0, ACT_NOTHING);
    assert_outcome(LONG_MS, CLIENT_NO_NODE, UV_ECONNREFUSED);
}

static void a_node_that_stalls_ends_in_time(void **state)
{
    (void)state;
    start_script(NULL, 0, ACT_NOTHING);
    assert_outcome(SHORT_MS, CLIENT_NO_NODE, CNODE_TIMEOUT);
}

static void a_node_that_closes_is_told(void **state)
{
    (void)state;
    start_script(NULL, 0, ACT_CLOSE);
    assert_outcome(LONG_MS, CLIENT_NO_NODE, CNODE_CLOSED);
}

static void a_node_that_sends_garbage_is_told(void **state)
{
    (void)state;
    start_script(NULL, 0, ACT_GARBAGE);
    assert_outcome(LONG_MS, CLIENT_NO_NODE, CNODE_PROTOCOL);
}

static int start(void **state)
{
    (void)state;
    atom_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_epmd_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_silent_epmd_ends_in_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_name_epmd_does_not_know_is_told,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_node_that_is_gone_is_told, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_node_that_stalls_ends_in_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_node_that_closes_is_told, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_node_that_sends_garbage_is_told,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
