/* SPDX-License-Identifier: Apache-2.0
 *
 * The atom table: fixed numbers, look-up, the cap.
 */
#include "term/atom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/metric.h"

static void fixed_atoms_have_their_numbers_and_texts(void **state)
{
    (void)state;
    assert_int_equal(atom_find("ok", 2), A_ok);
    assert_int_equal(atom_find("$gen_call", 9), A_gen_call);
    assert_int_equal(atom_find("", 0), A_empty);
    assert_string_equal(atom_text(A_DOWN), "DOWN");
    assert_int_equal(atom_len(A_DOWN), 4);
    assert_string_equal(atom_text(ATOM_NONE), "");
    for (atom_t atom = 1; atom < ATOM_FIXED_COUNT; atom++) {
        assert_int_equal(atom_find(atom_text(atom), atom_len(atom)), atom);
    }
}

static void unknown_text_is_found_only_after_interning(void **state)
{
    uint32_t before = atom_count();
    atom_t atom;

    (void)state;
    assert_int_equal(atom_find("peer@host", 9), ATOM_NONE);
    atom = atom_intern("peer@host", 9);
    assert_int_not_equal(atom, ATOM_NONE);
    assert_int_equal(atom_find("peer@host", 9), atom);
    assert_int_equal(atom_intern("peer@host", 9), atom);
    assert_int_equal(atom_find("peer@hos", 8), ATOM_NONE);
    assert_string_equal(atom_text(atom), "peer@host");
    assert_int_equal(atom_count(), before + 1);
}

/* What a thread found lately must not be taken for a text much like it. */
static void texts_that_differ_in_one_byte_are_told_apart(void **state)
{
    char text[41];

    (void)state;
    for (size_t len = 1; len < sizeof(text); len++) {
        memset(text, 'q', sizeof(text));
        atom_t atom = atom_intern(text, len);
        assert_int_not_equal(atom, ATOM_NONE);
        for (size_t at = 0; at < len; at++) {
            assert_int_equal(atom_find(text, len), atom);
            text[at] = 'Q';
            assert_int_equal(atom_find(text, len), ATOM_NONE);
            text[at] = 'q';
        }
        assert_int_equal(atom_find(text, len), atom);
    }
    assert_int_equal(atom_find("", 0), A_empty);
}

static void second_init_changes_nothing(void **state)
{
    uint32_t count = atom_count();

    (void)state;
    atom_init();
    assert_int_equal(atom_count(), count);
}

static void what_is_no_atom_is_not_interned(void **state)
{
    char text[1100];

    (void)state;
    memset(text, 'x', sizeof(text));
    assert_int_equal(atom_intern(text, 256), ATOM_NONE);
    assert_int_not_equal(atom_intern(text, 255), ATOM_NONE);
    assert_int_equal(atom_intern("\xff", 1), ATOM_NONE);
    assert_int_equal(atom_intern(text, 1021), ATOM_NONE);
    for (size_t i = 0; i < 1020; i += 4) {
        memcpy(text + i, "\xf0\x9f\x98\x80", 4);
    }
    assert_int_not_equal(atom_intern(text, 1020), ATOM_NONE);
    assert_int_equal(atom_intern(text, 1016 + 3), ATOM_NONE);
}

static void full_table_refuses_and_counts_and_still_finds(void **state)
{
    uint64_t refused = metric_read(METRIC_atoms_refused);
    char text[32];
    atom_t atom;
    unsigned i = 0;

    (void)state;
    do {
        int len = snprintf(text, sizeof(text), "name%u", i++);
        atom = atom_intern(text, (size_t)len);
    } while (atom != ATOM_NONE && i < 1000000);
    assert_int_equal(atom_count(), ATOM_FIXED_COUNT + limits.atoms);
    assert_int_equal(metric_read(METRIC_atoms_refused), refused + 1);
    for (unsigned j = 0; j + 1 < i; j++) {
        int len = snprintf(text, sizeof(text), "name%u", j);
        atom = atom_find(text, (size_t)len);
        assert_int_not_equal(atom, ATOM_NONE);
        assert_string_equal(atom_text(atom), text);
    }
    assert_int_equal(atom_intern("ok", 2), A_ok);
}

static void fini_frees_all_and_init_starts_anew(void **state)
{
    atom_t before = atom_intern("some@host", 9);

    (void)state;
    assert_int_equal(atom_find("some@host", 9), before);
    atom_fini();
    atom_fini();
    atom_init();
    assert_int_equal(atom_count(), ATOM_FIXED_COUNT);
    assert_int_equal(atom_find("some@host", 9), ATOM_NONE);
    assert_int_equal(atom_find("ok", 2), A_ok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_atoms_have_their_numbers_and_texts),
        cmocka_unit_test(unknown_text_is_found_only_after_interning),
        cmocka_unit_test(texts_that_differ_in_one_byte_are_told_apart),
        cmocka_unit_test(second_init_changes_nothing),
        cmocka_unit_test(what_is_no_atom_is_not_interned),
        cmocka_unit_test(fini_frees_all_and_init_starts_anew),
        cmocka_unit_test(full_table_refuses_and_counts_and_still_finds),
    };

    limits.atoms = 5000;
    atom_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
