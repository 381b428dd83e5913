/* SPDX-License-Identifier: Apache-2.0
 *
 * What a BEAM's Supervisor and DynamicSupervisor get from our supervisors.
 */
#include "pool/supervisor.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/pool/world.h"

static struct world world;

static int setup(void **state)
{
    (void)state;
    world_open(&world, "{'pools': {'P': {'behaviour': 'script', 'worker': "
                       "{'max': 5}, 'supervisors': {'segments': 2, 'count': "
                       "2}}}}");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static struct pid face_pid(uint32_t i)
{
    return world_pid_of(&world, &world_pool(&world)->faces[i]->process);
}

static const char *face_call(uint32_t i, const char *request)
{
    return world_call_pid(&world, face_pid(i), request);
}

/* AdvancedPool's child spec of a worker. */
static const char *start(uint32_t face, const char *id)
{
    char request[512];

    snprintf(request, sizeof(request),
             "{start_child, {{'Elixir.Noizu.AdvancedPool.Worker.Server', "
             "start_link, [{ref, 'P.Worker', %s}, [[]], ctx]}, permanent, "
             "5000, worker, ['Elixir.Noizu.AdvancedPool.Worker.Server']}}",
             id);
    return face_call(face, request);
}

/* The pid of a worker as text, as replies have it. */
static const char *pid_text(int64_t id)
{
    static char text[64];
    struct pid pid = world_pid(&world, id);

    snprintf(text, sizeof(text), "<n1@here.%u.%u>", pid.id, pid.serial);
    return text;
}

/* --- worker supervisors */

static void start_child_gives_the_one_worker_of_the_ref(void **state)
{
    char first[128], expected[128];

    (void)state;
    snprintf(first, sizeof(first), "%s", start(0, "7"));
    snprintf(expected, sizeof(expected), "{ok,%s}", pid_text(7));
    assert_string_equal(first, expected);
    assert_string_equal(start(0, "7"), expected);
    assert_string_equal(start(1, "7"), expected);
    assert_string_equal(script_log(), "init(7)");
    assert_string_equal(world_ask(&world, "7", "ping"), "pong");
}

static void a_map_spec_starts_as_well(void **state)
{
    (void)state;
    assert_non_null(
        strstr(face_call(0, "{start_child, #{id => x, start => {m, f, [{ref, "
                            "'P.Worker', 1}, [[{a, 1}]]]}}}"),
               "{ok,<"));
    assert_string_equal(script_log(), "init(1,[{a,1}])");
}

static void what_cannot_start_says_why(void **state)
{
    (void)state;
    assert_string_equal(face_call(0, "{start_child, x}"),
                        "{error,{invalid_child_spec,x}}");
    assert_string_equal(face_call(0, "{start_child, {{m, f, []}, t}}"),
                        "{error,{invalid_child_spec,{{m,f,[]},t}}}");
    assert_string_equal(
        face_call(0, "{start_child, {{m, f, [{ref, q, 1}]}, t}}"),
        "{error,{wrong_module,'P.Worker'}}");
    script_knobs.fail_inits = 1;
    assert_string_equal(start(0, "1"), "{error,refused}");
    start(0, "1"), start(0, "2"), start(0, "3"), start(0, "4");
    assert_non_null(strstr(start(0, "5"), "{ok,"));
    assert_string_equal(start(0, "6"), "{error,max_children}");
    assert_non_null(strstr(start(0, "5"), "{ok,"));
}

static void children_count_for_the_face_that_started_them(void **state)
{
    char expected[256];

    (void)state;
    start(0, "1");
    start(1, "1");
    assert_string_equal(face_call(0, "count_children"),
                        "[{specs,1},{active,1},{supervisors,0},{workers,1}]");
    assert_string_equal(face_call(1, "count_children"),
                        "[{specs,0},{active,0},{supervisors,0},{workers,0}]");
    snprintf(expected, sizeof(expected), "[{undefined,%s,worker,['P.Worker']}]",
             pid_text(1));
    assert_string_equal(face_call(0, "which_children"), expected);
    assert_string_equal(face_call(1, "which_children"), "[]");
}

static void lazily_started_workers_count_for_the_smaller_face(void **state)
{
    (void)state;
    start(0, "1");
    world_ask(&world, "2", "ping");
    assert_int_equal(world_worker(&world, 2)->face, 1);
}

static void a_restarting_child_is_said_to_be(void **state)
{
    (void)state;
    start(0, "1");
    world_exit(&world, world_pid(&world, 1), "boom");
    assert_string_equal(face_call(0, "which_children"),
                        "[{undefined,restarting,worker,['P.Worker']}]");
    assert_string_equal(face_call(0, "count_children"),
                        "[{specs,1},{active,0},{supervisors,0},{workers,1}]");
}

static void start_child_waits_for_a_restart(void **state)
{
    (void)state;
    start(0, "1");
    world_exit(&world, world_pid(&world, 1), "boom");
    assert_string_equal(start(1, "1"), "");
    world_advance(&world, 0);
    assert_non_null(strstr(world_got(&world), "{ok,<n1@here."));
}

static const char *terminate_child(uint32_t face, struct pid pid)
{
    return world_callf(&world, face_pid(face), "{terminate_child, ~p}", pid);
}

static void terminate_child_ends_it_for_good(void **state)
{
    struct pid pid;

    (void)state;
    start(0, "1");
    pid = world_pid(&world, 1);
    world_monitor(&world, pid);
    assert_string_equal(terminate_child(1, pid), "{error,not_found}");
    assert_string_equal(terminate_child(0, pid), "down: shutdown\nok");
    world_advance(&world, 0);
    assert_null(world_worker(&world, 1));
    assert_string_equal(terminate_child(0, pid), "{error,not_found}");
    assert_string_equal(terminate_child(0, face_pid(1)), "{error,not_found}");
    assert_string_equal(face_call(0, "{terminate_child, x}"),
                        "{error,not_found}");
    assert_string_equal(script_log(), "init(1) terminate(1,shutdown)");
}

static void a_segment_answers_for_its_own(void **state)
{
    struct segment *segment;

    (void)state;
    world_ask(&world, "1", "ping");
    segment = worker_segment(world_worker(&world, 1));
    assert_string_equal(world_call_pid(&world,
                                       world_pid_of(&world, &segment->process),
                                       "count_children"),
                        "[{specs,1},{active,1},{supervisors,0},{workers,1}]");
    segment = world_segment(&world, 1 - segment->index);
    assert_string_equal(world_call_pid(&world,
                                       world_pid_of(&world, &segment->process),
                                       "which_children"),
                        "[]");
}

static void anything_else_is_unsupported_never_silent(void **state)
{
    (void)state;
    assert_string_equal(face_call(0, "{hello, 1}"),
                        "{error,{unsupported,{hello,1}}}");
    assert_string_equal(face_call(0, world_envelope("1", "true", "ping")),
                        "{error,{unsupported,{msg_envelope,nil,call,{ref,'P."
                        "Worker',1},{settings,nil,true,nil,nil,nil,5000},{s,"
                        "ping,ctx,nil}}}}");
    assert_string_equal(world_call(&world, "P", "[]"),
                        "{error,{unsupported,[]}}");
    assert_string_equal(world_call(&world, "P", "{hello, x}"),
                        "{error,{unsupported,{hello,x}}}");
    world_cast(&world, "P", "x");
    world_send_pid(&world, face_pid(0), "x");
    assert_string_equal(world_got(&world), "");
}

static void children_have_specs_and_are_not_restarted_by_hand(void **state)
{
    (void)state;
    assert_string_equal(
        world_call(&world, "P", "{get_childspec, {segment, 1}}"),
        "{ok,#{id => {segment,1},start => "
        "{'Elixir.Noizu.AdvancedPool.WorkerSupervisor',start_link,['P']},"
        "restart => permanent,shutdown => infinity,type => supervisor,"
        "modules => ['Elixir.Noizu.AdvancedPool.WorkerSupervisor']}}");
    assert_string_equal(
        world_call(&world, "P", "{restart_child, {worker_supervisor, 1}}"),
        "{error,running}");
    assert_string_equal(world_call(&world, "P", "{delete_child, {segment, 0}}"),
                        "{error,running}");
    assert_string_equal(
        world_call(&world, "P", "{get_childspec, {segment, 2}}"),
        "{error,not_found}");
    assert_string_equal(
        world_call(&world, "P", "{restart_child, {worker_supervisor, 0}}"),
        "{error,not_found}");
    assert_string_equal(face_call(0, "{restart_child, x}"),
                        "{error,simple_one_for_one}");
    assert_string_equal(face_call(0, "{get_childspec, x}"),
                        "{error,not_found}");
}

static void faces_come_back_and_keep_their_workers(void **state)
{
    struct pid old = face_pid(0);

    (void)state;
    start(0, "1");
    world_monitor(&world, old);
    world_exit(&world, old, "kill");
    world_advance(&world, 0);
    assert_string_equal(world_got(&world), "down: killed");
    assert_false(pid_equal(old, face_pid(0)));
    assert_string_equal(face_call(0, "count_children"),
                        "[{specs,1},{active,1},{supervisors,0},{workers,1}]");
}

/* --- the pool supervisor */

static void the_pool_lists_faces_and_segments(void **state)
{
    const char *list;

    (void)state;
    list = world_call(&world, "P", "which_children");
    assert_non_null(strstr(list, "[{{worker_supervisor,1},<n1@here."));
    assert_non_null(strstr(list, ">,supervisor,['Elixir.Noizu.AdvancedPool."
                                 "WorkerSupervisor']},{{worker_supervisor,2},"
                                 "<"));
    assert_non_null(strstr(list, "{{segment,0},<"));
    assert_non_null(strstr(list, "{{segment,1},<"));
    assert_string_equal(world_call(&world, "P", "count_children"),
                        "[{specs,4},{active,4},{supervisors,4},{workers,0}]");
}

static void advanced_pool_may_add_a_worker_supervisor(void **state)
{
    (void)state;
    assert_non_null(strstr(
        world_call(&world, "P",
                   "{start_child, #{id => {ref, x, 1}, type => supervisor, "
                   "start => {'Elixir.Noizu.AdvancedPool.WorkerSupervisor', "
                   "start_link, ['P', ctx, []]}}}"),
        "{ok,<"));
    assert_int_equal(world_pool(&world)->face_count, 3);
    assert_non_null(strstr(start(2, "1"), "{ok,<"));
    assert_string_equal(world_call(&world, "P", "count_children"),
                        "[{specs,5},{active,5},{supervisors,5},{workers,0}]");
}

#define START_FACE(id)                                                         \
    "{start_child, #{id => " id ", type => supervisor, start => "              \
    "{'Elixir.Noizu.AdvancedPool.WorkerSupervisor', start_link, ['P']}}}"

static void a_worker_supervisor_is_known_by_the_id_it_was_given(void **state)
{
    (void)state;
    assert_non_null(
        strstr(world_call(&world, "P", START_FACE("mine")), "{ok,<"));
    assert_non_null(strstr(world_call(&world, "P", START_FACE("mine")),
                           "{error,{already_started,<n1@here."));
    assert_non_null(
        strstr(world_call(&world, "P", "which_children"), "{mine,<n1@here."));
    assert_string_equal(world_call(&world, "P", "{terminate_child, mine}"),
                        "ok");
    assert_string_equal(world_call(&world, "P", START_FACE("mine")),
                        "{error,already_present}");
    assert_non_null(strstr(world_call(&world, "P", "{get_childspec, mine}"),
                           "{ok,#{id => mine,"));
    assert_string_equal(world_call(&world, "P", "{delete_child, mine}"), "ok");
    assert_string_equal(world_call(&world, "P", "{terminate_child, mine}"),
                        "{error,not_found}");
    assert_non_null(
        strstr(world_call(&world, "P", START_FACE("mine")), "{ok,<"));
    assert_int_equal(world_pool(&world)->face_count, 4);
}

/* Two BEAMs want to start the same worker while all supervisors are full. */
static void a_worker_supervisor_for_a_ref_is_there_once(void **state)
{
    char first[256];

    (void)state;
    snprintf(first, sizeof(first), "%s",
             world_call(&world, "P", START_FACE("{ref, m, 1}")));
    assert_non_null(strstr(first, "{ok,<"));
    assert_string_equal(world_call(&world, "P", START_FACE("{ref, m, 1}")),
                        first);
    assert_int_equal(world_pool(&world)->face_count, 3);
}

static void other_children_of_the_pool_are_refused(void **state)
{
    (void)state;
    assert_string_equal(
        world_call(&world, "P", "{start_child, #{start => {m, f, []}}}"),
        "{error,{invalid_child_spec,#{start => {m,f,[]}}}}");
}

static void an_id_of_a_child_has_a_limit(void **state)
{
    static char request[80000], id[70000];

    (void)state;
    memset(id, 'x', sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    snprintf(request, sizeof(request),
             "{start_child, #{id => <<\"%s\">>, start => "
             "{'Elixir.Noizu.AdvancedPool.WorkerSupervisor', start_link, "
             "['P', ctx, []]}}}",
             id);
    assert_non_null(strstr(world_call(&world, "P", request),
                           "{error,{invalid_child_spec,"));
    assert_int_equal(world_pool(&world)->face_count, 2);
}

static void a_worker_supervisor_can_be_terminated(void **state)
{
    (void)state;
    start(1, "1");
    assert_string_equal(
        world_call(&world, "P", "{terminate_child, {worker_supervisor, 2}}"),
        "ok");
    assert_string_equal(
        world_call(&world, "P", "{terminate_child, {segment, 0}}"),
        "{error,not_found}");
    world_advance(&world, 0);
    assert_string_equal(world_call(&world, "P", "count_children"),
                        "[{specs,4},{active,3},{supervisors,4},{workers,0}]");
    assert_non_null(strstr(world_call(&world, "P", "which_children"),
                           "{{worker_supervisor,2},undefined,supervisor,"));
    assert_string_equal(world_ask(&world, "1", "ping"), "pong");
    assert_string_equal(world_ask(&world, "2", "ping"), "pong");
    assert_int_equal(world_worker(&world, 2)->face, 0);
}

static void one_that_is_terminated_is_restarted_or_deleted_by_hand(void **state)
{
    struct pid old = face_pid(1);

    (void)state;
    start(1, "1");
    world_call(&world, "P", "{terminate_child, {worker_supervisor, 2}}");
    assert_non_null(strstr(
        world_call(&world, "P", "{restart_child, {worker_supervisor, 2}}"),
        "{ok,<n1@here."));
    assert_false(pid_equal(old, face_pid(1)));
    assert_string_equal(face_call(1, "count_children"),
                        "[{specs,1},{active,1},{supervisors,0},{workers,1}]");
    world_call(&world, "P", "{terminate_child, {worker_supervisor, 2}}");
    assert_string_equal(
        world_call(&world, "P", "{terminate_child, {worker_supervisor, 2}}"),
        "ok");
    assert_string_equal(
        world_call(&world, "P", "{delete_child, {worker_supervisor, 2}}"),
        "ok");
    assert_string_equal(
        world_call(&world, "P", "{restart_child, {worker_supervisor, 2}}"),
        "{error,not_found}");
    assert_string_equal(
        world_call(&world, "P", "{terminate_child, {worker_supervisor, 2}}"),
        "{error,not_found}");
    assert_string_equal(world_call(&world, "P", "count_children"),
                        "[{specs,3},{active,3},{supervisors,3},{workers,0}]");
    assert_string_equal(world_ask(&world, "1", "ping"), "pong");
}

/* As DynamicSupervisor.terminate_child/2: by its pid, and for good. Whose
 * workers live on count for the others. */
static void one_that_is_removed_leaves_its_workers_to_others(void **state)
{
    static const char request[] = "{terminate_child, ~p}";
    struct pid pid = face_pid(1), worker;

    (void)state;
    start(1, "1");
    start(1, "2");
    worker = world_pid(&world, 1);
    assert_string_equal(
        world_callf(&world, world_pid_of(&world, &world_pool(&world)->process),
                    request, pid),
        "ok");
    world_advance(&world, 10);
    assert_string_equal(world_call(&world, "P", "count_children"),
                        "[{specs,3},{active,3},{supervisors,3},{workers,0}]");
    assert_true(pid_equal(worker, world_pid(&world, 1)));
    assert_string_equal(world_ask(&world, "1", "ping"), "pong");
    assert_string_equal(face_call(0, "count_children"),
                        "[{specs,2},{active,2},{supervisors,0},{workers,2}]");
    assert_string_equal(
        world_callf(&world, world_pid_of(&world, &world_pool(&world)->process),
                    request, pid),
        "{error,not_found}");
}

static void system_messages_get_an_answer(void **state)
{
    struct pid face = face_pid(0);

    (void)state;
    assert_non_null(
        strstr(world_sendf(&world, face, "{system, {~p, tag}, get_state}",
                           world.caller),
               "{tag,{ok,#{pool => 'P',worker_supervisor => 1,"));
    world_monitor(&world, face);
    assert_non_null(strstr(
        world_sendf(&world, face, "{system, {~p, tag}, {terminate, shutdown}}",
                    world.caller),
        "{tag,ok}\ndown: shutdown"));
    world_advance(&world, 0);
    assert_false(pid_equal(face, face_pid(0))); /* it is permanent */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(start_child_gives_the_one_worker_of_the_ref),
        TEST(a_map_spec_starts_as_well),
        TEST(what_cannot_start_says_why),
        TEST(children_count_for_the_face_that_started_them),
        TEST(lazily_started_workers_count_for_the_smaller_face),
        TEST(a_restarting_child_is_said_to_be),
        TEST(start_child_waits_for_a_restart),
        TEST(terminate_child_ends_it_for_good),
        TEST(a_segment_answers_for_its_own),
        TEST(anything_else_is_unsupported_never_silent),
        TEST(children_have_specs_and_are_not_restarted_by_hand),
        TEST(faces_come_back_and_keep_their_workers),
        TEST(the_pool_lists_faces_and_segments),
        TEST(advanced_pool_may_add_a_worker_supervisor),
        TEST(a_worker_supervisor_is_known_by_the_id_it_was_given),
        TEST(a_worker_supervisor_for_a_ref_is_there_once),
        TEST(other_children_of_the_pool_are_refused),
        TEST(an_id_of_a_child_has_a_limit),
        TEST(a_worker_supervisor_can_be_terminated),
        TEST(one_that_is_terminated_is_restarted_or_deleted_by_hand),
        TEST(one_that_is_removed_leaves_its_workers_to_others),
        TEST(system_messages_get_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
