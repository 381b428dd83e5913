/* SPDX-License-Identifier: Apache-2.0 */
#include "node/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/hash.h"

enum { MANY = 200 };

struct fixture {
    struct names names;
    struct process a, b, router;
    atom_t x, y;
};

static int setup(void **state)
{
    static struct fixture f;

    hash_seed(1, 2);
    atom_init();
    f = (struct fixture){.x = atom_intern("x", 1), .y = atom_intern("y", 1)};
    names_init(&f.names);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    names_fini(&f->names);
    return 0;
}

static void a_name_is_found_until_its_process_ends(void **state)
{
    struct fixture *f = *state;

    assert_null(names_whereis(&f->names, f->x));
    assert_int_equal(names_register(&f->names, f->x, &f->a), 0);
    assert_ptr_equal(names_whereis(&f->names, f->x), &f->a);
    assert_ptr_equal(names_receiver(&f->names, f->x), &f->a);
    names_process_ends(&f->names, &f->a);
    assert_null(names_whereis(&f->names, f->x));
    assert_int_equal(f->names.by_atom.count, 0);
}

static void a_name_belongs_to_one_process(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(names_register(&f->names, f->x, &f->a), 0);
    assert_int_equal(names_register(&f->names, f->x, &f->b), CNODE_EXISTS);
    assert_ptr_equal(names_whereis(&f->names, f->x), &f->a);
    names_process_ends(&f->names, &f->b); /* it never had one */
    assert_ptr_equal(names_whereis(&f->names, f->x), &f->a);
}

static void
a_router_gets_the_messages_and_the_process_keeps_the_name(void **state)
{
    struct fixture *f = *state;

    names_set_router(&f->names, f->x, &f->router);
    assert_null(names_whereis(&f->names, f->x));
    assert_ptr_equal(names_receiver(&f->names, f->x), &f->router);
    assert_int_equal(names_register(&f->names, f->x, &f->a), 0);
    assert_ptr_equal(names_whereis(&f->names, f->x), &f->a);
    assert_ptr_equal(names_receiver(&f->names, f->x), &f->router);
    names_process_ends(&f->names, &f->a); /* it restarts */
    assert_ptr_equal(names_receiver(&f->names, f->x), &f->router);
    assert_int_equal(names_register(&f->names, f->x, &f->b), 0);
    names_set_router(&f->names, f->x, NULL);
    assert_ptr_equal(names_receiver(&f->names, f->x), &f->b);
}

static void a_router_that_ends_routes_no_more(void **state)
{
    struct fixture *f = *state;

    names_set_router(&f->names, f->x, &f->router);
    names_set_router(&f->names, f->y, &f->router);
    assert_int_equal(names_register(&f->names, f->y, &f->a), 0);
    names_process_ends(&f->names, &f->router);
    assert_null(names_receiver(&f->names, f->x));
    assert_ptr_equal(names_receiver(&f->names, f->y), &f->a);
    assert_int_equal(f->names.by_atom.count, 1);
}

static void no_router_for_an_unknown_name_leaves_nothing(void **state)
{
    struct fixture *f = *state;

    names_set_router(&f->names, f->x, NULL);
    assert_int_equal(f->names.by_atom.count, 0);
}

static void all_names_of_a_process_end_with_it(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < MANY; i++) {
        char text[8];
        int len = snprintf(text, sizeof(text), "n%d", i);

        assert_int_equal(names_register(&f->names,
                                        atom_intern(text, (size_t)len),
                                        i % 2 != 0 ? &f->a : &f->b),
                         0);
    }
    names_process_ends(&f->names, &f->a);
    assert_int_equal(f->names.by_atom.count, MANY / 2);
    assert_ptr_equal(names_whereis(&f->names, atom_find("n0", 2)), &f->b);
    assert_null(names_whereis(&f->names, atom_find("n1", 2)));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_name_is_found_until_its_process_ends),
        T(a_name_belongs_to_one_process),
        T(a_router_gets_the_messages_and_the_process_keeps_the_name),
        T(a_router_that_ends_routes_no_more),
        T(no_router_for_an_unknown_name_leaves_nothing),
        T(all_names_of_a_process_end_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
