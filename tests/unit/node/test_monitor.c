/* SPDX-License-Identifier: Apache-2.0
 *
 * Monitors and links across the loss and return of a peer, and with signals
 * that a BEAM would not send. (The plain cases are in test_route.c.)
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
#include "support/node/fake_peer.h"
#include "support/node/recorder.h"

#define P1 "p1@127.0.0.1"

struct fixture {
    struct node node;
    struct fake_peer peer;
    struct recorder a;
    struct pid caller; /* of the peer */
    struct pid pid;    /* of a */
};

static void attach(struct fixture *f, uint32_t creation, uint64_t flags)
{
    fake_peer_open_as(&f->peer, &f->node, P1, creation, flags);
    f->caller =
        (struct pid){.node = atom_find(P1, 12), .id = 5, .creation = creation};
}

static void attach_again(struct fixture *f, uint32_t creation)
{
    fake_peer_close(&f->peer);
    attach(f, creation, dist_flags_offered(false));
}

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    fake_node_open(&f.node);
    attach(&f, 3, dist_flags_offered(false));
    recorder_open(&f.a, &f.node);
    assert_int_equal(names_register(&f.node, atom_intern("a", 1), &f.a.process),
                     0);
    f.a.process.flags |= PROCESS_TRAP_EXIT;
    f.pid = recorder_pid(&f.a);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    fake_peer_close(&f->peer);
    fake_node_settle(&f->node);
    recorder_close(&f->a);
    fake_node_settle(&f->node);
    assert_int_equal(f->node.monitors.by_ref.count, 0);
    assert_int_equal(f->node.links.by_pair.count, 0);
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

static void end_a(struct fixture *f)
{
    f->a.ended = true;
    node_exit(&f->node, &f->a.process, atom_term(A_shutdown));
}

/* Something older is still to be acted on: what comes now waits behind it. */
static void fill_outbox(struct fixture *f)
{
    struct dest nobody = dest_pid((struct pid){
        .node = f->node.name, .id = 99, .creation = f->node.creation});

    for (int i = 0; i < SCHEDULER_PROCESS_BUDGET + 50; i++) {
        term_format(node_scratch(&f->node), "x");
        assert_int_equal(route_send(&f->node, f->pid, &nobody,
                                    node_scratch_payload(&f->node)),
                         0);
    }
}

/* --- a connection that is gone */

static void the_loss_of_one_peer_leaves_what_crosses_to_another(void **state)
{
    struct fixture *f = *state;
    struct fake_peer other;
    struct ref here = ref_of(f, 1);
    struct pid there;
    struct ref ref;

    fake_peer_open_as(&other, &f->node, "p2@127.0.0.1", 3,
                      dist_flags_offered(false));
    there = f->caller;
    there.node = other.peer->name;
    ref = here;
    ref.node = there.node;
    fake_peer_send(&f->peer, NULL, "{19, ~p, a, ~r}", f->caller, &here);
    fake_peer_send(&f->peer, NULL, "{1, ~p, ~p}", f->caller, f->pid);
    fake_peer_send(&other, NULL, "{19, ~p, a, ~r}", there, &ref);
    fake_peer_send(&other, NULL, "{1, ~p, ~p}", there, f->pid);
    assert_int_equal(f->node.monitors.by_ref.count, 2);

    peers_detach(f->peer.peer, CNODE_CLOSED);
    fake_node_settle(&f->node);
    assert_int_equal(f->node.monitors.by_ref.count, 1);
    assert_int_equal(f->node.links.by_pair.count, 1);
    end_a(f);
    assert_non_null(strstr(fake_peer_got(&other), "exit from="));
    assert_int_equal(f->node.monitors.by_ref.count, 0);
    fake_peer_close(&other);
}

static void
a_monitor_that_waited_while_its_connection_ended_is_forgotten(void **state)
{
    struct fixture *f = *state;
    struct ref ref = ref_of(f, 1);

    fill_outbox(f);
    fake_peer_send(&f->peer, NULL, "{19, ~p, a, ~r}", f->caller, &ref);
    attach_again(f, 3); /* the same life, another connection */
    fake_node_settle(&f->node);
    assert_int_equal(f->node.monitors.by_ref.count, 0);
    end_a(f);
    assert_string_equal(fake_peer_got(&f->peer), "");
}

static void
a_link_that_waited_while_its_connection_ended_is_forgotten(void **state)
{
    struct fixture *f = *state;

    fill_outbox(f);
    fake_peer_send(&f->peer, NULL, "{1, ~p, ~p}", f->caller, f->pid);
    attach_again(f, 4);
    fake_node_settle(&f->node);
    assert_int_equal(f->node.links.by_pair.count, 0);
}

static void no_exit_goes_to_an_earlier_life_of_a_peer(void **state)
{
    struct fixture *f = *state;
    struct pid old = f->caller;

    attach_again(f, 4);
    assert_int_equal(link_start(&f->node, &f->a.process, old), 0);
    end_a(f); /* fake_peer.c checks what comes */
    assert_non_null(strstr(fake_peer_got(&f->peer), "link from="));
}

static void a_new_link_survives_the_loss_of_the_old_one(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(link_start(&f->node, &f->a.process, f->caller), 0);
    attach_again(f, 3); /* noconnection is under way */
    link_stop(&f->node, &f->a.process, f->caller);
    fake_peer_send(&f->peer, NULL, "{36, 2, ~p, ~p}", f->caller, f->pid);
    assert_int_equal(f->node.links.by_pair.count, 0);
    assert_int_equal(link_start(&f->node, &f->a.process, f->caller), 0);
    assert_string_equal(recorder_seen(&f->a), "");
    assert_int_equal(f->node.links.by_pair.count, 1);
}

static void the_real_reason_wins_over_noconnection(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(link_start(&f->node, &f->a.process, f->caller), 0);
    fill_outbox(f);
    fake_peer_send(&f->peer, "boom", "{24, ~p, ~p}", f->caller, f->pid);
    attach_again(f, 3);
    assert_string_equal(recorder_seen(&f->a),
                        "{'EXIT',<p1@127.0.0.1.5.0>,boom}");
}

static void a_lost_peer_gives_one_down_for_each_monitor(void **state)
{
    struct fixture *f = *state;
    struct dest dest = dest_pid(f->caller);
    struct ref one, two;

    assert_int_equal(monitor_start(&f->node, &f->a.process, &dest, &one), 0);
    assert_int_equal(monitor_start(&f->node, &f->a.process, &dest, &two), 0);
    attach_again(f, 3);
    attach_again(f, 3); /* again, before the first DOWN was delivered */
    (void)recorder_seen(&f->a);
    assert_int_equal(f->node.monitors.by_ref.count, 0);
    assert_null(strstr(strchr(recorder_seen(&f->a), '\n') + 1, "\n"));
}

/* --- what no good peer sends */

static void a_link_to_a_pid_of_a_third_node_gets_no_answer(void **state)
{
    struct fixture *f = *state;
    struct pid third = {.node = atom_intern("x@y", 3), .id = 1};

    fake_peer_send(&f->peer, NULL, "{1, ~p, ~p}", f->caller, third);
    fake_peer_send(&f->peer, NULL, "{35, 7, ~p, ~p}", f->caller, third);
    assert_string_equal(fake_peer_got(&f->peer), "");
}

/* The name in the frame is turned into one that is no atom of ours. */
static void a_link_to_a_pid_of_an_unknown_node_gets_no_answer(void **state)
{
    struct fixture *f = *state;
    struct pid third = {.node = atom_intern("known@y", 7), .id = 1};
    uint64_t dropped = metric_read(METRIC_signals_dropped);
    struct buf frame;
    uint8_t *name;
    size_t used;

    buf_init(&frame, 0);
    buf_put_u32(&frame, 0);
    buf_put(&frame, "\x83\x44\x00", 3);
    term_format(&frame, "{1, ~p, ~p}", f->caller, third);
    set_u32(buf_data(&frame), (uint32_t)buf_size(&frame) - 4);
    name = memmem(buf_data(&frame), buf_size(&frame), "known@y", 7);
    memcpy(name, "unkno@y", 7);
    assert_int_equal(channel_feed(&f->peer.channel, buf_data(&frame),
                                  buf_size(&frame), &used, NULL),
                     0);
    buf_fini(&frame);
    assert_int_equal(metric_read(METRIC_signals_dropped), dropped + 1);
    assert_string_equal(fake_peer_got(&f->peer), "");
    assert_true(f->peer.peer->broken == 0);
}

static void a_monitor_with_a_reference_of_a_third_node_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct ref ref = ref_of(f, 1);

    ref.node = atom_intern("x@y", 3);
    fake_peer_send(&f->peer, NULL, "{19, ~p, a, ~r}", f->caller, &ref);
    assert_int_equal(f->node.monitors.by_ref.count, 0);
}

static void a_demonitor_of_another_process_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct pid other = f->caller;
    struct ref ref = ref_of(f, 1);

    other.id++;
    fake_peer_send(&f->peer, NULL, "{19, ~p, a, ~r}", f->caller, &ref);
    fake_peer_send(&f->peer, NULL, "{20, ~p, a, ~r}", other, &ref);
    assert_int_equal(f->node.monitors.by_ref.count, 1);
}

static void a_peer_that_knows_no_monitors_is_sent_none(void **state)
{
    struct fixture *f = *state;
    struct dest dest;
    struct ref ref;

    fake_peer_close(&f->peer);
    attach(f, 3, dist_flags_offered(true) & ~DIST_DIST_MONITOR_NAME);
    dest = dest_pid(f->caller);
    assert_int_equal(monitor_start(&f->node, &f->a.process, &dest, &ref), 0);
    assert_string_equal(fake_peer_got(&f->peer), "");
    peers_detach(f->peer.peer, CNODE_CLOSED); /* all that it tells */
    assert_non_null(strstr(recorder_seen(&f->a), "noconnection}"));
}

/* --- nothing is lost */

static void a_down_with_a_reason_too_deep_still_comes(void **state)
{
    struct fixture *f = *state;
    uint64_t saved = limits.term_depth;
    struct dest dest = dest_pid(f->caller);
    struct ref ref;

    assert_int_equal(monitor_start(&f->node, &f->a.process, &dest, &ref), 0);
    limits.term_depth = 4;
    fake_peer_send(&f->peer, "[[[[[[[[]]]]]]]]", "{28, ~p, ~p, ~r}", f->caller,
                   f->pid, &ref);
    limits.term_depth = saved;
    assert_non_null(strstr(recorder_seen(&f->a), "too_large}"));
}

static void a_spawn_request_too_deep_is_answered_too(void **state)
{
    struct fixture *f = *state;
    uint64_t saved = limits.term_depth;
    struct ref ref = ref_of(f, 1);

    limits.term_depth = 4;
    fake_peer_send(&f->peer, "[[[[[[[[]]]]]]]]",
                   "{29, ~r, ~p, ~p, {m, f, 1}, []}", &ref, f->caller,
                   f->caller);
    limits.term_depth = saved;
    assert_non_null(strstr(fake_peer_got(&f->peer), "result=notsup"));
}

static void a_full_mailbox_takes_a_down_all_the_same(void **state)
{
    struct fixture *f = *state;
    struct dest dest = dest_pid(f->caller);
    struct ref ref;

    assert_int_equal(monitor_start(&f->node, &f->a.process, &dest, &ref), 0);
    f->a.process.flags |= PROCESS_HELD;
    f->a.process.mailbox_limit = 1;
    fake_peer_send(&f->peer, "one", "{6, ~p, '', a}", f->caller);
    fake_peer_send(&f->peer, "two", "{6, ~p, '', a}", f->caller);
    fake_peer_send(&f->peer, "boom", "{28, ~p, ~p, ~r}", f->caller, f->pid,
                   &ref);
    fake_peer_send(&f->peer, "bang", "{26, ~p, ~p}", f->caller, f->pid);
    scheduler_resume(&f->node.scheduler, &f->a.process);
    assert_null(strstr(recorder_seen(&f->a), "two"));
    assert_non_null(strstr(recorder_seen(&f->a), "boom}"));
    assert_non_null(strstr(recorder_seen(&f->a), "bang}"));
}

static void a_signal_that_cannot_be_queued_ends_the_connection(void **state)
{
    struct fixture *f = *state;
    struct ref ref = ref_of(f, 1);
    struct buf *reason = node_scratch(&f->node);

    fake_peer_send(&f->peer, NULL, "{19, ~p, a, ~r}", f->caller, &ref);
    term_put_tuple(reason, 20000);
    for (int i = 0; i < 20000; i++) {
        term_format(reason, "reason");
    }
    mem_fail_after(1);
    f->a.ended = true;
    node_exit(&f->node, &f->a.process,
              term_at(buf_data(reason), buf_size(reason)));
    mem_fail_after(0);
    assert_int_equal(f->peer.peer->broken, CNODE_NOMEM);
    loop_turn(node_loop(&f->node), 10);
    assert_null(
        f->peer.peer); /* so that noconnection is what the watcher sees */
    assert_int_equal(f->peer.closed, CNODE_NOMEM);
}

static void
links_above_the_limit_are_refused_but_not_those_there_are(void **state)
{
    struct fixture *f = *state;
    uint64_t saved = limits.links_per_process;
    uint64_t refused = metric_read(METRIC_links_refused);
    struct pid other = f->caller;

    other.id++;
    limits.links_per_process = 1;
    fake_peer_send(&f->peer, NULL, "{1, ~p, ~p}", f->caller, f->pid);
    fake_peer_send(&f->peer, NULL, "{1, ~p, ~p}", f->caller, f->pid);
    assert_string_equal(fake_peer_got(&f->peer), "");
    fake_peer_send(&f->peer, NULL, "{1, ~p, ~p}", other, f->pid);
    limits.links_per_process = saved;
    assert_int_equal(metric_read(METRIC_links_refused), refused + 1);
    assert_non_null(strstr(fake_peer_got(&f->peer), "reason=noproc"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_loss_of_one_peer_leaves_what_crosses_to_another),
        T(a_monitor_that_waited_while_its_connection_ended_is_forgotten),
        T(a_link_that_waited_while_its_connection_ended_is_forgotten),
        T(no_exit_goes_to_an_earlier_life_of_a_peer),
        T(a_new_link_survives_the_loss_of_the_old_one),
        T(the_real_reason_wins_over_noconnection),
        T(a_lost_peer_gives_one_down_for_each_monitor),
        T(a_link_to_a_pid_of_a_third_node_gets_no_answer),
        T(a_link_to_a_pid_of_an_unknown_node_gets_no_answer),
        T(a_monitor_with_a_reference_of_a_third_node_is_dropped),
        T(a_demonitor_of_another_process_changes_nothing),
        T(a_peer_that_knows_no_monitors_is_sent_none),
        T(a_down_with_a_reason_too_deep_still_comes),
        T(a_spawn_request_too_deep_is_answered_too),
        T(a_full_mailbox_takes_a_down_all_the_same),
        T(a_signal_that_cannot_be_queued_ends_the_connection),
        T(links_above_the_limit_are_refused_but_not_those_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
