/* SPDX-License-Identifier: Apache-2.0
 *
 * What workers do with syn: by the probe, whose rows are thin around the public
 * functions; and what syn asks of workers.
 */
#include "pool/judge.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/limits.h"
#include "support/pool/world.h"
#include "term/build.h"
#include "term/text.h"

static struct world world;
static struct pid probe;

/* With two schedulers the probe is on the first, svc on the second. */
static int setup(void **state)
{
    (void)state;
    world_open(&world, "{'services': {'probe': {'behaviour': 'probe'},"
                       "              'svc': {'behaviour': 'script'}}}");
    world_use_syn(&world);
    assert_true(names_whereis(&world.node, atom_find("probe", 5), &probe));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("\n%s\nhas no\n%s", text, part);
    }
}

/* The reply, without what the peer is told of registrations and scopes. */
static const char *reply_of(const char *text)
{
    static char reply[4096];

    while (strncmp(text, "reg_send ", 9) == 0 && strchr(text, '\n') != NULL) {
        text = strchr(text, '\n') + 1;
    }
    (void)snprintf(reply, sizeof(reply), "%s", text);
    reply[strcspn(reply, "\n")] = '\0';
    return reply;
}

#define ASK(...) reply_of(world_callf(&world, probe, __VA_ARGS__))

/* The peer's scope says something. */
static void say(const char *process, const char *format, ...)
{
    char control[64];
    struct buf buf;
    va_list args;

    buf_init(&buf, 0);
    va_start(args, format);
    term_vformat(&buf, format, args);
    va_end(args);
    (void)snprintf(control, sizeof(control), "{6, ~p, '', %s}", process);
    world_feed(&world, &buf, control, world.caller);
    world_advance(&world, 0);
}

/* --- the rows */

static void names(void **state)
{
    struct pid svc;

    (void)state;
    assert_true(names_whereis(&world.node, atom_find("svc", 3), &svc));
    assert_string_equal(ASK("{syn, lookup, s, a}"), "undefined");
    assert_string_equal(ASK("{syn, register, s, a, m}"), "ok");
    assert_has(ASK("{syn, lookup, s, a}"), ",m}");
    assert_string_equal(ASK("{syn, register, s, b, m, ~p}", svc), "ok");
    assert_string_equal(ASK("{syn, register, s, a, m, ~p}", svc),
                        "{error,taken}");
    assert_string_equal(ASK("{syn, count, s}"), "2");
    assert_string_equal(ASK("{syn, count, s, 'p1@there'}"), "0");
    assert_has(ASK("{syn, dump, registry, s}"), "{a,<");
    assert_string_equal(ASK("{syn, unregister, s, b, ~p}", probe),
                        "{error,race_condition}");
    assert_string_equal(ASK("{syn, unregister, s, b}"), "ok");
    assert_string_equal(ASK("{syn, unregister, s, a, ~p}", probe), "ok");
    assert_string_equal(ASK("{syn, unregister, s, a}"), "{error,undefined}");
    assert_string_equal(ASK("{syn, subcluster_nodes, registry, s}"),
                        "[p1@there]");
}

static void many_names_at_once(void **state)
{
    struct buf ask, wanted;
    const char *reply;

    (void)state;
    assert_string_equal(ASK("{syn, lookup_many, s, []}"), "[]");
    assert_string_equal(ASK("{syn, lookup_many, s9, [a]}"), "[undefined]");
    assert_string_equal(ASK("{syn, register, s, b, mb}"), "ok");
    assert_string_equal(ASK("{syn, register, s, #{x => 1}, mx}"), "ok");
    reply = ASK("{syn, lookup_many, s, [b, #{x => 1}, c]}");
    assert_has(reply, ",mb},{<n1@here.");
    assert_has(reply, ",mx},undefined]");
    buf_init(&ask, 0);
    buf_init(&wanted, 0);
    buf_printf(&ask, "{syn, lookup_many, s, [b, #{x => 1}, c");
    for (int i = 0; i < 40; i++) { /* more than one look-up takes */
        buf_printf(&ask, ", c");
        buf_printf(&wanted, "undefined,");
    }
    buf_printf(&ask, ", b]}");
    buf_put_u8(&ask, 0);
    buf_put_u8(&wanted, 0);
    reply = ASK((const char *)buf_data(&ask));
    assert_has(reply, ",mx},undefined,");
    assert_has(reply, (const char *)buf_data(&wanted));
    assert_has(reply, ",mb}]");
    buf_fini(&ask);
    buf_fini(&wanted);
}

static void groups(void **state)
{
    (void)state;
    assert_string_equal(ASK("{syn, join, s, g, m}"), "ok");
    say("syn_pg_s", "{'3.0', sync_join, g, ~p, m5, 1000, normal}",
        world.caller);
    assert_has(ASK("{syn, members, s, g}"), "{<p1@there.5.0>,m5}");
    assert_has(ASK("{syn, local_members, s, g}"), "[{<n1@here.");
    assert_string_equal(ASK("{syn, member, s, g, ~p}", world.caller),
                        "{<p1@there.5.0>,m5}");
    assert_string_equal(ASK("{syn, local_publish, s, g, hello}"), "{ok,1}");
    assert_string_equal(ASK("flush"), "[hello]");
    assert_string_equal(ASK("{syn, publish, s, nobody, hello}"), "{ok,0}");
    assert_has(ASK("{syn, dump, pg, s}"), "{g,<p1@there.5.0>,m5}");
    assert_string_equal(ASK("{syn, leave, s, g, ~p}", probe), "ok");
    assert_string_equal(ASK("{syn, leave, s, g}"), "{error,not_in_group}");
    assert_string_equal(ASK("{syn, multi_call, s, nobody, x, 10}"), "{[],[]}");
}

static void what_fits_no_row_is_refused(void **state)
{
    static const char *const wrong[] = {
        "{syn, nonsense, s}",
        "{syn, register, s, a}",
        "{syn, register, 17, a, m}",
        "{syn, register, s, a, m, nonsense}",
        "{syn, lookup, s}",
        "{syn, lookup_many, s, a}",
        "{syn, lookup_many, 17, [a]}",
        "{syn, lookup, 17, a}",
        "{syn, dump, nonsense, s}",
        "{syn, multi_call, s, g, x, nonsense}",
        "{syn, member, s, g, nonsense}",
        "{syn, count}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_string_equal(ASK(wrong[i]), "{error,badarg}");
    }
}

static void a_scope_that_is_looked_up_is_started(void **state)
{
    (void)state;
    assert_string_equal(ASK("{syn, lookup, s2, a}"), "undefined");
    world_advance(&world, 0);
    assert_int_equal(world.syn.count, 2);
    assert_string_equal(ASK("{syn, add_scope, s3}"), "ok");
    assert_int_equal(world.syn.count, 3);
}

static void casts_act_too(void **state)
{
    (void)state;
    world_cast(&world, "probe", "{syn, register, s, a, m}");
    world_advance(&world, 0);
    assert_has(ASK("{syn, lookup, s, a}"), ",m}");
}

/* --- {via, syn, {Scope, Name}} */

static void a_name_is_a_destination(void **state)
{
    struct pid svc;

    (void)state;
    assert_true(names_whereis(&world.node, atom_find("svc", 3), &svc));
    (void)ASK("{syn, register, s, a, m, ~p}", svc);
    assert_string_equal(ASK("{call, {via, syn, {s, a}}, {reply, [1]}, 1000}"),
                        "{ok,[1]}");
    assert_string_equal(ASK("{send, {via, syn, {s, a}}, hello}"), "ok");
    assert_string_equal(ASK("{cast, {via, syn, {s, a}}, hello}"), "ok");
    world_advance(&world, 0);
    assert_has(script_log(), "info(svc,hello) cast(svc,hello)");
    assert_has(ASK("{monitor, {via, syn, {s, a}}}"), "#Ref<");
}

static void also_one_of_another_node(void **state)
{
    (void)state;
    say("syn_registry_s", "{'3.0', sync_register, far, ~p, m, 1000, normal}",
        world.caller);
    assert_has(
        world_callf(&world, probe, "{send, {via, syn, {s, far}}, hello}"),
        " to=<p1@there.5.0> payload=hello\nok");
}

static void with_nobody_there_nothing_happens(void **state)
{
    (void)state;
    assert_string_equal(ASK("{send, {via, syn, {s, a}}, hello}"), "ok");
    assert_string_equal(ASK("{send, {via, syn, {s9, a}}, hello}"), "ok");
    assert_string_equal(ASK("{cast, {via, syn, {s, a}}, hello}"), "ok");
    assert_string_equal(ASK("{call, {via, syn, {s, a}}, hello, 1000}"),
                        "{error,noproc}");
    assert_has(ASK("{monitor, {via, syn, {s, a}}}"), "#Ref<");
    assert_has(ASK("flush"), ",noproc}]");
    assert_string_equal(ASK("{send, {via, syn, nonsense}, hello}"),
                        "{error,badarg}");
    assert_string_equal(ASK("{send, {via, global, a}, hello}"),
                        "{error,badarg}");
}

/* --- asked by a multi_call */

static const char *multi_call(const char *message)
{
    struct ref ref = {
        .node = world.caller.node, .creation = 3, .len = 3, .words = {77}};
    struct buf buf;

    buf_init(&buf, 0);
    term_put_tuple(&buf, 4);
    term_format(&buf, "syn_multi_call");
    term_format(&buf, message);
    term_format(&buf, "{~p, ~r}", world.caller, &ref);
    term_format(&buf, "meta");
    world_feed(&world, &buf, "{22, ~p, ~p}", world.caller, probe);
    world_advance(&world, 0);
    return fake_peer_got(&world.peer);
}

static void a_multi_call_is_a_call(void **state)
{
    (void)state;
    assert_has(multi_call("{echo, x}"),
               " to=<p1@there.5.0> payload="
               "{syn_multi_call_reply,#Ref<p1@there.0.0.77>,x}");
    assert_has(multi_call("nonsense"),
               "{syn_multi_call_reply,#Ref<p1@there.0.0.77>,{error,badarg}}");
    assert_string_equal(ASK("flush"), "[]");
}

static void a_multi_call_may_be_answered_later(void **state)
{
    (void)state;
    assert_string_equal(multi_call("{defer, 10, x}"), "");
    world_advance(&world, 10);
    assert_has(fake_peer_got(&world.peer),
               "payload={syn_multi_call_reply,#Ref<p1@there.0.0.77>,x}");
}

static void what_is_none_is_a_message(void **state)
{
    (void)state;
    world_send_pid(&world, probe, "{syn_multi_call, x, {y, z}, m}");
    assert_string_equal(ASK("flush"), "[{syn_multi_call,x,{y,z},m}]");
}

/* --- conflicts */

/* svc has the name a; the peer claims it, later. What the peer is told. */
static const char *conflict(int verdict)
{
    (void)world_call(&world, "svc", "{syn, s, a, mine}");
    world_advance(&world, 0);
    (void)fake_peer_got(&world.peer);
    (void)script_log();
    script_knobs.verdict = verdict;
    say("syn_registry_s", "{'3.0', sync_register, a, ~p, theirs, ~i, normal}",
        world.caller, INT64_MAX / 2);
    world_advance(&world, 0);
    return fake_peer_got(&world.peer);
}

static void a_worker_may_keep_its_name(void **state)
{
    (void)state;
    assert_has(conflict(CNODE_SYN_KEEP_OURS),
               ",mine,4611686018427387904,syn_conflict_resolution}");
    assert_string_equal(script_log(),
                        "conflict(svc,{s,a,{<p1@there.5.0>,theirs,"
                        "4611686018427387903},{mine,1}})");
    assert_has(ASK("{syn, lookup, s, a}"), ",mine}");
}

static void a_worker_may_leave_its_name(void **state)
{
    (void)state;
    assert_has(conflict(CNODE_SYN_KEEP_THEIRS), "sync_unregister,a,");
    assert_has(ASK("{syn, lookup, s, a}"), "{<p1@there.5.0>,theirs}");
    assert_string_equal(world_call(&world, "svc", "{reply, alive}"), "alive");
}

static void a_worker_may_want_neither(void **state)
{
    (void)state;
    (void)conflict(CNODE_SYN_KEEP_NEITHER);
    assert_string_equal(ASK("{syn, lookup, s, a}"), "undefined");
    assert_string_equal(world_call(&world, "svc", "{reply, alive}"), "alive");
}

static void a_worker_may_leave_it_to_the_rule(void **state)
{
    (void)state;
    (void)conflict(0);
    assert_has(script_log(), "terminate(svc,{syn_resolve_kill,a,mine})");
    assert_has(ASK("{syn, lookup, s, a}"), "{<p1@there.5.0>,theirs}");
}

static void a_worker_that_fails_loses_its_name(void **state)
{
    (void)state;
    (void)conflict(CNODE_REFUSED);
    assert_has(script_log(), "terminate(svc,{error,refused})");
    assert_has(ASK("{syn, lookup, s, a}"), "{<p1@there.5.0>,theirs}");
}

static void without_the_callback_the_rule_decides(void **state)
{
    (void)state;
    (void)ASK("{syn, register, s, a, mine}");
    (void)fake_peer_got(&world.peer);
    say("syn_registry_s", "{'3.0', sync_register, a, ~p, theirs, ~i, normal}",
        world.caller, INT64_MAX / 2);
    world_advance(&world, 0);
    assert_true(names_whereis(&world.node, atom_find("probe", 5), &probe));
    assert_has(ASK("{syn, lookup, s, a}"), "{<p1@there.5.0>,theirs}");
}

/* It lives on, without the name. */
static void one_that_traps_exits_gets_a_message(void **state)
{
    (void)state;
    (void)ASK("{trap_exit, true}");
    (void)ASK("{syn, register, s, a, mine}");
    say("syn_registry_s", "{'3.0', sync_register, a, ~p, theirs, ~i, normal}",
        world.caller, INT64_MAX / 2);
    world_advance(&world, 0);
    assert_has(ASK("flush"), ",{syn_resolve_kill,a,mine}}]");
    assert_has(ASK("{syn, lookup, s, a}"), "{<p1@there.5.0>,theirs}");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(names),
        TEST(many_names_at_once),
        TEST(groups),
        TEST(what_fits_no_row_is_refused),
        TEST(a_scope_that_is_looked_up_is_started),
        TEST(casts_act_too),
        TEST(a_name_is_a_destination),
        TEST(also_one_of_another_node),
        TEST(with_nobody_there_nothing_happens),
        TEST(a_multi_call_is_a_call),
        TEST(a_multi_call_may_be_answered_later),
        TEST(what_is_none_is_a_message),
        TEST(a_worker_may_keep_its_name),
        TEST(a_worker_may_leave_its_name),
        TEST(a_worker_may_want_neither),
        TEST(a_worker_may_leave_it_to_the_rule),
        TEST(a_worker_that_fails_loses_its_name),
        TEST(without_the_callback_the_rule_decides),
        TEST(one_that_traps_exits_gets_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
