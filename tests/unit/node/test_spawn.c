/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes spawned by request, here for others and elsewhere for ours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "dist/flags.h"
#include "node/spawn_options.h"
#include "support/node/fake_peer.h"
#include "support/node/recorder.h"
#include "term/text.h"

#define P1 "p1@there"

struct fixture {
    struct node node;
    struct fake_peer peer;
    struct recorder a;       /* who asks */
    struct recorder spawned; /* what test:run makes */
    struct spawn_handler handler;
    struct pid caller, pid;
    bool is_spawned;
};

static int on_spawn(void *owner, struct node *node,
                    const struct spawn_call *call, struct process **process)
{
    struct fixture *f = owner;

    if (!cnode_is_atom(call->module, "test")) {
        return CNODE_NOT_FOUND;
    }
    if (cnode_is_atom(call->function, "refuse")) {
        return CNODE_UNSUPPORTED;
    }
    if (cnode_is_atom(call->function, "fail")) {
        return CNODE_LIMIT;
    }
    recorder_open(&f->spawned, node);
    f->is_spawned = true;
    *process = &f->spawned.process;
    return 0;
}

/* test:run([X]) ends with X, test:run([]) lives. */
static void on_start(void *owner, struct node *node, struct process *process,
                     const struct spawn_call *call)
{
    struct fixture *f = owner;
    struct cnode_term reason;

    if (cnode_match(call->args, "[~t]", &reason)) {
        f->spawned.ended = true;
        node_exit(node, process, reason);
    }
}

static void attach(struct fixture *f, uint32_t creation, uint64_t flags)
{
    fake_peer_open_as(&f->peer, &f->node, P1, creation, flags);
    f->caller = (struct pid){
        .node = atom_find(P1, strlen(P1)), .id = 5, .creation = creation};
    f->peer.peer->leader.state = LEADER_KNOWN; /* see test_leader.c */
    f->peer.peer->leader.user = f->caller;
}

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    fake_node_open(&f.node);
    attach(&f, 3, dist_flags_offered(false));
    recorder_open(&f.a, &f.node);
    f.a.process.flags |= PROCESS_TRAP_EXIT;
    f.pid = recorder_pid(&f.a);
    f.handler = (struct spawn_handler){
        .spawn = on_spawn, .start = on_start, .owner = &f};
    node_add_spawn_handler(&f.node, &f.handler);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    fake_peer_close(&f->peer);
    fake_node_settle(&f->node);
    recorder_close(&f->a);
    if (f->is_spawned) {
        recorder_close(&f->spawned);
    }
    fake_node_settle(&f->node);
    assert_int_equal(f->node.monitors.by_ref.count, 0);
    assert_int_equal(f->node.links.by_pair.count, 0);
    assert_int_equal(f->node.spawn_requests.by_ref.count, 0);
    assert_int_equal(f->node.relations_slab.used, 0);
    fake_node_close(&f->node);
    return 0;
}

static struct ref ref_of(struct fixture *f, uint32_t n)
{
    return (struct ref){.node = f->caller.node,
                        .creation = f->caller.creation,
                        .len = 3,
                        .words = {n, 0, 0}};
}

/* --- here, for a peer */

static void request(struct fixture *f, const char *mfa, const char *args,
                    const char *opts)
{
    struct ref ref = ref_of(f, 1);
    char format[200];

    (void)snprintf(format, sizeof(format), "{29, ~r, ~p, ~p, %s, %s}", mfa,
                   opts);
    fake_peer_send(&f->peer, args, format, &ref, f->caller, f->caller);
}

static void what_nobody_knows_exits_with_undef(void **state)
{
    struct fixture *f = *state;

    request(f, "{erlang, halt, 1}", "[7]", "[monitor]");
    assert_string_equal(
        fake_peer_got(&f->peer),
        "spawn_reply to=<p1@there.5.0> ref=#Ref<p1@there.0.0.1> "
        "flags=2 result=<n1@here.2.0>\n"
        "monitor_exit from=<n1@here.2.0> to=<p1@there.5.0> "
        "ref=#Ref<p1@there.0.0.1> reason={undef,[{erlang,halt,[7],[]}]}");
}

static void the_reply_comes_before_link_and_monitor_fire(void **state)
{
    struct fixture *f = *state;

    request(f, "{test, run, 1}", "[bye]", "[link, monitor, {priority, high}]");
    assert_string_equal(
        fake_peer_got(&f->peer),
        "spawn_reply to=<p1@there.5.0> ref=#Ref<p1@there.0.0.1> "
        "flags=3 result=<n1@here.2.0>\n"
        "exit from=<n1@here.2.0> to=<p1@there.5.0> reason=bye\n"
        "monitor_exit from=<n1@here.2.0> to=<p1@there.5.0> "
        "ref=#Ref<p1@there.0.0.1> reason=bye");
}

static void without_options_nothing_follows_the_reply(void **state)
{
    struct fixture *f = *state;

    request(f, "{test, run, 1}", "[bye]", "[]");
    assert_string_equal(fake_peer_got(&f->peer),
                        "spawn_reply to=<p1@there.5.0> "
                        "ref=#Ref<p1@there.0.0.1> result=<n1@here.2.0>");
}

static void a_spawned_process_has_the_group_leader_of_the_request(void **state)
{
    struct fixture *f = *state;

    request(f, "{test, run, 0}", "[]", "[]");
    assert_true(pid_equal(group_leader_of(&f->spawned.process), f->caller));
    fake_peer_send(&f->peer, NULL, "{7, ~p, ~p}", f->pid,
                   recorder_pid(&f->spawned));
    fake_node_settle(&f->node);
    assert_true(pid_equal(group_leader_of(&f->spawned.process), f->pid));
}

static void a_group_leader_is_told_to_another_node(void **state)
{
    struct fixture *f = *state;
    struct signal signal = {
        .kind = SIGNAL_GROUP_LEADER, .from = f->pid, .to = f->caller};

    assert_int_equal(route_signal(&f->node, &signal, f->caller.node), 0);
    assert_string_equal(fake_peer_got(&f->peer),
                        "group_leader from=<n1@here.1.0> to=<p1@there.5.0>");
}

static void refuses(struct fixture *f, const char *mfa, const char *args,
                    const char *opts, const char *why)
{
    char line[200];

    (void)snprintf(line, sizeof(line),
                   "spawn_reply to=<p1@there.5.0> ref=#Ref<p1@there.0.0.1> "
                   "result=%s",
                   why);
    request(f, mfa, args, opts);
    assert_string_equal(fake_peer_got(&f->peer), line);
    assert_false(f->is_spawned);
}

static void bad_options_are_answered_badopt(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"[link | monitor]",  "link",
                                      "[unknown]",         "[{priority, 7}]",
                                      "[{a, b, c}]",       "[{link, x}]",
                                      "[{scheduler, -1}]", "[{monitor}]",
                                      "[{reply, maybe}]",  "#{}",
                                      "[{reply, no}]",     "[{reply_tag, t}]",
                                      "[{monitor, x}]",    "[{unknown, 1}]"};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        refuses(f, "{test, run, 0}", "[]", bad[i], "badopt");
    }
}

static void a_trace_token_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct ref ref = ref_of(f, 1);

    fake_peer_send(&f->peer, "[bye]",
                   "{30, ~r, ~p, ~p, {test, run, 1}, [monitor], {0, a, b, c, "
                   "d}}",
                   &ref, f->caller, f->caller);
    assert_non_null(strstr(fake_peer_got(&f->peer), "reason=bye"));
}

static void the_arguments_count_not_their_number(void **state)
{
    struct fixture *f = *state;

    request(f, "{test, run, 2}", "[bye]", "[monitor]");
    assert_non_null(strstr(fake_peer_got(&f->peer), "reason=bye"));
}

static void arguments_that_are_no_list_are_a_badarg(void **state)
{
    struct fixture *f = *state;

    request(f, "{test, run, 1}", "[a | b]", "[monitor]");
    assert_non_null(
        strstr(fake_peer_got(&f->peer),
               "reason={badarg,[{erlang,apply,[test,run,[a|b]],[]}]}"));
    assert_false(f->is_spawned);
}

static void what_a_handler_refuses_is_answered(void **state)
{
    struct fixture *f = *state;

    refuses(f, "{test, refuse, 0}", "[]", "[]", "notsup");
    refuses(f, "{test, fail, 0}", "[]", "[]", "system_limit");
}

static void a_request_of_a_third_node_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct ref ref = ref_of(f, 1);
    struct pid third = f->caller;

    third.node = atom_intern("p2@there", 8);
    fake_peer_send(&f->peer, "[]", "{29, ~r, ~p, ~p, {test, run, 0}, []}", &ref,
                   third, third);
    ref.node = third.node;
    fake_peer_send(&f->peer, "[]", "{29, ~r, ~p, ~p, {test, run, 0}, []}", &ref,
                   f->caller, third);
    assert_string_equal(fake_peer_got(&f->peer), "");
    assert_false(f->is_spawned);
}

/* --- elsewhere, for one of ours */

static struct ref ask(struct fixture *f, atom_t where, const char *format, ...)
{
    struct spawn_what what;
    struct cnode_term parts[4];
    struct ref ref;
    struct buf buf;
    va_list args;

    buf_init(&buf, 0);
    va_start(args, format);
    term_vformat(&buf, format, args);
    va_end(args);
    assert_int_equal(buf_error(&buf), 0);
    assert_true(
        term_get_tuple(term_at(buf_data(&buf), buf_size(&buf)), 4, parts));
    what = (struct spawn_what){.module = parts[0],
                               .function = parts[1],
                               .args = parts[2],
                               .opts = parts[3]};
    assert_int_equal(spawn_request(&f->node, &f->a.process, where, &what, &ref),
                     0);
    buf_fini(&buf);
    return ref;
}

/* What a saw, with the reference of a request in it. */
static void saw(struct fixture *f, const struct ref *ref, const char *format)
{
    char expected[500], name[100];
    struct buf buf;

    buf_init(&buf, 0);
    term_format(&buf, "~r", ref);
    {
        struct buf text;

        buf_init(&text, 0);
        term_print(&text, term_at(buf_data(&buf), buf_size(&buf)), 0);
        buf_put_u8(&text, 0);
        (void)snprintf(name, sizeof(name), "%s", (char *)buf_data(&text));
        buf_fini(&text);
    }
    buf_fini(&buf);
    (void)snprintf(expected, sizeof(expected), format, name, name);
    assert_string_equal(recorder_seen(&f->a), expected);
    buf_clear(&f->a.seen);
}

static void a_request_is_written_and_its_reply_read(void **state)
{
    struct fixture *f = *state;
    struct ref ref = ask(f, f->caller.node,
                         "{lists, seq, [1, 9], [link, {reply_tag, t}, "
                         "{priority, low}]}");

    assert_non_null(strstr(
        fake_peer_got(&f->peer),
        "leader=<p1@there.5.0> mfa={lists,seq,2} opts=[link,{priority,low}] "
        "payload=[1,9]"));
    fake_peer_send(&f->peer, NULL, "{31, ~r, ~p, 1, ~p}", &ref, f->pid,
                   f->caller);
    saw(f, &ref, "{t,%s,ok,<p1@there.5.0>}");
    assert_int_equal(f->node.links.by_pair.count, 1);
    fake_peer_send(&f->peer, "boom", "{24, ~p, ~p}", f->caller, f->pid);
    saw(f, &ref, "{'EXIT',<p1@there.5.0>,boom}");
}

static void the_request_is_the_reference_of_the_monitor(void **state)
{
    struct fixture *f = *state;
    struct ref ref = ask(f, f->caller.node, "{m, f, [], [monitor]}");

    fake_peer_send(&f->peer, NULL, "{32, ~r, ~p, 2, ~p, token}", &ref, f->pid,
                   f->caller);
    fake_peer_send(&f->peer, "boom", "{28, ~p, ~p, ~r}", f->caller, f->pid,
                   &ref);
    saw(f, &ref,
        "{spawn_reply,%s,ok,<p1@there.5.0>}\n"
        "{'DOWN',%s,process,<p1@there.5.0>,boom}");
}

static void the_monitor_has_the_tag_that_was_asked_for(void **state)
{
    struct fixture *f = *state;
    struct ref ref =
        ask(f, f->caller.node, "{m, f, [], [{monitor, [{tag, {mine, 1}}]}]}");

    fake_peer_send(&f->peer, NULL, "{31, ~r, ~p, 2, ~p}", &ref, f->pid,
                   f->caller);
    fake_peer_send(&f->peer, "boom", "{28, ~p, ~p, ~r}", f->caller, f->pid,
                   &ref);
    saw(f, &ref,
        "{spawn_reply,%s,ok,<p1@there.5.0>}\n"
        "{{mine,1},%s,process,<p1@there.5.0>,boom}");
}

static void the_request_may_be_an_alias(void **state)
{
    struct fixture *f = *state;
    struct ref ref =
        ask(f, f->caller.node, "{m, f, [], [{monitor, [{alias, demonitor}]}]}");

    fake_peer_send(&f->peer, "early", "{33, ~p, ~r}", f->caller, &ref);
    fake_peer_send(&f->peer, NULL, "{31, ~r, ~p, 2, ~p}", &ref, f->pid,
                   f->caller);
    fake_peer_send(&f->peer, "boom", "{28, ~p, ~p, ~r}", f->caller, f->pid,
                   &ref);
    fake_peer_send(&f->peer, "late", "{33, ~p, ~r}", f->caller, &ref);
    assert_non_null(strstr(recorder_seen(&f->a), "early"));
    assert_null(strstr(recorder_seen(&f->a), "late"));
    assert_int_equal(f->node.aliases.by_ref.count, 0);
    buf_clear(&f->a.seen);

    ref =
        ask(f, f->caller.node, "{m, f, [], [{monitor, [{alias, demonitor}]}]}");
    assert_int_equal(f->node.aliases.by_ref.count, 1);
    fake_peer_send(&f->peer, NULL, "{31, ~r, ~p, 0, badopt}", &ref, f->pid);
    assert_int_equal(f->node.aliases.by_ref.count, 0);
    saw(f, &ref, "{spawn_reply,%s,error,badopt}");
}

static void an_error_is_told_and_a_second_reply_ignored(void **state)
{
    struct fixture *f = *state;
    struct ref ref = ask(f, f->caller.node, "{m, f, [], [link]}");

    fake_peer_send(&f->peer, NULL, "{31, ~r, ~p, 0, badopt}", &ref, f->pid);
    saw(f, &ref, "{spawn_reply,%s,error,badopt}");
    fake_peer_send(&f->peer, NULL, "{31, ~r, ~p, 3, ~p}", &ref, f->pid,
                   f->caller);
    saw(f, &ref, "");
}

static void the_option_reply_says_which_answers_are_wanted(void **state)
{
    struct fixture *f = *state;
    struct ref ref =
        ask(f, f->caller.node, "{m, f, [], [monitor, {reply, error_only}]}");

    fake_peer_send(&f->peer, NULL, "{31, ~r, ~p, 2, ~p}", &ref, f->pid,
                   f->caller);
    saw(f, &ref, "");
    assert_int_equal(f->node.monitors.by_ref.count, 1);
}

static void a_lost_connection_is_the_answer(void **state)
{
    struct fixture *f = *state;
    struct ref ref = ask(f, f->caller.node, "{m, f, [], [monitor]}");

    peers_detach(f->peer.peer, CNODE_CLOSED);
    saw(f, &ref, "{spawn_reply,%s,error,noconnection}");
}

/* The reply waits in a queue while the connection ends. */
static void a_reply_before_the_loss_counts_and_its_ties_break(void **state)
{
    struct fixture *f = *state;
    struct ref ref = ask(f, f->caller.node, "{m, f, [], [link, monitor]}");
    struct dest nobody = dest_pid((struct pid){
        .node = f->node.name, .id = 99, .creation = f->node.creation});

    for (int i = 0; i < SCHEDULER_PROCESS_BUDGET + 50; i++) {
        term_format(node_scratch(&f->node), "x");
        (void)route_send(&f->node, f->pid, &nobody,
                         node_scratch_payload(&f->node));
    }
    fake_peer_send(&f->peer, NULL, "{31, ~r, ~p, 3, ~p}", &ref, f->pid,
                   f->caller);
    peers_detach(f->peer.peer, CNODE_CLOSED);
    saw(f, &ref,
        "{spawn_reply,%s,ok,<p1@there.5.0>}\n"
        "{'EXIT',<p1@there.5.0>,noconnection}\n"
        "{'DOWN',%s,process,<p1@there.5.0>,noconnection}");
}

static void a_peer_that_cannot_spawn_is_not_asked(void **state)
{
    struct fixture *f = *state;
    struct ref ref;

    fake_peer_close(&f->peer);
    attach(f, 3, dist_flags_offered(false) & ~DIST_SPAWN);
    ref = ask(f, f->caller.node, "{m, f, [], []}");
    saw(f, &ref, "{spawn_reply,%s,error,notsup}");
    assert_string_equal(fake_peer_got(&f->peer), "");
}

static void a_child_is_told_when_its_parent_has_ended(void **state)
{
    struct fixture *f = *state;
    struct ref ref = ask(f, f->caller.node, "{m, f, [], [link, monitor]}");

    (void)fake_peer_got(&f->peer);
    f->a.ended = true;
    node_exit(&f->node, &f->a.process, atom_term(A_normal));
    fake_peer_send(&f->peer, NULL, "{31, ~r, ~p, 3, ~p}", &ref, f->pid,
                   f->caller);
    assert_non_null(strstr(fake_peer_got(&f->peer),
                           "exit from=<n1@here.1.0> to=<p1@there.5.0> "
                           "reason=noproc\ndemonitor "));
}

static void a_reply_in_the_name_of_a_third_node_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct ref ref = ask(f, f->caller.node, "{m, f, [], []}");
    struct pid third = f->caller;

    third.node = atom_intern("p2@there", 8);
    fake_peer_send(&f->peer, NULL, "{31, ~r, ~p, 0, ~p}", &ref, f->pid, third);
    saw(f, &ref, "");
    assert_int_equal(f->node.spawn_requests.by_ref.count, 1);
}

static void wrong_requests_are_refused(void **state)
{
    struct fixture *f = *state;
    struct cnode_term a = atom_term(A_ok), nil = term_nil();
    const struct spawn_what wrong[] = {{a, a, a, nil, PID_NONE},
                                       {a, a, nil, a, PID_NONE},
                                       {nil, a, nil, nil, PID_NONE},
                                       {a, nil, nil, nil, PID_NONE}};
    struct ref ref;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(spawn_request(&f->node, &f->a.process, f->caller.node,
                                       &wrong[i], &ref),
                         CNODE_EINVALID);
    }
}

static void requests_above_the_limit_are_refused(void **state)
{
    struct fixture *f = *state;
    uint64_t saved = limits.spawn_requests;
    uint64_t refused = metric_read(METRIC_spawns_refused);
    struct cnode_term a = atom_term(A_ok), nil = term_nil();
    const struct spawn_what what = {
        .module = a, .function = a, .args = nil, .opts = nil};
    struct ref ref = ask(f, f->caller.node, "{m, f, [], []}");
    int rc;

    limits.spawn_requests = 1;
    rc = spawn_request(&f->node, &f->a.process, f->caller.node, &what, &ref);
    limits.spawn_requests = saved;
    assert_int_equal(rc, CNODE_LIMIT);
    assert_int_equal(metric_read(METRIC_spawns_refused), refused + 1);
}

static void an_option_nobody_knows_is_answered_badopt(void **state)
{
    struct fixture *f = *state;
    struct ref ref = ask(f, f->caller.node, "{m, f, [], [{no_such, thing}]}");

    saw(f, &ref, "{spawn_reply,%s,error,badopt}");
    assert_string_equal(fake_peer_got(&f->peer), "");
}

/* --- here, for one of ours */

static void a_local_spawn_is_the_same(void **state)
{
    struct fixture *f = *state;
    struct ref ref =
        ask(f, f->node.name, "{test, run, [bye], [link, monitor]}");

    saw(f, &ref,
        "{spawn_reply,%s,ok,<n1@here.2.0>}\n"
        "{'EXIT',<n1@here.2.0>,bye}\n"
        "{'DOWN',%s,process,<n1@here.2.0>,bye}");
}

static void a_local_child_has_the_tag_that_was_asked_for(void **state)
{
    struct fixture *f = *state;
    struct ref ref =
        ask(f, f->node.name, "{test, run, [bye], [{monitor, [{tag, t}]}]}");

    saw(f, &ref,
        "{spawn_reply,%s,ok,<n1@here.2.0>}\n"
        "{t,%s,process,<n1@here.2.0>,bye}");
}

static void a_local_spawn_of_nothing_is_undef(void **state)
{
    struct fixture *f = *state;
    struct ref ref = ask(f, f->node.name, "{m, f, [], [monitor]}");

    saw(f, &ref,
        "{spawn_reply,%s,ok,<n1@here.2.0>}\n"
        "{'DOWN',%s,process,<n1@here.2.0>,{undef,[{m,f,[],[]}]}}");
}

static void a_local_child_lives_with_its_ties(void **state)
{
    struct fixture *f = *state;
    struct ref ref = ask(f, f->node.name, "{test, run, [], [link, monitor]}");

    saw(f, &ref, "{spawn_reply,%s,ok,<n1@here.2.0>}");
    assert_int_equal(f->node.links.by_pair.count, 2);
    f->a.ended = true;
    node_exit(&f->node, &f->a.process, atom_term(A_shutdown));
    fake_node_settle(&f->node);
    assert_true(f->spawned.ended);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_nobody_knows_exits_with_undef),
        T(the_reply_comes_before_link_and_monitor_fire),
        T(without_options_nothing_follows_the_reply),
        T(a_spawned_process_has_the_group_leader_of_the_request),
        T(a_group_leader_is_told_to_another_node),
        T(bad_options_are_answered_badopt),
        T(a_trace_token_changes_nothing),
        T(the_arguments_count_not_their_number),
        T(arguments_that_are_no_list_are_a_badarg),
        T(what_a_handler_refuses_is_answered),
        T(a_request_of_a_third_node_is_dropped),
        T(a_request_is_written_and_its_reply_read),
        T(the_request_is_the_reference_of_the_monitor),
        T(the_monitor_has_the_tag_that_was_asked_for),
        T(the_request_may_be_an_alias),
        T(a_local_child_has_the_tag_that_was_asked_for),
        T(an_error_is_told_and_a_second_reply_ignored),
        T(the_option_reply_says_which_answers_are_wanted),
        T(a_lost_connection_is_the_answer),
        T(a_reply_before_the_loss_counts_and_its_ties_break),
        T(a_peer_that_cannot_spawn_is_not_asked),
        T(a_child_is_told_when_its_parent_has_ended),
        T(a_reply_in_the_name_of_a_third_node_is_dropped),
        T(wrong_requests_are_refused),
        T(an_option_nobody_knows_is_answered_badopt),
        T(requests_above_the_limit_are_refused),
        T(a_local_spawn_is_the_same),
        T(a_local_spawn_of_nothing_is_undef),
        T(a_local_child_lives_with_its_ties),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
