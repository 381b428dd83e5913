/* SPDX-License-Identifier: Apache-2.0
 *
 * What processes of this node ask cnode_syn, and what it asks other nodes.
 */
#include "registry/syn_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/limits.h"
#include "base/metric.h"
#include "support/registry/syn_node.h"

static struct syn_node n;

static int setup(void **state)
{
    (void)state;
    syn_node_open(&n, 1);
    return 0;
}

static int setup_two(void **state)
{
    (void)state;
    syn_node_open(&n, 2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    syn_node_close(&n);
    return 0;
}

#define ASK(...)   syn_node_ask(&n, &n.local, __VA_ARGS__)
#define OTHER(...) syn_node_ask(&n, &n.other, __VA_ARGS__)

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("\n%s\nhas no\n%s", text, part);
    }
}

/* --- processes of this node */

static void names_as_syn_has_them(void **state)
{
    (void)state;
    assert_string_equal(ASK("{register, s, a, m}"), "ok");
    assert_string_equal(ASK("{register, s, a, m}"), "ok");
    assert_string_equal(ASK("{register, s, a, m2}"), "ok");
    assert_string_equal(OTHER("{register, s, a, m}"), "{error,taken}");
    assert_string_equal(ASK("{lookup, s, b}"), "undefined");
    assert_string_equal(ASK("{count, s}"), "1");
    assert_string_equal(ASK("{count, s, 'n1@here'}"), "1");
    assert_string_equal(ASK("{count, s, 'p1@there'}"), "0");
    assert_string_equal(OTHER("{unregister, s, a, ~p}", recorder_pid(&n.other)),
                        "{error,race_condition}");
    assert_string_equal(OTHER("{unregister, s, a}"), "ok"); /* of the other */
    assert_string_equal(ASK("{unregister, s, a}"), "{error,undefined}");
    assert_string_equal(ASK("{dump, registry, s}"), "[]");
}

static void groups_as_syn_has_them(void **state)
{
    (void)state;
    assert_string_equal(ASK("{join, s, g, m}"), "ok");
    assert_string_equal(ASK("{join, s, g, m}"), "ok");
    assert_string_equal(ASK("{join, s, g, m2}"), "ok");
    assert_has(ASK("{members, s, g}"), ",m2}]");
    assert_has(ASK("{local_members, s, g}"), ",m2}]");
    assert_has(ASK("{member, s, g, ~p}", recorder_pid(&n.local)), ",m2}");
    assert_string_equal(ASK("{member, s, g, ~p}", recorder_pid(&n.other)),
                        "undefined");
    assert_string_equal(ASK("{members, s, h}"), "[]");
    assert_has(ASK("{dump, pg, s}"), "[{g,<");
    assert_string_equal(ASK("{leave, s, g, ~p}", recorder_pid(&n.other)),
                        "{error,not_in_group}");
    assert_string_equal(ASK("{leave, s, g}"), "ok");
    assert_string_equal(ASK("{subcluster_nodes, pg, s}"), "[]");
}

static void a_process_may_register_another_one(void **state)
{
    struct pid dead = recorder_pid(&n.other);

    (void)state;
    assert_string_equal(ASK("{register, s, a, m, ~p}", dead), "ok");
    assert_string_equal(ASK("{join, s, g, m, ~p}", dead), "ok");
    n.other.ended = true;
    node_exit(n.other.node, &n.other.process, atom_term(A_kill));
    assert_string_equal(ASK("{lookup, s, a}"), "undefined");
    assert_string_equal(ASK("{members, s, g}"), "[]");
    assert_string_equal(ASK("{register, s, a, m, ~p}", dead),
                        "{error,not_alive}");
    assert_string_equal(ASK("{join, s, a, m, ~p}", dead), "{error,not_alive}");
}

static void in_strict_mode_it_may_not(void **state)
{
    (void)state;
    n.syn.is_strict = true;
    assert_string_equal(ASK("{register, s, a, m, ~p}", recorder_pid(&n.other)),
                        "{error,not_self}");
    assert_string_equal(ASK("{join, s, a, m, ~p}", recorder_pid(&n.other)),
                        "{error,not_self}");
    assert_string_equal(ASK("{register, s, a, m, ~p}", recorder_pid(&n.local)),
                        "ok");
}

static void what_is_no_request_is_refused(void **state)
{
    static const char *const requests[] = {
        "hello",
        "{register}",
        "{register, s, a}",
        "{register, s, a, m, nonsense}",
        "{register, s, a, m, nonsense, x, y, z}",
        "{unregister, s, a, nonsense}",
        "{leave, s, a, nonsense}",
        "{member, s, g, nonsense}",
        "{count, s, 17}",
        "{dump, nonsense, s}",
        "{dump, s}",
        "{subcluster_nodes, nonsense, s}",
        "{multi_call, s, g, m, nonsense}",
        "{nonsense, s}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        assert_string_equal(ASK(requests[i]), "{error,badarg}");
    }
}

static void other_nodes_may_not_ask(void **state)
{
    (void)state;
    (void)syn_node_up(&n);
    assert_has(syn_node_call(&n, "cnode_syn", "{count, s}"), "{error,notsup}");
}

static void what_is_no_call_is_dropped(void **state)
{
    (void)state;
    (void)syn_node_up(&n);
    (void)fake_peer_got(&n.peer);
    syn_node_say(&n, "cnode_syn", "hello");
    syn_node_say(&n, "cnode_syn", "{'$gen_cast', {count, s}}");
    syn_node_say(&n, "cnode_syn", "{[alias | nonsense], x}");
    syn_node_say(&n, "cnode_syn", "{'DOWN', x, process, y, z}");
    assert_string_equal(fake_peer_got(&n.peer), "");
}

/* --- processes of other nodes */

/* Real syn would crash at it. */
static void one_of_an_earlier_life_is_not_asked_for(void **state)
{
    struct pid old;

    (void)state;
    syn_node_meet(&n);
    old = n.theirs;
    old.creation--;
    (void)fake_peer_got(&n.peer);
    assert_string_equal(ASK("{register, s, a, m, ~p}", old),
                        "{error,not_alive}");
    assert_string_equal(ASK("{join, s, g, m, ~p}", old), "{error,not_alive}");
    assert_string_equal(fake_peer_got(&n.peer), "");
}

/* The peer is asked; the reference of the question. */
static struct ref question(const char *call)
{
    struct ref ref;

    (void)fake_peer_got(&n.peer);
    assert_string_equal(ASK(call, n.theirs), "");
    ref = syn_node_last_ref(&n);
    return ref;
}

static void their_owner_is_asked(void **state)
{
    struct ref ref;
    const char *got;

    (void)state;
    syn_node_meet(&n);
    ref = question("{register, s, a, m, ~p}");
    got = fake_peer_got(&n.peer);
    assert_has(got, "monitor from=");
    assert_has(got, " to=syn_registry_s ref=");
    assert_has(got, "{'3.0',register_or_update_on_node,n1@here,a,"
                    "<p1@there.5.0>,m}}");
    syn_node_reply(&n, &ref,
                   "{ok, {on_process_registered, undefined, m, 1000, "
                   "syn_registry_by_name_s, syn_registry_by_pid_s}}");
    assert_string_equal(syn_node_seen(&n.local), "ok");
    assert_has(fake_peer_got(&n.peer), "demonitor");
    assert_string_equal(ASK("{lookup, s, a}"), "{<p1@there.5.0>,m}");
    assert_int_equal(n.syn.questions.count, 0);

    ref = question("{unregister, s, a}");
    assert_has(fake_peer_got(&n.peer),
               "{'3.0',unregister_on_node,n1@here,a,<p1@there.5.0>}}");
    syn_node_reply(&n, &ref, "{ok, syn_registry_by_pid_s}");
    assert_string_equal(syn_node_seen(&n.local), "ok");
    assert_string_equal(ASK("{lookup, s, a}"), "undefined");
}

static void their_owner_may_refuse(void **state)
{
    struct ref ref;

    (void)state;
    syn_node_meet(&n);
    ref = question("{join, s, a, m, ~p}");
    syn_node_reply(&n, &ref, "{error, not_alive}");
    assert_string_equal(syn_node_seen(&n.local), "{error,not_alive}");
    ref = question("{leave, s, a, ~p}");
    syn_node_reply(&n, &ref, "{raise, error, badarith, []}");
    assert_string_equal(syn_node_seen(&n.local), "{error,badarith}");
}

static void a_node_may_not_have_the_scope(void **state)
{
    struct pid service = node_pid(&n.node, &n.syn.process);
    struct ref ref;

    (void)state;
    (void)syn_node_up(&n);
    ref = question("{register, s, a, m, ~p}");
    fake_peer_send(&n.peer, "noproc", "{28, syn_registry_s, ~p, ~r}", service,
                   &ref);
    assert_string_equal(syn_node_seen(&n.local),
                        "{error,{invalid_remote_scope,s,p1@there}}");
    assert_int_equal(n.syn.questions.count, 0);
    assert_int_equal(n.node.aliases.by_ref.count, 0);
}

static void a_node_may_be_lost(void **state)
{
    (void)state;
    (void)syn_node_up(&n);
    (void)question("{register, s, a, m, ~p}");
    syn_node_down(&n);
    assert_string_equal(syn_node_seen(&n.local), "{error,noconnection}");
}

static void a_pid_of_a_node_that_cannot_be_reached_is_refused(void **state)
{
    struct pid pid = {.node = atom_intern("nobody", 6), .id = 1};

    (void)state;
    assert_string_equal(ASK("{register, s, a, m, ~p}", pid),
                        "{error,noconnection}");
}

/* The owner tells everybody but us: we keep an ear open. */
static void an_answer_that_comes_too_late_still_counts(void **state)
{
    struct ref ref;

    (void)state;
    syn_node_meet(&n);
    ref = question("{register, s, a, m, ~p}");
    (void)fake_peer_got(&n.peer);
    syn_node_advance(&n, 4999);
    assert_string_equal(syn_node_seen(&n.local), "");
    syn_node_advance(&n, 1);
    assert_string_equal(syn_node_seen(&n.local), "{error,timeout}");
    assert_has(fake_peer_got(&n.peer), "demonitor");
    syn_node_reply(&n, &ref,
                   "{ok, {on_process_registered, undefined, m, 1000, "
                   "syn_registry_by_name_s, syn_registry_by_pid_s}}");
    assert_string_equal(ASK("{lookup, s, a}"), "{<p1@there.5.0>,m}");
    assert_int_equal(n.syn.questions.count, 0);
}

static void nobody_listens_for_ever(void **state)
{
    struct ref ref;

    (void)state;
    syn_node_meet(&n);
    ref = question("{register, s, a, m, ~p}");
    syn_node_advance(&n, 5000);
    syn_node_advance(&n, 60000);
    assert_int_equal(n.syn.questions.count, 0);
    assert_int_equal(n.node.aliases.by_ref.count, 0);
    syn_node_reply(&n, &ref, "{noop, m}");
    assert_string_equal(ASK("{lookup, s, a}"), "undefined");
}

static void questions_have_a_limit(void **state)
{
    uint64_t before = limits.syn_requests;
    uint64_t refused = metric_read(METRIC_syn_refused);

    (void)state;
    syn_node_meet(&n);
    limits.syn_requests = 1;
    (void)question("{register, s, a, m, ~p}");
    assert_string_equal(ASK("{register, s, b, m, ~p}", n.theirs),
                        "{error,overloaded}");
    limits.syn_requests = before;
    assert_int_equal(metric_read(METRIC_syn_refused) - refused, 1);
}

static void questions_end_with_the_service(void **state)
{
    struct signal kill = {.kind = SIGNAL_EXIT2,
                          .to = node_pid(&n.node, &n.syn.process),
                          .term = atom_term(A_kill)};

    (void)state;
    syn_node_meet(&n);
    (void)question("{register, s, a, m, ~p}");
    kill.from = recorder_pid(&n.local);
    (void)route_signal(&n.node, &kill, n.node.name);
    fake_node_settle(&n.node);
    assert_int_equal(n.syn.questions.count, 0);
    assert_int_equal(n.node.aliases.by_ref.count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TWO(name)  cmocka_unit_test_setup_teardown(name, setup_two, teardown)
    const struct CMUnitTest tests[] = {
        TEST(names_as_syn_has_them),
        TEST(one_of_an_earlier_life_is_not_asked_for),
        TWO(names_as_syn_has_them),
        TEST(groups_as_syn_has_them),
        TWO(groups_as_syn_has_them),
        TEST(a_process_may_register_another_one),
        TWO(a_process_may_register_another_one),
        TEST(in_strict_mode_it_may_not),
        TEST(what_is_no_request_is_refused),
        TEST(other_nodes_may_not_ask),
        TEST(what_is_no_call_is_dropped),
        TEST(their_owner_is_asked),
        TEST(their_owner_may_refuse),
        TEST(a_node_may_not_have_the_scope),
        TEST(a_node_may_be_lost),
        TEST(a_pid_of_a_node_that_cannot_be_reached_is_refused),
        TEST(an_answer_that_comes_too_late_still_counts),
        TEST(nobody_listens_for_ever),
        TEST(questions_have_a_limit),
        TEST(questions_end_with_the_service),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
