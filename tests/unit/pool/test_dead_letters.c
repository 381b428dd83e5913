/* SPDX-License-Identifier: Apache-2.0
 *
 * The ring of dead letters, and who gets into it: refused, overtaken by time,
 * sent to the wrong one. And what the settings of an envelope do.
 */
#include "pool/dead_letters.h"

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
#include "term/build.h"
#include "term/text.h"

static struct world world;
static struct limits before;
static char text[4096];

static int setup(void **state)
{
    (void)state;
    before = limits;
    world_open(&world, "{'pools': {'P': {'behaviour': 'script', "
                       "'worker': {'mailbox_limit': 3}, "
                       "'supervisors': {'segments': 2}}}}");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    limits = before;
    return 0;
}

/* --- the ring alone */

static void add(struct dead_letters *letters, uint64_t at_ms, const char *id,
                size_t size)
{
    struct dead_letter_facts facts = {
        .at_ms = at_ms,
        .pool = atom_intern("P", 1),
        .module = atom_intern("M", 1),
        .kind = GEN_CAST,
        .reason = atom_term(A_overloaded),
    };
    struct buf buf, message;

    buf_init(&buf, 0);
    buf_init(&message, 0);
    term_format(&buf, id);
    memset(buf_reserve(&message, size), 'x', size);
    buf_commit(&message, size);
    term_put_binary(&buf, buf_data(&message), size);
    facts.id = term_at(buf_data(&buf), buf_size(&buf));
    facts.message = cnode_next(facts.id);
    (void)dead_letters_add(letters, &facts);
    buf_fini(&buf);
    buf_fini(&message);
}

static const char *shown(const struct dead_letter *letter)
{
    struct buf buf;

    buf_init(&buf, 0);
    term_print(&buf, term_at(letter->bytes, letter->size), 0);
    (void)snprintf(text, sizeof(text), "%.*s", (int)buf_size(&buf),
                   (const char *)buf_data(&buf));
    buf_fini(&buf);
    return text;
}

static void the_newest_are_kept_and_the_rest_is_counted(void **state)
{
    struct dead_letters letters;

    (void)state;
    dead_letters_init(&letters, 3);
    assert_null(dead_letters_at(&letters, 0));
    for (uint64_t i = 1; i <= 5; i++) {
        add(&letters, i, "1", 1);
    }
    assert_int_equal(letters.count, 3);
    assert_int_equal(letters.total, 5);
    assert_int_equal(dead_letters_at(&letters, 0)->at_ms, 5);
    assert_int_equal(dead_letters_at(&letters, 2)->at_ms, 3);
    assert_null(dead_letters_at(&letters, 3));
    dead_letters_fini(&letters);
    dead_letters_init(&letters, 0);
    add(&letters, 1, "1", 1);
    assert_int_equal(letters.total, 1);
    assert_null(dead_letters_at(&letters, 0));
    dead_letters_fini(&letters);
}

static void what_is_large_is_cut(void **state)
{
    struct dead_letters letters;

    (void)state;
    dead_letters_init(&letters, 3);
    add(&letters, 7, "{a, 1}", 2);
    assert_string_equal(
        shown(dead_letters_at(&letters, 0)),
        "#{at => 7,pool => 'P',ref => {ref,'M',{a,1}},kind => cast,"
        "reason => overloaded,message => <<\"<<\\\"xx\\\">>\">>}");
    add(&letters, 8, "{a, 1}", 100000);
    assert_true(dead_letters_at(&letters, 0)->size < 1000);
    dead_letters_fini(&letters);
}

/* --- letters of a pool */

static const char *newest(void)
{
    const struct dead_letter *newest = NULL;

    for (uint32_t i = 0; i < world.node.count; i++) {
        const struct pools *pools = i == 0 ? &world.pools : &world.pools.all[i];
        const struct dead_letter *letter =
            dead_letters_at(&pools->dead_letters, 0);

        if (letter != NULL &&
            (newest == NULL || letter->at_ms > newest->at_ms)) {
            newest = letter;
        }
    }
    return newest != NULL ? shown(newest) : "";
}

static uint64_t total(void)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < world.node.count; i++) {
        sum +=
            (i == 0 ? &world.pools : &world.pools.all[i])->dead_letters.total;
    }
    return sum;
}

static const char *envelope(const char *id, const char *settings,
                            const char *call)
{
    static char line[1024];

    (void)snprintf(line, sizeof(line),
                   "{msg_envelope, nil, call, {ref, 'P.Worker', %s}, "
                   "{settings, %s}, {s, %s, nil, nil}}",
                   id, settings, call);
    return line;
}

static void a_cast_that_nobody_gets_is_kept_with_its_reason(void **state)
{
    (void)state;
    world_cast(&world, "P", envelope("7", "nil, false, nil, nil, nil, 5", "x"));
    world_advance(&world, 0);
    assert_non_null(strstr(newest(), "ref => {ref,'P.Worker',7},kind => cast,"
                                     "reason => {nack,not_registered}"));
    assert_non_null(strstr(newest(), "message => <<\"{s,x,nil,nil}\">>"));
    world_cast(&world, "P", "{msg_envelope, nil, cast, {ref, 'Q', 7}, nil, x}");
    world_advance(&world, 0);
    assert_non_null(strstr(newest(), "{nz_ap_forward,nil}"));
    assert_int_equal(total(), 2);
}

static void what_a_full_mailbox_refuses_is_kept(void **state)
{
    uint64_t forgotten = metric_read(METRIC_dead_letters_forgotten);
    struct pid pid;

    (void)state;
    assert_string_equal(world_ask(&world, "1", "ping"), "pong");
    pid = world_pid(&world, 1);
    (void)world_sendf(&world, pid, "{system, {~p, x}, suspend}", world.caller);
    for (int i = 0; i < 5; i++) {
        world_cast_pid(&world, pid, "hello");
    }
    world_advance(&world, 0);
    assert_int_equal(total(), 2);
    assert_non_null(strstr(newest(), "reason => overloaded"));
    assert_string_equal(world_ask(&world, "1", "hello"), "{error,overloaded}");
    assert_non_null(strstr(newest(), "kind => call"));
    assert_int_equal(metric_read(METRIC_dead_letters_forgotten), forgotten);
}

/* limits.dead_letters */
static void more_than_the_limit_are_forgotten_and_counted(void **state)
{
    uint64_t forgotten = metric_read(METRIC_dead_letters_forgotten);

    (void)state;
    world_close(&world);
    limits.dead_letters = 1;
    world_open(&world, "{'pools': {'P': {'behaviour': 'script'}}}");
    for (int i = 0; i < 3; i++) {
        world_cast(&world, "P",
                   envelope("7", "nil, false, nil, nil, nil, 5", "x"));
    }
    world_advance(&world, 0);
    assert_int_equal(total(), 3);
    assert_int_equal(metric_read(METRIC_dead_letters_forgotten), forgotten + 2);
}

/* --- settings */

static const char *call(const char *settings, const char *request)
{
    return world_call(&world, "P", envelope("1", settings, request));
}

static void a_call_that_waited_too_long_is_not_handled(void **state)
{
    uint64_t expired = metric_read(METRIC_messages_expired);

    (void)state;
    assert_string_equal(call("nil, true, nil, nil, nil, 100", "ping"), "pong");
    script_knobs.fail_inits = 4;
    (void)call("nil, true, nil, nil, nil, 100", "'crash!'");
    assert_string_equal(call("nil, true, nil, nil, nil, 100", "{reply, no}"),
                        "");
    assert_string_equal(
        call("nil, true, nil, nil, nil, infinity", "{reply, yes}"), "");
    world_cast(&world, "P",
               envelope("1", "nil, true, nil, nil, nil, 100", "late"));
    world_advance(&world, 1000);
    assert_string_equal(world_got(&world), "{error,timeout}\nyes");
    assert_int_equal(metric_read(METRIC_messages_expired), expired + 2);
    assert_null(strstr(script_log(), "late"));
    assert_non_null(strstr(newest(), "reason => timeout"));
}

static void the_clock_of_another_scheduler_may_be_ahead(void **state)
{
    struct signal signal = {.kind = SIGNAL_MESSAGE};

    (void)state;
    signal_waits(&signal, UINT64_C(0x100000005));
    assert_int_equal(signal_waited_ms(&signal, UINT64_C(0x100000005)), 0);
    assert_int_equal(signal_waited_ms(&signal, UINT64_C(0x100000004)), 0);
    assert_int_equal(signal_waited_ms(&signal, UINT64_C(0x100000105)), 256);
    signal_waits(&signal, 7); /* it waits already */
    assert_int_equal(signal.since_ms, 5);
}

/* One that is there may take its time for a cast, not for a call. */
static void a_cast_in_the_mailbox_is_good_for_ever(void **state)
{
    struct pid pid;

    (void)state;
    assert_string_equal(call("nil, true, nil, nil, nil, 100", "ping"), "pong");
    pid = world_pid(&world, 1);
    (void)world_sendf(&world, pid, "{system, {~p, x}, suspend}", world.caller);
    world_cast_pid(&world, pid,
                   envelope("1", "nil, true, nil, nil, nil, 100", "old"));
    (void)world_call_pid(
        &world, pid,
        envelope("1", "nil, true, nil, nil, nil, 100", "{reply, no}"));
    world_advance(&world, 1000);
    (void)world_got(&world);
    (void)world_sendf(&world, pid, "{system, {~p, x}, resume}", world.caller);
    world_advance(&world, 0);
    assert_non_null(strstr(script_log(), "cast(1,old)"));
    assert_null(strstr(script_log(), "reply"));
}

static void who_wants_an_ack_gets_it_when_his_cast_was_handled(void **state)
{
    static const char *const handled =
        "{msg_envelope, {~p, 17}, cast, {ref, 'P.Worker', 1}, "
        "{settings, nil, true, nil, true, nil, 5000}, {s, hello, nil, nil}}";

    (void)state;
    assert_string_equal(call("nil, true, nil, nil, nil, 100", "ping"), "pong");
    assert_non_null(
        strstr(world_sendf(&world, world_pid(&world, 1), handled, world.caller),
               "payload={ack,process,{<p1@there.5.0>,17}}"));
    assert_string_equal(
        world_sendf(&world, world_pid(&world, 1),
                    "{msg_envelope, nobody, cast, {ref, 'P.Worker', 1}, "
                    "{settings, nil, true, nil, true, nil, 5000}, x}"),
        "");
    assert_string_equal(
        world_sendf(&world, world_pid(&world, 1),
                    "{msg_envelope, {~p, 1}, cast, {ref, 'P.Worker', 2}, "
                    "{settings, nil, true, nil, true, nil, 5000}, x}",
                    world.caller),
        "");
    assert_string_equal(call("nil, true, nil, true, nil, 100", "{reply, one}"),
                        "one");
    assert_string_equal(
        world_sendf(&world, world_pid(&world, 1),
                    "{msg_envelope, {~p, 1}, cast, {ref, 'P.Worker', 1}, "
                    "{settings, nil, true, nil, true, nil, 5000}, "
                    "{s, fail, nil, nil}}",
                    world.caller),
        "");
}

static void a_safe_call_gets_its_exit_as_a_reply(void **state)
{
    const char *envelope_of_2;

    (void)state;
    assert_string_equal(call("true, true, nil, nil, nil, 100", "{stop, why}"),
                        "{error,{exit,why}}");
    world_advance(&world, 10);
    assert_string_equal(call("true, true, nil, nil, nil, 100", "'crash!'"),
                        "{error,{exit,{bad_return_value,"
                        "<<\"User Initiated Crash\">>}}}");
    world_advance(&world, 10);
    assert_string_equal(call("true, true, nil, nil, nil, 100", "later"), "");
    assert_string_equal(
        call("nil, true, nil, nil, nil, 100", "{reply_stop, one, two}"),
        "one\n{error,{exit,two}}");
    world_advance(&world, 10);
    /* by pid, with a monitor: the reply is there first */
    envelope_of_2 = envelope("1", "true, true, nil, nil, nil, 9", "{stop, r}");
    assert_string_equal(
        world_call_pid(&world, world_pid(&world, 1), envelope_of_2),
        "{error,{exit,r}}");
}

static void a_link_whose_pid_is_stale_is_its_ref(void **state)
{
    (void)state;
    assert_string_equal(world_ask(&world, "1", "ping"), "pong");
    assert_string_equal(
        world_call(&world, "P",
                   "{msg_envelope, nil, call, {link, n@h, gone, "
                   "{ref, 'P.Worker', 1}}, {settings, nil, false, nil, nil, "
                   "nil, 5000}, {s, {reply, here}, nil, nil}}"),
        "here");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_newest_are_kept_and_the_rest_is_counted),
        TEST(what_is_large_is_cut),
        TEST(a_cast_that_nobody_gets_is_kept_with_its_reason),
        TEST(what_a_full_mailbox_refuses_is_kept),
        TEST(more_than_the_limit_are_forgotten_and_counted),
        TEST(a_call_that_waited_too_long_is_not_handled),
        TEST(the_clock_of_another_scheduler_may_be_ahead),
        TEST(a_cast_in_the_mailbox_is_good_for_ever),
        TEST(who_wants_an_ack_gets_it_when_his_cast_was_handled),
        TEST(a_safe_call_gets_its_exit_as_a_reply),
        TEST(a_link_whose_pid_is_stale_is_its_ref),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
