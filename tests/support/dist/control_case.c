/* SPDX-License-Identifier: Apache-2.0
 *
 * See control_case.h.
 */
#include "support/dist/control_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "term/validate.h"

struct control_case it;

int control_case_setup(void **state)
{
    (void)state;
    atom_init();
    it.name = atom_intern("some_name", 9);
    it.ours = (struct pid){atom_intern("c@host", 6), 7, 8, 9};
    it.theirs = (struct pid){atom_intern("b@host", 6), 100, 0, 1234567890};
    it.ref = (struct ref){.node = it.theirs.node,
                          .creation = it.theirs.creation,
                          .len = 3,
                          .words = {1, 2, 3}};
    buf_init(&it.bytes, 0);
    return 0;
}

int control_case_teardown(void **state)
{
    (void)state;
    buf_fini(&it.bytes);
    return 0;
}

struct cnode_term it_written(void)
{
    size_t size;

    assert_int_equal(buf_error(&it.bytes), 0);
    assert_int_equal(
        term_validate(buf_data(&it.bytes), buf_size(&it.bytes), 100, &size), 0);
    assert_int_equal(size, buf_size(&it.bytes));
    return term_at(buf_data(&it.bytes), buf_size(&it.bytes));
}

void assert_is_pid(struct cnode_term term, struct pid expected)
{
    struct pid pid;

    assert_true(term_get_pid(term, &pid));
    assert_true(pid_equal(pid, expected));
}

void assert_is_ref(struct cnode_term term)
{
    struct ref got;

    assert_true(term_get_ref(term, &got));
    assert_true(ref_equal(&got, &it.ref));
}
