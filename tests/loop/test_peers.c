/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole nodes in one thread, over loopback, with an epmd of their own (the real
 * one; skipped where Erlang is not installed), and impostors on raw sockets.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "dist/epmd_program.h"
#include "node/node.h"
#include "support/child_reaper.h"
#include "support/node/impostor.h"
#include "support/node/live_node.h"
#include "support/raw_socket.h"

#define A names[0]
#define B names[1]
#define Z "z@127.0.0.1" /* the impostor: epmd does not know it */

enum { WAIT_MS = 20000, ROUNDS = 200, SHORT_MS = 50 };

struct fixture {
    struct live_node a, b;
    struct impostor impostor, second;
    unsigned refusals; /* log lines "handshake_failed" */
    bool is_uneven;    /* turns come at random */
};

static struct fixture f;
static uint16_t epmd_port;
static char names[2][32];

/* --- turns */

static void turn(void)
{
    int who = f.is_uneven ? rand() % 3 : 2; /* one of them, or both */

    if (who != 1) {
        live_node_turn(&f.a);
    }
    if (who != 0) {
        live_node_turn(&f.b);
    }
    if (f.impostor.fd > 0) {
        impostor_poll(&f.impostor);
    }
    if (f.second.fd > 0) {
        impostor_poll(&f.second);
    }
}

#define UNTIL(cond)                                                            \
    do {                                                                       \
        uint64_t until_end_ns_ = uv_hrtime() + (uint64_t)WAIT_MS * 1000000;    \
        while (!(cond)) {                                                      \
            if (uv_hrtime() > until_end_ns_) {                                 \
                fail_msg("never came true: %s", #cond);                        \
            }                                                                  \
            turn();                                                            \
        }                                                                      \
    } while (0)

static void run_ms(uint64_t ms)
{
    uint64_t end_ns = uv_hrtime() + ms * 1000000;

    while (uv_hrtime() < end_ns) {
        turn();
    }
}

/* --- fixture */

static void on_log_line(const char *line, size_t len, void *user)
{
    (void)user;
    f.refusals += memmem(line, len, "handshake_failed", 16) != NULL;
}

static bool epmd_answers(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(epmd_port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = connect(fd, (struct sockaddr *)&address, sizeof(address));

    raw_close(fd);
    return rc == 0;
}

static void epmd_start(const char *program)
{
    char port[8];
    pid_t pid;

    epmd_port = raw_free_port();
    (void)snprintf(port, sizeof(port), "%u", epmd_port);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        (void)dup2(null, 0);
        (void)dup2(null, 1);
        (void)dup2(null, 2);
        (void)execl(program, "epmd", "-port", port, (char *)NULL);
        _exit(127);
    }
    while (!epmd_answers()) {
        (void)usleep(1000);
    }
}

static int group_setup(void **state)
{
    char *program = epmd_program_find(getenv("PATH"));

    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    hash_seed(1, 2);
    atom_init();
    child_reaper_start();
    if (program != NULL) {
        epmd_start(program);
        mem_free(program);
    }
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    child_reaper_kill_all();
    return 0;
}

/* With names of their own: epmd may not have noticed yet that the last ones are
 * gone. */
static void new_pair(void)
{
    static unsigned number;

    number++;
    (void)snprintf(A, sizeof(A), "a%u@127.0.0.1", number);
    (void)snprintf(B, sizeof(B), "b%u@127.0.0.1", number);
    live_node_init(&f.a, A, epmd_port);
    live_node_init(&f.b, B, epmd_port);
}

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof(f));
    log_setup(LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
    log_capture(on_log_line, NULL);
    new_pair();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    live_node_close(&f.a);
    live_node_close(&f.b);
    if (f.impostor.fd != 0) {
        impostor_close(&f.impostor);
    }
    if (f.second.fd != 0) {
        impostor_close(&f.second);
    }
    log_capture(NULL, NULL);
    return 0;
}

static void need_epmd(void)
{
    if (epmd_port == 0) {
        skip();
    }
}

static void open_both(void)
{
    need_epmd();
    live_node_open(&f.a);
    live_node_open(&f.b);
}

static bool both_up(void)
{
    return live_node_peer(&f.a, B) != NULL && live_node_peer(&f.b, A) != NULL;
}

static bool both_idle(void)
{
    return f.a.node.peers.attempt_count == 0 &&
           f.b.node.peers.attempt_count == 0;
}

static atom_t atom(const char *name)
{
    return atom_intern(name, strlen(name));
}

static void connect_to(struct live_node *live, const char *name)
{
    (void)peers_connect(&live->node.peers, atom(name));
}

static void send_text(struct live_node *live, const char *node,
                      const char *text)
{
    struct dest sink = dest_name(atom("sink"), atom(node));

    term_format(node_scratch(&live->node), text);
    (void)route_send(&live->node, node_pid(&live->node, &live->sink), &sink,
                     node_scratch_payload(&live->node));
}

static void impostor_connects(struct impostor *impostor, const char *cookie,
                              uint32_t creation)
{
    impostor_dial(impostor, node_port(&f.a.node), Z, A, cookie, creation);
}

static void open_with_impostor(void)
{
    need_epmd();
    live_node_open(&f.a);
    impostor_connects(&f.impostor, "apple", 5);
    UNTIL(live_node_peer(&f.a, Z) != NULL && impostor_is_up(&f.impostor));
}

/* --- connecting */

static void a_send_connects_and_what_waited_arrives_in_order(void **state)
{
    (void)state;
    open_both();
    send_text(&f.a, B, "first");
    send_text(&f.a, B, "second");
    UNTIL(buf_size(&f.b.seen) >= 12);
    assert_string_equal(live_node_seen(&f.b), "first\nsecond");
    assert_true(both_up());
    assert_int_equal(f.a.ups, 1);
    assert_int_equal(f.b.ups, 1);
    assert_false(live_node_peer(&f.b, A)->is_hidden);
}

static void a_hidden_node_is_known_as_such(void **state)
{
    (void)state;
    f.a.config.hidden = true;
    open_both();
    connect_to(&f.a, B);
    UNTIL(both_up());
    assert_true(live_node_peer(&f.b, A)->is_hidden);
    assert_false(live_node_peer(&f.a, B)->is_hidden);
}

static void a_client_connects_without_a_listener(void **state)
{
    (void)state;
    f.a.config.client = true;
    open_both();
    connect_to(&f.a, B);
    UNTIL(both_up());
}

static void simultaneous_connects_give_one_connection(void **state)
{
    (void)state;
    open_both();
    f.is_uneven = true;
    srand(1);
    for (unsigned round = 1; round <= ROUNDS; round++) {
        int early = rand() % 12, first = rand() % 2;

        connect_to(first ? &f.a : &f.b, first ? B : A);
        for (int i = 0; i < early; i++) {
            turn();
        }
        connect_to(first ? &f.b : &f.a, first ? A : B);
        UNTIL(both_up());
        run_ms(2);
        assert_true(both_up());
        assert_int_equal(f.a.ups, round); /* nobody went up and down again */
        assert_int_equal(f.b.ups, round);
        assert_int_equal(f.a.most_at_once, 1);
        assert_int_equal(f.b.most_at_once, 1);
        assert_int_equal(f.a.node.peers.attempt_count, 1);
        assert_int_equal(f.b.node.peers.attempt_count, 1);
        peers_disconnect(&f.a.node.peers, atom(B), CNODE_STOPPED);
        UNTIL(both_idle());
        assert_int_equal(f.b.downs, round);
    }
    assert_int_equal(f.a.dial_failures + f.b.dial_failures, 0);
}

static void what_both_send_while_connecting_arrives(void **state)
{
    (void)state;
    open_both();
    f.is_uneven = true;
    srand(2);
    for (unsigned round = 0; round < ROUNDS; round++) {
        int early = rand() % 12;

        buf_clear(&f.a.seen);
        buf_clear(&f.b.seen);
        send_text(&f.a, B, "from_a");
        for (int i = 0; i < early; i++) {
            turn();
        }
        send_text(&f.b, A, "from_b");
        UNTIL(buf_size(&f.a.seen) > 0 && buf_size(&f.b.seen) > 0);
        assert_string_equal(live_node_seen(&f.a), "from_b");
        assert_string_equal(live_node_seen(&f.b), "from_a");
        peers_disconnect(&f.b.node.peers, atom(A), CNODE_STOPPED);
        UNTIL(both_idle());
    }
}

/* --- not connecting */

static void a_wrong_cookie_is_refused_and_logged_once(void **state)
{
    (void)state;
    f.b.config.cookie = "pear";
    open_both();
    for (unsigned i = 1; i <= 30; i++) {
        connect_to(&f.a, B);
        UNTIL(f.a.dial_failures == i && both_idle());
    }
    assert_int_equal(f.a.ups + f.b.ups, 0);
    assert_int_equal(f.refusals, 1); /* by b: a is just hung up on */
    assert_null(peers_find(&f.a.node.peers, atom(B))); /* and forgotten */
    assert_null(peers_find(&f.b.node.peers, atom(A)));
}

static void a_node_that_is_not_there_is_told_to_those_who_wait(void **state)
{
    struct dest nowhere = dest_name(atom("x"), atom(B));
    struct pid gone = {.node = atom(B), .id = 1, .creation = 9};
    struct ref ref;

    (void)state;
    need_epmd();
    live_node_open(&f.a);
    assert_int_equal(monitor_start(&f.a.node, &f.a.sink, &nowhere, &ref), 0);
    assert_int_equal(link_start(&f.a.node, &f.a.sink, gone), 0);
    send_text(&f.a, B, "lost");
    UNTIL(f.a.dial_failures == 1 && buf_size(&f.a.seen) > 0);
    run_ms(5);
    assert_int_equal(f.a.dial_reason, CNODE_NOT_FOUND);
    assert_non_null(strstr(live_node_seen(&f.a), "{'DOWN',"));
    assert_non_null(strstr(live_node_seen(&f.a), "{'EXIT',"));
    assert_null(strstr(live_node_seen(&f.a), "lost"));
    assert_null(peers_find(&f.a.node.peers, atom(B)));
}

static void a_join_waits_until_the_other_node_is_there(void **state)
{
    (void)state;
    need_epmd();
    live_node_open(&f.a);
    assert_int_equal(peers_join(&f.a.node.peers, B), 0);
    UNTIL(f.a.dial_failures == 2); /* the back-off has begun */
    assert_int_equal(peers_join(&f.a.node.peers, B), 0); /* again: at once */
    live_node_open(&f.b);
    UNTIL(both_up());
    peers_disconnect(&f.b.node.peers, atom(A), CNODE_STOPPED);
    UNTIL(f.a.ups == 2); /* it is kept */
}

static void a_bad_name_is_not_joined(void **state)
{
    (void)state;
    need_epmd();
    live_node_open(&f.a);
    assert_int_equal(peers_join(&f.a.node.peers, "nohost"), CNODE_BAD_NAME);
    assert_int_equal(peers_join(&f.a.node.peers, A), 0); /* that is us */
    assert_int_equal(f.a.node.peers.by_name.count, 0);
}

static void handshakes_above_the_limit_are_refused(void **state)
{
    uint64_t saved = limits.handshakes;
    uint64_t refused = metric_read(METRIC_connections_refused);
    int fds[20];

    (void)state;
    need_epmd();
    live_node_open(&f.a);
    limits.handshakes = 4;
    for (int i = 0; i < 20; i++) {
        fds[i] = raw_connect(node_port(&f.a.node));
    }
    UNTIL(metric_read(METRIC_connections_refused) == refused + 16);
    assert_int_equal(f.a.node.peers.greeting_count, 4);
    for (int i = 0; i < 20; i++) {
        raw_close(fds[i]);
    }
    UNTIL(f.a.node.peers.attempt_count == 0);
    limits.handshakes = saved;
    assert_int_equal(f.a.node.peers.greeting_count, 0);
    assert_int_equal(f.refusals, 1); /* all from one address */
    connect_to(&f.a, B);
}

static void no_more_nodes_are_dialled_than_connections_allowed(void **state)
{
    uint64_t saved = limits.connections;
    char name[32];
    unsigned refused = 0;

    (void)state;
    need_epmd();
    live_node_open(&f.a);
    limits.connections = 8;
    for (int i = 0; i < 20; i++) {
        (void)snprintf(name, sizeof(name), "n%d@127.0.0.1", i);
        refused += peers_connect(&f.a.node.peers, atom(name)) == NULL;
    }
    assert_int_equal(refused, 12);
    UNTIL(f.a.dial_failures == 8);
    limits.connections = saved;
    assert_int_equal(f.a.node.peers.by_name.count, 0);
}

/* --- the same name again */

static void a_second_connection_of_a_name_replaces_the_first(void **state)
{
    struct dest watched = dest_name(atom("x"), atom(Z));
    struct ref ref;

    (void)state;
    open_with_impostor();
    assert_int_equal(monitor_start(&f.a.node, &f.a.sink, &watched, &ref), 0);
    impostor_connects(&f.second, "apple", 6);
    UNTIL(impostor_is_up(&f.second) && f.impostor.is_closed);
    assert_int_equal(f.a.ups, 2);
    assert_int_equal(f.a.downs, 1);
    assert_int_equal(f.a.most_at_once, 1); /* down first, then up */
    assert_int_equal(live_node_peer(&f.a, Z)->creation, 6);
    assert_non_null(strstr(live_node_seen(&f.a), "noconnection"));
}

static void a_second_connection_without_the_cookie_changes_nothing(void **state)
{
    (void)state;
    open_with_impostor();
    impostor_connects(&f.second, "pear", 6);
    UNTIL(f.second.is_closed);
    run_ms(5);
    assert_int_equal(f.a.downs, 0);
    assert_true(impostor_is_up(&f.impostor));
    assert_int_equal(live_node_peer(&f.a, Z)->creation, 5);
}

static void nothing_of_the_first_life_of_a_peer_reaches_the_second(void **state)
{
    struct pid old;
    struct process *sink = &f.a.sink;

    (void)state;
    open_with_impostor();
    old = (struct pid){.node = atom(Z), .id = 1, .creation = 5};
    impostor_send(&f.impostor, NULL, "{1, ~p, ~p}", old,
                  node_pid(&f.a.node, sink));
    UNTIL(f.a.node.links.by_pair.count == 1);
    impostor_connects(&f.second, "apple", 6);
    UNTIL(impostor_is_up(&f.second));
    /* a link to the pid as it was: the answer noproc is still to come */
    assert_int_equal(link_start(&f.a.node, sink, old), 0);
    node_exit(&f.a.node, sink, atom_term(A_shutdown));
    assert_int_equal(node_spawn(&f.a.node, sink, sink->class), 0);
    run_ms(5);
    assert_non_null(strstr(impostor_got(&f.second), "link from="));
    assert_null(strstr(impostor_got(&f.second), "exit from="));
}

/* --- the end of a peer */

static void a_peer_that_vanishes_is_down_at_once(void **state)
{
    struct dest watched = dest_name(atom("x"), atom(Z));
    struct ref ref;

    (void)state;
    open_with_impostor();
    assert_int_equal(monitor_start(&f.a.node, &f.a.sink, &watched, &ref), 0);
    raw_reset(f.impostor.fd);
    f.impostor.fd = -1;
    UNTIL(f.a.downs == 1 && buf_size(&f.a.seen) > 0);
    assert_non_null(
        strstr(live_node_seen(&f.a), "{x,'z@127.0.0.1'},noconnection}"));
    UNTIL(f.a.node.peers.attempt_count == 0);
    assert_null(peers_find(&f.a.node.peers, atom(Z)));
}

static void a_silent_peer_is_down_after_the_ticktime(void **state)
{
    (void)state;
    f.a.config.ticktime_ms = 80;
    open_with_impostor();
    UNTIL(f.a.downs == 1);
    assert_true(f.impostor.wire.frames_in > 0); /* it was sent ticks */
}

static void a_peer_that_takes_no_signals_is_given_up(void **state)
{
    uint64_t saved = limits.send_queue_bytes;
    struct pid pid = {.id = 1, .creation = 5};
    struct ref ref = {.creation = 5, .len = 3};

    (void)state;
    open_with_impostor();
    pid.node = ref.node = atom(Z);
    limits.send_queue_bytes = 1000;
    for (int i = 0; i < 200; i++) { /* each is answered noproc */
        ref.words[0]++;
        impostor_send(&f.impostor, NULL, "{19, ~p, nobody, ~r}", pid, &ref);
    }
    UNTIL(f.a.downs == 1);
    limits.send_queue_bytes = saved;
}

/* --- a dial that is waited for */

static void a_node_that_dials_us_is_not_dialled(void **state)
{
    (void)state;
    need_epmd();
    live_node_open(&f.a);
    impostor_connects(&f.impostor, "apple", 5);
    UNTIL(f.a.node.peers.greeting_count == 1);
    live_node_turn(&f.a);
    UNTIL(f.a.node.peers.greeting_count == 1 ||
          live_node_peer(&f.a, Z) != NULL);
    send_text(&f.a, Z, "hello");
    UNTIL(impostor_is_up(&f.impostor) && buf_size(&f.impostor.lines) > 0);
    assert_non_null(strstr(impostor_got(&f.impostor), "payload=hello"));
    assert_int_equal(f.a.dial_failures, 0);
}

/* Says its name and nothing more. */
static void say_name(struct impostor *impostor)
{
    impostor_connects(impostor, "apple", 5);
    for (int i = 0; i < 1000 && f.a.node.peers.greeting_count == 0; i++) {
        live_node_turn(&f.a);
    }
    for (int i = 0; i < 20; i++) {
        live_node_turn(&f.a);
        (void)usleep(200);
    }
}

static void a_dial_that_stalls_does_not_hold_ours_for_ever(void **state)
{
    (void)state;
    f.a.config.setup_ms = SHORT_MS;
    need_epmd();
    live_node_open(&f.a);
    say_name(&f.impostor);
    send_text(&f.a, Z, "hello");
    assert_int_equal(peers_find(&f.a.node.peers, atom(Z))->state,
                     PEER_EXPECTED);
    while (f.a.dial_failures == 0) { /* epmd does not know z */
        live_node_turn(&f.a);
    }
    assert_int_equal(f.a.dial_reason, CNODE_NOT_FOUND);
    UNTIL(f.a.node.peers.attempt_count == 0);
}

static void a_dial_that_breaks_off_makes_us_dial_at_once(void **state)
{
    (void)state;
    need_epmd();
    live_node_open(&f.a);
    say_name(&f.impostor);
    send_text(&f.a, Z, "hello");
    raw_close(f.impostor.fd);
    f.impostor.fd = -1;
    UNTIL(f.a.dial_failures == 1);
    assert_int_equal(f.a.dial_reason, CNODE_NOT_FOUND);
}

/* --- events that act */

static void disconnect(struct live_node *live, struct peer *peer)
{
    peers_disconnect(&live->node.peers, peer->name, CNODE_STOPPED);
}

static void disconnect_and_connect(struct live_node *live, struct peer *peer)
{
    atom_t name = peer->name;

    peers_disconnect(&live->node.peers, name, CNODE_STOPPED);
    if (live->ups < 10) {
        (void)peers_connect(&live->node.peers, name);
    }
}

static void reconnect(struct live_node *live, struct peer *peer)
{
    if (live->downs < 10) {
        (void)peers_connect(&live->node.peers, peer->name);
    }
}

static void retry(struct live_node *live, atom_t name)
{
    if (live->dial_failures < 10) {
        (void)peers_connect(&live->node.peers, name);
    }
}

static void close_node(struct live_node *live, struct peer *peer)
{
    (void)peer;
    node_close(&live->node);
}

static void close_on_failure(struct live_node *live, atom_t name)
{
    (void)name;
    node_close(&live->node);
}

static void nodeup_may_disconnect(void **state)
{
    (void)state;
    f.a.on_nodeup = disconnect;
    open_both();
    connect_to(&f.a, B);
    UNTIL(f.a.downs == 1 && both_idle());
    assert_null(peers_find(&f.a.node.peers, atom(B)));
    connect_to(&f.b, A);
    UNTIL(f.a.downs == 2 && both_idle());
}

static void nodeup_may_disconnect_and_dial_again(void **state)
{
    (void)state;
    f.a.on_nodeup = disconnect_and_connect;
    open_both();
    connect_to(&f.b, A);
    connect_to(&f.a, B);
    UNTIL(f.a.ups == 10 && both_idle());
}

static void nodedown_may_dial_also_a_peer_to_keep(void **state)
{
    (void)state;
    f.a.on_nodedown = reconnect;
    open_both();
    assert_int_equal(peers_join(&f.a.node.peers, B), 0);
    for (unsigned i = 1; i <= 5; i++) {
        UNTIL(f.a.ups == i && both_up());
        peers_disconnect(&f.b.node.peers, atom(A), CNODE_STOPPED);
        UNTIL(f.a.downs == i);
    }
    UNTIL(both_up());
    run_ms(150); /* past the first back-off */
    assert_true(both_up());
}

static void dial_failed_may_dial(void **state)
{
    (void)state;
    f.a.on_dial_failed = retry;
    need_epmd();
    live_node_open(&f.a);
    assert_int_equal(peers_join(&f.a.node.peers, B), 0);
    UNTIL(f.a.dial_failures == 10);
    run_ms(150);
}

static void nodeup_and_nodedown_may_close_the_node(void **state)
{
    (void)state;
    f.a.on_nodeup = close_node;
    f.b.on_nodedown = close_node;
    open_both();
    connect_to(&f.a, B);
    UNTIL(f.a.closed == 1 && f.b.closed == 1);
    run_ms(5);
    assert_int_equal(f.a.closed, 1);
}

static void dial_failed_may_close_the_node(void **state)
{
    (void)state;
    f.a.config.client = true;
    f.a.on_dial_failed = close_on_failure;
    need_epmd();
    live_node_open(&f.a);
    connect_to(&f.a, B);
    UNTIL(f.a.closed > 0);
    run_ms(5);
    assert_int_equal(f.a.closed, 1); /* not twice */
}

/* --- closing */

static void closing_in_any_turn_leaves_nothing(void **state)
{
    (void)state;
    need_epmd();
    for (int turns = 0; turns < 60; turns++) {
        new_pair();
        open_both();
        assert_int_equal(peers_join(&f.a.node.peers, B), 0);
        if (turns % 2 != 0) {
            assert_int_equal(peers_join(&f.b.node.peers, A), 0);
        }
        for (int i = 0; i < turns; i++) {
            turn();
        }
        if (turns % 3 == 0) {
            node_close(&f.b.node);
            turn();
        }
        live_node_close(&f.a); /* it checks */
        live_node_close(&f.b);
        assert_int_equal(f.a.closed, 1);
        assert_int_equal(f.b.closed, 1);
    }
}

static void a_clean_stop_says_the_last_words(void **state)
{
    (void)state;
    open_both();
    connect_to(&f.a, B);
    UNTIL(both_up());
    send_text(&f.a, B, "bye");
    node_close(&f.a.node);
    UNTIL(f.b.downs == 1);
    assert_string_equal(live_node_seen(&f.b), "bye");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_send_connects_and_what_waited_arrives_in_order),
        T(a_hidden_node_is_known_as_such),
        T(a_client_connects_without_a_listener),
        T(simultaneous_connects_give_one_connection),
        T(what_both_send_while_connecting_arrives),
        T(a_wrong_cookie_is_refused_and_logged_once),
        T(a_node_that_is_not_there_is_told_to_those_who_wait),
        T(a_join_waits_until_the_other_node_is_there),
        T(a_bad_name_is_not_joined),
        T(handshakes_above_the_limit_are_refused),
        T(no_more_nodes_are_dialled_than_connections_allowed),
        T(a_second_connection_of_a_name_replaces_the_first),
        T(a_second_connection_without_the_cookie_changes_nothing),
        T(nothing_of_the_first_life_of_a_peer_reaches_the_second),
        T(a_peer_that_vanishes_is_down_at_once),
        T(a_silent_peer_is_down_after_the_ticktime),
        T(a_peer_that_takes_no_signals_is_given_up),
        T(a_node_that_dials_us_is_not_dialled),
        T(a_dial_that_stalls_does_not_hold_ours_for_ever),
        T(a_dial_that_breaks_off_makes_us_dial_at_once),
        T(nodeup_may_disconnect),
        T(nodeup_may_disconnect_and_dial_again),
        T(nodedown_may_dial_also_a_peer_to_keep),
        T(dial_failed_may_dial),
        T(nodeup_and_nodedown_may_close_the_node),
        T(dial_failed_may_close_the_node),
        T(closing_in_any_turn_leaves_nothing),
        T(a_clean_stop_says_the_last_words),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
