/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking terms: sizes, types, containers, lists of every shape.
 */
#include "term/view.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "support/term/terms.h"

static void types_are_told_apart(void **state)
{
    static const struct {
        const char *text;
        enum cnode_type type;
    } rows[] = {
        {"1", CNODE_TYPE_INT},        {"-70000000000", CNODE_TYPE_INT},
        {"1.0", CNODE_TYPE_FLOAT},    {"a", CNODE_TYPE_ATOM},
        {"{}", CNODE_TYPE_TUPLE},     {"[]", CNODE_TYPE_NIL},
        {"[a]", CNODE_TYPE_LIST},     {"\"a\"", CNODE_TYPE_LIST},
        {"<<1>>", CNODE_TYPE_BINARY}, {"<<1:3>>", CNODE_TYPE_BITSTRING},
        {"#{}", CNODE_TYPE_MAP},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf buf = bytes_of_text(rows[i].text);
        assert_int_equal(cnode_type(term_in(&buf)), rows[i].type);
        buf_fini(&buf);
    }
    assert_int_equal(cnode_type(TERM_NONE), CNODE_TYPE_NONE);
}

static void no_term_is_of_no_type_everywhere(void **state)
{
    struct cnode_term out[2];
    struct cnode_list list;
    struct pid pid;
    struct ref ref;
    const char *text;
    size_t len;
    int64_t i;
    uint64_t u;
    uint32_t n;
    double f;
    bool b;

    (void)state;
    assert_false(cnode_get_int(TERM_NONE, &i));
    assert_false(cnode_get_uint(TERM_NONE, &u));
    assert_false(cnode_get_float(TERM_NONE, &f));
    assert_false(cnode_get_atom(TERM_NONE, &text, &len));
    assert_false(cnode_get_bytes(TERM_NONE, &text, &len));
    assert_false(cnode_get_bool(TERM_NONE, &b));
    assert_false(cnode_get_tuple(TERM_NONE, &n, NULL));
    assert_false(cnode_get_map(TERM_NONE, &n, NULL));
    assert_false(cnode_map_get(TERM_NONE, "a", out));
    assert_false(cnode_list(TERM_NONE, &list));
    assert_false(cnode_is_atom(TERM_NONE, ""));
    assert_false(term_is_atom(TERM_NONE, A_ok));
    assert_false(term_get_tuple(TERM_NONE, 2, out));
    assert_false(term_get_pid(TERM_NONE, &pid));
    assert_false(term_get_ref(TERM_NONE, &ref));
    assert_false(term_get_cons(TERM_NONE, out, out + 1));
    assert_false(term_get_node(TERM_NONE, &text, &len));
    assert_int_equal(cnode_term_size(TERM_NONE), 0);
    assert_null(cnode_next(TERM_NONE).at);
}

static void elements_of_a_tuple_are_walked_to_its_end(void **state)
{
    struct buf buf = bytes_of_text("{{a,[1|b]},#{x => 1.5},<<1:3>>}");
    struct cnode_term element, out[3];
    uint32_t arity;

    (void)state;
    assert_true(cnode_get_tuple(term_in(&buf), &arity, &element));
    assert_int_equal(arity, 3);
    assert_term_text(element, "{a,[1|b]}");
    element = cnode_next(element);
    assert_term_text(element, "#{x => 1.5}");
    element = cnode_next(element);
    assert_term_text(element, "<<1:3>>");
    assert_null(cnode_next(element).at);
    assert_true(term_get_tuple(term_in(&buf), 3, out));
    assert_term_text(out[1], "#{x => 1.5}");
    assert_false(term_get_tuple(term_in(&buf), 2, out));
    buf_fini(&buf);
}

static void large_tuple_is_a_tuple(void **state)
{
    struct buf buf = bytes_of_hex("6900000002 6101 6102");
    struct cnode_term out[2];

    (void)state;
    assert_true(term_get_tuple(term_in(&buf), 2, out));
    assert_term_text(out[1], "2");
    buf_fini(&buf);
}

static void map_is_looked_up_by_atom(void **state)
{
    struct buf buf = bytes_of_text("#{1 => a, {x} => b, c => {d}, e => f}");
    struct cnode_term value, key;
    uint32_t pairs;

    (void)state;
    assert_true(cnode_map_get(term_in(&buf), "c", &value));
    assert_term_text(value, "{d}");
    assert_true(cnode_map_get(term_in(&buf), "e", &value));
    assert_term_text(value, "f");
    assert_false(cnode_map_get(term_in(&buf), "f", &value));
    assert_term_text(value, "f");
    assert_true(cnode_get_map(term_in(&buf), &pairs, &key));
    assert_int_equal(pairs, 4);
    assert_term_text(key, "1");
    buf_fini(&buf);
}

static void assert_list(const char *hex, const char *elements)
{
    struct buf buf = bytes_of_hex(hex);
    struct buf wanted = bytes_of_text(elements);
    struct cnode_list list;
    struct cnode_term element, other;
    uint32_t n, seen = 0;

    assert_true(cnode_get_tuple(term_in(&wanted), &n, &other));
    assert_true(cnode_list(term_in(&buf), &list));
    while (cnode_list_next(&list, &element)) {
        assert_true(term_same_bytes(element, other));
        other = cnode_next(other);
        seen++;
    }
    assert_int_equal(seen, n);
    assert_false(cnode_list_next(&list, &element));
    buf_fini(&buf);
    buf_fini(&wanted);
}

static void lists_of_every_shape_are_walked(void **state)
{
    struct buf improper = bytes_of_text("[a|b]");
    struct cnode_list list;

    (void)state;
    assert_list("6a", "{}");
    assert_list("6b0003616263", "{97,98,99}");
    assert_list("6c00000002 6101 680177016a 6a", "{1,{j}}");
    assert_list("6c00000001 6101 6c00000001 6102 6b00026162", "{1,2,97,98}");
    assert_list("6c00000001 6101 6c00000001 6102 6a", "{1,2}");
    assert_false(cnode_list(term_in(&improper), &list));
    buf_fini(&improper);
}

static void cons_gives_head_and_tail(void **state)
{
    struct buf pair = bytes_of_text("[alias|tail]");
    struct buf list = bytes_of_text("[a,b]");
    struct buf text = bytes_of_text("\"ab\"");
    struct cnode_term head, tail;

    (void)state;
    assert_true(term_get_cons(term_in(&pair), &head, &tail));
    assert_true(term_is_atom(head, A_alias));
    assert_term_text(tail, "tail");
    assert_true(term_get_cons(term_in(&list), &head, &tail));
    assert_term_text(head, "a");
    assert_true(term_is_none(tail));
    assert_false(term_get_cons(term_in(&text), &head, &tail));
    buf_fini(&pair);
    buf_fini(&list);
    buf_fini(&text);
}

static void small_terms_live_for_ever(void **state)
{
    int64_t value;

    (void)state;
    for (int i = 0; i < 256; i++) {
        assert_true(cnode_get_int(term_small_int((uint8_t)i), &value));
        assert_int_equal(value, i);
    }
    assert_int_equal(cnode_type(term_nil()), CNODE_TYPE_NIL);
    assert_null(cnode_next(term_nil()).at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_told_apart),
        cmocka_unit_test(no_term_is_of_no_type_everywhere),
        cmocka_unit_test(elements_of_a_tuple_are_walked_to_its_end),
        cmocka_unit_test(large_tuple_is_a_tuple),
        cmocka_unit_test(map_is_looked_up_by_atom),
        cmocka_unit_test(lists_of_every_shape_are_walked),
        cmocka_unit_test(cons_gives_head_and_tail),
        cmocka_unit_test(small_terms_live_for_ever),
    };

    atom_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
