/* SPDX-License-Identifier: Apache-2.0
 *
 * What a worker does with messages: calls, casts, envelopes, the calls that
 * every worker answers, late replies, timers, monitors, and how it ends.
 */
#include "pool/worker.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/metric.h"
#include "pool/extras.h"
#include "support/pool/world.h"

static struct world world;

static int setup(void **state)
{
    (void)state;
    world_open(&world, "{'pools': {'P': {'behaviour': 'script'}}}");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static const char *ask(const char *call)
{
    return world_ask(&world, "1", call);
}

/* A plain GenServer call to the pid of worker 1. */
static const char *call(const char *request)
{
    return world_call_pid(&world, world_pid(&world, 1), request);
}

/* --- messages */

static void first_message_starts_and_loads(void **state)
{
    (void)state;
    assert_string_equal(ask("{reply, hello}"), "hello");
    assert_string_equal(script_log(), "init(1) load(1) call(1,{reply,hello})");
    assert_string_equal(ask("{reply, 2}"), "2");
    assert_string_equal(script_log(), "call(1,{reply,2})");
}

static void plain_calls_and_casts_work_on_the_pid(void **state)
{
    (void)state;
    ask("ping");
    script_log();
    assert_string_equal(call("{reply, [a | b]}"), "[a|b]");
    world_cast_pid(&world, world_pid(&world, 1), "{a, cast}");
    world_send_pid(&world, world_pid(&world, 1), "a_message");
    assert_string_equal(script_log(), "call(1,{reply,[a|b]}) "
                                      "cast(1,{a,cast}) info(1,a_message)");
}

static void envelopes_are_opened_also_on_the_pid(void **state)
{
    const char *envelope;

    (void)state;
    ask("ping");
    script_log();
    envelope = world_envelope("1", "nil", "{some, thing}");
    world_cast_pid(&world, world_pid(&world, 1), envelope);
    world_send_pid(&world, world_pid(&world, 1), envelope);
    assert_string_equal(script_log(),
                        "cast(1,{some,thing}) cast(1,{some,thing})");
}

static void unknown_calls_say_so_with_the_whole_message(void **state)
{
    (void)state;
    assert_string_equal(ask("what"), "{unhandled,{s,what,ctx,nil}}");
    assert_string_equal(call("what"), "{unhandled,what}");
}

static void the_recipient_is_checked(void **state)
{
    (void)state;
    ask("ping");
    assert_string_equal(call(world_envelope("2", "true", "ping")),
                        "{nz_ap_forward,nil}");
    assert_string_equal(
        call("{msg_envelope, nil, call, {ref, 'Q.Worker', 1}, nil, {s, ping, "
             "nil, nil}}"),
        "{nz_ap_forward,nil}");
    assert_string_equal(
        call("{msg_envelope, nil, call, 17, nil, {s, ping, nil, nil}}"),
        "{error,message_delivery_error}");
    assert_string_equal(
        call("{msg_envelope, nil, call, {link, n, p, {ref, 'P.Worker', 1}}, "
             "nil, {s, ping, nil, nil}}"),
        "pong");
}

static void a_cast_for_another_ref_is_dropped(void **state)
{
    (void)state;
    ask("ping");
    script_log();
    world_cast_pid(&world, world_pid(&world, 1),
                   world_envelope("2", "true", "x"));
    assert_string_equal(script_log(), "");
}

static void it_knows_itself_and_its_context(void **state)
{
    (void)state;
    assert_non_null(strstr(ask("who"), ",1,{ref,'P.Worker',1},ctx}"));
    assert_non_null(strstr(call("who"), ",1,{ref,'P.Worker',1},undefined}"));
}

static void ids_may_be_any_term(void **state)
{
    static const char *const ids[] = {
        "-7",  "99999999999999999999", "<<\"u-1\">>", "{a, [1, 2]}",
        "1.5", "#{b => 2, a => 1}",    "[]",          "'an atom'",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        assert_string_equal(world_ask(&world, ids[i], "ping"), "pong");
        assert_string_equal(world_ask(&world, ids[i], "ping"), "pong");
    }
    assert_int_equal(world_workers(&world), ARRAY_LEN(ids));
}

static void what_only_looks_like_a_call_is_a_message(void **state)
{
    (void)state;
    ask("ping");
    script_log();
    world_send_pid(&world, world_pid(&world, 1), "{'$gen_call', x, y}");
    world_send_pid(&world, world_pid(&world, 1), "{system, x, get_state}");
    assert_string_equal(world_got(&world), "");
    assert_string_equal(script_log(), "info(1,{'$gen_call',x,y}) "
                                      "info(1,{system,x,get_state})");
}

static const char *ask_system(const char *request)
{
    char format[128];

    (void)snprintf(format, sizeof(format), "{system, {~p, tag}, %s}", request);
    return world_sendf(&world, world_pid(&world, 1), format, world.caller);
}

static void sys_sees_its_state_and_may_end_it(void **state)
{
    (void)state;
    ask("ping");
    assert_non_null(strstr(ask_system("get_state"), "{tag,{ok,{calls,0}}}"));
    assert_non_null(strstr(ask_system("get_status"),
                           "{'$initial_call',{'P.Worker',init,1}}"));
    script_log();
    assert_non_null(strstr(ask_system("{terminate, normal}"), "{tag,ok}"));
    assert_string_equal(script_log(), "terminate(1,normal)");
}

static void suspended_it_is_not_idle_and_its_messages_wait(void **state)
{
    (void)state;
    world_close(&world);
    world_open(&world, "{'pools': {'P': {'behaviour': 'script', 'worker': "
                       "{'idle_timeout': '1m', 'mailbox_limit': 2}}}}");
    ask("ping");
    script_log();
    assert_non_null(strstr(ask_system("suspend"), "{tag,ok}"));
    world_advance(&world, 600000);
    assert_string_equal(script_log(), "");
    assert_string_equal(ask("ping"), "");
    assert_string_equal(ask("ping"), "");
    assert_string_equal(ask("ping"), "{error,overloaded}");
    assert_non_null(strstr(ask_system("resume"), "{tag,ok}"));
    world_advance(&world, 600000);
    assert_non_null(strstr(script_log(), "terminate(1,{shutdown,inactive})"));
}

static void a_full_mailbox_is_told_to_callers(void **state)
{
    struct cnode_worker *w;
    uint64_t before;

    (void)state;
    world_close(&world);
    world_open(&world, "{'pools': {'P': {'behaviour': 'script', 'worker': "
                       "{'mailbox_limit': 2}}}}");
    ask("ping");
    w = world_worker(&world, 1);
    w->process.flags |= PROCESS_HELD; /* as if it were busy */
    before = metric_read(METRIC_mailbox_overflow);
    assert_string_equal(ask("{reply, 1}"), "");
    assert_string_equal(call("{reply, 2}"), "");
    assert_string_equal(ask("{reply, 3}"), "{error,overloaded}");
    assert_string_equal(call("{reply, 4}"), "{error,overloaded}");
    world_cast_pid(&world, world_pid(&world, 1), "x");
    assert_int_equal(metric_read(METRIC_mailbox_overflow), before + 3);
    scheduler_resume(&worker_pool(w)->node->scheduler, &w->process);
    assert_string_equal(world_got(&world), "1\n2");
}

/* --- sending */

static void it_sends_to_pids_and_names(void **state)
{
    const char *lines;

    (void)state;
    world_ask(&world, "2", "ping");
    script_log();
    lines = world_callf(&world, world_pid(&world, 2), "{send, ~p, hello}",
                        world.caller);
    assert_non_null(strstr(lines, "to=<p1@there.5.0> payload={from,2,hello}"));
    assert_non_null(strstr(lines, "\nok"));
    lines = world_call_pid(&world, world_pid(&world, 2),
                           "{cast, {some_name, p1@there}, {a, 1}}");
    assert_non_null(strstr(lines, "to=some_name payload={'$gen_cast',{a,1}}"));
}

static void workers_talk_to_each_other(void **state)
{
    (void)state;
    ask("ping");
    world_ask(&world, "2", "ping");
    script_log();
    assert_string_equal(world_callf(&world, world_pid(&world, 1),
                                    "{send, ~p, hello}", world_pid(&world, 2)),
                        "ok");
    assert_non_null(strstr(script_log(), "info(2,{from,1,hello})"));
}

static void to_nobody_is_no_error(void **state)
{
    (void)state;
    ask("ping");
    assert_string_equal(call("{send, nobody, x}"), "ok");
    assert_string_equal(ask("{send, <<\"x\">>, x}"), "{error,{error,badarg}}");
}

/* --- the calls that every worker answers */

static void defaults_without_callbacks(void **state)
{
    (void)state;
    assert_string_equal(ask("ping"), "pong");
    assert_string_equal(ask("hibernate"), "ok");
    assert_string_equal(ask("'persist!'"), "not_supported");
    assert_string_equal(call("ping"), "pong");
    assert_string_equal(ask("{fetch, other}"), "{error,{unsupported,other}}");
}

static void fetch_state_is_advanced_pools_struct(void **state)
{
    const char *reply;

    (void)state;
    ask("{reply, 1}");
    reply = ask("{fetch, state}");
    assert_non_null(strstr(reply, "'Elixir.Noizu.AdvancedPool.Worker.State'"));
    assert_non_null(strstr(reply, "identifier => {ref,'P.Worker',1}"));
    assert_non_null(strstr(reply, "handler => 'P.Worker'"));
    assert_non_null(strstr(reply, "status => loaded"));
    assert_non_null(strstr(reply, "worker => {calls,1}"));
    assert_non_null(strstr(reply, "vsn => 1.0"));
}

static void fetch_process_names_ref_node_and_pid(void **state)
{
    (void)state;
    assert_non_null(
        strstr(ask("{fetch, process}"), "{{ref,'P.Worker',1},n1@here,<"));
}

static void callbacks_answer_instead(void **state)
{
    (void)state;
    script_knobs.own_answers = true;
    assert_string_equal(ask("ping"), "{own,ping}");
    assert_string_equal(ask("{fetch, state}"), "{own,fetch}");
    assert_string_equal(ask("{fetch, nothing}"), "ok");
    assert_string_equal(ask("'persist!'"), "{own,persist}");
    assert_string_equal(ask("hibernate"), "{own,hibernate}");
}

static void reload_calls_the_behaviour(void **state)
{
    (void)state;
    assert_string_equal(ask("'reload!'"), "ok");
    assert_string_equal(ask("{'reload!', [x]}"), "ok");
    assert_string_equal(script_log(), "init(1) load(1) reload(1) reload(1)");
}

/* --- late replies */

static void a_kept_caller_is_answered_later(void **state)
{
    (void)state;
    assert_string_equal(ask("later"), "");
    assert_string_equal(ask("{reply, between}"), "between");
    assert_string_equal(ask("{answer, late}"), "late\nok");
    assert_false(extras_are_busy(world_worker(&world, 1)->extras));
}

static void a_call_without_an_answer_stays_without(void **state)
{
    (void)state;
    assert_string_equal(ask("silent"), "");
}

static void kept_callers_by_ref_learn_of_the_end(void **state)
{
    (void)state;
    assert_string_equal(
        world_monitored_call(&world, "P", world_envelope("1", "true", "later")),
        "");
    world_exit(&world, world_pid(&world, 1), "boom");
    assert_string_equal(world_got(&world), "down: boom");
}

/* --- timers and monitors */

static void timers_come_as_messages(void **state)
{
    (void)state;
    assert_string_equal(ask("{timer, 50, tick}"), "ok");
    script_log();
    world_advance(&world, 49);
    assert_string_equal(script_log(), "");
    world_advance(&world, 1);
    assert_string_equal(script_log(), "info(1,tick)");
}

static void cancelled_timers_do_not_fire(void **state)
{
    (void)state;
    ask("{timer, 50, tick}");
    assert_string_equal(ask("cancel"), "ok");
    script_log();
    world_advance(&world, 100);
    assert_string_equal(script_log(), "");
}

static void a_timer_above_the_limit_is_refused(void **state)
{
    uint64_t saved = limits.timers_per_worker;
    uint64_t refused = metric_read(METRIC_timers_refused);

    (void)state;
    limits.timers_per_worker = 2;
    assert_string_equal(ask("{timer, 50, tick}"), "ok");
    assert_string_equal(ask("{timer, 50, tick}"), "ok");
    assert_string_not_equal(ask("{timer, 50, tick}"), "ok");
    limits.timers_per_worker = saved;
    assert_int_equal(metric_read(METRIC_timers_refused), refused + 1);
}

static void timers_end_with_the_worker(void **state)
{
    (void)state;
    ask("{timer, 50, tick}");
    ask("{timer, 60, tick}");
    assert_string_equal(ask("'kill!'"), "ok");
    world_advance(&world, 0);
    script_log();
    world_advance(&world, 100);
    assert_string_equal(script_log(), "");
}

static void a_monitor_reports_the_end_with_its_reason(void **state)
{
    (void)state;
    ask("ping");
    world_ask(&world, "2", "ping");
    assert_string_equal(world_callf(&world, world_pid(&world, 1), "{watch, ~p}",
                                    world_pid(&world, 2)),
                        "ok");
    script_log();
    world_exit(&world, world_pid(&world, 2), "boom");
    assert_string_equal(script_log(), "terminate(2,boom) down(1,boom)");
}

static void a_monitor_on_nobody_gives_noproc(void **state)
{
    (void)state;
    assert_string_equal(ask("{watch, nobody}"), "ok");
    world_advance(&world, 0);
    assert_non_null(strstr(script_log(), "down(1,noproc)"));
}

static void after_demonitor_no_down_comes(void **state)
{
    (void)state;
    ask("ping");
    world_cast_pid(&world, world_pid(&world, 1), "{watch, nobody}");
    assert_string_equal(ask("unwatch"), "ok");
    script_log();
    world_advance(&world, 10);
    assert_string_equal(script_log(), "");
}

static void also_not_one_that_waits_in_the_mailbox(void **state)
{
    struct cnode_worker *w;

    (void)state;
    ask("ping");
    world_ask(&world, "2", "ping");
    world_callf(&world, world_pid(&world, 1), "{watch, ~p}",
                world_pid(&world, 2));
    w = world_worker(&world, 1);
    w->process.flags |= PROCESS_HELD; /* as if it were busy */
    world_cast_pid(&world, world_pid(&world, 1), "unwatch");
    world_exit(&world, world_pid(&world, 2), "boom");
    assert_int_equal(w->process.mailbox.count, 2);
    script_log();
    scheduler_resume(&worker_pool(w)->node->scheduler, &w->process);
    world_advance(&world, 0);
    assert_null(strstr(script_log(), "down("));
}

/* --- the end */

static void a_callback_error_is_the_reason(void **state)
{
    (void)state;
    ask("ping");
    world_monitor(&world, world_pid(&world, 1));
    assert_string_equal(call("fail"), "down: {error,badarg}");
    assert_non_null(strstr(script_log(), "terminate(1,{error,badarg})"));
}

static void keep_line(const char *line, size_t len, void *user)
{
    struct buf *lines = user;

    buf_put(lines, line, len);
}

static void a_map_key_twice_is_refused_and_logged(void **state)
{
    struct buf lines;

    (void)state;
    buf_init(&lines, 0);
    ask("ping");
    assert_string_equal(call("{pair, a, b}"), "#{a => 1,b => 2}");
    world_monitor(&world, world_pid(&world, 1));
    log_capture(keep_line, &lines);
    assert_string_equal(call("{pair, a, a}"), "down: {error,badarg}");
    log_capture(NULL, NULL);
    buf_put_u8(&lines, 0);
    assert_non_null(strstr((char *)buf_data(&lines), "event=wrong_term"));
    assert_non_null(strstr((char *)buf_data(&lines), "function=cnode_reply"));
    buf_fini(&lines);
}

static void a_failed_load_ends_it_too(void **state)
{
    (void)state;
    script_knobs.fail_loads = 1;
    assert_string_equal(
        world_monitored_call(&world, "P", world_envelope("1", "true", "ping")),
        "down: {error,not_found}");
    world_advance(&world, 0);
    assert_string_equal(ask("ping"), "pong");
}

static void stop_ends_it_after_the_answer(void **state)
{
    (void)state;
    ask("ping");
    world_monitor(&world, world_pid(&world, 1));
    assert_string_equal(call("{reply_stop, bye, {shutdown, done}}"),
                        "bye\ndown: {shutdown,done}");
}

static void crash_gives_no_answer_but_the_reason(void **state)
{
    (void)state;
    assert_string_equal(
        world_monitored_call(&world, "P",
                             world_envelope("1", "true", "'crash!'")),
        "down: {bad_return_value,<<\"User Initiated Crash\">>}");
}

/* Clients that watch nobody are told by an answer. */
static void a_lost_call_without_monitor_is_answered(void **state)
{
    (void)state;
    assert_string_equal(ask("{stop, why}"), "{error,why}");
}

static void exit_signals_end_it_with_terminate(void **state)
{
    (void)state;
    ask("ping");
    script_log();
    world_exit(&world, world_pid(&world, 1), "normal");
    assert_string_equal(script_log(), "");
    world_exit(&world, world_pid(&world, 1), "oops");
    assert_string_equal(script_log(), "terminate(1,oops)");
    world_advance(&world, 0);
    script_log();
    world_exit(&world, world_pid(&world, 1), "kill");
    assert_string_equal(script_log(), "terminate(1,killed)");
}

static void a_worker_is_small(void **state)
{
    (void)state;
    assert_int_equal(sizeof(struct cnode_worker), 88);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_message_starts_and_loads),
        TEST(plain_calls_and_casts_work_on_the_pid),
        TEST(envelopes_are_opened_also_on_the_pid),
        TEST(unknown_calls_say_so_with_the_whole_message),
        TEST(the_recipient_is_checked),
        TEST(a_cast_for_another_ref_is_dropped),
        TEST(it_knows_itself_and_its_context),
        TEST(ids_may_be_any_term),
        TEST(what_only_looks_like_a_call_is_a_message),
        TEST(sys_sees_its_state_and_may_end_it),
        TEST(suspended_it_is_not_idle_and_its_messages_wait),
        TEST(a_full_mailbox_is_told_to_callers),
        TEST(it_sends_to_pids_and_names),
        TEST(workers_talk_to_each_other),
        TEST(to_nobody_is_no_error),
        TEST(defaults_without_callbacks),
        TEST(fetch_state_is_advanced_pools_struct),
        TEST(fetch_process_names_ref_node_and_pid),
        TEST(callbacks_answer_instead),
        TEST(reload_calls_the_behaviour),
        TEST(a_kept_caller_is_answered_later),
        TEST(a_call_without_an_answer_stays_without),
        TEST(kept_callers_by_ref_learn_of_the_end),
        TEST(timers_come_as_messages),
        TEST(cancelled_timers_do_not_fire),
        TEST(a_timer_above_the_limit_is_refused),
        TEST(timers_end_with_the_worker),
        TEST(a_monitor_reports_the_end_with_its_reason),
        TEST(a_monitor_on_nobody_gives_noproc),
        TEST(after_demonitor_no_down_comes),
        TEST(also_not_one_that_waits_in_the_mailbox),
        TEST(a_callback_error_is_the_reason),
        TEST(a_map_key_twice_is_refused_and_logged),
        TEST(a_failed_load_ends_it_too),
        TEST(stop_ends_it_after_the_answer),
        TEST(crash_gives_no_answer_but_the_reason),
        TEST(a_lost_call_without_monitor_is_answered),
        TEST(exit_signals_end_it_with_terminate),
        TEST(a_worker_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
