/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/mesh.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/metric.h"
#include "term/build.h"

struct fixture {
    struct mesh mesh;
    uint64_t now;
    struct buf said; /* "ask NAME;" and "dial NAME;" */
    int dial_rc;
};

static int on_ask(void *owner, const char *name)
{
    struct fixture *f = owner;

    buf_printf(&f->said, "ask %s;", name);
    return 0;
}

static int on_dial(void *owner, const char *name)
{
    struct fixture *f = owner;

    buf_printf(&f->said, "dial %s;", name);
    return f->dial_rc;
}

static const struct mesh_events events = {.ask = on_ask, .dial = on_dial};

static int setup(void **state)
{
    static struct fixture f;

    hash_seed(1, 2);
    atom_init();
    memset(&f, 0, sizeof(f));
    f.now = 1000000;
    buf_init(&f.said, 0);
    mesh_init(&f.mesh, "me@here", true, &events, &f);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    limits.mesh_nodes = 1024;
    mesh_fini(&f->mesh);
    buf_fini(&f->said);
    return 0;
}

/* What it did since the last time. */
static const char *said(struct fixture *f)
{
    static char text[1000];

    assert_true(buf_size(&f->said) < sizeof(text));
    if (buf_size(&f->said) > 0) {
        memcpy(text, buf_data(&f->said), buf_size(&f->said));
    }
    text[buf_size(&f->said)] = 0;
    buf_clear(&f->said);
    return text;
}

static void answer(struct fixture *f, const char *name, const char *nodes)
{
    struct buf buf;

    buf_init(&buf, 0);
    term_format(&buf, nodes);
    assert_int_equal(buf_error(&buf), 0);
    mesh_answer(&f->mesh, name, term_at(buf_data(&buf), buf_size(&buf)),
                f->now);
    buf_fini(&buf);
}

static void up(struct fixture *f, const char *name)
{
    mesh_nodeup(&f->mesh, name, f->now);
}

/* Time passes up to the next deadline. */
static void pass(struct fixture *f)
{
    assert_true(mesh_deadline(&f->mesh) != UINT64_MAX);
    f->now = mesh_deadline(&f->mesh);
    mesh_tick(&f->mesh, f->now);
}

/* --- */

static void who_comes_up_is_asked_at_once(void **state)
{
    struct fixture *f = *state;

    assert_true(mesh_deadline(&f->mesh) == UINT64_MAX);
    up(f, "a@x");
    assert_string_equal(said(f), "ask a@x;");
    assert_int_equal(mesh_deadline(&f->mesh), f->now + MESH_SOON_MS);
    pass(f);
    assert_int_equal(mesh_deadline(&f->mesh), f->now + MESH_ASK_MS);
}

static void who_is_listed_is_dialled(void **state)
{
    struct fixture *f = *state;

    up(f, "a@x");
    up(f, "b@x");
    (void)said(f);
    answer(f, "a@x", "['b@x', 'c@x', 'me@here']");
    assert_string_equal(said(f), "dial c@x;");
    answer(f, "b@x", "['a@x', 'c@x']");
    assert_string_equal(said(f), ""); /* under way */
}

static void one_is_asked_after_the_other(void **state)
{
    struct fixture *f = *state;

    up(f, "a@x");
    f->now++;
    up(f, "b@x");
    answer(f, "a@x", "[]");
    answer(f, "b@x", "[]");
    (void)said(f);
    pass(f);
    assert_string_equal(said(f), "ask a@x;");
    answer(f, "a@x", "[]");
    pass(f);
    assert_string_equal(said(f), "ask b@x;");
}

static void who_has_not_answered_is_not_asked_again(void **state)
{
    struct fixture *f = *state;

    up(f, "a@x");
    (void)said(f);
    pass(f);
    assert_string_equal(said(f), "");
    mesh_answer(&f->mesh, "a@x", TERM_NONE, f->now);
    pass(f);
    assert_string_equal(said(f), "ask a@x;");
}

static void a_dial_that_failed_waits_longer_each_time(void **state)
{
    struct fixture *f = *state;
    uint64_t wait = MESH_AGAIN_FIRST_MS;

    up(f, "a@x");
    answer(f, "a@x", "['c@x']");
    (void)said(f);
    for (int i = 0; i < 8; i++) {
        mesh_dial_failed(&f->mesh, "c@x", f->now);
        f->now += wait - 1;
        answer(f, "a@x", "['c@x']");
        assert_string_equal(said(f), "");
        f->now += 1;
        answer(f, "a@x", "['c@x']");
        assert_string_equal(said(f), "dial c@x;");
        wait = wait * 2 < MESH_AGAIN_MOST_MS ? wait * 2 : MESH_AGAIN_MOST_MS;
    }
}

static void a_dial_that_cannot_begin_waits_too(void **state)
{
    struct fixture *f = *state;

    f->dial_rc = CNODE_NOCONN;
    up(f, "a@x");
    answer(f, "a@x", "['c@x']");
    (void)said(f);
    answer(f, "a@x", "['c@x']");
    assert_string_equal(said(f), "");
    f->now += MESH_AGAIN_FIRST_MS;
    answer(f, "a@x", "['c@x']");
    assert_string_equal(said(f), "dial c@x;");
}

static void who_was_lost_is_dialled_while_somebody_sees_it(void **state)
{
    struct fixture *f = *state;

    up(f, "a@x");
    up(f, "b@x");
    (void)said(f);
    mesh_nodedown(&f->mesh, "b@x", false, f->now);
    answer(f, "a@x", "['b@x']");
    assert_string_equal(said(f), "");
    f->now += MESH_AGAIN_FIRST_MS;
    answer(f, "a@x", "[]");
    assert_string_equal(said(f), "");
    answer(f, "a@x", "['b@x']");
    assert_string_equal(said(f), "dial b@x;");
}

static void who_came_back_starts_afresh(void **state)
{
    struct fixture *f = *state;

    up(f, "a@x");
    for (int i = 0; i < 5; i++) {
        up(f, "b@x");
        mesh_nodedown(&f->mesh, "b@x", false, f->now);
    }
    (void)said(f);
    f->now += MESH_AGAIN_FIRST_MS;
    answer(f, "a@x", "['b@x']");
    assert_string_equal(said(f), "dial b@x;");
}

static void with_nobody_left_the_lost_are_dialled(void **state)
{
    struct fixture *f = *state;
    unsigned dials = 0;

    up(f, "a@x");
    answer(f, "a@x", "[]");
    (void)said(f);
    mesh_nodedown(&f->mesh, "a@x", false, f->now);
    mesh_nodedown(&f->mesh, "a@x", false, f->now);
    while (mesh_deadline(&f->mesh) != UINT64_MAX) {
        pass(f);
        if (f->mesh.nodes.count > 0) {
            assert_string_equal(said(f), "dial a@x;");
            mesh_dial_failed(&f->mesh, "a@x", f->now);
            assert_true(++dials < 20);
        }
    }
    assert_int_equal(f->mesh.nodes.count, 0); /* not for ever */
    assert_true(dials > 5);
}

static void who_was_left_on_purpose_is_left_alone(void **state)
{
    struct fixture *f = *state;

    up(f, "a@x");
    up(f, "b@x");
    (void)said(f);
    mesh_nodedown(&f->mesh, "b@x", true, f->now);
    f->now += MESH_AGAIN_MOST_MS;
    answer(f, "a@x", "['b@x']");
    assert_string_equal(said(f), "");
    up(f, "b@x");
    (void)said(f);
    mesh_nodedown(&f->mesh, "b@x", false, f->now);
    f->now += MESH_AGAIN_MOST_MS;
    answer(f, "a@x", "['b@x']");
    assert_string_equal(said(f), "dial b@x;");
    mesh_nodedown(&f->mesh, "a@x", true, f->now);
    mesh_dial_failed(&f->mesh, "b@x", f->now);
    pass(f);
    assert_string_equal(said(f), "dial b@x;"); /* never a@x */
}

static void who_asks_nobody_dials_the_lost_all_the_same(void **state)
{
    struct fixture *f = *state;

    f->mesh.asks = false;
    up(f, "a@x");
    up(f, "b@x");
    pass(f);
    assert_string_equal(said(f), "");
    mesh_nodedown(&f->mesh, "a@x", false, f->now);
    for (int i = 0; i < 10; i++) {
        pass(f);
    }
    assert_string_equal(said(f), "");
    mesh_nodedown(&f->mesh, "b@x", false, f->now);
    pass(f);
    assert_string_equal(said(f), "dial a@x;");
}

static void a_new_one_is_asked_soon(void **state)
{
    struct fixture *f = *state;

    up(f, "a@x");
    mesh_nodedown(&f->mesh, "a@x", false, f->now);
    up(f, "a@x");
    assert_int_equal(mesh_deadline(&f->mesh), f->now + MESH_SOON_MS);
}

static void whom_nobody_lists_is_forgotten(void **state)
{
    struct fixture *f = *state;

    up(f, "a@x");
    answer(f, "a@x", "['c@x']");
    mesh_dial_failed(&f->mesh, "c@x", f->now);
    assert_int_equal(f->mesh.nodes.count, 2);
    for (int i = 0; i < MESH_FORGET_MS / MESH_ASK_MS + 2; i++) {
        pass(f);
    }
    assert_int_equal(f->mesh.nodes.count, 1);
}

static void what_is_no_list_of_nodes_is_ignored(void **state)
{
    static const char *const answers[] = {
        "nodedown",
        "{badrpc, nodedown}",
        "[1, \"a@x\", {x}, nohost, '@', 'a@']",
        "['a@x' | 'b@x']",
        "#{}",
    };
    struct fixture *f = *state;

    up(f, "a@x");
    (void)said(f);
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        answer(f, "a@x", answers[i]);
    }
    answer(f, "stranger@x", "[]");
    assert_string_equal(said(f), "");
    assert_int_equal(f->mesh.nodes.count, 1);
}

static void there_is_a_limit_of_nodes(void **state)
{
    struct fixture *f = *state;
    uint64_t before = metric_read(METRIC_mesh_refused);

    limits.mesh_nodes = 2;
    up(f, "a@x");
    (void)said(f);
    answer(f, "a@x", "['b@x', 'c@x', 'd@x']");
    assert_string_equal(said(f), "dial b@x;");
    assert_int_equal(metric_read(METRIC_mesh_refused) - before, 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(who_comes_up_is_asked_at_once),
        T(who_is_listed_is_dialled),
        T(one_is_asked_after_the_other),
        T(who_has_not_answered_is_not_asked_again),
        T(a_dial_that_failed_waits_longer_each_time),
        T(a_dial_that_cannot_begin_waits_too),
        T(who_was_lost_is_dialled_while_somebody_sees_it),
        T(who_came_back_starts_afresh),
        T(with_nobody_left_the_lost_are_dialled),
        T(who_was_left_on_purpose_is_left_alone),
        T(who_asks_nobody_dials_the_lost_all_the_same),
        T(a_new_one_is_asked_soon),
        T(whom_nobody_lists_is_forgotten),
        T(what_is_no_list_of_nodes_is_ignored),
        T(there_is_a_limit_of_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
