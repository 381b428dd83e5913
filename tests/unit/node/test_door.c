/* SPDX-License-Identifier: Apache-2.0
 *
 * Two schedulers of one node, run by hand: what their processes do to each
 * other and to another node.
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
#include "node/gen.h"
#include "support/node/fake_peer.h"
#include "support/node/recorder.h"

#define P1 "p1@127.0.0.1"

struct fixture {
    struct node node;
    struct node *other; /* the second scheduler */
    struct fake_peer peer;
    struct recorder a; /* on the first */
    struct recorder b; /* on the second, named b, traps exits */
    struct pid caller; /* of the peer */
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    fake_node_open_with(&f.node, 2);
    f.other = f.node.all[1];
    fake_peer_open_as(&f.peer, &f.node, P1, 3, dist_flags_offered(false));
    f.caller = (struct pid){.node = atom_find(P1, 12), .id = 5, .creation = 3};
    recorder_open(&f.a, &f.node);
    recorder_open(&f.b, f.other);
    f.a.process.flags |= PROCESS_TRAP_EXIT;
    f.b.process.flags |= PROCESS_TRAP_EXIT;
    assert_int_equal(names_register(f.other, atom_intern("b", 1), &f.b.process),
                     0);
    fake_node_settle(&f.node);
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
    for (uint32_t i = 0; i < f->node.count; i++) {
        struct node *node = f->node.all[i];

        assert_int_equal(node->monitors.by_ref.count, 0);
        assert_int_equal(node->links.by_pair.count, 0);
        assert_int_equal(node->relations_slab.used, 0);
        assert_int_equal(node->remotes.by_name.count, 0);
    }
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

static void end(struct recorder *who, const char *reason)
{
    who->ended = true;
    node_exit(who->node, &who->process,
              atom_term(atom_intern(reason, strlen(reason))));
}

static int say(struct recorder *from, const struct dest *dest, const char *text)
{
    struct node *node = from->node;

    term_format(node_scratch(node), text);
    return route_send(node, recorder_pid(from), dest,
                      node_scratch_payload(node));
}

/* --- messages */

static void messages_cross_in_order_by_pid_and_by_name(void **state)
{
    struct fixture *f = *state;
    struct dest pid = dest_pid(recorder_pid(&f->b));
    struct dest name = dest_name(atom_find("b", 1), f->node.name);

    assert_int_equal(say(&f->a, &pid, "one"), 0);
    assert_int_equal(say(&f->a, &name, "two"), 0);
    assert_int_equal(say(&f->a, &pid, "three"), 0);
    assert_string_equal(recorder_seen(&f->b), "one\ntwo\nthree");
}

static void a_peer_reaches_both_schedulers_and_is_answered_by_both(void **state)
{
    struct fixture *f = *state;
    struct ref ref = ref_of(f, 1);

    fake_peer_send(&f->peer, "hello", "{22, ~p, ~p}", f->caller,
                   recorder_pid(&f->b));
    fake_peer_send(&f->peer, "again", "{6, ~p, '', b}", f->caller);
    assert_string_equal(recorder_seen(&f->b), "hello\nagain");
    assert_string_equal(fake_peer_got(&f->peer), "");

    term_format(node_scratch(f->other), "{x, y}");
    assert_int_equal(route_send(f->other, recorder_pid(&f->b),
                                &(struct dest){.kind = DEST_PID,
                                               .pid = f->caller,
                                               .node = f->caller.node},
                                node_scratch_payload(f->other)),
                     0);
    assert_non_null(strstr(fake_peer_got(&f->peer), "payload={x,y}"));

    /* a call, with an alias in its tag */
    struct buf call;
    struct signal signal = {
        .kind = SIGNAL_MESSAGE, .to = recorder_pid(&f->b), .from = f->caller};

    buf_init(&call, 0);
    term_format(&call, "{'$gen_call', {~p, [alias | ~r]}, q}", f->caller, &ref);
    signal.term = term_at(buf_data(&call), buf_size(&call));
    door_dispatch(&f->node, &signal);
    buf_fini(&call);
    assert_non_null(strstr(fake_peer_got(&f->peer), "alias_send from="));
}

static void large_messages_cross_whole(void **state)
{
    struct fixture *f = *state;
    struct dest dest = dest_pid(f->caller);
    struct buf *buf = node_scratch(f->other);
    uint64_t before = f->peer.channel.large_bytes;
    void *bytes = mem_zalloc(200000);

    term_format(buf, "~b", bytes, (size_t)200000);
    mem_free(bytes);
    assert_int_equal(route_send(f->other, recorder_pid(&f->b), &dest,
                                node_scratch_payload(f->other)),
                     0);
    (void)node_scratch(f->other); /* its block goes */
    fake_node_settle(&f->node);
    assert_in_range(f->peer.channel.large_bytes - before, 200000, 201000);
    assert_non_null(strstr(fake_peer_got(&f->peer), "send from="));
}

static void a_full_door_refuses_messages_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    struct dest dest = dest_pid(recorder_pid(&f->b));
    uint64_t saved = limits.door_bytes;
    uint64_t refused = metric_read(METRIC_door_overflow);
    struct ref ref;
    int sent = 0;

    limits.door_bytes = 5000;
    while (say(&f->a, &dest, "m") == 0) {
        sent++;
    }
    assert_in_range(sent, 10, 100);
    assert_int_equal(say(&f->a, &dest, "m"), CNODE_OVERLOADED);
    assert_int_equal(metric_read(METRIC_door_overflow), refused + 2);
    fake_peer_send(&f->peer, "x", "{22, ~p, ~p}", f->caller, dest.pid);
    assert_int_equal(metric_read(METRIC_door_overflow), refused + 3);
    assert_int_equal(monitor_start(&f->node, &f->a.process, &dest, &ref), 0);
    assert_int_equal(link_start(&f->node, &f->a.process, dest.pid), 0);

    fake_node_settle(&f->node);
    assert_int_equal(say(&f->a, &dest, "m"), 0); /* it has room again */
    limits.door_bytes = saved;
    fake_node_settle(&f->node);
    end(&f->b, "boom");
    assert_non_null(strstr(recorder_seen(&f->a), "'DOWN'"));
    assert_non_null(strstr(recorder_seen(&f->a), "'EXIT'"));
}

/* --- monitors and links between schedulers */

static void a_monitor_across_gives_one_down_with_the_reason(void **state)
{
    struct fixture *f = *state;
    struct dest dest = dest_pid(recorder_pid(&f->b));
    struct dest name = dest_name(atom_find("b", 1), f->node.name);
    struct ref ref;

    assert_int_equal(monitor_start(&f->node, &f->a.process, &dest, &ref), 0);
    assert_int_equal(monitor_start(&f->node, &f->a.process, &name, &ref), 0);
    fake_node_settle(&f->node);
    assert_int_equal(f->other->monitors.by_ref.count, 2);
    end(&f->b, "boom");
    fake_node_settle(&f->node);
    assert_int_equal(f->node.monitors.by_ref.count, 0);
    assert_int_equal(f->other->monitors.by_ref.count, 0);
    assert_non_null(strstr(recorder_seen(&f->a), "{b,n1@here},boom}"));
    assert_non_null(strchr(recorder_seen(&f->a), '\n'));
    assert_null(strchr(strchr(recorder_seen(&f->a), '\n') + 1, '\n'));
}

static void a_monitor_of_the_dead_or_of_nobody_gives_noproc(void **state)
{
    struct fixture *f = *state;
    struct dest dead = dest_pid(recorder_pid(&f->b));
    struct dest nobody = dest_name(atom_intern("nobody", 6), f->node.name);
    struct ref ref;

    end(&f->b, "boom");
    assert_int_equal(monitor_start(&f->node, &f->a.process, &dead, &ref), 0);
    fake_node_settle(&f->node);
    assert_non_null(strstr(recorder_seen(&f->a), "noproc}"));
    assert_int_equal(monitor_start(&f->node, &f->a.process, &nobody, &ref), 0);
    assert_non_null(strstr(recorder_seen(&f->a), "{nobody,n1@here},noproc}"));
    dead.pid.serial = 63; /* no such scheduler */
    assert_int_equal(monitor_start(&f->node, &f->a.process, &dead, &ref), 0);
    fake_node_settle(&f->node);
    assert_int_equal(f->node.monitors.by_ref.count, 0);
}

static void a_demonitor_across_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct dest dest = dest_pid(recorder_pid(&f->b));
    struct ref ref;

    for (int settled = 0; settled < 2; settled++) {
        assert_int_equal(monitor_start(&f->node, &f->a.process, &dest, &ref),
                         0);
        if (settled) {
            fake_node_settle(&f->node);
        }
        assert_int_equal(monitor_stop(&f->node, &f->a.process, &ref), 0);
        fake_node_settle(&f->node);
        assert_int_equal(f->other->monitors.by_ref.count, 0);
    }
    end(&f->b, "boom");
    assert_string_equal(recorder_seen(&f->a), "");
}

static void the_end_of_a_watcher_takes_its_monitors_along(void **state)
{
    struct fixture *f = *state;
    struct dest dest = dest_pid(recorder_pid(&f->b));
    struct ref ref;

    assert_int_equal(monitor_start(&f->node, &f->a.process, &dest, &ref), 0);
    fake_node_settle(&f->node);
    end(&f->a, "boom");
    fake_node_settle(&f->node);
    assert_int_equal(f->other->monitors.by_ref.count, 0);
}

static void links_across_are_made_undone_and_broken(void **state)
{
    struct fixture *f = *state;
    struct pid b = recorder_pid(&f->b);

    assert_int_equal(link_start(&f->node, &f->a.process, b), 0);
    fake_node_settle(&f->node);
    assert_int_equal(f->other->links.by_pair.count, 1);
    link_stop(&f->node, &f->a.process, b);
    fake_node_settle(&f->node);
    assert_int_equal(f->node.links.by_pair.count, 0);
    assert_int_equal(f->other->links.by_pair.count, 0);

    assert_int_equal(link_start(f->other, &f->b.process, recorder_pid(&f->a)),
                     0);
    fake_node_settle(&f->node);
    end(&f->a, "boom");
    assert_non_null(strstr(recorder_seen(&f->b), "boom}"));
    assert_int_equal(f->other->links.by_pair.count, 0);
    assert_int_equal(link_start(f->other, &f->b.process, recorder_pid(&f->a)),
                     0);
    assert_non_null(strstr(recorder_seen(&f->b), "noproc}"));
}

/* --- the second scheduler and other nodes */

static void a_peer_watches_a_process_of_the_second_scheduler(void **state)
{
    struct fixture *f = *state;
    struct ref by_pid = ref_of(f, 1), by_name = ref_of(f, 2);
    const char *got;

    fake_peer_send(&f->peer, NULL, "{19, ~p, ~p, ~r}", f->caller,
                   recorder_pid(&f->b), &by_pid);
    fake_peer_send(&f->peer, NULL, "{19, ~p, b, ~r}", f->caller, &by_name);
    fake_peer_send(&f->peer, NULL, "{1, ~p, ~p}", f->caller,
                   recorder_pid(&f->b));
    fake_node_settle(&f->node);
    assert_int_equal(f->other->monitors.by_ref.count, 2);
    assert_int_equal(f->other->links.by_pair.count, 1);
    end(&f->b, "boom");
    got = fake_peer_got(&f->peer);
    assert_non_null(strstr(got, "exit from="));
    assert_non_null(strstr(got, "#Ref<" P1 ".0.0.1> reason=boom"));
    assert_non_null(strstr(got, "#Ref<" P1 ".0.0.2> reason=boom"));
}

static void a_demonitor_by_name_finds_who_had_the_name(void **state)
{
    struct fixture *f = *state;
    struct ref ref = ref_of(f, 1), unknown = ref_of(f, 2);

    fake_peer_send(&f->peer, NULL, "{19, ~p, b, ~r}", f->caller, &ref);
    fake_node_settle(&f->node);
    assert_int_equal(names_unregister(&f->node, atom_find("b", 1)), 0);
    assert_int_equal(names_register(&f->node, atom_find("b", 1), &f->a.process),
                     0);
    fake_peer_send(&f->peer, NULL, "{20, ~p, b, ~r}", f->caller, &ref);
    fake_peer_send(&f->peer, NULL, "{20, ~p, b, ~r}", f->caller, &unknown);
    fake_node_settle(&f->node);
    assert_int_equal(f->other->monitors.by_ref.count, 0);
}

static void it_watches_and_links_to_a_peer(void **state)
{
    struct fixture *f = *state;
    struct dest dest = dest_pid(f->caller);
    struct ref ref;
    const char *got;

    assert_int_equal(monitor_start(f->other, &f->b.process, &dest, &ref), 0);
    assert_int_equal(link_start(f->other, &f->b.process, f->caller), 0);
    got = fake_peer_got(&f->peer);
    assert_non_null(strstr(got, "monitor from="));
    assert_non_null(strstr(got, "link from="));
    fake_peer_send(&f->peer, "gone", "{28, ~p, ~p, ~r}", f->caller,
                   recorder_pid(&f->b), &ref);
    fake_peer_send(&f->peer, "gone", "{24, ~p, ~p}", f->caller,
                   recorder_pid(&f->b));
    assert_non_null(strstr(recorder_seen(&f->b), "process,<" P1 ".5.0>,gone}"));
    assert_non_null(strstr(recorder_seen(&f->b), "{'EXIT',"));
}

static void the_loss_of_a_peer_is_noconnection_on_both(void **state)
{
    struct fixture *f = *state;
    struct dest dest = dest_pid(f->caller);
    struct ref ref = ref_of(f, 1);

    fake_peer_send(&f->peer, NULL, "{19, ~p, b, ~r}", f->caller, &ref);
    assert_int_equal(monitor_start(f->other, &f->b.process, &dest, &ref), 0);
    assert_int_equal(link_start(f->other, &f->b.process, f->caller), 0);
    fake_node_settle(&f->node);
    peers_detach(f->peer.peer, CNODE_CLOSED);
    fake_node_settle(&f->node);
    assert_int_equal(f->other->monitors.by_ref.count, 0);
    assert_int_equal(f->other->links.by_pair.count, 0);
    assert_non_null(strstr(recorder_seen(&f->b), "noconnection}\n"));
    assert_int_equal(f->node.peers.by_name.count, 0); /* nothing is kept */
}

/* The news of the loss and the new monitor cross on the way: the loss counts,
 * and the monitor must not reach the next connection. */
static void what_crosses_the_news_of_a_loss_is_answered_by_it(void **state)
{
    struct fixture *f = *state;
    struct dest dest = dest_pid(f->caller);
    struct ref ref;

    peers_detach(f->peer.peer, CNODE_CLOSED);
    fake_peer_close(&f->peer);
    assert_int_equal(monitor_start(f->other, &f->b.process, &dest, &ref), 0);
    assert_int_equal(link_start(f->other, &f->b.process, f->caller), 0);
    fake_peer_open_as(&f->peer, &f->node, P1, 3, dist_flags_offered(false));
    fake_node_settle(&f->node);
    assert_string_equal(fake_peer_got(&f->peer), "");
    assert_non_null(strstr(recorder_seen(&f->b), "noconnection}\n"));
    assert_int_equal(f->other->monitors.by_ref.count, 0);

    assert_int_equal(monitor_start(f->other, &f->b.process, &dest, &ref), 0);
    assert_non_null(strstr(fake_peer_got(&f->peer), "monitor from="));
    assert_int_equal(monitor_stop(f->other, &f->b.process, &ref), 0);
    assert_non_null(strstr(fake_peer_got(&f->peer), "demonitor from="));
}

static void a_node_that_cannot_be_reached_is_noconnection(void **state)
{
    struct fixture *f = *state;
    struct pid there = {.node = atom_intern("x@y", 3), .id = 1, .creation = 9};
    struct dest dest = dest_pid(there);
    struct ref ref;

    f->node.creation = 0; /* dials fail at once */
    assert_int_equal(monitor_start(f->other, &f->b.process, &dest, &ref), 0);
    assert_int_equal(link_start(f->other, &f->b.process, there), 0);
    fake_node_settle(&f->node);
    f->node.creation = 7;
    assert_int_equal(f->other->monitors.by_ref.count, 0);
    assert_int_equal(f->other->links.by_pair.count, 0);
    assert_int_equal(f->other->remotes.by_name.count, 1); /* the peer only */
}

/* --- tasks */

struct trip {
    uint32_t at[4], count;
    struct node *home;
    bool is_done;
};

static void on_visit(struct node *here, void *arg)
{
    struct trip *trip = arg;

    trip->at[trip->count++] = here->index;
}

static void on_done(struct node *home, void *arg)
{
    struct trip *trip = arg;

    trip->home = home;
    trip->is_done = true;
}

static void a_round_visits_all_and_comes_home(void **state)
{
    struct fixture *f = *state;
    struct trip trip = {0};

    node_go_round(f->other, on_visit, on_done, &trip);
    fake_node_settle(&f->node);
    assert_int_equal(trip.count, 2);
    assert_int_equal(trip.at[0], 0);
    assert_int_equal(trip.at[1], 1);
    assert_ptr_equal(trip.home, f->other);
}

static void a_task_that_never_runs_is_told(void **state)
{
    struct trip trip = {0};
    struct node node;

    (void)state;
    fake_node_open_with(&node, 2);
    node_go_round(&node, on_visit, on_done, &trip);
    (void)scheduler_turn(&node.scheduler); /* visits it, but not number 1 */
    node_close(&node);
    node_fini(&node);
    assert_int_equal(trip.count, 1);
    assert_true(trip.is_done);
    assert_null(trip.home);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(messages_cross_in_order_by_pid_and_by_name),
        T(a_peer_reaches_both_schedulers_and_is_answered_by_both),
        T(large_messages_cross_whole),
        T(a_full_door_refuses_messages_and_nothing_else),
        T(a_monitor_across_gives_one_down_with_the_reason),
        T(a_monitor_of_the_dead_or_of_nobody_gives_noproc),
        T(a_demonitor_across_leaves_nothing),
        T(the_end_of_a_watcher_takes_its_monitors_along),
        T(links_across_are_made_undone_and_broken),
        T(a_peer_watches_a_process_of_the_second_scheduler),
        T(a_demonitor_by_name_finds_who_had_the_name),
        T(it_watches_and_links_to_a_peer),
        T(the_loss_of_a_peer_is_noconnection_on_both),
        T(what_crosses_the_news_of_a_loss_is_answered_by_it),
        T(a_node_that_cannot_be_reached_is_noconnection),
        T(a_round_visits_all_and_comes_home),
        cmocka_unit_test(a_task_that_never_runs_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
