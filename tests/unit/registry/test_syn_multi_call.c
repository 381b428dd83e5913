/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages to groups: publish, and multi_call as its caller.
 */
#include "registry/syn_multi_call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "support/registry/syn_node.h"
#include "term/build.h"

static struct syn_node n;

/* Members of g: the process of the peer, and one here. */
static int setup(void **state)
{
    (void)state;
    syn_node_open(&n, 2);
    syn_node_meet(&n);
    syn_node_say(&n, "syn_pg_s", "{'3.0', sync_join, g, ~p, m5, 1000, normal}",
                 n.theirs);
    (void)syn_node_ask(&n, &n.other, "{join, s, g, mo}");
    (void)fake_peer_got(&n.peer);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    syn_node_close(&n);
    return 0;
}

#define ASK(...) syn_node_ask(&n, &n.local, __VA_ARGS__)

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("\n%s\nhas no\n%s", text, part);
    }
}

/* --- publish */

static void a_message_goes_to_all_members_as_it_is(void **state)
{
    char expected[128];

    (void)state;
    buf_clear(&n.other.seen);
    assert_string_equal(ASK("{publish, s, g, {hello, 1}}"), "{ok,2}");
    assert_string_equal(recorder_seen(&n.other), "{hello,1}");
    (void)snprintf(expected, sizeof(expected),
                   "send from=<n1@here.%u.%u> to=<p1@there.5.0> "
                   "payload={hello,1}",
                   recorder_pid(&n.local).id, recorder_pid(&n.local).serial);
    assert_string_equal(fake_peer_got(&n.peer), expected);
    assert_string_equal(ASK("{publish, s, nobody, x}"), "{ok,0}");
}

static void or_to_those_here(void **state)
{
    (void)state;
    buf_clear(&n.other.seen);
    assert_string_equal(ASK("{local_publish, s, g, hello}"), "{ok,1}");
    assert_string_equal(recorder_seen(&n.other), "hello");
    assert_string_equal(fake_peer_got(&n.peer), "");
}

static void a_large_message_is_shared(void **state)
{
    static char bytes[100000];

    (void)state;
    buf_clear(&n.other.seen);
    assert_string_equal(ASK("{publish, s, g, ~b}", bytes, sizeof(bytes)),
                        "{ok,2}");
    assert_true(strlen(fake_peer_got(&n.peer)) > sizeof(bytes));
    assert_true(strlen(recorder_seen(&n.other)) > sizeof(bytes));
}

/* --- multi_call */

/* A member that was asked: whom it is to answer. */
struct asked {
    struct pid pid;
    struct ref ref;
};

/* From the text of {syn_multi_call, question, {Pid, Ref}, Meta}. */
static struct asked asked_in(const char *text)
{
    const char *at = strstr(text, "{syn_multi_call,question,{<n1@here.");
    struct asked asked = {
        .pid = {.node = n.node.name, .creation = 7},
        .ref = {.node = n.node.name, .creation = 7, .len = 3}};

    if (at == NULL ||
        sscanf(
            at,
            "{syn_multi_call,question,{<n1@here.%u.%u>,#Ref<n1@here.%u.%u.%u>}",
            &asked.pid.id, &asked.pid.serial, &asked.ref.words[2],
            &asked.ref.words[1], &asked.ref.words[0]) != 5) {
        fail_msg("nobody is asked in\n%s", text);
    }
    return asked;
}

/* The one here and the peer's process are asked. */
static void ask_both(struct asked *here, struct asked *there)
{
    buf_clear(&n.other.seen);
    assert_string_equal(ASK("{multi_call, s, g, question, 100}"), "");
    *here = asked_in(recorder_seen(&n.other));
    *there = asked_in(fake_peer_got(&n.peer));
    assert_int_equal(n.syn.multi_call_count, 1);
}

static void answer_here(const struct asked *asked, const char *reply)
{
    struct dest dest = dest_pid(asked->pid);
    struct buf *buf = node_scratch(n.other.node);

    term_put_tuple(buf, 3);
    term_format(buf, "syn_multi_call_reply");
    term_put_ref(buf, &asked->ref);
    term_format(buf, reply);
    assert_int_equal(route_send(n.other.node, recorder_pid(&n.other), &dest,
                                node_scratch_payload(n.other.node)),
                     0);
    fake_node_settle(&n.node);
}

static void answer_there(const struct asked *asked, const char *reply)
{
    struct buf buf;

    buf_init(&buf, 0);
    term_format(&buf, reply);
    syn_node_tell(&n, asked->pid, "{syn_multi_call_reply, ~r, ~t}", &asked->ref,
                  term_at(buf_data(&buf), buf_size(&buf)));
    buf_fini(&buf);
}

static void is_over(void)
{
    assert_int_equal(n.syn.multi_call_count, 0);
    assert_int_equal(n.node.monitors.by_ref.count, 2); /* the scopes' own */
}

static void the_replies_of_all_are_the_result(void **state)
{
    struct asked here, there;

    (void)state;
    ask_both(&here, &there);
    answer_there(&there, "{there, 1}");
    assert_string_equal(syn_node_seen(&n.local), "");
    assert_has(fake_peer_got(&n.peer), "demonitor");
    answer_here(&here, "here");
    assert_has(syn_node_seen(&n.local), "{{<p1@there.5.0>,m5},{there,1}}");
    assert_has(syn_node_seen(&n.local), ",mo},here}");
    assert_has(syn_node_seen(&n.local), "],[]}");
    is_over();
}

static void who_does_not_answer_is_a_bad_one(void **state)
{
    struct asked here, there;

    (void)state;
    ask_both(&here, &there);
    answer_here(&here, "here");
    syn_node_advance(&n, 99);
    assert_string_equal(syn_node_seen(&n.local), "");
    syn_node_advance(&n, 1);
    assert_has(syn_node_seen(&n.local), ",mo},here}],[{<p1@there.5.0>,m5}]}");
    is_over();
    buf_clear(&n.local.seen);
    answer_there(&there, "late"); /* vanishes */
    assert_string_equal(syn_node_seen(&n.local), "");
}

static void who_ends_is_a_bad_one_at_once(void **state)
{
    struct asked here, there;

    (void)state;
    ask_both(&here, &there);
    n.other.ended = true;
    node_exit(n.other.node, &n.other.process, atom_term(A_kill));
    fake_peer_send(&n.peer, "boom", "{28, ~p, ~p, ~r}", n.theirs, there.pid,
                   &there.ref);
    assert_has(syn_node_seen(&n.local), "{[],[");
    assert_has(syn_node_seen(&n.local), "{<p1@there.5.0>,m5}");
    is_over();
}

static void a_lost_node_is_a_bad_one_at_once(void **state)
{
    struct asked here, there;

    (void)state;
    ask_both(&here, &there);
    answer_here(&here, "here");
    syn_node_down(&n);
    assert_has(syn_node_seen(&n.local), ",mo},here}],[{<p1@there.5.0>,m5}]}");
}

static void nobody_answers_twice_or_for_another(void **state)
{
    struct asked here, there, wrong;

    (void)state;
    ask_both(&here, &there);
    wrong = there;
    wrong.ref.words[0]++;
    answer_there(&wrong, "wrong");
    answer_there(&there, "once");
    answer_there(&there, "twice");
    syn_node_tell(&n, there.pid, "nonsense");
    syn_node_tell(&n, there.pid, "{syn_multi_call_reply, nonsense, x}");
    assert_string_equal(syn_node_seen(&n.local), "");
    answer_here(&here, "here");
    assert_has(syn_node_seen(&n.local), "{{<p1@there.5.0>,m5},once}");
    is_over();
}

static void replies_have_a_limit(void **state)
{
    uint64_t before = limits.syn_reply_bytes;
    uint64_t refused = metric_read(METRIC_syn_refused);
    struct asked here, there;

    (void)state;
    limits.syn_reply_bytes = 64;
    ask_both(&here, &there);
    answer_here(&here, "here");
    answer_there(&there, "\"0123456789012345678901234567890123456789012345678"
                         "901234567890123456789\"");
    limits.syn_reply_bytes = before;
    assert_has(syn_node_seen(&n.local), ",mo},here}],[{<p1@there.5.0>,m5}]}");
    assert_int_equal(metric_read(METRIC_syn_refused) - refused, 1);
}

static void calls_have_a_limit(void **state)
{
    uint64_t before = limits.syn_multi_calls;
    uint64_t refused = metric_read(METRIC_syn_refused);
    struct asked here, there;

    (void)state;
    limits.syn_multi_calls = 1;
    ask_both(&here, &there);
    assert_string_equal(ASK("{multi_call, s, g, question, 100}"),
                        "{error,overloaded}");
    limits.syn_multi_calls = before;
    assert_int_equal(metric_read(METRIC_syn_refused) - refused, 1);
    syn_node_advance(&n, 100);
    is_over();
}

static void a_killed_one_tells_its_caller(void **state)
{
    struct signal kill = {.kind = SIGNAL_EXIT2, .term = atom_term(A_kill)};
    struct asked here, there;

    (void)state;
    ask_both(&here, &there);
    kill.to = there.pid;
    kill.from = recorder_pid(&n.local);
    (void)route_signal(&n.node, &kill, n.node.name);
    assert_string_equal(syn_node_seen(&n.local), "{error,killed}");
    is_over();
}

static void the_end_of_all_ends_those_under_way(void **state)
{
    struct asked here, there;

    (void)state;
    ask_both(&here, &there); /* what is lost, the sanitizer says */
}

static void nobody_in_the_group_nobody_answers(void **state)
{
    (void)state;
    assert_string_equal(ASK("{multi_call, s, nobody, question, 100}"),
                        "{[],[]}");
    assert_int_equal(n.syn.multi_call_count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_message_goes_to_all_members_as_it_is),
        TEST(or_to_those_here),
        TEST(a_large_message_is_shared),
        TEST(nobody_in_the_group_nobody_answers),
        TEST(the_replies_of_all_are_the_result),
        TEST(who_does_not_answer_is_a_bad_one),
        TEST(who_ends_is_a_bad_one_at_once),
        TEST(a_lost_node_is_a_bad_one_at_once),
        TEST(nobody_answers_twice_or_for_another),
        TEST(replies_have_a_limit),
        TEST(calls_have_a_limit),
        TEST(a_killed_one_tells_its_caller),
        TEST(the_end_of_all_ends_those_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
