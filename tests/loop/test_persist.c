/* SPDX-License-Identifier: Apache-2.0
 *
 * Workers that keep their state in a store which stands still, is full, or
 * holds something else: who is answered when, and what becomes of the state.
 */
#include "pool/persist.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/metric.h"
#include "pool/drain.h"
#include "support/pool/world.h"
#include "support/storage/fake_store.h"

enum { PATIENCE = 20000, NAP_US = 500 };

static struct world world;
static struct stores_entry entry;
static struct stores stores;

static void open_pool(const char *behaviour, const char *persist)
{
    char json[512];

    (void)snprintf(json, sizeof(json),
                   "{'pools': {'P': {'behaviour': '%s', 'registry': 'none', "
                   "'worker': {'idle_timeout': '1s', 'mailbox_limit': 100}, "
                   "'persist': %s}}}",
                   behaviour, persist);
    entry = (struct stores_entry){.name = "s", .store = fake_store_open(1000)};
    stores = (struct stores){.entries = &entry, .count = 1};
    world_use_stores(&stores);
    world_open(&world, json);
}

static void open_with(const char *persist)
{
    open_pool("kv", persist);
}

static int setup(void **state)
{
    (void)state;
    fake_store_init();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    fake_store_fini();
    return 0;
}

/* What the peer gets next, of what the store's thread has to allow first. Time
 * goes on by `ms` each look. */
static const char *await(uint64_t ms)
{
    const char *got = "";

    for (int i = 0; i < PATIENCE && got[0] == '\0'; i++) {
        usleep(NAP_US);
        world_advance(&world, ms);
        got = world_got(&world);
    }
    return got;
}

static const char *ask(const char *id, const char *call)
{
    const char *got = world_ask(&world, id, call);

    return got[0] != '\0' ? got : await(0);
}

static void assert_asked(const char *id, const char *call, const char *answer)
{
    const char *got = ask(id, call);

    if (strstr(got, answer) == NULL) {
        fail_msg("%s: %s instead of %s", call, got, answer);
    }
}

/* The worker is stopped when it was idle for a second, or is drained, and its
 * state written. */
static void let_it_idle(void)
{
    for (int i = 0; i < PATIENCE && roll_workers(world_pool(&world)->roll) > 0;
         i++) {
        usleep(NAP_US);
        world_advance(&world, 300);
    }
    assert_int_equal(roll_workers(world_pool(&world)->roll), 0);
    (void)script_log();
}

/* --- tests */

static void the_answer_leaves_when_it_is_written(void **state)
{
    (void)state;
    open_with("{'mode': 'on_change'}");
    assert_asked("1", "{get, a}", "error");
    fake_store_set(&fake_store.is_shut, true);
    assert_string_equal(world_ask(&world, "1", "{put, a, 1}"), "");
    fake_store_wait_for_run();
    world_advance(&world, 100);
    assert_string_equal(world_got(&world), "");
    /* it is in the state, but whoever sees it must wait as well */
    assert_string_equal(world_ask(&world, "1", "{get, a}"), "");
    fake_store_set(&fake_store.is_shut, false);
    assert_non_null(strstr(await(0), "ok"));
    assert_asked("1", "{get, a}", "{ok,1}");
}

static void what_waits_of_one_worker_is_one_write(void **state)
{
    unsigned runs;

    (void)state;
    open_with("{'mode': 'on_change'}");
    assert_asked("1", "{put, a, 0}", "ok");
    fake_store_set(&fake_store.is_shut, true);
    (void)world_ask(&world, "1", "{put, a, 1}");
    fake_store_wait_for_run();
    runs = fake_store.runs;
    for (int i = 0; i < 50; i++) {
        (void)world_ask(&world, "1",
                        i % 2 == 0 ? "{put, a, 2}" : "{put, b, 3}");
        (void)world_ask(&world, "1", "{put, a, 4}");
    }
    assert_string_equal(world_got(&world), "");
    fake_store_set(&fake_store.is_shut, false);
    assert_non_null(strstr(await(0), "ok"));
    assert_asked("1", "{get, b}", "{ok,3}");
    assert_int_equal(fake_store.runs, runs + 2);
    assert_int_equal(fake_store.sizes[runs + 1], 1);
    (void)ask("1", "'crash!'");
    assert_asked("1", "{get, a}", "{ok,4}");
}

static void not_too_many_answers_wait(void **state)
{
    uint64_t refused = metric_read(METRIC_buffer_overflow);
    const char *got = "";

    (void)state;
    open_with("{'mode': 'on_change'}");
    assert_asked("1", "{put, a, 0}", "ok");
    fake_store_set(&fake_store.is_shut, true);
    (void)world_ask(&world, "1", "{put, a, 1}");
    for (int i = 0; i < 200 && got[0] == '\0'; i++) {
        got = world_ask(&world, "1", "{get, a}");
    }
    assert_non_null(strstr(got, "{error,overloaded}"));
    assert_true(metric_read(METRIC_buffer_overflow) > refused);
    fake_store_set(&fake_store.is_shut, false);
    assert_non_null(strstr(await(0), "ok"));
}

static void what_found_no_room_is_not_answered_and_tried_again(void **state)
{
    (void)state;
    open_with("{'mode': 'on_change'}");
    assert_asked("1", "{put, a, 1}", "ok");
    fake_store.room = buf_size(fake_store_value('P'));
    assert_asked("1", "{put, b, 2}", "{error,store_full}");
    assert_asked("1", "{get, b}", "{error,store_full}");
    fake_store.room = 0;
    for (int i = 0; i < PATIENCE && store_is_failing(entry.store); i++) {
        usleep(NAP_US);
        world_advance(&world, 100);
    }
    assert_asked("1", "{get, b}", "{ok,2}");
    assert_non_null(strstr(world_ask(&world, "1", "'crash!'"), ""));
    assert_asked("1", "{get, b}", "{ok,2}");
}

static void nobody_is_stopped_for_being_idle_while_it_fails(void **state)
{
    (void)state;
    open_with("{'mode': 'on_change'}");
    assert_asked("1", "{put, a, 1}", "ok");
    fake_store.room = 1;
    assert_asked("1", "{put, b, 2}", "{error,store_full}");
    world_advance(&world, 60000);
    assert_int_equal(roll_workers(world_pool(&world)->roll), 1);
}

static void what_could_not_be_written_at_its_end_is_there_again(void **state)
{
    (void)state;
    open_with("{'mode': 'on_stop'}");
    assert_asked("1", "{put, a, 1}", "ok");
    fake_store.room = 1;
    assert_asked("1", "'kill!'", "ok"); /* and it is restarted */
    assert_asked("1", "{get, a}", "{ok,1}");
    fake_store.room = 0;
    for (int i = 0; i < PATIENCE && store_is_failing(entry.store); i++) {
        usleep(NAP_US);
        world_advance(&world, 100);
    }
    assert_false(store_is_failing(entry.store));
    assert_non_null(fake_store_value('P'));
}

static void a_state_that_is_too_large_is_refused_and_counted(void **state)
{
    uint64_t refused = metric_read(METRIC_states_refused);
    uint64_t most = limits.state_bytes;

    (void)state;
    open_with("{'mode': 'on_change'}");
    assert_asked("1", "{put, a, 1}", "ok");
    limits.state_bytes = 20;
    assert_asked("1", "{put, b, \"more than there may be\"}",
                 "{error,too_large}");
    limits.state_bytes = most;
    assert_int_equal(metric_read(METRIC_states_refused) - refused, 1);
    assert_asked("1", "{get, a}", "{ok,1}"); /* and all is written again */
}

static void another_state_than_was_written_starts_nobody(void **state)
{
    (void)state;
    open_with("{'mode': 'on_change'}");
    assert_asked("1", "{put, a, 1}", "ok");
    buf_data(fake_store_value('P'))[STORE_HEADER_BYTES] ^= 1;
    (void)ask("1", "'crash!'");
    world_advance(&world, 0);
    assert_asked("1", "{get, a}", "{error,{store,corrupt}}");
    assert_asked("1", "{get, a}", "{error,{store,corrupt}}");
    assert_asked("2", "{put, a, 1}", "ok");
}

static void who_starts_while_it_is_away_is_told_in_time(void **state)
{
    (void)state;
    open_with("{'mode': 'on_change'}");
    fake_store.is_gone = true;
    assert_asked("1", "{get, a}", "{error,{store,unreachable}}");
}

static void an_idle_worker_ends_when_its_state_is_written(void **state)
{
    (void)state;
    open_with("{'mode': 'on_stop'}");
    assert_asked("1", "{put, a, 1}", "ok");
    fake_store_set(&fake_store.is_shut, true);
    world_advance(&world, 3000);
    fake_store_wait_for_run();
    assert_int_equal(roll_workers(world_pool(&world)->roll), 1);
    fake_store_set(&fake_store.is_shut, false);
    let_it_idle();
    assert_asked("1", "{get, a}", "{ok,1}");
}

static void drain_now(void)
{
    struct pool *head = world_pool(&world);

    (void)standing_set_state(head->standing, STANDING_OFFLINE);
    pool_drain(head, A_offline, NULL, NULL);
}

static void a_drained_worker_ends_when_its_state_is_written(void **state)
{
    (void)state;
    open_with("{'mode': 'on_stop'}");
    assert_asked("1", "{put, a, 1}", "ok");
    fake_store_set(&fake_store.is_shut, true);
    drain_now();
    world_advance(&world, 500);
    fake_store_wait_for_run();
    assert_int_equal(roll_workers(world_pool(&world)->roll), 1);
    fake_store_set(&fake_store.is_shut, false);
    let_it_idle();
    assert_non_null(fake_store_value('P'));
    /* but not for ever */
    (void)standing_set_state(world_pool(&world)->standing, STANDING_ONLINE);
    pool_undrain(world_pool(&world));
    assert_asked("1", "{put, a, 2}", "ok");
    fake_store_set(&fake_store.is_shut, true);
    drain_now();
    world_advance(&world, 6000);
    assert_int_equal(roll_workers(world_pool(&world)->roll), 0);
    fake_store_set(&fake_store.is_shut, false);
}

static void an_answer_that_waits_too_long_is_an_error(void **state)
{
    (void)state;
    open_with("{'mode': 'on_change'}");
    assert_asked("1", "{put, a, 1}", "ok");
    fake_store_set(&fake_store.is_shut, true);
    assert_string_equal(world_ask(&world, "1", "{put, a, 2}"), "");
    world_advance(&world, 4900);
    assert_string_equal(world_got(&world), "");
    world_advance(&world, 700);
    assert_string_equal(world_got(&world), "{error,overloaded}");
    fake_store_set(&fake_store.is_shut, false);
    assert_asked("1", "{get, a}", "{ok,2}"); /* it was written all the same */
    (void)ask("1", "'crash!'");
    assert_asked("1", "{get, a}", "{ok,2}");
}

static void persist_is_answered_when_it_is_written(void **state)
{
    (void)state;
    open_with("{'mode': 'manual'}");
    assert_asked("1", "{put, a, 1}", "ok");
    fake_store_set(&fake_store.is_shut, true);
    assert_string_equal(world_ask(&world, "1", "'persist!'"), "");
    assert_string_equal(world_ask(&world, "1", "'persist!'"), "");
    assert_asked("1", "{get, a}", "{ok,1}"); /* nobody else waits */
    fake_store_set(&fake_store.is_shut, false);
    assert_non_null(strstr(await(0), "ok"));
}

static void a_behaviour_keeps_and_forgets_by_itself(void **state)
{
    (void)state;
    open_pool("script", "{'mode': 'manual'}");
    assert_asked("1", "ping", "pong");
    fake_store_set(&fake_store.is_shut, true);
    assert_string_equal(world_ask(&world, "1", "keep_state"), "");
    assert_string_equal(world_ask(&world, "1", "keep_state"), "");
    fake_store_set(&fake_store.is_shut, false);
    assert_non_null(strstr(await(0), "{stored,ok}"));
    (void)await(0);
    (void)script_log();
    (void)ask("1", "'crash!'");
    assert_asked("1", "ping", "pong");
    assert_non_null(strstr(script_log(), "init(1) restore(1,{calls,2}) load"));
    assert_asked("1", "forget_state", "{stored,ok}");
    (void)ask("1", "'crash!'");
    assert_asked("1", "ping", "pong");
    assert_non_null(strstr(script_log(), "init(1) load"));
}

static void what_was_forgotten_is_not_written_at_the_end(void **state)
{
    (void)state;
    open_pool("script", "{'mode': 'on_stop'}");
    assert_asked("1", "{reply, x}", "x");
    let_it_idle();
    assert_asked("1", "forget_state", "{stored,ok}");
    let_it_idle();
    assert_asked("1", "{reply, x}", "x");
    assert_string_equal(script_log(), "init(1) load(1) call(1,{reply,x})");
}

/* A start by start_child is answered when the state was read. */
static void arguments_of_the_first_start_are_kept_with_it(void **state)
{
    const char *got;

    (void)state;
    open_pool("script", "{'mode': 'on_stop'}");
    got = world_call_pid(
        &world, world_pid_of(&world, &world_pool(&world)->faces[0]->process),
        "{start_child, {{m, f, [{ref, 'P.Worker', 1}, [#{a => 1}], ctx]}, "
        "permanent, 5000, worker, [m]}}");
    assert_non_null(strstr(got[0] != '\0' ? got : await(0), "{ok,"));
    assert_asked("1", "{reply, x}", "x");
    for (int lives = 0; lives < 2; lives++) {
        let_it_idle();
        assert_asked("1", "{reply, y}", "y");
        assert_non_null(
            strstr(script_log(), "init(1,#{a => 1}) restore(1,{calls,"));
    }
}

static void a_state_that_restore_refuses_starts_nobody(void **state)
{
    (void)state;
    open_pool("script", "{'mode': 'on_stop'}");
    assert_asked("1", "{reply, x}", "x");
    let_it_idle();
    script_knobs.fail_restores = 1;
    assert_asked("1", "{reply, y}", "{error,refused}");
    assert_non_null(strstr(script_log(), "terminate(1,error)"));
    assert_asked("1", "{reply, y}", "y");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_answer_leaves_when_it_is_written),
        TEST(what_waits_of_one_worker_is_one_write),
        TEST(not_too_many_answers_wait),
        TEST(what_found_no_room_is_not_answered_and_tried_again),
        TEST(nobody_is_stopped_for_being_idle_while_it_fails),
        TEST(what_could_not_be_written_at_its_end_is_there_again),
        TEST(a_state_that_is_too_large_is_refused_and_counted),
        TEST(another_state_than_was_written_starts_nobody),
        TEST(who_starts_while_it_is_away_is_told_in_time),
        TEST(an_idle_worker_ends_when_its_state_is_written),
        TEST(a_drained_worker_ends_when_its_state_is_written),
        TEST(an_answer_that_waits_too_long_is_an_error),
        TEST(persist_is_answered_when_it_is_written),
        TEST(a_behaviour_keeps_and_forgets_by_itself),
        TEST(what_was_forgotten_is_not_written_at_the_end),
        TEST(arguments_of_the_first_start_are_kept_with_it),
        TEST(a_state_that_restore_refuses_starts_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
