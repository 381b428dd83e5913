/* SPDX-License-Identifier: Apache-2.0
 *
 * Every code has a text and an atom.
 */
#include <cnode/error.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

static void every_own_error_has_its_text_and_atom(void **state)
{
    (void)state;
#define CNODE_ERROR(name, number, atom, text)                                  \
    assert_string_equal(cnode_strerror(CNODE_##name), text);                   \
    assert_string_equal(cnode_error_atom(CNODE_##name), atom);
#include <cnode/error.def>
#undef CNODE_ERROR
}

static void every_error_of_libuv_has_a_text(void **state)
{
    (void)state;
    /* from -4000 on: what other systems have */
#define KNOWN(name, text)                                                      \
    if (UV_##name > -4000 || UV_##name == UV_EOF) {                            \
        assert_string_not_equal(cnode_strerror(UV_##name), "unknown error");   \
    }
    UV_ERRNO_MAP(KNOWN)
#undef KNOWN
}

static void errors_of_libuv_have_the_atoms_of_inet(void **state)
{
    (void)state;
    assert_string_equal(cnode_error_atom(UV_ECONNREFUSED), "econnrefused");
    assert_string_equal(cnode_error_atom(UV_EADDRINUSE), "eaddrinuse");
    assert_string_equal(cnode_error_atom(UV_EAI_NONAME), "nxdomain");
    assert_string_equal(cnode_error_atom(UV_EOF), "closed");
}

static void unknown_codes_have_a_text_and_an_atom_too(void **state)
{
    static const int codes[] = {1,     42,     INT32_MAX, INT32_MIN,
                                -9999, -10000, -20000};

    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_string_equal(cnode_strerror(codes[i]), "unknown error");
        assert_string_equal(cnode_error_atom(codes[i]), "error");
    }
    assert_string_equal(cnode_strerror(0), "success");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_own_error_has_its_text_and_atom),
        cmocka_unit_test(every_error_of_libuv_has_a_text),
        cmocka_unit_test(errors_of_libuv_have_the_atoms_of_inet),
        cmocka_unit_test(unknown_codes_have_a_text_and_an_atom_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
