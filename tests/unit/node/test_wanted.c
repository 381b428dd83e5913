/* SPDX-License-Identifier: Apache-2.0
 *
 * Of which control messages would somebody read the payload?
 */
#include "node/wanted.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/node/fake_peer.h"
#include "support/node/recorder.h"

struct fixture {
    struct node node;
    struct fake_peer peer;
    struct recorder a;
    struct pid caller;
};

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));

    fake_node_open(&f->node);
    fake_peer_open(&f->peer, &f->node, "p1@there");
    recorder_open(&f->a, &f->node);
    assert_int_equal(
        names_register(&f->node, atom_intern("a", 1), &f->a.process), 0);
    f->caller =
        (struct pid){.node = f->peer.peer->name, .id = 5, .creation = 3};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    recorder_close(&f->a);
    fake_peer_close(&f->peer);
    fake_node_close(&f->node);
    mem_free(f);
    return 0;
}

/* The control tuple as a peer sends it. */
static bool wants(struct fixture *f, const char *format, ...)
{
    struct control control;
    struct buf buf;
    va_list args;
    bool is_wanted;

    buf_init(&buf, 0);
    va_start(args, format);
    term_vformat(&buf, format, args);
    va_end(args);
    assert_int_equal(
        control_decode(term_at(buf_data(&buf), buf_size(&buf)), &control), 0);
    is_wanted = node_wants(&f->node, &control);
    buf_fini(&buf);
    return is_wanted;
}

static void what_is_for_a_live_process_is_wanted(void **state)
{
    struct fixture *f = *state;
    struct pid pid = recorder_pid(&f->a), old = pid, dead = pid, third = pid;

    old.creation--;
    dead.id += 1000;
    third.node = f->caller.node;
    assert_true(wants(f, "{22, ~p, ~p}", f->caller, pid));
    assert_false(wants(f, "{22, ~p, ~p}", f->caller, old));
    assert_false(wants(f, "{22, ~p, ~p}", f->caller, dead));
    assert_false(wants(f, "{22, ~p, ~p}", f->caller, third));
    assert_true(wants(f, "{26, ~p, ~p}", f->caller, pid));
    assert_false(wants(f, "{26, ~p, ~p}", f->caller, dead));
}

static void what_is_for_a_name_is_wanted_when_somebody_has_it(void **state)
{
    struct fixture *f = *state;

    assert_true(wants(f, "{6, ~p, '', a}", f->caller));
    assert_false(wants(f, "{6, ~p, '', nobody_of_that_name}", f->caller));
}

static void an_exit_is_wanted_when_there_is_a_link(void **state)
{
    struct fixture *f = *state;
    struct pid pid = recorder_pid(&f->a);

    assert_false(wants(f, "{24, ~p, ~p}", f->caller, pid));
    fake_peer_send(&f->peer, NULL, "{1, ~p, ~p}", f->caller, pid);
    assert_true(wants(f, "{24, ~p, ~p}", f->caller, pid));
}

static void an_alias_is_wanted_while_it_is_active(void **state)
{
    struct fixture *f = *state;
    struct ref ref, other = {.node = f->caller.node, .creation = 3, .len = 3};

    assert_int_equal(alias_start(&f->node, &f->a.process, ALIAS_EXPLICIT, &ref),
                     0);
    assert_true(wants(f, "{33, ~p, ~r}", f->caller, &ref));
    assert_false(wants(f, "{33, ~p, ~r}", f->caller, &other));
    assert_true(alias_stop(&f->node, &f->a.process, &ref));
    assert_false(wants(f, "{33, ~p, ~r}", f->caller, &ref));
}

static void everything_else_is_wanted(void **state)
{
    struct fixture *f = *state;
    struct ref ref = {.node = f->caller.node, .creation = 3, .len = 3};

    assert_true(
        wants(f, "{28, ~p, ~p, ~r}", f->caller, recorder_pid(&f->a), &ref));
    assert_true(wants(f, "{29, ~r, ~p, ~p, {m, f, 0}, []}", &ref, f->caller,
                      f->caller));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_is_for_a_live_process_is_wanted),
        T(what_is_for_a_name_is_wanted_when_somebody_has_it),
        T(an_exit_is_wanted_when_there_is_a_link),
        T(an_alias_is_wanted_while_it_is_active),
        T(everything_else_is_wanted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
