/* SPDX-License-Identifier: Apache-2.0
 *
 * What a worker asks of others, and the processes it makes: by the probe, whose
 * rows are thin around the public functions.
 */
#include "pool/pending.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/metric.h"
#include "support/pool/world.h"
#include "term/text.h"

static struct world world;
static struct limits before;

static int setup(void **state)
{
    (void)state;
    before = limits;
    world_open(&world, "{'services': {'probe': {'behaviour': 'probe'},"
                       "              'svc': {'behaviour': 'script'}},"
                       " 'spawn': {'probe:start': 'probe'}}");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    limits = before;
    return 0;
}

static const char *ask(const char *request)
{
    return world_call(&world, "probe", request);
}

/* The pid of a text such as <n1@here.3.64>, as a term can have it: no. So a
 * spawned probe is found by its name. */
static struct pid pid_of(const char *name)
{
    struct pid pid;

    assert_true(
        names_whereis(&world.node, atom_find(name, strlen(name)), &pid));
    return pid;
}

static struct pid named(const char *name)
{
    char request[64];

    (void)snprintf(request, sizeof(request), "{spawn, %s}", name);
    assert_non_null(strstr(ask(request), "<n1@here."));
    return pid_of(name);
}

/* --- calls */

static void a_reply_is_the_answer(void **state)
{
    (void)state;
    assert_string_equal(ask("{call, svc, {reply, [1]}, 5000}"), "{ok,[1]}");
    assert_string_equal(ask("flush"), "[]");
}

static void while_it_waits_it_does_other_things(void **state)
{
    (void)state;
    assert_string_equal(ask("{call, svc, later, 5000}"), "");
    assert_string_equal(ask("{echo, x}"), "x");
    world_cast(&world, "svc", "{answer, done}");
    assert_string_equal(world_got(&world), "{ok,done}");
}

static void a_time_out_is_the_answer_and_the_reply_is_dropped(void **state)
{
    uint64_t dead = metric_read(METRIC_dead_letters);

    (void)state;
    assert_string_equal(ask("{call, svc, later, 1000}"), "");
    world_advance(&world, 999);
    assert_string_equal(world_got(&world), "");
    world_advance(&world, 1);
    assert_string_equal(world_got(&world), "{error,timeout}");
    world_cast(&world, "svc", "{answer, late}");
    assert_string_equal(ask("flush"), "[]");
    assert_int_equal(metric_read(METRIC_dead_letters), dead + 1);
}

static void infinity_is_no_time_out(void **state)
{
    (void)state;
    assert_string_equal(ask("{call, svc, later, 18446744073709551615}"), "");
    world_advance(&world, 1000000);
    world_cast(&world, "svc", "{answer, done}");
    assert_string_equal(world_got(&world), "{ok,done}");
}

static void the_end_of_the_other_is_the_answer(void **state)
{
    (void)state;
    assert_string_equal(ask("{call, nobody, q, 5000}"), "{error,noproc}");
    assert_string_equal(ask("{call, svc, {stop, {a, b}}, 5000}"),
                        "{error,{a,b}}");
}

static void the_loss_of_a_node_is_the_answer(void **state)
{
    (void)state;
    assert_non_null(
        strstr(ask("{call, {x, 'p1@there'}, q, 5000}"), "monitor from="));
    peers_detach(world.peer.peer, CNODE_CLOSED);
    world_advance(&world, 0);
    fake_peer_close(&world.peer);
    fake_peer_open(&world.peer, &world.node, "p1@there");
    assert_string_equal(ask("{call, {x, 'no@there'}, q, 5000}"), "");
    assert_string_equal(ask("flush"), "[]");
}

static void who_ends_asks_no_more(void **state)
{
    struct pid pid = named("other");

    (void)state;
    assert_string_equal(world_call_pid(&world, pid, "{call, svc, later, 50}"),
                        "");
    world_exit(&world, pid, "kill");
    world_advance(&world, 100);
    world_cast(&world, "svc", "{answer, late}");
    assert_string_equal(ask("{echo, x}"), "x");
}

static void above_the_limit_nothing_is_asked(void **state)
{
    uint64_t refused = metric_read(METRIC_worker_calls_refused);

    (void)state;
    limits.calls_per_worker = 1;
    assert_string_equal(ask("{call, svc, later, 5000}"), "");
    assert_string_equal(ask("{call, svc, {reply, 1}, 5000}"),
                        "{error,system_limit}");
    assert_string_equal(ask("{erpc, 'p1@there', m, f, [], 5000}"),
                        "{error,system_limit}");
    assert_int_equal(metric_read(METRIC_worker_calls_refused), refused + 2);
    world_cast(&world, "svc", "{answer, done}");
    (void)world_got(&world);
    assert_string_equal(ask("{call, svc, {reply, 1}, 5000}"), "{ok,1}");
}

/* Only who knows a reference could do that, and it is dropped. */
static void answers_to_nothing_are_no_messages(void **state)
{
    (void)state;
    assert_string_equal(ask("{send, probe, {cnode_timeout, x}}"), "ok");
    assert_string_equal(ask("{send, probe, {cnode_answer, x, y}}"), "ok");
    assert_string_equal(ask("{send, probe, {'DOWN', x, process, y, z}}"), "ok");
    assert_string_equal(ask("flush"), "[{'DOWN',x,process,y,z}]");
}

static void what_is_asked_wrongly_leaves_no_monitor(void **state)
{
    uint32_t monitors = world.node.monitors.by_ref.count;

    (void)state;
    assert_string_equal(ask("{call, 7, q, 5000}"), "{error,badarg}");
    assert_string_equal(ask("{call, {via, syn, n}, q, 5000}"),
                        "{error,badarg}");
    assert_int_equal(world.node.monitors.by_ref.count, monitors);
}

static void a_function_here_that_nobody_knows_is_undef(void **state)
{
    (void)state;
    assert_non_null(strstr(ask("{erpc, n1@here, m, f, [], 5000}"),
                           "{error,exit,{signal,{undef,"));
}

static void a_function_there_that_takes_too_long_is_a_time_out(void **state)
{
    (void)state;
    assert_non_null(strstr(ask("{erpc, 'p1@there', m, f, [], 100}"), "erpc"));
    world_advance(&world, 100);
    assert_non_null(strstr(world_got(&world), "{error,error,{erpc,timeout}}"));
}

/* --- spawned workers */

static const struct pool *pool(void)
{
    return pools_find(&world.pools, atom_find("probe_sup", 9));
}

static void a_spawned_worker_is_there_at_once(void **state)
{
    (void)state;
    assert_string_equal(world_call_pid(&world, named("other"), "{whereis, x}"),
                        "undefined");
    assert_string_equal(ask("{spawn, other}"), "{error,badarg}");
    assert_string_equal(ask("{spawn, 7}"), "{error,badarg}");
}

static void its_supervisor_lists_it_until_it_ends(void **state)
{
    struct pid pid = named("other");

    (void)state;
    assert_int_equal(roll_workers(pool()->roll), 1);
    world_exit(&world, pid, "kill");
    assert_int_equal(roll_workers(pool()->roll), 0);
    assert_string_equal(world_call(&world, "probe_sup", "count_children"),
                        "[{specs,2},{active,2},{supervisors,2},{workers,0}]");
    assert_string_equal(ask("{whereis, other}"), "undefined");
}

/* Its init is due when the message acts that was sent in the same callback. */
static void messages_come_after_init(void **state)
{
    (void)state;
    world_send_pid(&world, pid_of("probe"), "{spawn, early}");
    assert_non_null(strstr(ask("{call, early, self, 5000}"), "{ok,<n1@here"));
}

static struct ref request_ref(uint32_t n)
{
    return (struct ref){.node = world.caller.node,
                        .creation = world.caller.creation,
                        .len = 3,
                        .words = {n, 0, 0}};
}

static const char *request(const char *mfa, const char *args, uint32_t n)
{
    struct ref ref = request_ref(n);
    char format[100];

    (void)snprintf(format, sizeof(format), "{29, ~r, ~p, ~p, %s, [monitor]}",
                   mfa);
    fake_peer_send(&world.peer, args, format, &ref, world.caller, world.caller);
    return fake_peer_got(&world.peer);
}

static void peers_spawn_what_the_configuration_says(void **state)
{
    (void)state;
    assert_non_null(
        strstr(request("{probe, start, 1}", "[there]", 1), "result=<n1@here."));
    assert_non_null(
        strstr(world_call_pid(&world, pid_of("there"), "self"), "<n1@here."));
    assert_non_null(strstr(request("{probe, stop, 0}", "[]", 2),
                           "reason={undef,[{probe,stop,[],[]}]}"));
}

static void a_failed_init_is_an_exit_of_what_was_spawned(void **state)
{
    (void)state;
    (void)named("there");
    assert_non_null(strstr(request("{probe, start, 1}", "[there]", 1),
                           "reason=already_exists"));
    assert_int_equal(roll_workers(pool()->roll), 1);
}

static struct pid spawned_by_peer(uint32_t n)
{
    struct ref ref = request_ref(n);
    struct pid pid = {.node = world.node.name, .creation = 7};
    const char *line;

    fake_peer_send(&world.peer, "[]",
                   "{29, ~r, ~p, ~p, {probe, start, 0}, [monitor]}", &ref,
                   world.caller, world.caller);
    line = strstr(fake_peer_got(&world.peer), "result=<n1@here.");
    assert_non_null(line);
    assert_int_equal(
        sscanf(line, "result=<n1@here.%u.%u>", &pid.id, &pid.serial), 2);
    return pid;
}

static void a_killed_one_has_no_init(void **state)
{
    (void)state;
    world_exit(&world, spawned_by_peer(1), "kill");
    assert_non_null(strstr(fake_peer_got(&world.peer), "reason=killed"));
}

static void what_peers_spawn_is_dealt_out_over_the_schedulers(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < 2 * world_schedulers(); n++) {
        struct pid pid = spawned_by_peer(n);

        assert_int_equal(pid.serial & PID_SCHEDULER_MASK,
                         n % world_schedulers());
        world_exit(&world, pid, "{bye, 1}");
        assert_non_null(strstr(fake_peer_got(&world.peer), "reason={bye,1}"));
    }
}

static void a_scheduler_that_does_not_keep_up_is_given_none(void **state)
{
    (void)state;
    limits.door_bytes = 0;
    for (uint32_t n = 0; n < 4; n++) {
        assert_int_equal(spawned_by_peer(n).serial & PID_SCHEDULER_MASK, 0);
    }
}

static uint64_t spawned_workers(void)
{
    uint64_t sum = 0;
    char name[32];

    for (uint32_t i = 0; i < world_schedulers(); i++) {
        const struct pool *pool;
        int size = snprintf(name, sizeof(name),
                            i > 0 ? "probe_sup_%u" : "probe_sup", i);

        pool = pools_find(&world.pools, atom_find(name, (size_t)size));
        sum += pool != NULL ? roll_workers(pool->roll) : 0;
    }
    return sum;
}

/* The connection is lost while the requests are on their way. */
static void what_a_lost_peer_has_linked_ends_with_noconnection(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < 4; n++) {
        struct ref ref = request_ref(n);

        fake_peer_send(&world.peer, "[]",
                       "{29, ~r, ~p, ~p, {probe, start, 0}, [link, monitor]}",
                       &ref, world.caller, world.caller);
    }
    fake_peer_close(&world.peer);
    fake_node_settle(&world.node);
    assert_int_equal(spawned_workers(), 0);
}

/* --- what else it may do */

static void exit_of_itself_works_as_of_others(void **state)
{
    struct pid pid = named("other");

    (void)state;
    world_monitor(&world, pid);
    assert_string_equal(world_callf(&world, pid, "{exit, ~p, normal}", pid),
                        "true\ndown: normal");
}

static void its_group_leader_is_handed_down(void **state)
{
    struct pid pid = named("other");

    (void)state;
    fake_peer_send(&world.peer, NULL, "{7, ~p, ~p}", world.caller, pid);
    assert_non_null(world_call_pid(
        &world, pid, "{spawn_request, 'p1@there', {m, f, []}, []}"));
    assert_int_equal(world.node.leaders.is_there, 0); /* nobody had to ask */
    assert_non_null(
        strstr(world_call_pid(&world, pid, "{spawn, child}"), "<n1@here."));
    pid = pid_of("child");
    assert_true(pid_equal(
        group_leader_of(node_find(node_of_pid(&world.node, pid), pid)),
        world.caller));
}

static void names_are_as_on_a_beam(void **state)
{
    struct pid pid = named("other");

    (void)state;
    assert_string_equal(world_call_pid(&world, pid, "{register, more}"),
                        "{error,badarg}");
    assert_string_equal(world_call_pid(&world, pid, "{unregister, other}"),
                        "true");
    assert_string_equal(world_call_pid(&world, pid, "{register, undefined}"),
                        "{error,badarg}");
    assert_string_equal(world_call_pid(&world, pid, "{register, more}"),
                        "true");
    assert_true(pid_equal(pid, pid_of("more")));
}

static void nodes_are_those_connected(void **state)
{
    (void)state;
    assert_string_equal(ask("nodes"), "[p1@there]");
    assert_string_equal(ask("{nodes, hidden}"), "[]");
    assert_string_equal(ask("{nodes, connected}"), "[p1@there]");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_reply_is_the_answer),
        TEST(while_it_waits_it_does_other_things),
        TEST(a_time_out_is_the_answer_and_the_reply_is_dropped),
        TEST(infinity_is_no_time_out),
        TEST(the_end_of_the_other_is_the_answer),
        TEST(the_loss_of_a_node_is_the_answer),
        TEST(who_ends_asks_no_more),
        TEST(above_the_limit_nothing_is_asked),
        TEST(answers_to_nothing_are_no_messages),
        TEST(what_is_asked_wrongly_leaves_no_monitor),
        TEST(a_function_here_that_nobody_knows_is_undef),
        TEST(a_function_there_that_takes_too_long_is_a_time_out),
        TEST(a_spawned_worker_is_there_at_once),
        TEST(its_supervisor_lists_it_until_it_ends),
        TEST(messages_come_after_init),
        TEST(peers_spawn_what_the_configuration_says),
        TEST(a_failed_init_is_an_exit_of_what_was_spawned),
        TEST(a_killed_one_has_no_init),
        TEST(what_peers_spawn_is_dealt_out_over_the_schedulers),
        TEST(a_scheduler_that_does_not_keep_up_is_given_none),
        TEST(what_a_lost_peer_has_linked_ends_with_noconnection),
        TEST(exit_of_itself_works_as_of_others),
        TEST(its_group_leader_is_handed_down),
        TEST(names_are_as_on_a_beam),
        TEST(nodes_are_those_connected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
