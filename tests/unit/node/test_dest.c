/* SPDX-License-Identifier: Apache-2.0 */
#include "node/dest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/hash.h"
#include "term/build.h"

struct fixture {
    struct buf buf;
    atom_t self, other;
    struct dest dest;
};

static int setup(void **state)
{
    static struct fixture f;

    hash_seed(1, 2);
    atom_init();
    memset(&f, 0, sizeof(f));
    buf_init(&f.buf, 0);
    f.self = atom_intern("n1@here", 7);
    f.other = atom_intern("p1@there", 8);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    buf_fini(&f->buf);
    return 0;
}

static int parse(struct fixture *f, const char *format, ...)
{
    va_list args;

    buf_clear(&f->buf);
    va_start(args, format);
    term_vformat(&f->buf, format, args);
    va_end(args);
    return dest_parse(term_at(buf_data(&f->buf), buf_size(&f->buf)), f->self,
                      &f->dest);
}

static void a_pid_lives_where_it_says(void **state)
{
    struct fixture *f = *state;
    struct pid pid = {.node = f->other, .id = 7, .serial = 1, .creation = 3};

    assert_int_equal(parse(f, "~p", pid), 0);
    assert_int_equal(f->dest.kind, DEST_PID);
    assert_int_equal(f->dest.node, f->other);
    assert_true(pid_equal(f->dest.pid, pid));
}

static void the_node_of_a_pid_becomes_known(void **state)
{
    struct fixture *f = *state;
    struct pid pid = {.node = atom_intern("q1@later", 8), .id = 7};
    uint8_t *name;

    assert_int_equal(parse(f, "~p", pid), 0);
    name = memmem(buf_data(&f->buf), buf_size(&f->buf), "q1@later", 8);
    memcpy(name, "q2@later", 8);
    assert_int_equal(atom_find("q2@later", 8), ATOM_NONE);
    assert_int_equal(dest_parse(term_at(buf_data(&f->buf), buf_size(&f->buf)),
                                f->self, &f->dest),
                     0);
    assert_int_equal(f->dest.pid.node, atom_find("q2@later", 8));
    assert_int_not_equal(f->dest.node, ATOM_NONE);
}

static void an_atom_is_a_name_of_this_node(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(parse(f, "server"), 0);
    assert_int_equal(f->dest.kind, DEST_NAME);
    assert_int_equal(f->dest.name, atom_find("server", 6));
    assert_int_equal(f->dest.node, f->self);
}

static void a_name_and_a_node_is_a_name_there(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(parse(f, "{server, 'p1@there'}"), 0);
    assert_int_equal(f->dest.kind, DEST_NAME);
    assert_int_equal(f->dest.node, f->other);
}

static void a_reference_is_an_alias_of_its_node(void **state)
{
    struct fixture *f = *state;
    struct ref ref = {.node = f->other, .creation = 3, .len = 3};
    struct ref found;

    assert_int_equal(parse(f, "~r", &ref), 0);
    assert_int_equal(f->dest.kind, DEST_ALIAS);
    assert_int_equal(f->dest.node, f->other);
    assert_true(term_get_ref(f->dest.alias, &found) && ref_equal(&found, &ref));
}

static void anything_else_is_invalid(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(parse(f, "17"), CNODE_EINVALID);
    assert_int_equal(parse(f, "\"server\""), CNODE_EINVALID);
    assert_int_equal(parse(f, "{server, 'p1@there', x}"), CNODE_EINVALID);
    assert_int_equal(parse(f, "{server, 1}"), CNODE_EINVALID);
    assert_int_equal(parse(f, "{1, server}"), CNODE_EINVALID);
    assert_int_equal(parse(f, "{}"), CNODE_EINVALID);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_pid_lives_where_it_says),
        T(the_node_of_a_pid_becomes_known),
        T(an_atom_is_a_name_of_this_node),
        T(a_name_and_a_node_is_a_name_there),
        T(a_reference_is_an_alias_of_its_node),
        T(anything_else_is_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
