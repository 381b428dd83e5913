/* SPDX-License-Identifier: Apache-2.0
 *
 * Workers of a pool that are known to syn. */
#include "pool/known.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/pool/world.h"
#include "term/build.h"
#include "term/text.h"

static struct world world;

#define NAME(id) "{worker,{ref,'P.Worker'," id "}}"

static int setup(void **state)
{
    (void)state;
    world_open_in_syn(&world, "{'pools': {'P': {'behaviour': 'script',"
                              " 'supervisors': {'segments': 4}}}}");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static const char *find(const char *text, const char *part)
{
    const char *at = strstr(text, part);

    if (at == NULL) {
        fail_msg("\n%s\nhas no\n%s", text, part);
    }
    return at;
}

static void has_no(const char *text, const char *part)
{
    if (strstr(text, part) != NULL) {
        fail_msg("\n%s\nhas\n%s", text, part);
    }
}

/* The peer's scope says something. */
static const char *say(const char *format, ...)
{
    struct buf buf;
    va_list args;

    buf_init(&buf, 0);
    va_start(args, format);
    term_vformat(&buf, format, args);
    va_end(args);
    world_feed(&world, &buf, "{6, ~p, '', 'syn_registry_P.Registry'}",
               world.caller);
    world_advance(&world, 0);
    return world_got(&world);
}

static void claims(int64_t id, int64_t time)
{
    (void)say("{'3.0', sync_register, {worker, {ref, 'P.Worker', ~i}}, ~p, "
              "theirs, ~i, normal}",
              id, world.caller, time);
}

static const char *list(void)
{
    struct pid scope = world.caller;

    scope.id = 6;
    return say("{'3.0', discover, ~p}", scope);
}

static struct pid face(void)
{
    return world_pid_of(&world, &world_pool(&world)->faces[0]->process);
}

static const char *start_child(const char *id)
{
    static const char *const format =
        "{start_child, {{m, start_link, [{ref, 'P.Worker', ~i}, [], c]}, "
        "permanent, 5000, worker, [m]}}";

    return world_callf(&world, face(), format, (int64_t)(id[0] - '0'));
}

/* --- told */

static void a_worker_is_told_before_it_answers(void **state)
{
    const char *got, *told;

    (void)state;
    got = start_child("1");
    told = find(got, "sync_register," NAME("1") ",<n1@here.");
    find(told, "[{node,n1@here}]");
    find(told, "{ok,<n1@here.");
    assert_int_equal(atomic_load(&world_pool(&world)->known->count), 1);
}

static void its_end_is_told(void **state)
{
    const char *got;

    (void)state;
    (void)start_child("1");
    world_exit(&world, world_pid(&world, 1), "{shutdown, why}");
    got = world_got(&world);
    find(find(got, "sync_unregister," NAME("1")), "{shutdown,why}}");
    world_advance(&world, 1);
    find(world_got(&world), "sync_register," NAME("1")); /* permanent */
}

static void a_snapshot_has_those_that_live(void **state)
{
    const char *got;

    (void)state;
    (void)start_child("1");
    (void)start_child("2");
    (void)start_child("3");
    (void)world_callf(&world, face(), "{terminate_child, ~p}",
                      world_pid(&world, 2));
    got = list();
    find(got, "ack_sync");
    find(got, NAME("1"));
    has_no(got, NAME("2"));
    find(got, NAME("3"));
    (void)start_child("4"); /* in the place of the second, perhaps */
    got = list();
    find(got, NAME("4"));
    has_no(got, NAME("2"));
}

/* --- somebody else has the name */

static void a_name_of_the_peer_is_not_started(void **state)
{
    (void)state;
    claims(1, 1000);
    find(start_child("1"), "{ok,<p1@there.5.0>}");
    find(world_ask(&world, "1", "hello"), "hello");
    world_advance(&world, 0);
    assert_int_equal(world_workers(&world), 0);
}

static void the_loser_ends_and_counts_as_no_restart(void **state)
{
    const char *got;

    (void)state;
    (void)start_child("1");
    claims(1, INT64_MAX - 1);
    world_advance(&world, 10);
    got = world_got(&world);
    has_no(got, "sync_register");
    assert_int_equal(world_workers(&world), 0);
    find(start_child("1"), "{ok,<p1@there.5.0>}");
}

static void the_winner_stays_and_is_told_again(void **state)
{
    struct pid pid;

    (void)state;
    (void)start_child("1");
    pid = world_pid(&world, 1);
    find(say("{'3.0', sync_register, {worker, {ref, 'P.Worker', 1}}, ~p, x, 5, "
             "normal}",
             world.caller),
         "syn_conflict_resolution");
    assert_true(pid_equal(world_pid(&world, 1), pid));
    find(list(), NAME("1"));
    world_exit(&world, pid, "why");
    find(world_got(&world), "sync_unregister," NAME("1"));
}

static void what_waits_goes_to_the_other_one(void **state)
{
    struct known *known = world_pool(&world)->known;
    const char *got;

    (void)state;
    atomic_store(&known->is_behind, true);
    assert_string_equal(start_child("1"), "");
    claims(1, 1000);
    atomic_store(&known->is_behind, false);
    world_advance(&world, KNOWN_WAIT_MS + 1);
    got = world_got(&world);
    find(got, "{ok,<p1@there.5.0>}");
    assert_int_equal(world_workers(&world), 0);
}

static void starts_wait_while_a_member_is_behind(void **state)
{
    struct known *known = world_pool(&world)->known;

    (void)state;
    atomic_store(&known->is_behind, true);
    assert_string_equal(start_child("1"), "");
    world_advance(&world, 100);
    assert_string_equal(world_got(&world), "");
    atomic_store(&known->is_behind, false);
    world_advance(&world, KNOWN_WAIT_MS + 1);
    find(find(world_got(&world), "sync_register"), "{ok,<n1@here.");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_worker_is_told_before_it_answers),
        TEST(its_end_is_told),
        TEST(a_snapshot_has_those_that_live),
        TEST(a_name_of_the_peer_is_not_started),
        TEST(the_loser_ends_and_counts_as_no_restart),
        TEST(the_winner_stays_and_is_told_again),
        TEST(what_waits_goes_to_the_other_one),
        TEST(starts_wait_while_a_member_is_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
