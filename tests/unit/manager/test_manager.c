/* SPDX-License-Identifier: Apache-2.0
 *
 * Membership, managers and control on virtual time. */
#include "manager/manager.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cnode/error.h>

#include "base/limits.h"
#include "base/metric.h"
#include "manager/control.h"
#include "support/pool/world.h"
#include "term/build.h"

static struct world world;
static struct manager manager;
static struct manager_config config;
static struct limits before;
static struct service_status seen; /* of the pool, in the last place */
static uint32_t seen_count;

static int setup(void **state)
{
    (void)state;
    before = limits;
    world_open_in_syn(&world,
                      "{'pools': {'P': {'behaviour': 'script', 'supervisors': "
                      "{'segments': 4}, 'worker': {'max': 3}},"
                      " 'Q': {'behaviour': 'script', 'registry': 'none'}}}");
    config = (struct manager_config){.keys = {.node_manager = true}};
    assert_int_equal(manager_start(&manager, &world.pools, &world.syn, &config),
                     0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    manager_stop(&manager);
    world_close(&world);
    manager_fini(&manager);
    limits = before;
    return 0;
}

static void on_member(void *arg, struct pid pid, struct cnode_term meta)
{
    (void)arg, (void)pid;
    seen_count++;
    assert_true(status_parse_service(meta, STATUS_OF_POOL, &seen));
}

/* What stands in {service, P}. */
static void look(void)
{
    struct buf name;

    seen_count = 0;
    buf_init(&name, 0);
    term_format(&name, "{service, 'P'}");
    syn_local_members(&world.syn, A_ClusterManager,
                      term_at(buf_data(&name), buf_size(&name)), on_member,
                      NULL);
    buf_fini(&name);
    assert_int_equal(seen_count, 1);
}

static atom_t pool_name(void)
{
    return manager.membership.members[0].pool->config->name;
}

static void a_pool_in_syn_is_told_another_is_not(void **state)
{
    (void)state;
    assert_int_equal(manager.membership.count, 1);
    look();
    assert_int_equal(seen.state, STATUS_ONLINE);
    assert_false(seen.is_locked);
    assert_int_equal(seen.count, 0);
}

static void what_changes_is_told_soon(void **state)
{
    (void)state;
    (void)world_ask(&world, "1", "hello");
    world_advance(&world, SAID_PAUSE_MS * 2);
    look();
    assert_int_equal(seen.count, 1);
}

static void a_full_pool_is_locked(void **state)
{
    (void)state;
    (void)world_ask(&world, "1", "hello");
    (void)world_ask(&world, "2", "hello");
    (void)world_ask(&world, "3", "hello");
    world_advance(&world, SAID_PAUSE_MS * 2);
    look();
    assert_int_equal(seen.count, 3);
    assert_true(seen.is_locked);
}

static void control_is_told_at_once(void **state)
{
    (void)state;
    assert_int_equal(control_lock(&manager, pool_name()), 0);
    look();
    assert_true(seen.is_locked);
    assert_int_equal(control_lock(&manager, pool_name()), CNODE_EXISTS);
    assert_int_equal(control_lock(&manager, ATOM_NONE), 0);
    assert_int_equal(control_release(&manager, pool_name()), 0);
    look();
    assert_true(seen.is_locked); /* by the node */
    assert_int_equal(control_release(&manager, pool_name()), CNODE_EINVALID);
    assert_int_equal(control_release(&manager, ATOM_NONE), 0);
    look();
    assert_false(seen.is_locked);
    assert_int_equal(control_release(&manager, ATOM_NONE), CNODE_EINVALID);
}

static void offline_ends_the_workers(void **state)
{
    (void)state;
    (void)world_ask(&world, "1", "hello");
    assert_int_equal(control_offline(&manager, pool_name()), 0);
    look();
    assert_int_equal(seen.state, STATUS_OFFLINE);
    world_advance(&world, SAID_PAUSE_MS * 2);
    look();
    assert_int_equal(seen.count, 0);
    assert_int_equal(control_offline(&manager, pool_name()), CNODE_EXISTS);
    assert_int_equal(control_online(&manager, pool_name()), 0);
    assert_int_equal(control_online(&manager, ATOM_NONE), CNODE_EXISTS);
    look();
    assert_int_equal(seen.state, STATUS_ONLINE);
}

static void supervisors_come_and_go(void **state)
{
    struct pool *pool = manager.membership.members[0].pool;
    struct pid pid;

    (void)state;
    assert_int_equal(control_add_supervisor(&manager, pool_name(), &pid), 0);
    assert_int_equal(pool->face_count, 2);
    assert_int_equal(control_remove_supervisor(&manager, pool_name(), pid), 0);
    assert_int_equal(control_remove_supervisor(&manager, pool_name(), pid),
                     CNODE_NOT_FOUND);
    assert_int_equal(pool->faces[1]->state, FACE_REMOVED);
}

static void on_any(void *arg, struct pid pid, struct cnode_term meta)
{
    (void)arg, (void)pid, (void)meta;
    seen_count++;
}

/* AdvancedPool asks for one when all are full, and each caller would until it
 * sees it. */
static void one_that_a_beam_adds_is_there_with_the_answer(void **state)
{
    struct buf name;
    const char *got;

    (void)state;
    got = world_call(&world, "P",
                     "{start_child, #{id => x, start => "
                     "{'Elixir.Noizu.AdvancedPool.WorkerSupervisor', "
                     "start_link, ['P', nil, nil]}}}");
    assert_non_null(strstr(got, "{ok,<"));
    seen_count = 0;
    buf_init(&name, 0);
    entry_put_name(&name, ENTRY_FACE, world.node.name, pool_name());
    syn_local_members(&world.syn, pool_name(),
                      term_at(buf_data(&name), buf_size(&name)), on_any, NULL);
    buf_fini(&name);
    assert_int_equal(seen_count, 2);
}

static void an_unknown_pool_is_none(void **state)
{
    struct pid pid = PID_NONE;

    (void)state;
    assert_int_equal(control_lock(&manager, A_node), CNODE_NOT_FOUND);
    assert_int_equal(control_release(&manager, A_node), CNODE_NOT_FOUND);
    assert_int_equal(control_online(&manager, A_node), CNODE_NOT_FOUND);
    assert_int_equal(control_offline(&manager, A_node), CNODE_NOT_FOUND);
    assert_int_equal(control_add_supervisor(&manager, A_node, &pid),
                     CNODE_NOT_FOUND);
    assert_int_equal(control_remove_supervisor(&manager, A_node, pid),
                     CNODE_NOT_FOUND);
}

static void a_pool_out_of_syn_is_controlled_too(void **state)
{
    atom_t q = atom_intern("Q", 1);

    (void)state;
    assert_int_equal(control_lock(&manager, q), 0);
    assert_true(standing_is_locked(manager_pool(&manager, q)->standing));
}

/* What another node writes for our process. */
static void write_status(const char *status, enum syn_ask ask)
{
    struct pool *pool = manager.membership.members[0].pool;
    struct syn_request request = {.ask = ask};
    struct buf buf;

    buf_init(&buf, 0);
    term_format(&buf, status);
    assert_int_equal(buf_error(&buf), 0);
    request.claim.pid = pool_pid(pool);
    request.claim.meta = term_at(buf_data(&buf), buf_size(&buf));
    membership_told(&manager.membership, SYN_GROUPS, A_ClusterManager,
                    &request);
    buf_fini(&buf);
}

static void a_lock_of_another_node_is_taken_over(void **state)
{
    struct pool *pool = manager.membership.members[0].pool;

    (void)state;
    write_status("{pool_status, {locked, online}, 'P', 1.0, n@h, 9, nil, 1}",
                 SYN_ASK_ADD);
    assert_true(standing_is_locked(pool->standing));
    world_advance(&world, SAID_PAUSE_MS * 3);
    look();
    assert_true(seen.is_locked);
    assert_int_equal(seen.count, 0);
    write_status("{pool_status, online, 'P', 1.0, n@h, 9, nil, 1}",
                 SYN_ASK_ADD);
    assert_false(standing_is_locked(pool->standing));
    world_advance(&world, SAID_PAUSE_MS * 3);
    look();
    assert_false(seen.is_locked);
}

static void rubbish_is_counted_and_changes_nothing(void **state)
{
    struct pool *pool = manager.membership.members[0].pool;
    uint64_t ignored = metric_read(METRIC_membership_ignored);

    (void)state;
    write_status("[]", SYN_ASK_ADD);
    write_status("{pool_status, {locked, 1}, 'P', 1.0, n@h, 9, nil, 1}",
                 SYN_ASK_ADD);
    write_status("[]", SYN_ASK_REMOVE);
    assert_int_equal(metric_read(METRIC_membership_ignored), ignored + 2);
    assert_false(standing_is_locked(pool->standing));
    assert_true(standing_is_online(pool->standing));
}

static void who_waits_for_a_report_is_limited(void **state)
{
    uint64_t refused = metric_read(METRIC_subscribers_refused);

    (void)state;
    limits.report_subscribers = 1;
    manager.node_manager.is_rebuilding = true; /* it takes its time */
    assert_non_null(strstr(
        world_callf(&world, agent_pid(&manager.node_manager.server),
                    "{health_report, ~p, [{rebuild, true}]}", world.caller),
        "HealthReport"));
    assert_string_equal(
        world_callf(&world, agent_pid(&manager.node_manager.server),
                    "{health_report, ~p, [{rebuild, true}]}", world.caller),
        "{error,overloaded}");
    assert_int_equal(metric_read(METRIC_subscribers_refused), refused + 1);
}

static void a_report_says_what_is_true(void **state)
{
    struct report report;
    struct buf text;

    (void)state;
    (void)world_ask(&world, "1", "hello");
    report_init(&report, &world.pools);
    assert_int_equal(report.count, 2);
    assert_int_equal(report.pools[0].grade.facts.workers, 1);
    assert_int_equal(report.pools[0].face_count, 1);
    assert_int_equal(report.pools[0].faces[0].workers, 1);
    buf_init(&text, 0);
    report_put_text(&text, &report);
    buf_put_u8(&text, '\0');
    assert_non_null(strstr((const char *)buf_data(&text), "\nP     online"));
    buf_fini(&text);
    report_fini(&report);
}

static void leaving_is_told(void **state)
{
    (void)state;
    manager_leave(&manager);
    look();
    assert_int_equal(seen.state, STATUS_OFFLINE);
    manager_leave(&manager);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_pool_in_syn_is_told_another_is_not),
        TEST(what_changes_is_told_soon),
        TEST(a_full_pool_is_locked),
        TEST(control_is_told_at_once),
        TEST(offline_ends_the_workers),
        TEST(supervisors_come_and_go),
        TEST(one_that_a_beam_adds_is_there_with_the_answer),
        TEST(an_unknown_pool_is_none),
        TEST(a_pool_out_of_syn_is_controlled_too),
        TEST(a_lock_of_another_node_is_taken_over),
        TEST(rubbish_is_counted_and_changes_nothing),
        TEST(who_waits_for_a_report_is_limited),
        TEST(a_report_says_what_is_true),
        TEST(leaving_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
