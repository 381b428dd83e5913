/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading control messages; test_control_put.c has writing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/dist/control_case.h"

static void put_atom(const char *text)
{
    term_put_atom_text(&it.bytes, text, strlen(text));
}

/* One element that fits a letter of control.def; '!' fits none but "any". */
static void put_element(char letter)
{
    switch (letter) {
    case 'f':
    case 'F':
    case 's':
    case 'a':
        term_put_pid(&it.bytes, it.theirs);
        break;
    case 't':
    case 'T':
    case 'l':
    case 'x':
        term_put_pid(&it.bytes, it.ours);
        break;
    case 'n':
        term_put_atom(&it.bytes, it.name);
        break;
    case 'r':
        term_put_ref(&it.bytes, &it.ref);
        break;
    case 'i':
    case 'j':
        term_put_uint(&it.bytes, UINT64_MAX);
        break;
    case 'g':
        term_put_int(&it.bytes, 3);
        break;
    case 'm':
        term_put_tuple(&it.bytes, 3);
        put_atom("erpc");
        put_atom("execute_call");
        term_put_int(&it.bytes, 4);
        break;
    case 'R':
        put_atom("a reason");
        break;
    case '_':
        put_atom("a token");
        break;
    case 'o':
        term_put_nil(&it.bytes);
        break;
    default:
        term_put_float(&it.bytes, 1.5);
    }
}

/* {Op, ...}: an element a letter. */
static struct cnode_term tuple(int op, const char *letters)
{
    buf_clear(&it.bytes);
    term_put_tuple(&it.bytes, (uint32_t)strlen(letters) + 1);
    term_put_int(&it.bytes, op);
    for (const char *letter = letters; *letter != '\0'; letter++) {
        put_element(*letter);
    }
    assert_int_equal(buf_error(&it.bytes), 0);
    return term_at(buf_data(&it.bytes), buf_size(&it.bytes));
}

static const struct line {
    int op;
    enum control_kind kind;
    bool has_payload;
    const char *fields;
} lines[] = {
#define CONTROL_OP(op, kind, payload, fields)                                  \
    {op, CONTROL_##kind, (payload) != 0, fields},
#include "dist/control.def"
#undef CONTROL_OP
};

/* --- reading */

static void every_operation_of_otp_25_to_29_is_read(void **state)
{
    static const int operations[] = {1,  2,  3,  4,  6,  7,  8,  12, 13, 16,
                                     18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
                                     28, 29, 30, 31, 32, 33, 34, 35, 36};
    (void)state;
    assert_int_equal(ARRAY_LEN(lines), ARRAY_LEN(operations));
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        const struct line *line = &lines[i];
        struct control control;

        assert_int_equal(line->op, operations[i]);
        assert_int_equal(
            control_decode(tuple(line->op, line->fields), &control), 0);
        assert_int_equal(control.kind, line->kind);
        assert_int_equal(control.has_payload, line->has_payload);
        assert_false(control.is_priority);
        assert_true(term_is_none(control.payload));
    }
}

static void each_field_lands_where_its_letter_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        const struct line *line = &lines[i];
        struct control c;

        assert_int_equal(control_decode(tuple(line->op, line->fields), &c), 0);
        for (const char *field = line->fields; *field != '\0'; field++) {
            switch (*field) {
            case 'f':
            case 'F':
            case 's':
                assert_is_pid(c.from, it.theirs);
                break;
            case 't':
            case 'T':
            case 'l':
                assert_is_pid(c.to, it.ours);
                break;
            case 'n':
                assert_int_equal(term_atom(c.to), it.name);
                break;
            case 'r':
                assert_is_ref(c.ref);
                break;
            case 'a':
                assert_is_pid(c.leader, it.theirs);
                break;
            case 'x':
                assert_is_pid(c.result, it.ours);
                break;
            case 'i':
            case 'j':
                assert_true(c.id == UINT64_MAX);
                break;
            case 'g':
                assert_int_equal(c.flags, 3);
                break;
            case 'R':
                assert_true(cnode_is_atom(c.reason, "a reason"));
                break;
            case 'm':
                assert_int_equal(cnode_type(c.mfa), CNODE_TYPE_TUPLE);
                break;
            case 'o':
                assert_int_equal(cnode_type(c.opts), CNODE_TYPE_NIL);
                break;
            default:
                break;
            }
        }
    }
}

static void a_field_of_another_type_breaks_the_protocol(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        const struct line *line = &lines[i];
        char fields[16];
        struct control control;

        for (size_t at = 0; line->fields[at] != '\0'; at++) {
            bool is_any = strchr("_Rosl", line->fields[at]) != NULL;

            (void)snprintf(fields, sizeof(fields), "%s", line->fields);
            fields[at] = '!';
            assert_int_equal(control_decode(tuple(line->op, fields), &control),
                             is_any ? 0 : CNODE_PROTOCOL);
        }
    }
}

static void another_arity_breaks_the_protocol(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        const struct line *line = &lines[i];
        char fields[16];
        struct control control;

        (void)snprintf(fields, sizeof(fields), "%s__", line->fields);
        assert_int_equal(control_decode(tuple(line->op, fields), &control),
                         CNODE_PROTOCOL);
        (void)snprintf(fields, sizeof(fields), "%s", line->fields);
        fields[strlen(fields) - 1] = '\0';
        assert_int_equal(control_decode(tuple(line->op, fields), &control),
                         CNODE_PROTOCOL);
    }
}

static void watched_may_be_a_name(void **state)
{
    struct control control;

    (void)state;
    assert_int_equal(control_decode(tuple(19, "fnr"), &control), 0);
    assert_int_equal(term_atom(control.to), it.name);
    assert_int_equal(control_decode(tuple(20, "fnr"), &control), 0);
    assert_int_equal(term_atom(control.to), it.name);
    assert_int_equal(control_decode(tuple(21, "ntrR"), &control), 0);
    assert_int_equal(term_atom(control.from), it.name);
    assert_int_equal(control_decode(tuple(28, "ntr"), &control), 0);
    assert_int_equal(term_atom(control.from), it.name);
}

static void a_spawn_reply_may_carry_an_error_atom(void **state)
{
    struct control control;

    (void)state;
    assert_int_equal(control_decode(tuple(31, "rtgn"), &control), 0);
    assert_int_equal(term_atom(control.result), it.name);
}

static void a_send_without_sender_has_none(void **state)
{
    struct control control;

    (void)state;
    assert_int_equal(control_decode(tuple(2, "_t"), &control), 0);
    assert_true(term_is_none(control.from));
}

static void an_operation_of_a_later_otp_is_unhandled(void **state)
{
    static const int unknown[] = {0, 5, 9, 10, 11, 14, 15, 17, 38, 255, 70000};
    struct control control;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
        assert_int_equal(control_decode(tuple(unknown[i], "ft"), &control),
                         CNODE_UNHANDLED);
    }
    assert_int_equal(control_decode(tuple(-1, "ft"), &control),
                     CNODE_UNHANDLED);
}

static void what_is_no_tuple_with_an_operation_breaks_the_protocol(void **state)
{
    struct control control;

    (void)state;
    buf_clear(&it.bytes);
    put_atom("send");
    assert_int_equal(control_decode(it_written(), &control), CNODE_PROTOCOL);
    buf_clear(&it.bytes);
    term_put_tuple(&it.bytes, 0);
    assert_int_equal(control_decode(it_written(), &control), CNODE_PROTOCOL);
    buf_clear(&it.bytes);
    term_put_tuple(&it.bytes, 2);
    put_atom("send");
    put_atom("x");
    assert_int_equal(control_decode(it_written(), &control), CNODE_PROTOCOL);
}

static void unlink_id_zero_is_of_an_acknowledgement_only(void **state)
{
    struct control control;

    (void)state;
    for (int op = 35; op <= 36; op++) {
        buf_clear(&it.bytes);
        term_put_tuple(&it.bytes, 4);
        term_put_int(&it.bytes, op);
        term_put_int(&it.bytes, 0);
        term_put_pid(&it.bytes, it.theirs);
        term_put_pid(&it.bytes, it.ours);
        assert_int_equal(control_decode(it_written(), &control),
                         op == 35 ? CNODE_PROTOCOL : 0);
    }
}

static void the_payload_of_an_exit_is_its_reason(void **state)
{
    static const struct {
        int op;
        const char *fields;
        bool is_reason;
    } rows[] = {{24, "ft", true},
                {26, "ft", true},
                {28, "Ftr", true},
                {22, "ft", false},
                {29, "rfamo", false}};
    const uint8_t atom_ok[] = {119, 2, 'o', 'k'};
    struct control control;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(
            control_decode(tuple(rows[i].op, rows[i].fields), &control), 0);
        control_set_payload(&control, term_at(atom_ok, sizeof(atom_ok)));
        assert_true(cnode_is_atom(control.payload, "ok"));
        assert_int_equal(term_is_none(control.reason), !rows[i].is_reason);
    }
}

/* --- ALTACT_SIG_SEND */

static struct cnode_term altact(int flags, const char *letters)
{
    buf_clear(&it.bytes);
    term_put_tuple(&it.bytes, (uint32_t)strlen(letters) + 2);
    term_put_int(&it.bytes, 37);
    term_put_int(&it.bytes, flags);
    for (const char *letter = letters; *letter != '\0'; letter++) {
        put_element(*letter);
    }
    return it_written();
}

static void altact_flags_say_what_it_is(void **state)
{
    static const struct {
        int flags;
        const char *letters;
        enum control_kind kind;
        bool is_priority;
    } rows[] = {
        {4, "fr", CONTROL_ALIAS_SEND, false},
        {5, "fr", CONTROL_ALIAS_SEND, true},
        {6, "fr_", CONTROL_ALIAS_SEND, false},
        {1, "ft", CONTROL_SEND, true},
        {9, "fn", CONTROL_REG_SEND, true},
        {17, "ft", CONTROL_EXIT2, true},
        {21, "fr", CONTROL_EXIT2, true},
        {4 | 1024, "fr", CONTROL_ALIAS_SEND, false}, /* an unknown bit */
        {4, "fr____", CONTROL_ALIAS_SEND, false},    /* a larger tuple */
    };
    struct control control;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(
            control_decode(altact(rows[i].flags, rows[i].letters), &control),
            0);
        assert_int_equal(control.kind, rows[i].kind);
        assert_int_equal(control.is_priority, rows[i].is_priority);
        assert_true(control.has_payload);
        assert_is_pid(control.from, it.theirs);
    }
}

static void altact_to_must_be_what_the_flags_say(void **state)
{
    static const struct {
        int flags;
        const char *letters;
    } rows[] = {{4, "ft"},  {4, "fn"}, {0, "fr"}, {8, "ft"},
                {16, "fr"}, {4, "nr"}, {4, "f"},  {4, ""}};
    struct control control;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(
            control_decode(altact(rows[i].flags, rows[i].letters), &control),
            CNODE_PROTOCOL);
    }
}

static void altact_flags_may_be_a_bignum(void **state)
{
    static const uint8_t flags[] = {110, 9, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1};
    struct control control;

    (void)state;
    buf_clear(&it.bytes);
    term_put_tuple(&it.bytes, 4);
    term_put_int(&it.bytes, 37);
    buf_put(&it.bytes, flags, sizeof(flags));
    put_element('f');
    put_element('r');
    assert_int_equal(control_decode(it_written(), &control), 0);
    assert_int_equal(control.kind, CONTROL_ALIAS_SEND);
}

static void every_kind_has_a_name(void **state)
{
    (void)state;
    for (int kind = 0; kind < CONTROL_KIND_COUNT; kind++) {
        assert_non_null(control_name((enum control_kind)kind));
    }
    assert_string_equal(control_name(CONTROL_ALIAS_SEND), "alias_send");
    assert_string_equal(control_name(CONTROL_KIND_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_of_otp_25_to_29_is_read),
        cmocka_unit_test(each_field_lands_where_its_letter_says),
        cmocka_unit_test(a_field_of_another_type_breaks_the_protocol),
        cmocka_unit_test(another_arity_breaks_the_protocol),
        cmocka_unit_test(watched_may_be_a_name),
        cmocka_unit_test(a_spawn_reply_may_carry_an_error_atom),
        cmocka_unit_test(a_send_without_sender_has_none),
        cmocka_unit_test(an_operation_of_a_later_otp_is_unhandled),
        cmocka_unit_test(
            what_is_no_tuple_with_an_operation_breaks_the_protocol),
        cmocka_unit_test(unlink_id_zero_is_of_an_acknowledgement_only),
        cmocka_unit_test(the_payload_of_an_exit_is_its_reason),
        cmocka_unit_test(altact_flags_say_what_it_is),
        cmocka_unit_test(altact_to_must_be_what_the_flags_say),
        cmocka_unit_test(altact_flags_may_be_a_bignum),
        cmocka_unit_test(every_kind_has_a_name),
    };

    return cmocka_run_group_tests(tests, control_case_setup,
                                  control_case_teardown);
}
