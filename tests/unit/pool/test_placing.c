/* SPDX-License-Identifier: Apache-2.0
 *
 * Workers of a pool that a peer hosts as well: who is asked for them, and what
 * becomes of those who wait. The peer answers nothing by itself.
 */
#include "pool/placing.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/metric.h"
#include "pool/place.h"
#include "pool/standing.h"
#include "support/pool/world.h"
#include "term/build.h"

#define MANAGER "Elixir.Noizu.AdvancedPool.ClusterManager"

static struct world world;

/* What the peer's scope says. */
static void say(const char *scope, const char *format, ...)
{
    struct buf buf;
    va_list args;

    buf_init(&buf, 0);
    va_start(args, format);
    term_vformat(&buf, format, args);
    va_end(args);
    world_feed(&world, &buf, "{6, ~p, '', ~a}", world.caller, scope);
    world_advance(&world, 0);
}

static void host_is(const char *status)
{
    say("syn_pg_" MANAGER,
        "{'3.0', sync_join, {service, 'P'}, ~p, {pool_status, ~t, 'P', 8.0, "
        "~A, 0, {target_window, 50000, 10000, 100000}, 1}, ~i, normal}",
        world.caller, atom_term(atom_intern(status, strlen(status))),
        world.caller.node, (int64_t)world.calls++ + 1);
}

/* The peer hosts P as well, and is the one to be chosen. */
static int setup(void **state)
{
    (void)state;
    world_open_in_syn(&world, "{'pools': {'P': {'behaviour': 'script',"
                              " 'supervisors': {'segments': 4}}}}");
    say("syn_pg_" MANAGER, "{'3.0', ack_sync, ~p, []}",
        (struct pid){.node = world.caller.node,
                     .id = 77,
                     .creation = world.caller.creation});
    host_is("online");
    standing_lock(world_pool(&world)->standing, STANDING_LOCK_POOL);
    (void)fake_peer_got(&world.peer);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    limits.placements = 100000;
    limits.foreign_pools = 1000;
    limits.passed_calls = 1000000;
    world_close(&world);
    return 0;
}

static void has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("\n%s\nhas no\n%s", text, part);
    }
}

/* The peer is asked for a worker; whoever wants it waits. */
static void asks(const char *id)
{
    has(world_ask(&world, id, "hello"), "{start_child,#{");
}

static void the_pool_there_is_asked_for_a_supervisor(void **state)
{
    (void)state;
    assert_true(place_is_shared(world_pool(&world)->place));
    asks("1");
    assert_int_equal(world_workers(&world), 0);
}

static void who_does_not_answer_is_not_waited_for_long(void **state)
{
    (void)state;
    asks("1");
    world_advance(&world, PLACING_MS - 10);
    assert_null(strstr(world_got(&world), "{error,timeout}"));
    world_advance(&world, 20);
    has(world_got(&world), "{error,timeout}");
}

static void nobody_takes_it_while_all_are_locked(void **state)
{
    (void)state;
    host_is("offline");
    assert_string_equal(world_ask(&world, "1", "hello"), "{error,unavailable}");
}

static void it_starts_here_when_the_other_one_is_offline(void **state)
{
    (void)state;
    host_is("offline");
    standing_release(world_pool(&world)->standing, STANDING_LOCK_POOL);
    (void)world_ask(&world, "1", "hello");
    assert_int_equal(world_workers(&world), 1);
}

static void too_many_at_once_are_refused(void **state)
{
    uint64_t before = metric_read(METRIC_placements_refused);

    (void)state;
    limits.placements = 1;
    asks("1");
    has(world_ask(&world, "2", "hello"), "{error,overloaded}");
    assert_string_equal(world_ask(&world, "1", "again"), "");
    assert_int_equal(metric_read(METRIC_placements_refused), before + 1);
}

static void a_lost_node_is_none(void **state)
{
    (void)state;
    asks("1");
    syn_nodedown(&world.syn, world.peer.peer);
    world_advance(&world, 0);
    assert_false(place_is_shared(world_pool(&world)->place));
    has(world_ask(&world, "2", "hello"), "{error,unavailable}");
}

/* As a worker of this node sends it. */
static void route_to_foreign(const char *pool)
{
    struct broker *broker = &world.pools.broker;
    struct pid self = node_pid(&world.node, &broker->process);
    struct signal signal = {.kind = SIGNAL_MESSAGE, .to = self, .from = self};
    struct buf buf;

    buf_init(&buf, 0);
    term_format(&buf, "{'$gen_cast', {cnode_pool, ~a, 1, hello}}", pool);
    signal.term = term_at(buf_data(&buf), buf_size(&buf));
    assert_int_equal(scheduler_deliver(&world.node.scheduler, &signal), 0);
    buf_fini(&buf);
    world_advance(&world, 0);
}

static void too_many_pools_elsewhere_are_refused(void **state)
{
    uint64_t before = metric_read(METRIC_placements_refused);

    (void)state;
    limits.foreign_pools = 1;
    route_to_foreign("Q");
    route_to_foreign("Q");
    assert_int_equal(metric_read(METRIC_placements_refused), before);
    route_to_foreign("R");
    assert_int_equal(metric_read(METRIC_placements_refused), before + 1);
    assert_int_equal(world.pools.broker.foreign.count, 1);
}

/* A worker of the peer has the name. */
static void call_elsewhere(void)
{
    say("syn_registry_P.Registry",
        "{'3.0', sync_register, {worker, {ref, 'P.Worker', 5}}, ~p, [], 1, "
        "normal}",
        world.caller);
    has(world_ask(&world, "5", "hello"), "{s,hello,ctx,nil}");
}

static void calls_passed_on_are_watched_up_to_a_limit(void **state)
{
    uint64_t before = metric_read(METRIC_passed_unwatched);

    (void)state;
    call_elsewhere();
    assert_int_equal(metric_read(METRIC_passed_unwatched), before);
    limits.passed_calls = 0;
    call_elsewhere();
    assert_int_equal(metric_read(METRIC_passed_unwatched), before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            the_pool_there_is_asked_for_a_supervisor, setup, teardown),
        cmocka_unit_test_setup_teardown(
            who_does_not_answer_is_not_waited_for_long, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_takes_it_while_all_are_locked,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            it_starts_here_when_the_other_one_is_offline, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_at_once_are_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_lost_node_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_pools_elsewhere_are_refused,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            calls_passed_on_are_watched_up_to_a_limit, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
