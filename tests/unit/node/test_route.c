/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "base/limits.h"
#include "base/metric.h"
#include "support/node/fake_peer.h"
#include "support/node/recorder.h"

struct fixture {
    struct node node;
    struct fake_peer peer;
    struct recorder a, b;
    struct pid caller; /* a pid of the peer */
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    fake_node_open(&f.node);
    fake_peer_open(&f.peer, &f.node, "p1@there");
    recorder_open(&f.a, &f.node);
    recorder_open(&f.b, &f.node);
    assert_int_equal(names_register(&f.node, atom_intern("a", 1), &f.a.process),
                     0);
    f.caller = (struct pid){
        .node = atom_find("p1@there", 8), .id = 5, .serial = 0, .creation = 3};
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    fake_peer_close(&f->peer);
    fake_node_settle(&f->node);
    recorder_close(&f->a);
    recorder_close(&f->b);
    fake_node_settle(&f->node);
    assert_int_equal(f->node.monitors.by_ref.count, 0);
    assert_int_equal(f->node.links.by_pair.count, 0);
    assert_int_equal(f->node.relations_slab.used, 0);
    fake_node_close(&f->node);
    return 0;
}

/* --- messages */

static void a_send_to_a_pid_reaches_it(void **state)
{
    struct fixture *f = *state;

    fake_peer_send(&f->peer, "{hello, 1}", "{22, ~p, ~p}", f->caller,
                   recorder_pid(&f->a));
    assert_string_equal(recorder_seen(&f->a), "{hello,1}");
}

static void a_send_to_a_name_reaches_it(void **state)
{
    struct fixture *f = *state;

    fake_peer_send(&f->peer, "hi", "{6, ~p, '', a}", f->caller);
    assert_string_equal(recorder_seen(&f->a), "hi");
}

static void a_send_to_an_old_incarnation_is_a_dead_letter(void **state)
{
    struct fixture *f = *state;
    struct pid old = recorder_pid(&f->a);
    uint64_t before = metric_read(METRIC_dead_letters);

    old.creation--;
    fake_peer_send(&f->peer, "hi", "{22, ~p, ~p}", f->caller, old);
    assert_string_equal(recorder_seen(&f->a), "");
    assert_int_equal(metric_read(METRIC_dead_letters), before + 1);
}

static void
a_call_is_answered_to_its_alias_with_the_tag_as_it_came(void **state)
{
    struct fixture *f = *state;
    struct ref ref = {
        .node = f->caller.node, .creation = 3, .len = 3, .words = {1, 2, 3}};
    struct buf message;
    struct signal signal = {.kind = SIGNAL_MESSAGE, .to = recorder_pid(&f->a)};

    buf_init(&message, 0);
    term_format(&message, "{'$gen_call', {~p, [alias | ~r]}, question}",
                f->caller, &ref);
    signal.term = term_at(buf_data(&message), buf_size(&message));
    scheduler_dispatch(&f->node.scheduler, &signal);
    buf_fini(&message);
    assert_string_equal(
        fake_peer_got(&f->peer),
        "alias_send from=<n1@here.1.0> ref=#Ref<p1@there.3.2.1> "
        "payload={[alias|#Ref<p1@there.3.2.1>],{ok,question}}");
}

static void a_call_with_a_plain_tag_is_answered_to_the_pid(void **state)
{
    struct fixture *f = *state;
    struct buf message;
    struct signal signal = {.kind = SIGNAL_MESSAGE, .to = recorder_pid(&f->a)};

    buf_init(&message, 0);
    term_format(&message, "{'$gen_call', {~p, {tag, node}}, q}", f->caller);
    signal.term = term_at(buf_data(&message), buf_size(&message));
    scheduler_dispatch(&f->node.scheduler, &signal);
    buf_fini(&message);
    assert_string_equal(fake_peer_got(&f->peer),
                        "send from=<n1@here.1.0> to=<p1@there.5.0> "
                        "payload={{tag,node},{ok,q}}");
}

static void a_reply_to_a_node_that_is_gone_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct pid stranger = {
        .node = atom_intern("x@y", 3), .id = 1, .creation = 9};
    struct buf message;
    struct signal signal = {.kind = SIGNAL_MESSAGE, .to = recorder_pid(&f->a)};

    buf_init(&message, 0);
    term_format(&message, "{'$gen_call', {~p, tag}, q}", stranger);
    signal.term = term_at(buf_data(&message), buf_size(&message));
    scheduler_dispatch(&f->node.scheduler, &signal);
    buf_fini(&message);
    assert_string_equal(fake_peer_got(&f->peer), "");
    assert_null(peers_find(&f->node.peers, stranger.node));
}

static void a_full_mailbox_tells_the_caller(void **state)
{
    struct fixture *f = *state;
    struct buf message;
    struct signal signal = {.kind = SIGNAL_MESSAGE, .to = recorder_pid(&f->a)};

    f->a.process.flags |= PROCESS_HELD;
    f->a.process.mailbox_limit = 1;
    buf_init(&message, 0);
    term_format(&message, "{'$gen_call', {~p, tag}, q}", f->caller);
    signal.term = term_at(buf_data(&message), buf_size(&message));
    scheduler_dispatch(&f->node.scheduler, &signal);
    scheduler_dispatch(&f->node.scheduler, &signal);
    buf_fini(&message);
    assert_non_null(
        strstr(fake_peer_got(&f->peer), "{tag,{error,overloaded}}"));
    scheduler_resume(&f->node.scheduler, &f->a.process);
    assert_non_null(strstr(fake_peer_got(&f->peer), "{tag,{ok,q}}"));
}

static void order_holds_between_a_queued_message_and_a_later_one(void **state)
{
    struct fixture *f = *state;
    struct dest to = dest_pid(recorder_pid(&f->b));

    term_format(node_scratch(&f->node), "first");
    assert_int_equal(route_send(&f->node, recorder_pid(&f->a), &to,
                                node_scratch_payload(&f->node)),
                     0);
    fake_peer_send(&f->peer, "second", "{22, ~p, ~p}", f->caller,
                   recorder_pid(&f->b));
    assert_string_equal(recorder_seen(&f->b), "first\nsecond");
}

/* --- monitors */

static struct ref ref_of(struct fixture *f, uint32_t n)
{
    return (struct ref){
        .node = f->caller.node, .creation = 3, .len = 3, .words = {n, 0, 0}};
}

static void a_monitor_on_a_dead_pid_says_noproc(void **state)
{
    struct fixture *f = *state;
    struct ref ref = ref_of(f, 1);
    struct pid dead = {
        .node = f->node.name, .id = 999, .serial = 0, .creation = 7};

    fake_peer_send(&f->peer, NULL, "{19, ~p, ~p, ~r}", f->caller, dead, &ref);
    assert_string_equal(fake_peer_got(&f->peer),
                        "monitor_exit from=<n1@here.999.0> "
                        "to=<p1@there.5.0> ref=#Ref<p1@there.0.0.1> "
                        "reason=noproc");
}

static void
a_monitor_on_a_name_nobody_knows_says_noproc_by_that_name(void **state)
{
    struct fixture *f = *state;
    struct ref ref = ref_of(f, 1);

    fake_peer_send(&f->peer, NULL, "{19, ~p, never_heard_of_it, ~r}", f->caller,
                   &ref);
    assert_string_equal(fake_peer_got(&f->peer),
                        "monitor_exit from=never_heard_of_it "
                        "to=<p1@there.5.0> ref=#Ref<p1@there.0.0.1> "
                        "reason=noproc");
}

static void
a_monitor_fires_with_the_reason_and_the_form_it_was_made_with(void **state)
{
    struct fixture *f = *state;
    struct ref by_name = ref_of(f, 1), by_pid = ref_of(f, 2);

    fake_peer_send(&f->peer, NULL, "{19, ~p, a, ~r}", f->caller, &by_name);
    fake_peer_send(&f->peer, NULL, "{19, ~p, ~p, ~r}", f->caller,
                   recorder_pid(&f->a), &by_pid);
    fake_peer_send(&f->peer, "boom", "{26, ~p, ~p}", f->caller,
                   recorder_pid(&f->a));
    assert_true(f->a.ended);
    assert_string_equal(
        fake_peer_got(&f->peer),
        "monitor_exit from=a to=<p1@there.5.0> ref=#Ref<p1@there.0.0.1> "
        "reason=boom\n"
        "monitor_exit from=<n1@here.1.0> to=<p1@there.5.0> "
        "ref=#Ref<p1@there.0.0.2> reason=boom");
}

static void a_demonitor_leaves_nothing_behind(void **state)
{
    struct fixture *f = *state;

    for (uint32_t i = 0; i < 1000; i++) {
        struct ref ref = ref_of(f, i);

        fake_peer_send(&f->peer, NULL, "{19, ~p, a, ~r}", f->caller, &ref);
        fake_peer_send(&f->peer, NULL, "{20, ~p, a, ~r}", f->caller, &ref);
    }
    assert_string_equal(fake_peer_got(&f->peer), "");
    assert_int_equal(f->node.monitors.by_ref.count, 0);
    assert_true(list_is_empty(&f->a.process.relations->watchers));
}

static void monitors_over_the_limit_are_refused(void **state)
{
    struct fixture *f = *state;
    uint64_t saved = limits.monitors_per_node;
    uint64_t refused = metric_read(METRIC_monitors_refused);
    struct ref one = ref_of(f, 1), two = ref_of(f, 2);

    limits.monitors_per_node = 1;
    fake_peer_send(&f->peer, NULL, "{19, ~p, a, ~r}", f->caller, &one);
    fake_peer_send(&f->peer, NULL, "{19, ~p, a, ~r}", f->caller, &two);
    limits.monitors_per_node = saved;
    assert_int_equal(metric_read(METRIC_monitors_refused), refused + 1);
    assert_string_equal(fake_peer_got(&f->peer),
                        "monitor_exit from=a to=<p1@there.5.0> "
                        "ref=#Ref<p1@there.0.0.2> reason=system_limit");
}

static void a_lost_peer_gives_down_noconnection_to_its_watcher(void **state)
{
    struct fixture *f = *state;
    struct dest dest = dest_name(atom_intern("srv", 3), f->caller.node);
    struct ref ref;

    assert_int_equal(monitor_start(&f->node, &f->a.process, &dest, &ref), 0);
    assert_non_null(strstr(fake_peer_got(&f->peer), "monitor from="));
    peers_detach(f->peer.peer, CNODE_CLOSED);
    assert_non_null(strstr(recorder_seen(&f->a), "process,{srv,p1@there},"
                                                 "noconnection}"));
    assert_int_equal(f->node.monitors.by_ref.count, 0);
}

static void a_local_monitor_fires_once(void **state)
{
    struct fixture *f = *state;
    struct dest dest = dest_pid(recorder_pid(&f->b));
    struct ref ref;

    assert_int_equal(monitor_start(&f->node, &f->a.process, &dest, &ref), 0);
    fake_node_settle(&f->node);
    f->b.ended = true;
    node_exit(&f->node, &f->b.process, atom_term(A_shutdown));
    assert_non_null(
        strstr(recorder_seen(&f->a), ",process,<n1@here.2.0>,shutdown}"));
}

static void a_stopped_monitor_never_fires(void **state)
{
    struct fixture *f = *state;
    struct dest dest = dest_pid(recorder_pid(&f->b));
    struct ref ref;

    assert_int_equal(monitor_start(&f->node, &f->a.process, &dest, &ref), 0);
    fake_node_settle(&f->node);
    f->b.ended = true;
    node_exit(&f->node, &f->b.process, atom_term(A_shutdown));
    assert_int_equal(monitor_stop(&f->node, &f->a.process, &ref), 0);
    assert_string_equal(recorder_seen(&f->a), "");
}

static void a_down_from_another_node_than_the_watched_is_ignored(void **state)
{
    struct fixture *f = *state;
    struct dest dest = dest_pid(recorder_pid(&f->b));
    struct ref ref;

    assert_int_equal(monitor_start(&f->node, &f->a.process, &dest, &ref), 0);
    fake_node_settle(&f->node);
    fake_peer_send(&f->peer, "lie", "{28, ~p, ~p, ~r}", f->caller,
                   recorder_pid(&f->a), &ref);
    assert_string_equal(recorder_seen(&f->a), "");
}

/* --- links */

static void a_link_to_a_dead_pid_gets_exit_noproc(void **state)
{
    struct fixture *f = *state;
    struct pid dead = {
        .node = f->node.name, .id = 999, .serial = 0, .creation = 7};

    fake_peer_send(&f->peer, NULL, "{1, ~p, ~p}", f->caller, dead);
    assert_string_equal(
        fake_peer_got(&f->peer),
        "exit from=<n1@here.999.0> to=<p1@there.5.0> reason=noproc");
}

static void an_exit_over_a_link_ends_the_linked_process(void **state)
{
    struct fixture *f = *state;

    fake_peer_send(&f->peer, NULL, "{1, ~p, ~p}", f->caller,
                   recorder_pid(&f->a));
    fake_peer_send(&f->peer, "boom", "{24, ~p, ~p}", f->caller,
                   recorder_pid(&f->a));
    assert_true(f->a.ended);
    assert_string_equal(fake_peer_got(&f->peer), "");
}

static void an_exit_without_a_link_is_ignored(void **state)
{
    struct fixture *f = *state;

    fake_peer_send(&f->peer, "boom", "{24, ~p, ~p}", f->caller,
                   recorder_pid(&f->a));
    assert_false(f->a.ended);
}

static void a_normal_exit_over_a_link_is_survived(void **state)
{
    struct fixture *f = *state;

    fake_peer_send(&f->peer, NULL, "{1, ~p, ~p}", f->caller,
                   recorder_pid(&f->a));
    fake_peer_send(&f->peer, "normal", "{24, ~p, ~p}", f->caller,
                   recorder_pid(&f->a));
    assert_false(f->a.ended);
    assert_int_equal(f->node.links.by_pair.count, 0);
}

static void a_trapping_process_gets_exit_as_a_message(void **state)
{
    struct fixture *f = *state;

    f->a.process.flags |= PROCESS_TRAP_EXIT;
    fake_peer_send(&f->peer, "boom", "{26, ~p, ~p}", f->caller,
                   recorder_pid(&f->a));
    assert_string_equal(recorder_seen(&f->a), "{'EXIT',<p1@there.5.0>,boom}");
    fake_peer_send(&f->peer, "kill", "{26, ~p, ~p}", f->caller,
                   recorder_pid(&f->a));
    assert_true(f->a.ended);
}

static void an_unlink_is_always_acknowledged(void **state)
{
    struct fixture *f = *state;

    fake_peer_send(&f->peer, NULL, "{35, 77, ~p, ~p}", f->caller,
                   recorder_pid(&f->a));
    assert_string_equal(
        fake_peer_got(&f->peer),
        "unlink_ack from=<n1@here.1.0> to=<p1@there.5.0> id=77");
}

static void the_end_of_a_process_reaches_its_links(void **state)
{
    struct fixture *f = *state;

    fake_peer_send(&f->peer, NULL, "{1, ~p, ~p}", f->caller,
                   recorder_pid(&f->a));
    f->a.ended = true;
    node_exit(&f->node, &f->a.process, atom_term(A_shutdown));
    assert_string_equal(
        fake_peer_got(&f->peer),
        "exit from=<n1@here.1.0> to=<p1@there.5.0> reason=shutdown");
}

static void an_unlink_race_ends_without_a_link(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(link_start(&f->node, &f->a.process, f->caller), 0);
    link_stop(&f->node, &f->a.process, f->caller);
    /* their exit was under way: it no longer counts */
    fake_peer_send(&f->peer, "boom", "{24, ~p, ~p}", f->caller,
                   recorder_pid(&f->a));
    assert_false(f->a.ended);
    assert_int_equal(f->node.links.by_pair.count, 0);
}

static void a_lost_peer_is_an_exit_noconnection_over_links(void **state)
{
    struct fixture *f = *state;

    f->a.process.flags |= PROCESS_TRAP_EXIT;
    assert_int_equal(link_start(&f->node, &f->a.process, f->caller), 0);
    peers_detach(f->peer.peer, CNODE_CLOSED);
    assert_string_equal(recorder_seen(&f->a),
                        "{'EXIT',<p1@there.5.0>,noconnection}");
}

static void local_links_work_both_ways(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(link_start(&f->node, &f->a.process, recorder_pid(&f->b)),
                     0);
    fake_node_settle(&f->node);
    assert_int_equal(f->node.links.by_pair.count, 2);
    f->b.ended = true;
    node_exit(&f->node, &f->b.process, atom_term(A_kill));
    fake_node_settle(&f->node);
    assert_true(f->a.ended); /* over a link, kill is an ordinary reason */
}

/* --- everything else */

static void a_signal_in_the_name_of_a_third_node_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct pid stranger = {
        .node = atom_intern("x@y", 3), .id = 1, .creation = 9};

    fake_peer_send(&f->peer, "boom", "{26, ~p, ~p}", stranger,
                   recorder_pid(&f->a));
    assert_false(f->a.ended);
}

static void a_call_over_the_depth_limit_is_told_so(void **state)
{
    struct fixture *f = *state;
    uint64_t saved = limits.term_depth;

    limits.term_depth = 4;
    fake_peer_send(&f->peer, "{'$gen_call', {1, 2}, [[[[[[[[[deep]]]]]]]]]}",
                   "{22, ~p, ~p}", f->caller, recorder_pid(&f->a));
    assert_string_equal(fake_peer_got(&f->peer), ""); /* no caller in it */
    limits.term_depth = saved;
    assert_string_equal(recorder_seen(&f->a), "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_send_to_a_pid_reaches_it),
        T(a_send_to_a_name_reaches_it),
        T(a_send_to_an_old_incarnation_is_a_dead_letter),
        T(a_call_is_answered_to_its_alias_with_the_tag_as_it_came),
        T(a_call_with_a_plain_tag_is_answered_to_the_pid),
        T(a_reply_to_a_node_that_is_gone_is_dropped),
        T(a_full_mailbox_tells_the_caller),
        T(order_holds_between_a_queued_message_and_a_later_one),
        T(a_monitor_on_a_dead_pid_says_noproc),
        T(a_monitor_on_a_name_nobody_knows_says_noproc_by_that_name),
        T(a_monitor_fires_with_the_reason_and_the_form_it_was_made_with),
        T(a_demonitor_leaves_nothing_behind),
        T(monitors_over_the_limit_are_refused),
        T(a_lost_peer_gives_down_noconnection_to_its_watcher),
        T(a_local_monitor_fires_once),
        T(a_stopped_monitor_never_fires),
        T(a_down_from_another_node_than_the_watched_is_ignored),
        T(a_link_to_a_dead_pid_gets_exit_noproc),
        T(an_exit_over_a_link_ends_the_linked_process),
        T(an_exit_without_a_link_is_ignored),
        T(a_normal_exit_over_a_link_is_survived),
        T(a_trapping_process_gets_exit_as_a_message),
        T(an_unlink_is_always_acknowledged),
        T(the_end_of_a_process_reaches_its_links),
        T(an_unlink_race_ends_without_a_link),
        T(a_lost_peer_is_an_exit_noconnection_over_links),
        T(local_links_work_both_ways),
        T(a_signal_in_the_name_of_a_third_node_is_dropped),
        T(a_call_over_the_depth_limit_is_told_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
