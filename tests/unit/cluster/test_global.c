/* SPDX-License-Identifier: Apache-2.0
 *
 * One full member of global as a peer sees it, message by message.
 */
#include "cluster/global.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metric.h"
#include "cluster/global_parts.h"
#include "support/cluster/global_script.h"
#include "term/tag.h"

#define GNS "{global_name_server,p1@there} ! "

static int setup(void **state)
{
    static struct global_script s;

    global_script_open(&s);
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    global_script_close(*state);
    limits.global_names = 100000;
    limits.global_locks = 10000;
    limits.global_lost = 1000;
    limits.global_requests = 10000;
    limits.global_term_bytes = 65536;
    return 0;
}

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

/* --- meeting */

static void a_node_that_comes_up_gets_init_connect(void **state)
{
    struct global_script *s = *state;

    global_nodeup(&s->global, s->peer, s->now);
    assert_string_equal(script_said(s),
                        "server " GNS
                        "{'$gen_cast',{init_connect,{8,1},n1@here,{locker,"
                        "no_longer_a_pid,#{},<n1@here.2.0>}}}");
}

/* All of it, as BEAM nodes do it; the other side's locker is first. */
static void two_nodes_become_one(void **state)
{
    struct global_script *s = *state;

    global_nodeup(&s->global, s->peer, s->now);
    (void)script_said(s);
    script_init_connect(s);
    assert_string_equal(script_said(s),
                        "server " GNS "{init_connect_ack,n1@here,-7,1}");
    assert_int_equal(script_hear(s, "{init_connect_ack, 'p1@there', 1, -7}"),
                     0);
    script_call(s, s->his_locker, "{set_lock, {global, [~p, ~p]}}",
                s->global.pids[GLOBAL_LOCKER], s->his_locker);
    assert_string_equal(script_said(s), "reply true");
    assert_int_equal(script_hear(s,
                                 "{'$gen_cast', {lock_set, ~p, true, [], 1}}",
                                 s->his_locker),
                     0);
    assert_string_equal(
        script_said(s),
        "locker " GNS "{'$gen_cast',{lock_set,<n1@here.2.0>,true,[],-7}}\n"
        "server " GNS "{'$gen_cast',{exchange,n1@here,[],[],-7}}");
    assert_int_equal(script_hear(s,
                                 "{'$gen_cast', {exchange, 'p1@there', "
                                 "[{name, ~p, method}], [], 1}}",
                                 s->his_process),
                     0);
    assert_string_equal(script_said(s),
                        "server " GNS
                        "{'$gen_cast',{resolved,n1@here,[],[],unused,[],-7}}");
    assert_int_equal(script_hear(s, "{'$gen_cast', {resolved, 'p1@there', [], "
                                    "[], unused, [], 1}}"),
                     0);
    assert_true(global_peer_find(&s->global, s->peer)->is_known);
    assert_true(pid_equal(script_whereis(s, "name"), s->his_process));
    assert_int_equal(s->global.locker.state, LOCKER_IDLE);
    script_call(s, s->his_locker, "{del_lock, {global, [~p, ~p]}}",
                s->global.pids[GLOBAL_LOCKER], s->his_locker);
    assert_string_equal(script_said(s), "reply true");
    assert_int_equal(s->global.locks.by_resource.count, 0);
}

/* A pid of a node that nobody here has heard of. */
static struct cnode_term pid_of_stranger(struct buf *buf, const char *node)
{
    buf_init(buf, 0);
    buf_put_u8(buf, TAG_PID);
    buf_put_u8(buf, TAG_ATOM8);
    buf_put_u8(buf, (uint8_t)strlen(node));
    buf_put(buf, node, strlen(node));
    buf_put_u32(buf, 7); /* id, serial, creation */
    buf_put_u32(buf, 0);
    buf_put_u32(buf, 9);
    return term_at(buf_data(buf), buf_size(buf));
}

static void assert_is_of(struct global_script *s, const char *name,
                         const char *node)
{
    struct pid pid = script_whereis(s, name);

    assert_int_equal(pid.id, 7);
    assert_string_equal(atom_text(pid.node), node);
}

/* That node is known to all others, and does not exchange names with us. */
static void names_of_a_node_are_learnt_before_the_node(void **state)
{
    struct global_script *s = *state;
    struct buf buf, other;

    global_nodeup(&s->global, s->peer, s->now);
    script_init_connect(s);
    script_lock_both(s);
    assert_int_equal(script_hear(s,
                                 "{'$gen_cast', {exchange, 'p1@there', "
                                 "[{one, ~t, method}], [], 1}}",
                                 pid_of_stranger(&buf, "stranger1@there")),
                     0);
    assert_int_equal(
        script_hear(s,
                    "{'$gen_cast', {resolved, 'p1@there', "
                    "[{insert, {two, ~t, method}}], [], unused, [], 1}}",
                    pid_of_stranger(&other, "stranger2@there")),
        0);
    assert_is_of(s, "one", "stranger1@there");
    assert_is_of(s, "two", "stranger2@there");
    buf_fini(&buf);
    buf_fini(&other);
}

static void a_name_is_registered_for_a_node_that_is_new_here(void **state)
{
    struct global_script *s = *state;
    struct buf buf;

    script_join(s);
    script_call(s, s->his_locker, "{set_lock, {global, ~p}}", s->his_locker);
    script_call(s, s->his_locker, "{register, three, ~t, method}",
                pid_of_stranger(&buf, "stranger3@there"));
    assert_is_of(s, "three", "stranger3@there");
    buf_fini(&buf);
}

/* --- our locker is first */

static void our_locker_locks_the_boss_then_both_and_says_so(void **state)
{
    struct global_script *s = *state;

    global_nodeup(&s->global, s->peer, s->now);
    script_init_connect(s);
    (void)script_said(s);
    assert_int_equal(global_deadline(&s->global), s->now + 200);
    s->now += 200;
    global_tick(&s->global, s->now);
    assert_true(has(script_said(s), "locker " GNS "{'$gen_call',"));
    script_answer(s, GLOBAL_LOCKER, "true");
    assert_string_equal(script_said(s),
                        "locker " GNS
                        "{'$gen_cast',{lock_set,<n1@here.2.0>,true,[],-7}}");
    assert_int_equal(s->global.locker.state, LOCKER_WAIT_HIM);
}

static void a_refusal_of_his_locker_unlocks_all(void **state)
{
    struct global_script *s = *state;

    our_locker_locks_the_boss_then_both_and_says_so(state);
    assert_int_equal(script_hear(s,
                                 "{'$gen_cast', {lock_set, ~p, false, [], 1}}",
                                 s->his_locker),
                     0);
    assert_true(has(script_said(s), "{del_lock,"));
    script_answer(s, GLOBAL_LOCKER, "true");
    assert_int_equal(s->global.locker.state, LOCKER_IDLE);
    assert_int_equal(s->global.locks.by_resource.count, 0);
    assert_int_equal(global_deadline(&s->global), s->now + 200);
}

static void a_lock_that_he_does_not_give_is_tried_again(void **state)
{
    struct global_script *s = *state;

    global_nodeup(&s->global, s->peer, s->now);
    script_init_connect(s);
    s->now += 200;
    global_tick(&s->global, s->now);
    script_answer(s, GLOBAL_LOCKER, "false");
    assert_int_equal(s->global.locker.state, LOCKER_IDLE);
    assert_int_equal(s->global.locks.by_resource.count, 0);
    assert_int_equal(global_deadline(&s->global), s->now + 200);
}

static void a_node_that_is_lost_meanwhile_leaves_nothing_locked(void **state)
{
    struct global_script *s = *state;

    our_locker_locks_the_boss_then_both_and_says_so(state);
    global_nodedown(&s->global, s->peer, s->now);
    assert_int_equal(s->global.locker.state, LOCKER_IDLE);
    assert_int_equal(s->global.locks.by_resource.count, 0);
    assert_int_equal(s->global.peers.count, 0);
    assert_true(global_deadline(&s->global) == UINT64_MAX);
}

/* Only for those who wait already a session follows at once. */
static void who_comes_after_a_session_is_not_locked_at_once(void **state)
{
    struct global_script *s = *state;

    two_nodes_become_one(state);
    global_nodedown(&s->global, s->peer, s->now);
    assert_true(global_deadline(&s->global) == UINT64_MAX);
    global_nodeup(&s->global, s->peer, s->now);
    script_init_connect(s);
    assert_int_equal(global_deadline(&s->global), s->now + 200);
}

/* --- what does not fit */

static void another_tag_is_an_earlier_session(void **state)
{
    struct global_script *s = *state;

    global_nodeup(&s->global, s->peer, s->now);
    script_init_connect(s);
    (void)script_said(s);
    assert_int_equal(
        script_hear(s, "{'$gen_cast', {exchange, 'p1@there', [], [], 99}}"), 0);
    assert_int_equal(script_hear(s,
                                 "{'$gen_cast', {lock_set, ~p, true, [], 99}}",
                                 s->his_locker),
                     0);
    assert_string_equal(script_said(s), "");
}

static void an_ack_that_does_not_fit_starts_over(void **state)
{
    struct global_script *s = *state;

    global_nodeup(&s->global, s->peer, s->now);
    script_init_connect(s);
    (void)script_said(s);
    assert_int_equal(script_hear(s, "{init_connect_ack, 'p1@there', 99, -7}"),
                     0);
    assert_string_equal(script_said(s),
                        "server " GNS "{cancel_connect,n1@here,-7}\n"
                        "server " GNS "{cancel_connect,n1@here,-7}\n"
                        "server " GNS
                        "{'$gen_cast',{init_connect,{8,2},n1@here,{locker,"
                        "no_longer_a_pid,#{},<n1@here.2.0>}}}");
}

static void a_cancelled_session_starts_over(void **state)
{
    struct global_script *s = *state;

    global_nodeup(&s->global, s->peer, s->now);
    script_init_connect(s);
    (void)script_said(s);
    assert_int_equal(script_hear(s, "{cancel_connect, 'p1@there', 99}"), 0);
    assert_string_equal(script_said(s), "");
    assert_int_equal(script_hear(s, "{cancel_connect, 'p1@there', 1}"), 0);
    assert_true(has(script_said(s), "{init_connect,{8,2},"));
}

static void in_sync_ends_the_session(void **state)
{
    struct global_script *s = *state;

    global_nodeup(&s->global, s->peer, s->now);
    script_init_connect(s);
    assert_int_equal(
        script_hear(s, "{'$gen_cast', {in_sync, 'p1@there', true}}"), 0);
    assert_null(global_peer_find(&s->global, s->peer)->session);
}

/* The third node that was to make it known to us is gone. */
static void who_knows_us_and_is_not_known_for_long_starts_over(void **state)
{
    struct global_script *s = *state;
    uint64_t due;

    global_nodeup(&s->global, s->peer, s->now);
    assert_int_equal(
        script_hear(s, "{'$gen_cast', {in_sync, 'p1@there', true}}"), 0);
    (void)script_said(s);
    due = global_deadline(&s->global);
    assert_true(due == s->now + 90000);
    global_tick(&s->global, due - 1);
    assert_string_equal(script_said(s), "");
    global_tick(&s->global, due);
    assert_string_equal(script_said(s), "disconnect p1@there");
    assert_true(global_deadline(&s->global) > due);
}

static void who_knows_us_and_becomes_known_is_left_alone(void **state)
{
    struct global_script *s = *state;

    script_join(s);
    global_nodeup(&s->global, s->peer2, s->now);
    s->his_process.node = s->peer2; /* who speaks */
    assert_int_equal(
        script_hear(s, "{'$gen_cast', {in_sync, 'p2@there', true}}"), 0);
    s->his_process.node = s->peer;
    assert_true(global_deadline(&s->global) != UINT64_MAX);
    assert_int_equal(
        script_hear(s, "{'$gen_cast', {new_nodes, 'p1@there', [], [], "
                       "[{'p2@there', 8}], [{vsn, 8}]}}"),
        0);
    assert_true(global_deadline(&s->global) == UINT64_MAX);
}

static void junk_is_ignored_and_calls_are_answered(void **state)
{
    static const char *const junk[] = {
        "junk",
        "{}",
        "{'$gen_cast', junk}",
        "{'$gen_cast', {init_connect, 8, 'p1@there', x}}",
        "{'$gen_cast', {init_connect, {8, 1}, 'p1@there', {locker, a, b, c}}}",
        "{'$gen_cast', {init_connect, {8, 1}, 'p2@there', {locker, a, b, c}}}",
        "{'$gen_cast', {lock_set, x, true, [], 1}}",
        "{'$gen_cast', {exchange, 'p1@there', junk, [], 1}}",
        "{'$gen_cast', {exchange, 'p2@there', [], [], 1}}",
        "{'$gen_cast', {resolved, 'p1@there', [], [], unused, [], 1}}",
        "{'$gen_cast', {new_nodes, 'p1@there', x, [], [], []}}",
        "{lost_connection, 'p1@there', a, b, 'p2@there'}",
        "{remove_connection, 'p2@there'}",
        "{init_connect_ack, 'p2@there', 1, 2}",
    };
    struct global_script *s = *state;

    global_nodeup(&s->global, s->peer, s->now);
    script_init_connect(s);
    (void)script_said(s);
    for (size_t i = 0; i < ARRAY_LEN(junk); i++) {
        assert_int_not_equal(script_hear(s, junk[i]), 0);
        assert_string_equal(script_said(s), "");
    }
    script_call(s, s->his_process, "{sync, []}");
    assert_string_equal(script_said(s),
                        "reply {error,{unsupported,{sync,[]}}}");
    script_call(s, s->his_process, "{set_lock, x}");
    assert_true(has(script_said(s), "unsupported"));
}

static void questions_about_it_are_answered(void **state)
{
    struct global_script *s = *state;

    script_join(s);
    script_call(s, s->his_process, "get_known");
    assert_string_equal(script_said(s), "reply [p1@there]");
    script_call(s, s->his_process, "get_synced");
    assert_string_equal(script_said(s), "reply [p1@there]");
    script_call(s, s->his_process, "get_protocol_version");
    assert_string_equal(script_said(s), "reply 8");
    script_call(s, s->his_process, "get_names_ext");
    assert_string_equal(script_said(s), "reply []");
}

/* --- locks */

static void a_lock_is_for_one_requester(void **state)
{
    struct global_script *s = *state;

    script_join(s);
    script_call(s, s->his_process, "{set_lock, {res, one}}");
    assert_string_equal(script_said(s), "reply true");
    script_call(s, s->his_locker, "{set_lock, {res, two}}");
    assert_string_equal(script_said(s), "reply false");
    script_call(s, s->his_locker, "{set_lock, {res, one}}");
    assert_string_equal(script_said(s), "reply true");
    script_call(s, s->his_process, "{del_lock, {res, one}}");
    script_call(s, s->his_process, "{set_lock, {res, two}}");
    assert_string_equal(script_said(s), "reply true\nreply false");
    script_call(s, s->his_locker, "{del_lock, {res, one}}");
    script_call(s, s->his_process, "{set_lock, {res, two}}");
    assert_string_equal(script_said(s), "reply true\nreply true");
}

static void a_lock_ends_with_its_holder(void **state)
{
    struct global_script *s = *state;

    script_join(s);
    script_call(s, s->his_process, "{set_lock, {res, one}}");
    assert_int_equal(script_down(s, GLOBAL_SERVER), 0);
    assert_int_equal(s->global.locks.by_resource.count, 0);
    script_call(s, s->his_process, "{set_lock, {res, one}}");
    global_nodedown(&s->global, s->peer, s->now);
    assert_int_equal(s->global.locks.by_resource.count, 0);
    assert_int_equal(s->monitors, 0);
}

static void there_is_a_limit_of_locks(void **state)
{
    struct global_script *s = *state;
    uint64_t before = metric_read(METRIC_global_refused);

    script_join(s);
    limits.global_locks = 1;
    script_call(s, s->his_process, "{set_lock, {res, one}}");
    script_call(s, s->his_process, "{set_lock, {res2, one}}");
    assert_string_equal(script_said(s), "reply true\nreply false");
    limits.global_term_bytes = 64;
    limits.global_locks = 10;
    script_call(s, s->his_process,
                "{set_lock, {a_resource_with_a_name_that_is_longer_than_the_"
                "sixty_four_bytes_of_the_limit, one}}");
    assert_string_equal(script_said(s), "reply false");
    assert_int_equal(metric_read(METRIC_global_refused) - before, 2);
    assert_int_equal(s->global.locks.by_monitor.count, 1);
}

/* --- names */

static void a_name_is_registered_under_the_lock_only(void **state)
{
    struct global_script *s = *state;

    script_join(s);
    script_call(s, s->his_locker, "{set_lock, {global, x}}");
    script_call(s, s->his_process, "{register, name, ~p, m}", s->his_process);
    assert_string_equal(script_said(s), "reply true\nreply yes");
    assert_true(pid_is_none(script_whereis(s, "name")));
    script_call(s, s->his_locker, "{register, name, ~p, m}", s->his_process);
    assert_true(pid_equal(script_whereis(s, "name"), s->his_process));
    script_call(s, s->his_locker, "{unregister, name}");
    assert_true(pid_is_none(script_whereis(s, "name")));
}

static void a_name_ends_with_its_process(void **state)
{
    struct global_script *s = *state;

    script_join(s);
    script_name(s, "name", s->his_process);
    assert_int_equal(script_down(s, GLOBAL_SERVER), 0);
    assert_true(pid_is_none(script_whereis(s, "name")));
    assert_int_not_equal(script_down(s, GLOBAL_SERVER), 0);
}

/* The lock of who sent it went with its node: what is late is void. */
static void a_late_change_does_not_count(void **state)
{
    struct global_script *s = *state;

    script_join(s);
    script_call(s, s->his_locker, "{set_lock, {global, x}}");
    assert_int_equal(script_down(s, GLOBAL_SERVER), 0);
    script_call(s, s->his_locker, "{register, name, ~p, m}", s->his_process);
    assert_true(pid_is_none(script_whereis(s, "name")));
}

/* His connection was lost while he registered it, and he goes on with whom he
 * knew before; but not when he gives the name up. */
static void
what_a_node_registers_before_it_is_known_does_not_count(void **state)
{
    struct global_script *s = *state;

    script_join(s);
    global_nodedown(&s->global, s->peer, s->now);
    global_nodeup(&s->global, s->peer, s->now);
    script_call(s, s->his_locker, "{set_lock, {global, ~p}}", s->his_locker);
    (void)script_said(s);
    script_call(s, s->his_locker, "{register, name, ~p, m}", s->his_process);
    assert_string_equal(script_said(s), "reply yes");
    assert_true(pid_is_none(script_whereis(s, "name")));
}

static void
what_a_node_registers_before_it_is_known_takes_no_name_away(void **state)
{
    struct global_script *s = *state;

    script_name(s, "name", s->our_process);
    global_nodeup(&s->global, s->peer, s->now);
    script_call(s, s->his_locker, "{set_lock, {global, ~p}}", s->his_locker);
    script_call(s, s->his_locker, "{register, name, ~p, m}", s->his_process);
    assert_true(pid_equal(script_whereis(s, "name"), s->our_process));
}

static void
new_nodes_of_one_who_is_not_known_change_no_name_of_its(void **state)
{
    struct global_script *s = *state;

    global_nodeup(&s->global, s->peer, s->now);
    assert_int_equal(
        script_hear(s,
                    "{'$gen_cast', {new_nodes, 'p1@there', [{insert, {name, "
                    "~p, m}}], [], [{'p2@there', 8}], [{vsn, 8}]}}",
                    s->his_process),
        0);
    assert_true(pid_is_none(script_whereis(s, "name")));
    assert_true(global_peer_find(&s->global, s->peer2)->is_known);
}

/* Who becomes known by it has no session with us that would bring its names. */
static void names_of_whom_a_stranger_makes_known_come_with_it(void **state)
{
    struct global_script *s = *state;
    struct pid process2 = {.node = s->peer2, .id = 22, .creation = 3};

    global_nodeup(&s->global, s->peer, s->now);
    assert_int_equal(
        script_hear(s,
                    "{'$gen_cast', {new_nodes, 'p1@there', [{insert, {name, "
                    "~p, m}}, {insert, {ext, ~p, m}}], [{ext, ~p, 'p1@there'}]"
                    ", [{'p2@there', 8}], [{vsn, 8}]}}",
                    process2, process2, process2),
        0);
    assert_true(pid_equal(script_whereis(s, "name"), process2));
    assert_true(pid_is_none(script_whereis(s, "ext")));
}

static void names_of_old_c_nodes_say_where_they_were_registered(void **state)
{
    struct global_script *s = *state;

    script_join(s);
    script_call(s, s->his_locker, "{set_lock, {global, x}}");
    script_call(s, s->his_locker, "{register_ext, name, ~p, m, 'p1@there'}",
                s->his_process);
    (void)script_said(s);
    script_call(s, s->his_process, "get_names_ext");
    assert_string_equal(script_said(s),
                        "reply [{name,<p1@there.22.0>,p1@there}]");
}

static void there_is_a_limit_of_names(void **state)
{
    struct global_script *s = *state;
    uint64_t before = metric_read(METRIC_global_refused);

    script_join(s);
    limits.global_names = 1;
    script_name(s, "one", s->his_process);
    script_name(s, "two", s->his_process);
    assert_true(pid_equal(script_whereis(s, "one"), s->his_process));
    assert_true(pid_is_none(script_whereis(s, "two")));
    assert_int_equal(metric_read(METRIC_global_refused) - before, 1);
    assert_int_equal(s->global.names.by_name.count, 1);
}

static void whereis_as_a_message_is_answered(void **state)
{
    struct global_script *s = *state;

    script_join(s);
    script_name(s, "name", s->his_process);
    (void)script_said(s);
    assert_int_equal(
        script_hear(s, "{whereis, name, {~p, tag}}", s->his_process), 0);
    assert_string_equal(script_said(s), "reply <p1@there.22.0>");
}

/* --- clashes. We are n1@here, less than p1@there: ours is to decide. */

static void clash(struct global_script *s)
{
    global_nodeup(&s->global, s->peer, s->now);
    script_name(s, "name", s->our_process);
    script_init_connect(s);
    script_lock_both(s);
    (void)script_said(s);
    assert_int_equal(script_hear(s,
                                 "{'$gen_cast', {exchange, 'p1@there', "
                                 "[{name, ~p, his}, {other, ~p, his}], [], 1}}",
                                 s->his_process, s->his_process),
                     0);
}

static void the_method_of_our_process_decides(void **state)
{
    struct global_script *s = *state;

    clash(s);
    assert_string_equal(
        script_said(s),
        "resolve name <p1@there.22.0> <n1@here.21.0> by method m");
    script_resolved(s, "~p", s->our_process);
    assert_string_equal(script_said(s),
                        "server " GNS
                        "{'$gen_cast',{resolved,n1@here,[{insert,{name,"
                        "<n1@here.21.0>,m}}],[],unused,[],-7}}");
    assert_int_equal(script_hear(s, "{'$gen_cast', {resolved, 'p1@there', [], "
                                    "[], unused, [], 1}}"),
                     0);
    assert_true(pid_equal(script_whereis(s, "name"), s->our_process));
    assert_true(pid_equal(script_whereis(s, "other"), s->his_process));
}

static void his_process_may_win(void **state)
{
    struct global_script *s = *state;

    clash(s);
    (void)script_said(s);
    script_resolved(s, "~p", s->his_process);
    assert_true(has(script_said(s), "{resolved,n1@here,[],[],unused,[],-7}"));
    assert_int_equal(script_hear(s, "{'$gen_cast', {resolved, 'p1@there', [], "
                                    "[], unused, [], 1}}"),
                     0);
    assert_true(pid_equal(script_whereis(s, "name"), s->his_process));
}

static void with_none_the_name_is_free(void **state)
{
    struct global_script *s = *state;

    clash(s);
    (void)script_said(s);
    script_resolved(s, "none");
    assert_true(has(script_said(s), "{resolved,n1@here,[{delete,name}],"));
    assert_int_equal(script_hear(s, "{'$gen_cast', {resolved, 'p1@there', [], "
                                    "[], unused, [], 1}}"),
                     0);
    assert_true(pid_is_none(script_whereis(s, "name")));
}

static void an_answer_for_a_session_that_ended_is_void(void **state)
{
    struct global_script *s = *state;

    clash(s);
    global_nodedown(&s->global, s->peer, s->now);
    script_resolved(s, "none");
    assert_true(pid_equal(script_whereis(s, "name"), s->our_process));
}

/* --- others */

static void whom_he_knows_is_dialled_and_told(void **state)
{
    struct global_script *s = *state;

    script_join(s);
    assert_int_equal(
        script_hear(s, "{'$gen_cast', {new_nodes, 'p1@there', [], [], "
                       "[{'p2@there', 8}], [{vsn, 8}]}}"),
        0);
    assert_string_equal(script_said(s), "dial p2@there");
    global_nodeup(&s->global, s->peer2, s->now);
    assert_string_equal(script_said(s),
                        "server {global_name_server,p2@there} ! "
                        "{'$gen_cast',{in_sync,n1@here,true}}");
}

static void who_cannot_be_dialled_is_not_known(void **state)
{
    struct global_script *s = *state;

    script_join(s);
    assert_int_equal(
        script_hear(s, "{'$gen_cast', {new_nodes, 'p1@there', [], [], "
                       "[{'p2@there', 8}], [{vsn, 8}]}}"),
        0);
    for (int i = 0; i < 5; i++) {
        assert_string_equal(script_said(s), "dial p2@there");
        global_dial_failed(&s->global, s->peer2, s->now);
        s->now += 200;
        global_tick(&s->global, s->now);
    }
    assert_string_equal(script_said(s), "");
    assert_null(global_peer_find(&s->global, s->peer2));
}

static void there_is_a_limit_of_nodes_that_others_name(void **state)
{
    struct global_script *s = *state;
    uint64_t before = metric_read(METRIC_mesh_refused);

    script_join(s);
    limits.mesh_nodes = 2;
    assert_int_equal(
        script_hear(s, "{'$gen_cast', {new_nodes, 'p1@there', [], [], "
                       "['p2@there', 'p3@there'], []}}"),
        0);
    assert_string_equal(script_said(s), "dial p2@there");
    assert_int_equal(metric_read(METRIC_mesh_refused) - before, 1);
    limits.mesh_nodes = 1024;
}

/* --- partitions */

static void join_two(struct global_script *s)
{
    script_join(s);
    assert_int_equal(
        script_hear(s, "{'$gen_cast', {new_nodes, 'p1@there', [], [], "
                       "[{'p2@there', 8}], [{vsn, 8}]}}"),
        0);
    global_nodeup(&s->global, s->peer2, s->now);
    (void)script_said(s);
}

static void who_was_lost_by_another_is_dropped_and_all_are_told(void **state)
{
    struct global_script *s = *state;

    join_two(s);
    assert_int_equal(
        script_hear(s, "{lost_connection, 'p1@there', 5, 1, 'p2@there'}"), 0);
    assert_string_equal(
        script_said(s),
        "server {global_name_server,p2@there} ! "
        "{lost_connection,p1@there,5,1,p2@there}\n"
        "server {global_name_server,p2@there} ! {remove_connection,n1@here}");
    assert_false(global_peer_find(&s->global, s->peer2)->is_known);
    assert_int_equal(
        script_hear(s, "{lost_connection, 'p1@there', 5, 1, 'p2@there'}"), 0);
    assert_string_equal(script_said(s), ""); /* heard before */
}

/* He gives them up without us from now on; the nodedown comes later. */
static void names_of_who_is_dropped_are_gone_at_once(void **state)
{
    struct global_script *s = *state;

    join_two(s);
    script_name(s, "name", s->his_process);
    assert_int_equal(script_hear(s, "{remove_connection, 'p1@there'}"), 0);
    assert_true(pid_is_none(script_whereis(s, "name")));
}

static void who_drops_us_is_disconnected(void **state)
{
    struct global_script *s = *state;

    join_two(s);
    assert_int_equal(script_hear(s, "{remove_connection, 'p1@there'}"), 0);
    assert_string_equal(script_said(s), "disconnect p1@there");
    assert_false(global_peer_find(&s->global, s->peer)->is_known);
    assert_int_equal(script_hear(s, "{remove_connection, 'p1@there'}"), 0);
    assert_string_equal(script_said(s), "");
}

/* Of two BEAM nodes none drops the other for what happened to us. */
static void a_connection_that_we_lose_is_told_to_nobody(void **state)
{
    struct global_script *s = *state;

    join_two(s);
    global_nodedown(&s->global, s->peer, s->now);
    assert_string_equal(script_said(s), "");
}

static void of_what_was_lost_the_oldest_is_forgotten(void **state)
{
    struct global_script *s = *state;
    uint64_t before = metric_read(METRIC_global_refused);

    join_two(s);
    limits.global_lost = 2;
    assert_int_equal(
        script_hear(s, "{lost_connection, 'p1@there', 5, 1, 'p4@x'}"), 0);
    assert_int_equal(
        script_hear(s, "{lost_connection, 'p1@there', 5, 1, 'p5@x'}"), 0);
    assert_int_equal(
        script_hear(s, "{lost_connection, 'p1@there', 5, 1, 'p6@x'}"), 0);
    assert_int_equal(s->global.lost_count, 2);
    assert_int_equal(metric_read(METRIC_global_refused) - before, 1);
}

/* --- for processes of ours */

static void a_name_of_ours_is_told_to_all_under_the_lock(void **state)
{
    struct global_script *s = *state;

    script_join(s);
    assert_int_equal(script_request(s, GLOBAL_REGISTER, "name"), 0);
    assert_true(has(script_said(s), "{set_lock,{global,<n1@here.3.0>}}"));
    script_answer(s, GLOBAL_REGISTRAR, "true"); /* the boss, then all */
    assert_true(has(script_said(s), "{set_lock,{global,<n1@here.3.0>}}"));
    script_answer(s, GLOBAL_REGISTRAR, "true");
    assert_true(has(script_said(s), "{register,name,<n1@here.21.0>,fun global:"
                                    "random_exit_name/3}"));
    script_answer(s, GLOBAL_REGISTRAR, "yes");
    assert_true(has(script_said(s), "{del_lock,{global,<n1@here.3.0>}}"));
    assert_int_equal(s->global.registrar.state, REGISTRAR_RELEASE_LAST);
    script_answer(s, GLOBAL_REGISTRAR, "true");
    assert_string_equal(script_said(s), "done 1 yes");
}

/* He has it when he is known again. */
static void who_is_lost_and_back_meanwhile_is_not_told_a_name(void **state)
{
    struct global_script *s = *state;

    script_join(s);
    assert_int_equal(script_request(s, GLOBAL_REGISTER, "name"), 0);
    script_answer(s, GLOBAL_REGISTRAR, "true");
    global_nodedown(&s->global, s->peer, s->now);
    global_nodeup(&s->global, s->peer, s->now);
    (void)script_said(s);
    script_answer(s, GLOBAL_REGISTRAR, "true");
    assert_false(has(script_said(s), "{register,"));
    assert_true(pid_equal(script_whereis(s, "name"), s->our_process));
}

static void a_lock_that_is_taken_is_waited_for(void **state)
{
    struct global_script *s = *state;

    script_join(s);
    assert_int_equal(script_request(s, GLOBAL_REGISTER, "name"), 0);
    script_answer(s, GLOBAL_REGISTRAR, "false");
    (void)script_said(s);
    assert_int_equal(s->global.registrar.state, REGISTRAR_SLEEP);
    s->now = global_deadline(&s->global);
    global_tick(&s->global, s->now);
    assert_true(has(script_said(s), "{set_lock,{global,<n1@here.3.0>}}"));
}

static void alone_a_name_is_registered_at_once(void **state)
{
    struct global_script *s = *state;

    assert_int_equal(script_request(s, GLOBAL_REGISTER, "name"), 0);
    assert_string_equal(script_said(s), "done 1 yes");
    assert_int_equal(script_request(s, GLOBAL_REGISTER, "name"), 0);
    assert_string_equal(script_said(s), "done 2 no");
    assert_int_equal(script_request(s, GLOBAL_REGISTER, "second"), 0);
    assert_string_equal(script_said(s), "done 3 no"); /* one each */
    assert_int_equal(script_request(s, GLOBAL_RE_REGISTER, "name"), 0);
    assert_int_equal(script_request(s, GLOBAL_UNREGISTER, "name"), 0);
    assert_string_equal(script_said(s), "done 4 yes\ndone 5 ok");
    assert_true(pid_is_none(script_whereis(s, "name")));
    assert_int_equal(s->global.locks.by_resource.count, 0);
}

static void there_is_a_limit_of_requests(void **state)
{
    struct global_script *s = *state;
    uint64_t before = metric_read(METRIC_global_refused);

    script_join(s);
    limits.global_requests = 1;
    assert_int_equal(script_request(s, GLOBAL_REGISTER, "name"), 0);
    assert_int_equal(script_request(s, GLOBAL_REGISTER, "name2"),
                     CNODE_OVERLOADED);
    assert_int_equal(metric_read(METRIC_global_refused) - before, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_node_that_comes_up_gets_init_connect),
        T(two_nodes_become_one),
        T(names_of_a_node_are_learnt_before_the_node),
        T(a_name_is_registered_for_a_node_that_is_new_here),
        T(our_locker_locks_the_boss_then_both_and_says_so),
        T(a_refusal_of_his_locker_unlocks_all),
        T(a_lock_that_he_does_not_give_is_tried_again),
        T(a_node_that_is_lost_meanwhile_leaves_nothing_locked),
        T(who_comes_after_a_session_is_not_locked_at_once),
        T(another_tag_is_an_earlier_session),
        T(an_ack_that_does_not_fit_starts_over),
        T(a_cancelled_session_starts_over),
        T(in_sync_ends_the_session),
        T(who_knows_us_and_is_not_known_for_long_starts_over),
        T(who_knows_us_and_becomes_known_is_left_alone),
        T(junk_is_ignored_and_calls_are_answered),
        T(questions_about_it_are_answered),
        T(a_lock_is_for_one_requester),
        T(a_lock_ends_with_its_holder),
        T(there_is_a_limit_of_locks),
        T(a_name_is_registered_under_the_lock_only),
        T(a_name_ends_with_its_process),
        T(a_late_change_does_not_count),
        T(what_a_node_registers_before_it_is_known_does_not_count),
        T(what_a_node_registers_before_it_is_known_takes_no_name_away),
        T(new_nodes_of_one_who_is_not_known_change_no_name_of_its),
        T(names_of_whom_a_stranger_makes_known_come_with_it),
        T(names_of_old_c_nodes_say_where_they_were_registered),
        T(there_is_a_limit_of_names),
        T(whereis_as_a_message_is_answered),
        T(the_method_of_our_process_decides),
        T(his_process_may_win),
        T(with_none_the_name_is_free),
        T(an_answer_for_a_session_that_ended_is_void),
        T(whom_he_knows_is_dialled_and_told),
        T(who_cannot_be_dialled_is_not_known),
        T(there_is_a_limit_of_nodes_that_others_name),
        T(who_was_lost_by_another_is_dropped_and_all_are_told),
        T(names_of_who_is_dropped_are_gone_at_once),
        T(who_drops_us_is_disconnected),
        T(a_connection_that_we_lose_is_told_to_nobody),
        T(of_what_was_lost_the_oldest_is_forgotten),
        T(a_name_of_ours_is_told_to_all_under_the_lock),
        T(who_is_lost_and_back_meanwhile_is_not_told_a_name),
        T(a_lock_that_is_taken_is_waited_for),
        T(alone_a_name_is_registered_at_once),
        T(there_is_a_limit_of_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
