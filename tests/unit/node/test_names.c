/* SPDX-License-Identifier: Apache-2.0 */
#include "node/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "support/node/fake_peer.h"
#include "support/node/recorder.h"

struct fixture {
    struct node node; /* two schedulers */
    struct node *other;
    struct recorder a, b, c; /* c on the other one */
    atom_t x, y;
};

static int setup(void **state)
{
    static struct fixture f;

    fake_node_open_with(&f.node, 2);
    f.other = f.node.all[1];
    f.x = atom_intern("x", 1);
    f.y = atom_intern("y", 1);
    recorder_open(&f.a, &f.node);
    recorder_open(&f.b, &f.node);
    recorder_open(&f.c, f.other);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    recorder_close(&f->a);
    recorder_close(&f->b);
    recorder_close(&f->c);
    assert_int_equal(f->node.relations_slab.used, 0);
    assert_int_equal(f->other->relations_slab.used, 0);
    fake_node_close(&f->node);
    return 0;
}

/* Both schedulers say the same. */
static bool has_name(struct fixture *f, atom_t name, struct recorder *who)
{
    struct pid here, there;
    bool is_there = names_whereis(f->other, name, &there);

    assert_int_equal(names_whereis(&f->node, name, &here), is_there);
    assert_true(!is_there || pid_equal(here, there));
    return is_there && pid_equal(here, recorder_pid(who));
}

static bool receives(struct fixture *f, atom_t name, struct recorder *who)
{
    struct pid pid;

    return names_receiver(f->other, name, &pid) &&
           pid_equal(pid, recorder_pid(who));
}

static bool is_free(struct fixture *f, atom_t name)
{
    struct pid pid;

    return !names_whereis(&f->node, name, &pid) &&
           !names_whereis(f->other, name, &pid);
}

static int name_it(struct recorder *who, atom_t name)
{
    return names_register(who->node, name, &who->process);
}

static void end(struct recorder *who)
{
    who->ended = true;
    node_exit(who->node, &who->process, atom_term(A_normal));
}

static void a_name_is_found_until_its_process_ends(void **state)
{
    struct fixture *f = *state;

    assert_true(is_free(f, f->x));
    assert_int_equal(name_it(&f->a, f->x), 0);
    assert_true(has_name(f, f->x, &f->a));
    assert_true(receives(f, f->x, &f->a));
    assert_int_equal(names_of(&f->node, &f->a.process), f->x);
    end(&f->a);
    assert_true(is_free(f, f->x));
}

static void a_taken_name_is_refused_on_every_scheduler(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(name_it(&f->c, f->x), 0);
    assert_int_equal(name_it(&f->b, f->x), CNODE_EXISTS);
    assert_true(has_name(f, f->x, &f->c));
    end(&f->b); /* it never had one */
    assert_true(has_name(f, f->x, &f->c));
}

static void a_process_has_one_name(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(name_it(&f->a, f->x), 0);
    assert_int_equal(name_it(&f->a, f->y), CNODE_EXISTS);
    assert_true(is_free(f, f->y));
}

static void anybody_may_take_a_name_away(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(name_it(&f->a, f->x), 0);
    assert_int_equal(names_unregister(f->other, f->x), 0);
    assert_int_equal(names_unregister(&f->node, f->x), CNODE_NOT_FOUND);
    assert_int_equal(names_of(&f->node, &f->a.process), ATOM_NONE);
    assert_int_equal(name_it(&f->c, f->x), 0);
    assert_int_equal(name_it(&f->a, f->y), 0); /* it has none any more */
    end(&f->a);
    assert_true(has_name(f, f->x, &f->c)); /* not its own */
    assert_true(is_free(f, f->y));
}

static void a_router_gets_messages_and_the_named_one_is_found(void **state)
{
    struct fixture *f = *state;

    names_set_router(f->other, f->x, &f->c.process);
    assert_true(is_free(f, f->x));
    assert_true(receives(f, f->x, &f->c));
    assert_int_equal(name_it(&f->a, f->x), 0);
    assert_true(has_name(f, f->x, &f->a));
    assert_true(receives(f, f->x, &f->c));
    end(&f->a); /* it restarts */
    assert_true(receives(f, f->x, &f->c));
    assert_int_equal(name_it(&f->b, f->x), 0);
    end(&f->c);
    assert_true(receives(f, f->x, &f->b));
}

static void names_without_a_process_cost_nothing(void **state)
{
    struct fixture *f = *state;
    struct pid pid;

    assert_false(names_whereis(&f->node, ATOM_NONE, &pid));
    assert_false(names_receiver(&f->node, atom_intern("late", 4), &pid));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_name_is_found_until_its_process_ends),
        T(a_taken_name_is_refused_on_every_scheduler),
        T(a_process_has_one_name),
        T(anybody_may_take_a_name_away),
        T(a_router_gets_messages_and_the_named_one_is_found),
        T(names_without_a_process_cost_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
