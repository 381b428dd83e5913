/* SPDX-License-Identifier: Apache-2.0
 *
 * Restarts: by which rule, how soon, how often, and what happens to the
 * messages meanwhile; and what falls when they are too many.
 */
#include "pool/segment.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/metric.h"
#include "pool/extras.h"
#include "pool/waiting.h"
#include "support/pool/world.h"
#include "term/text.h"

static struct world world;

static void open_with(const char *worker, const char *supervisors)
{
    char json[512];

    snprintf(json, sizeof(json),
             "{'pools': {'P': {'behaviour': 'script', 'worker': {%s}, "
             "'supervisors': {'segments': 4%s}}}}",
             worker, supervisors);
    world_open(&world, json);
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static bool is_back(int64_t id)
{
    struct cnode_worker *w;

    world_advance(&world, 0);
    w = world_worker(&world, id);
    return w != NULL && worker_is_up(w);
}

/* Starts worker 1 and lets it stop with a reason; true: it is there again. */
static bool restarts_after(const char *reason)
{
    char call[128];

    world_ask(&world, "1", "ping");
    snprintf(call, sizeof(call), "{reply_stop, ok, %s}", reason);
    assert_string_equal(world_ask(&world, "1", call), "ok");
    return is_back(1);
}

/* --- the rule */

static void permanent_workers_always_come_back(void **state)
{
    (void)state;
    open_with("'restart': 'permanent'", "");
    assert_true(restarts_after("boom"));
    assert_true(restarts_after("normal"));
    assert_true(restarts_after("shutdown"));
    assert_true(restarts_after("{shutdown, x}"));
}

static void transient_workers_come_back_after_failures(void **state)
{
    (void)state;
    open_with("'restart': 'transient'", "");
    assert_true(restarts_after("boom"));
    assert_false(restarts_after("normal"));
    assert_false(restarts_after("shutdown"));
    assert_false(restarts_after("{shutdown, x}"));
}

static void temporary_workers_never_come_back(void **state)
{
    (void)state;
    open_with("'restart': 'temporary'", "");
    assert_false(restarts_after("boom"));
    assert_false(restarts_after("normal"));
}

static void kill_restarts_unless_told_otherwise(void **state)
{
    (void)state;
    open_with("'restart': 'permanent'", "");
    assert_string_equal(world_ask(&world, "1", "'kill!'"), "ok");
    assert_true(is_back(1));
    assert_string_equal(
        world_call(&world, "P",
                   "{msg_envelope, nil, call, {ref, 'P.Worker', 1}, nil, "
                   "{s, 'kill!', nil, [{restart, false}]}}"),
        "ok");
    assert_false(is_back(1));
    assert_string_equal(world_ask(&world, "1", "ping"), "pong");
}

static void a_restart_starts_with_fresh_state_and_the_same_args(void **state)
{
    struct pid old;

    (void)state;
    open_with("'restart': 'permanent'", "");
    world_call_pid(
        &world, world_pid_of(&world, &world_pool(&world)->faces[0]->process),
        "{start_child, {{m, f, [{ref, 'P.Worker', 1}, [#{a => 1}], ctx]}, "
        "permanent, 5000, worker, [m]}}");
    old = world_pid(&world, 1);
    world_ask(&world, "1", "{reply, x}");
    world_exit(&world, old, "boom");
    assert_true(is_back(1));
    assert_false(pid_equal(old, world_pid(&world, 1)));
    assert_non_null(
        strstr(world_ask(&world, "1", "{fetch, state}"), "{calls,0}"));
    assert_string_equal(script_log(),
                        "init(1,#{a => 1}) load(1) call(1,{reply,x}) "
                        "terminate(1,boom) init(1,#{a => 1}) load(1)");
}

static void the_context_of_the_start_is_that_of_each_init(void **state)
{
    (void)state;
    open_with("'restart': 'permanent'", "");
    script_knobs.notes_context = true;
    world_call_pid(
        &world, world_pid_of(&world, &world_pool(&world)->faces[0]->process),
        "{start_child, {{m, f, [{ref, 'P.Worker', 1}, [[x]], #{who => me}]}, "
        "permanent, 5000, worker, [m]}}");
    world_exit(&world, world_pid(&world, 1), "boom");
    assert_true(is_back(1));
    assert_string_equal(script_log(),
                        "init(1,{[x],#{who => me}}) terminate(1,boom) "
                        "init(1,{[x],#{who => me}})");
    world_ask(&world, "2", "ping");
    world_exit(&world, world_pid(&world, 2), "boom");
    assert_true(is_back(2));
    assert_string_equal(
        script_log(),
        "init(2,{[],ctx}) load(2) terminate(2,boom) init(2,{[],ctx})");
}

/* --- meanwhile */

static void messages_by_ref_wait_for_the_restart(void **state)
{
    (void)state;
    open_with("'restart': 'permanent'", "");
    world_ask(&world, "1", "ping");
    world_exit(&world, world_pid(&world, 1), "boom");
    script_log();
    assert_string_equal(world_ask(&world, "1", "{reply, 1}"), "");
    world_cast(&world, "P", world_envelope("1", "nil", "two"));
    assert_string_equal(world_ask(&world, "1", "{reply, 3}"), "");
    world_advance(&world, 0);
    assert_string_equal(world_got(&world), "1\n3");
    assert_string_equal(script_log(), "init(1) load(1) call(1,{reply,1}) "
                                      "cast(1,two) call(1,{reply,3})");
    assert_null(world_worker(&world, 1)->extras->waiting);
}

/* What waits in the mailbox of a worker that ends: messages for the ref are for
 * its next worker, calls to the pid are not. */
static void mail_for_the_ref_outlives_its_worker(void **state)
{
    struct cnode_worker *w;

    (void)state;
    open_with("", "");
    world_ask(&world, "1", "ping");
    w = world_worker(&world, 1);
    w->process.flags |= PROCESS_HELD; /* as if it were busy */
    world_ask(&world, "1", "{reply, 1}");
    world_call_pid(&world, world_pid(&world, 1), "{reply, lost}");
    world_cast_pid(&world, world_pid(&world, 1),
                   world_envelope("1", "nil", "two"));
    world_cast_pid(&world, world_pid(&world, 1), "plain");
    world_ask(&world, "1", "{reply, 3}");
    script_log();
    world_exit(&world, world_pid(&world, 1), "boom");
    world_advance(&world, 0);
    assert_string_equal(world_got(&world), "1\n3");
    assert_string_equal(script_log(),
                        "terminate(1,boom) init(1) load(1) call(1,{reply,1}) "
                        "cast(1,two) call(1,{reply,3})");
}

/* Also when it does not restart: then the message starts it again. */
static void mail_for_the_ref_starts_it_again(void **state)
{
    struct cnode_worker *w;

    (void)state;
    open_with("'restart': 'temporary'", "");
    world_ask(&world, "1", "ping");
    w = world_worker(&world, 1);
    w->process.flags |= PROCESS_HELD;
    world_ask(&world, "1", "{reply, 1}");
    world_call(&world, "P", world_envelope("1", "nil", "{reply, 2}"));
    world_exit(&world, world_pid(&world, 1), "boom");
    assert_string_equal(world_got(&world), "1\n2");
}

static void too_many_of_them_are_refused(void **state)
{
    uint64_t before = metric_read(METRIC_buffer_overflow);

    (void)state;
    open_with("'mailbox_limit': 2", "");
    world_ask(&world, "1", "ping");
    world_exit(&world, world_pid(&world, 1), "boom");
    world_ask(&world, "1", "{reply, 1}");
    world_ask(&world, "1", "{reply, 2}");
    assert_string_equal(world_ask(&world, "1", "{reply, 3}"),
                        "{error,overloaded}");
    world_cast(&world, "P", world_envelope("1", "nil", "x"));
    assert_int_equal(metric_read(METRIC_buffer_overflow), before + 2);
    world_advance(&world, 0);
    assert_string_equal(world_got(&world), "1\n2");
}

static void a_failing_init_is_tried_again_more_and_more_slowly(void **state)
{
    (void)state;
    open_with("", "");
    world_ask(&world, "1", "ping");
    world_exit(&world, world_pid(&world, 1), "boom");
    script_log();
    script_knobs.fail_inits = 3;
    world_ask(&world, "1", "{reply, 1}");
    world_advance(&world, 0);
    assert_string_equal(script_log(), "init(1)");
    world_advance(&world, 9);
    assert_string_equal(script_log(), "");
    world_advance(&world, 1);
    assert_string_equal(script_log(), "init(1)");
    world_advance(&world, 20);
    assert_string_equal(script_log(), "init(1)");
    world_advance(&world, 39);
    assert_string_equal(script_log(), "");
    assert_string_equal(world_got(&world), "");
    world_advance(&world, 1);
    assert_string_equal(script_log(), "init(1) load(1) call(1,{reply,1})");
    assert_string_equal(world_got(&world), "1");
}

static void the_back_off_ends_at_one_second(void **state)
{
    (void)state;
    open_with("", "");
    world_ask(&world, "1", "ping");
    world_exit(&world, world_pid(&world, 1), "boom");
    script_knobs.fail_inits = 100;
    world_advance(&world, 10 + 20 + 40 + 80 + 160 + 320 + 640);
    script_log();
    world_advance(&world, 5000);
    assert_string_equal(script_log(),
                        "init(1) init(1) init(1) init(1) init(1)");
}

static const char *start_child_1(void)
{
    return world_call_pid(
        &world, world_pid_of(&world, &world_pool(&world)->faces[0]->process),
        "{start_child, {{m, f, [{ref, 'P.Worker', 1}]}, permanent, 5000, "
        "worker, [m]}}");
}

static void after_five_failures_nobody_waits(void **state)
{
    (void)state;
    open_with("", "");
    world_ask(&world, "1", "ping");
    world_exit(&world, world_pid(&world, 1), "boom");
    script_knobs.fail_inits = 6;
    assert_string_equal(world_ask(&world, "1", "{reply, 1}"), "");
    assert_string_equal(start_child_1(), "");
    world_advance(&world, 10 + 20 + 40 + 79);
    assert_string_equal(world_got(&world), "");
    world_advance(&world, 1);
    assert_string_equal(world_got(&world), "{error,refused}\n{error,refused}");
    assert_string_equal(world_ask(&world, "1", "ping"), "{error,refused}");
    assert_string_equal(start_child_1(), "{error,refused}");
    world_advance(&world, 160); /* the sixth */
    assert_string_equal(world_ask(&world, "1", "ping"), "{error,refused}");
    world_advance(&world, 320);
    assert_string_equal(world_ask(&world, "1", "ping"), "pong");
}

/* Many restart at once: some each turn, so that others get theirs. */
static void a_storm_of_restarts_is_paced(void **state)
{
    enum { MANY = 5000 };
    uint64_t started;

    (void)state;
    open_with("", ", 'max_restarts': 1000000");
    for (int i = 0; i < MANY; i++) {
        char id[16];

        snprintf(id, sizeof(id), "%d", i);
        world_cast(&world, "P", world_envelope(id, "true", "x"));
    }
    for (int i = 0; i < MANY; i++) {
        world_exit(&world, world_pid(&world, i), "boom");
    }
    started = metric_read(METRIC_workers_restarted);
    world_turn(&world, 0);
    assert_in_range(metric_read(METRIC_workers_restarted) - started, 1,
                    MANY - 1);
    for (int turns = 0; metric_read(METRIC_workers_restarted) - started < MANY;
         turns++) {
        assert_true(turns < MANY);
        world_turn(&world, 0);
    }
    assert_int_equal(metric_read(METRIC_workers_restarted) - started, MANY);
    assert_int_equal(world_workers(&world), MANY);
}

/* --- too often */

static void too_many_restarts_end_the_segment_only(void **state)
{
    struct segment *segment;
    struct pid pid;
    uint64_t before = metric_read(METRIC_segments_restarted);

    (void)state;
    open_with("", ", 'max_restarts': 2, 'max_seconds': 5");
    world_ask(&world, "1", "ping");
    segment = worker_segment(world_worker(&world, 1));
    pid = world_pid_of(&world, &segment->process);
    for (int i = 0; i < 2; i++) {
        world_ask(&world, "1", "'kill!'");
        assert_true(is_back(1));
    }
    assert_true(pid_equal(pid, world_pid_of(&world, &segment->process)));
    world_monitor(&world, pid);
    world_ask(&world, "1", "'kill!'");
    world_advance(&world, 0);
    assert_string_equal(world_got(&world), "down: shutdown");
    assert_int_equal(segment->state, SEGMENT_UP);
    assert_false(pid_equal(pid, world_pid_of(&world, &segment->process)));
    assert_int_equal(metric_read(METRIC_segments_restarted), before + 1);
    assert_null(world_worker(&world, 1)); /* its workers start by need */
    assert_string_equal(world_ask(&world, "1", "ping"), "pong");
}

static void its_other_workers_are_shut_down(void **state)
{
    char id[16] = "";
    struct segment *segment;

    (void)state;
    open_with("", ", 'max_restarts': 0");
    world_ask(&world, "1", "ping");
    segment = worker_segment(world_worker(&world, 1));
    for (int i = 2; id[0] == '\0'; i++) { /* one in the same segment */
        char other[16];

        snprintf(other, sizeof(other), "%d", i);
        world_ask(&world, other, "ping");
        if (worker_segment(world_worker(&world, i)) == segment) {
            memcpy(id, other, sizeof(id));
            world_monitor(&world, world_pid(&world, i));
        }
    }
    script_log();
    world_exit(&world, world_pid(&world, 1), "boom");
    world_advance(&world, 0);
    assert_string_equal(world_got(&world), "down: shutdown");
    assert_non_null(strstr(script_log(), ",shutdown)"));
}

static void waiting_calls_are_told_when_it_falls(void **state)
{
    (void)state;
    open_with("", ", 'max_restarts': 1");
    world_ask(&world, "1", "ping");
    world_exit(&world, world_pid(&world, 1), "boom");
    script_knobs.fail_inits = 1;
    assert_string_equal(world_ask(&world, "1", "ping"), "");
    world_advance(&world, 0);
    assert_string_equal(world_got(&world), "{error,shutdown}");
}

static void old_restarts_do_not_count(void **state)
{
    uint64_t before = metric_read(METRIC_segments_restarted);

    (void)state;
    open_with("", ", 'max_restarts': 1, 'max_seconds': 1");
    world_ask(&world, "1", "ping");
    for (int i = 0; i < 5; i++) {
        world_ask(&world, "1", "'kill!'");
        world_advance(&world, 1001);
    }
    assert_int_equal(metric_read(METRIC_segments_restarted), before);
}

static void a_killed_segment_is_started_again(void **state)
{
    struct segment *segment;
    struct pid worker;

    (void)state;
    open_with("", "");
    world_ask(&world, "1", "ping");
    worker = world_pid(&world, 1);
    segment = worker_segment(world_worker(&world, 1));
    world_monitor(&world, worker);
    world_exit(&world, world_pid_of(&world, &segment->process), "kill");
    assert_string_equal(world_ask(&world, "1", "{reply, held}"), "");
    world_advance(&world, 0);
    assert_string_equal(world_got(&world), "down: shutdown\nheld");
}

/* From a process of this node: it waits with what callbacks send. */
static void send_from_here(const char *envelope)
{
    struct dest dest = dest_name(atom_find("P", 1), world.node.name);
    struct pid from = {.node = world.node.name, .creation = 7};
    const char *what;
    struct buf buf;
    size_t where;

    buf_init(&buf, 0);
    assert_int_equal(
        term_parse(&buf, envelope, strlen(envelope), true, &where, &what), 0);
    assert_int_equal(route_send(&world.node, from, &dest,
                                (struct payload){.bytes = buf_data(&buf),
                                                 .size = buf_size(&buf)}),
                     0);
    buf_fini(&buf);
}

static void what_was_held_goes_before_what_is_on_its_way(void **state)
{
    struct segment *segment;

    (void)state;
    open_with("", "");
    world_ask(&world, "1", "ping");
    segment = worker_segment(world_worker(&world, 1));
    world_exit(&world, world_pid_of(&world, &segment->process), "kill");
    send_from_here(world_envelope("1", "true", "first"));
    send_from_here(world_envelope("1", "true", "second"));
    fake_node_settle(&world.node);
    script_log();
    send_from_here(world_envelope("1", "true", "third"));
    world_advance(&world, 0);
    assert_string_equal(script_log(),
                        "terminate(1,shutdown) init(1) load(1) cast(1,first) "
                        "cast(1,second) cast(1,third)");
}

static void strangers_exits_do_not_end_it(void **state)
{
    struct segment *segment;

    (void)state;
    open_with("", "");
    segment = world_segment(&world, 0);
    world_exit(&world, world_pid_of(&world, &segment->process), "shutdown");
    world_exit(&world, world_pid_of(&world, &segment->process), "normal");
    assert_true(segment->is_alive);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(permanent_workers_always_come_back),
        TEST(transient_workers_come_back_after_failures),
        TEST(temporary_workers_never_come_back),
        TEST(kill_restarts_unless_told_otherwise),
        TEST(a_restart_starts_with_fresh_state_and_the_same_args),
        TEST(the_context_of_the_start_is_that_of_each_init),
        TEST(messages_by_ref_wait_for_the_restart),
        TEST(mail_for_the_ref_outlives_its_worker),
        TEST(mail_for_the_ref_starts_it_again),
        TEST(too_many_of_them_are_refused),
        TEST(a_failing_init_is_tried_again_more_and_more_slowly),
        TEST(the_back_off_ends_at_one_second),
        TEST(after_five_failures_nobody_waits),
        TEST(a_storm_of_restarts_is_paced),
        TEST(too_many_restarts_end_the_segment_only),
        TEST(its_other_workers_are_shut_down),
        TEST(waiting_calls_are_told_when_it_falls),
        TEST(old_restarts_do_not_count),
        TEST(a_killed_segment_is_started_again),
        TEST(what_was_held_goes_before_what_is_on_its_way),
        TEST(strangers_exits_do_not_end_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
