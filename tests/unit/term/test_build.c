/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing terms: shortest encodings, formats, and ei as the second opinion.
 */
#include "term/build.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <ei.h>

#include "support/term/terms.h"
#include "term/validate.h"

static void integers_are_as_short_as_otp_writes_them(void **state)
{
    static const struct {
        int64_t value;
        const char *hex;
    } rows[] = {
        {0, "6100"},
        {255, "61ff"},
        {256, "6200000100"},
        {-1, "62ffffffff"},
        {INT32_MAX, "627fffffff"},
        {INT32_MIN, "6280000000"},
        {(int64_t)INT32_MAX + 1, "6e040000000080"},
        {(int64_t)INT32_MIN - 1, "6e040101000080"},
        {INT64_MAX, "6e0800ffffffffffffff7f"},
        {INT64_MIN, "6e08010000000000000080"},
    };
    struct buf buf;

    (void)state;
    buf_init(&buf, 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_clear(&buf);
        term_put_int(&buf, rows[i].value);
        assert_hex(&buf, rows[i].hex);
    }
    buf_clear(&buf);
    term_put_uint(&buf, UINT64_MAX);
    assert_hex(&buf, "6e0800ffffffffffffffff");
    buf_fini(&buf);
}

static void big_magnitudes_lose_their_zeros(void **state)
{
    uint8_t magnitude[300] = {5};
    struct buf buf;

    (void)state;
    buf_init(&buf, 0);
    term_put_big(&buf, magnitude, 300, true);
    assert_hex(&buf, "62fffffffb");
    buf_clear(&buf);
    term_put_big(&buf, magnitude + 1, 299, true);
    assert_hex(&buf, "6100");
    buf_clear(&buf);
    magnitude[7] = 0x80;
    term_put_big(&buf, magnitude, 8, true);
    assert_hex(&buf, "6e08010500000000000080");
    buf_clear(&buf);
    magnitude[299] = 1;
    term_put_big(&buf, magnitude, 300, false);
    assert_int_equal(buf_size(&buf), 306);
    assert_int_equal(buf_data(&buf)[0], 111);
    buf_fini(&buf);
}

static void heads_grow_at_256(void **state)
{
    char text[300] = {0};
    struct buf buf;

    (void)state;
    buf_init(&buf, 0);
    term_put_tuple(&buf, 255);
    term_put_tuple(&buf, 256);
    term_put_list(&buf, 0);
    term_put_list(&buf, 2);
    term_put_nil(&buf);
    term_put_map(&buf, 1);
    assert_hex(&buf, "68ff 6900000100 6c00000002 6a 7400000001");
    buf_clear(&buf);
    for (size_t i = 0; i < sizeof(text); i += 2) {
        memcpy(text + i, "\xc3\xa9", 2);
    }
    term_put_atom_text(&buf, text, 256);
    assert_int_equal(buf_data(&buf)[0], 118);
    buf_clear(&buf);
    term_put_atom_text(&buf, text, 254);
    assert_int_equal(buf_data(&buf)[0], 119);
    buf_fini(&buf);
}

static void what_cannot_be_written_is_a_sticky_error(void **state)
{
    char text[256];
    struct ref ref = {.len = 0};

    (void)state;
    memset(text, 'x', sizeof(text));
    for (int i = 0; i < 8; i++) {
        struct buf buf;
        buf_init(&buf, 0);
        switch (i) {
        case 0:
            term_put_float(&buf, NAN);
            break;
        case 1:
            term_put_float(&buf, -INFINITY);
            break;
        case 2:
            term_put_atom_text(&buf, text, 256);
            break;
        case 3:
            term_put_atom_text(&buf, "\xff", 1);
            break;
        case 4:
            term_put_atom(&buf, ATOM_NONE);
            break;
        case 5:
            term_put_pid(&buf, PID_NONE);
            break;
        case 6:
            term_put_ref(&buf, &ref);
            break;
        default:
            term_put_copy(&buf, TERM_NONE);
        }
        assert_int_equal(buf_error(&buf), CNODE_EINVALID);
        assert_int_equal(buf_size(&buf), 0);
        term_format(&buf, "ok");
        assert_int_equal(buf_size(&buf), 0);
        buf_fini(&buf);
    }
}

static void formats_become_terms(void **state)
{
    struct pid pid = {atom_intern("n@h", 3), 1, 2, 3};
    struct ref ref = {pid.node, 3, 1, {4}};
    struct buf inner = bytes_of_text("{x,[1]}"), buf;

    (void)state;
    buf_init(&buf, 0);
    term_format(&buf, "{ok, #{count => ~i, name => ~b}}", (int64_t)7, "abc",
                (size_t)3);
    assert_term_text(term_in(&buf), "{ok,#{count => 7,name => <<\"abc\">>}}");
    buf_clear(&buf);
    term_format(&buf, "[~u, ~f, ~a, ~s, ~t, ~A, ~p, ~r | ~t]", UINT64_MAX, 0.5,
                "Up per", "text", term_in(&inner), A_DOWN, pid, &ref,
                term_in(&inner));
    assert_term_text(term_in(&buf),
                     "[18446744073709551615,0.5,'Up per',<<\"text\">>,{x,[1]},"
                     "'DOWN',<n@h.1.2>,#Ref<n@h.4>|{x,[1]}]");
    buf_fini(&buf);
    buf_fini(&inner);
}

static void wrong_formats_append_nothing(void **state)
{
    static const char *const wrong[] = {
        "",    "{ok",  "{ok]",    "ok}",      "a b",    "a, b", "~z",
        "~",   "#{a}", "#{a => ", "#{a => 1", "{a, }",  "X",    "[a|b|c]",
        "[|]", "'x",   "\"x",     "<<\"x\"",  "<<256>>"};
    struct buf buf;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        buf_init(&buf, 0);
        term_format(&buf, "before");
        term_format(&buf, wrong[i]);
        assert_int_equal(buf_error(&buf), CNODE_SYNTAX);
        assert_int_equal(buf_size(&buf), 8);
        buf_fini(&buf);
    }
    buf_init(&buf, 0);
    term_format(&buf, "{ok, ~a}", (const char *)NULL);
    assert_int_equal(buf_error(&buf), CNODE_EINVALID);
    assert_int_equal(buf_size(&buf), 0);
    buf_fini(&buf);
}

static void map_with_a_key_twice_is_refused(void **state)
{
    struct buf buf;

    (void)state;
    for (int64_t key = 0; key < 3; key++) {
        buf_init(&buf, 0);
        term_format(&buf, "{ok, [#{~i => [], 1 => #{}}]}", key);
        assert_int_equal(buf_error(&buf), key == 1 ? CNODE_EINVALID : 0);
        assert_int_equal(buf_size(&buf) == 0, key == 1);
        buf_fini(&buf);
    }
}

static void buffer_without_memory_keeps_what_it_had(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 10);
    term_format(&buf, "ok");
    term_format(&buf, "{~i, \"abc\", [a, b], #{c => d}}", INT64_MAX);
    assert_int_equal(buf_error(&buf), CNODE_TOO_LARGE);
    assert_int_equal(buf_size(&buf), 4);
    buf_fini(&buf);
}

static void ei_reads_what_we_write(void **state)
{
    uint64_t random = random_seed();
    size_t size;

    (void)state;
    for (int i = 0; i < 2000; i++) {
        struct buf ours;
        ei_x_buff theirs;
        int index = 0;
        buf_init(&ours, 0);
        assert_int_equal(ei_x_new(&theirs), 0);
        random_term(&random, &ours, &theirs, 4);
        assert_int_equal(ei_skip_term((const char *)buf_data(&ours), &index),
                         0);
        assert_int_equal(index, buf_size(&ours));
        assert_int_equal(term_validate((const uint8_t *)theirs.buff,
                                       (size_t)theirs.index, 100, &size),
                         0);
        assert_int_equal(size, theirs.index);
        ei_x_free(&theirs);
        buf_fini(&ours);
    }
}

static void ei_decodes_the_same_values(void **state)
{
    uint64_t random = random_seed();

    (void)state;
    for (int i = 0; i < 2000; i++) {
        int64_t value =
            (int64_t)random_u64(&random) >> random_below(&random, 64);
        double number = (double)value / 7, number_out;
        char atom[MAXATOMLEN_UTF8];
        long long out;
        int index = 0, arity;
        struct buf buf;

        buf_init(&buf, 0);
        term_format(&buf, "{~i, ~f, 'gr\xc3\xbc\xc3\x9f'}", value, number);
        assert_int_equal(
            ei_decode_tuple_header((char *)buf_data(&buf), &index, &arity), 0);
        assert_int_equal(arity, 3);
        assert_int_equal(
            ei_decode_longlong((char *)buf_data(&buf), &index, &out), 0);
        assert_true(out == value);
        assert_int_equal(
            ei_decode_double((char *)buf_data(&buf), &index, &number_out), 0);
        assert_true(number == number_out);
        assert_int_equal(ei_decode_atom_as((char *)buf_data(&buf), &index, atom,
                                           sizeof(atom), ERLANG_UTF8, NULL,
                                           NULL),
                         0);
        assert_string_equal(atom, "gr\xc3\xbc\xc3\x9f");
        buf_fini(&buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_as_short_as_otp_writes_them),
        cmocka_unit_test(big_magnitudes_lose_their_zeros),
        cmocka_unit_test(heads_grow_at_256),
        cmocka_unit_test(what_cannot_be_written_is_a_sticky_error),
        cmocka_unit_test(formats_become_terms),
        cmocka_unit_test(wrong_formats_append_nothing),
        cmocka_unit_test(map_with_a_key_twice_is_refused),
        cmocka_unit_test(buffer_without_memory_keeps_what_it_had),
        cmocka_unit_test(ei_reads_what_we_write),
        cmocka_unit_test(ei_decodes_the_same_values),
    };

    atom_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
