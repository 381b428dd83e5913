/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ei.h>

#include "dist/control.h"
#include "dist/flags.h"
#include "term/validate.h"

static struct pid ours, theirs;
static struct ref ref;
static atom_t name;
static struct buf bytes; /* the tuple under test */

static int setup(void **state)
{
    (void)state;
    atom_init();
    name = atom_intern("some_name", 9);
    ours = (struct pid){atom_intern("c@host", 6), 7, 8, 9};
    theirs = (struct pid){atom_intern("b@host", 6), 100, 0, 1234567890};
    ref = (struct ref){.node = theirs.node,
                       .creation = theirs.creation,
                       .len = 3,
                       .words = {1, 2, 3}};
    buf_init(&bytes, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&bytes);
    return 0;
}

static void put_atom(const char *text)
{
    term_put_atom_text(&bytes, text, strlen(text));
}

/* One element that fits a letter of control.def; '!' fits none but "any". */
static void put_element(char letter)
{
    switch (letter) {
    case 'f':
    case 'F':
    case 'a':
        term_put_pid(&bytes, theirs);
        break;
    case 't':
    case 'T':
    case 'x':
        term_put_pid(&bytes, ours);
        break;
    case 'n':
        term_put_atom(&bytes, name);
        break;
    case 'r':
        term_put_ref(&bytes, &ref);
        break;
    case 'i':
        term_put_uint(&bytes, UINT64_MAX);
        break;
    case 'g':
        term_put_int(&bytes, 3);
        break;
    case 'm':
        term_put_tuple(&bytes, 3);
        put_atom("erpc");
        put_atom("execute_call");
        term_put_int(&bytes, 4);
        break;
    case 'R':
        put_atom("a reason");
        break;
    case '_':
        put_atom("a token");
        break;
    case 'o':
        term_put_nil(&bytes);
        break;
    default:
        term_put_float(&bytes, 1.5);
    }
}

/* {Op, ...}: an element a letter. */
static struct cnode_term tuple(int op, const char *letters)
{
    buf_clear(&bytes);
    term_put_tuple(&bytes, (uint32_t)strlen(letters) + 1);
    term_put_int(&bytes, op);
    for (const char *letter = letters; *letter != '\0'; letter++) {
        put_element(*letter);
    }
    assert_int_equal(buf_error(&bytes), 0);
    return term_at(buf_data(&bytes), buf_size(&bytes));
}

static struct cnode_term written(void)
{
    size_t size;

    assert_int_equal(buf_error(&bytes), 0);
    assert_int_equal(
        term_validate(buf_data(&bytes), buf_size(&bytes), 100, &size), 0);
    assert_int_equal(size, buf_size(&bytes));
    return term_at(buf_data(&bytes), buf_size(&bytes));
}

static void assert_pid(struct cnode_term term, struct pid expected)
{
    struct pid pid;

    assert_true(term_get_pid(term, &pid));
    assert_true(pid_equal(pid, expected));
}

static void assert_ref(struct cnode_term term)
{
    struct ref got;

    assert_true(term_get_ref(term, &got));
    assert_true(ref_equal(&got, &ref));
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
                assert_pid(c.from, theirs);
                break;
            case 't':
            case 'T':
                assert_pid(c.to, ours);
                break;
            case 'n':
                assert_int_equal(term_atom(c.to), name);
                break;
            case 'r':
                assert_ref(c.ref);
                break;
            case 'a':
                assert_pid(c.leader, theirs);
                break;
            case 'x':
                assert_pid(c.result, ours);
                break;
            case 'i':
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
            bool is_any = strchr("_Ro", line->fields[at]) != NULL;

            strcpy(fields, line->fields);
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

        snprintf(fields, sizeof(fields), "%s__", line->fields);
        assert_int_equal(control_decode(tuple(line->op, fields), &control),
                         CNODE_PROTOCOL);
        snprintf(fields, sizeof(fields), "%s", line->fields);
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
    assert_int_equal(term_atom(control.to), name);
    assert_int_equal(control_decode(tuple(20, "fnr"), &control), 0);
    assert_int_equal(term_atom(control.to), name);
    assert_int_equal(control_decode(tuple(21, "ntrR"), &control), 0);
    assert_int_equal(term_atom(control.from), name);
    assert_int_equal(control_decode(tuple(28, "ntr"), &control), 0);
    assert_int_equal(term_atom(control.from), name);
}

static void a_spawn_reply_may_carry_an_error_atom(void **state)
{
    struct control control;

    (void)state;
    assert_int_equal(control_decode(tuple(31, "rtgn"), &control), 0);
    assert_int_equal(term_atom(control.result), name);
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
    buf_clear(&bytes);
    put_atom("send");
    assert_int_equal(control_decode(written(), &control), CNODE_PROTOCOL);
    buf_clear(&bytes);
    term_put_tuple(&bytes, 0);
    assert_int_equal(control_decode(written(), &control), CNODE_PROTOCOL);
    buf_clear(&bytes);
    term_put_tuple(&bytes, 2);
    put_atom("send");
    put_atom("x");
    assert_int_equal(control_decode(written(), &control), CNODE_PROTOCOL);
}

static void unlink_id_zero_breaks_the_protocol(void **state)
{
    struct control control;

    (void)state;
    for (int op = 35; op <= 36; op++) {
        buf_clear(&bytes);
        term_put_tuple(&bytes, 4);
        term_put_int(&bytes, op);
        term_put_int(&bytes, 0);
        term_put_pid(&bytes, theirs);
        term_put_pid(&bytes, ours);
        assert_int_equal(control_decode(written(), &control), CNODE_PROTOCOL);
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
    buf_clear(&bytes);
    term_put_tuple(&bytes, (uint32_t)strlen(letters) + 2);
    term_put_int(&bytes, 37);
    term_put_int(&bytes, flags);
    for (const char *letter = letters; *letter != '\0'; letter++) {
        put_element(*letter);
    }
    return written();
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
        assert_pid(control.from, theirs);
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
    buf_clear(&bytes);
    term_put_tuple(&bytes, 4);
    term_put_int(&bytes, 37);
    buf_put(&bytes, flags, sizeof(flags));
    put_element('f');
    put_element('r');
    assert_int_equal(control_decode(written(), &control), 0);
    assert_int_equal(control.kind, CONTROL_ALIAS_SEND);
}

/* --- writing: what we write we read back, and ei agrees */

static struct cnode_term view_of(struct buf *buf)
{
    return term_at(buf_data(buf), buf_size(buf));
}

static void sends_are_read_back(void **state)
{
    struct control control;
    struct buf alias;

    (void)state;
    buf_clear(&bytes);
    control_put_send(&bytes, DIST_SEND_SENDER, ours, theirs);
    assert_int_equal(control_decode(written(), &control), 0);
    assert_int_equal(control.kind, CONTROL_SEND);
    assert_pid(control.from, ours);
    assert_pid(control.to, theirs);

    buf_clear(&bytes);
    control_put_reg_send(&bytes, ours, name);
    assert_int_equal(control_decode(written(), &control), 0);
    assert_int_equal(control.kind, CONTROL_REG_SEND);
    assert_int_equal(term_atom(control.to), name);

    buf_init(&alias, 0);
    term_put_ref(&alias, &ref);
    for (int altact_sig = 0; altact_sig < 2; altact_sig++) {
        buf_clear(&bytes);
        control_put_alias_send(&bytes, altact_sig ? DIST_ALTACT_SIG : 0, ours,
                               view_of(&alias));
        assert_int_equal(buf_data(&bytes)[3], altact_sig ? 37 : 33);
        assert_int_equal(control_decode(written(), &control), 0);
        assert_int_equal(control.kind, CONTROL_ALIAS_SEND);
        assert_ref(control.ref);
    }
    buf_fini(&alias);
}

static void sends_without_sender_use_the_old_form(void **state)
{
    (void)state;
    buf_clear(&bytes);
    control_put_send(&bytes, 0, ours, theirs);
    assert_int_equal(buf_data(&bytes)[3], 2);
    buf_clear(&bytes);
    control_put_send(&bytes, DIST_SEND_SENDER, PID_NONE, theirs);
    assert_int_equal(buf_data(&bytes)[3], 2);
}

static void links_and_monitors_are_read_back(void **state)
{
    struct control control;
    struct buf to;

    (void)state;
    buf_clear(&bytes);
    control_put_link(&bytes, ours, theirs);
    assert_int_equal(control_decode(written(), &control), 0);
    assert_int_equal(control.kind, CONTROL_LINK);

    buf_clear(&bytes);
    control_put_unlink(&bytes, UINT64_MAX, ours, theirs);
    assert_int_equal(control_decode(written(), &control), 0);
    assert_int_equal(control.kind, CONTROL_UNLINK);
    assert_true(control.id == UINT64_MAX);

    buf_init(&to, 0);
    term_put_pid(&to, theirs);
    buf_clear(&bytes);
    control_put_unlink_ack(&bytes, 5, ours, view_of(&to));
    assert_int_equal(control_decode(written(), &control), 0);
    assert_int_equal(control.kind, CONTROL_UNLINK_ACK);
    assert_pid(control.to, theirs);
    buf_fini(&to);

    buf_clear(&bytes);
    control_put_monitor(&bytes, ours, theirs, ATOM_NONE, &ref);
    assert_int_equal(control_decode(written(), &control), 0);
    assert_int_equal(control.kind, CONTROL_MONITOR);
    assert_pid(control.to, theirs);

    buf_clear(&bytes);
    control_put_demonitor(&bytes, ours, PID_NONE, name, &ref);
    assert_int_equal(control_decode(written(), &control), 0);
    assert_int_equal(control.kind, CONTROL_DEMONITOR);
    assert_int_equal(term_atom(control.to), name);
    assert_ref(control.ref);
}

static void reasons_follow_as_payload_or_stand_in_the_tuple(void **state)
{
    const uint8_t noproc[] = {119, 6, 'n', 'o', 'p', 'r', 'o', 'c'};
    struct cnode_term reason = term_at(noproc, sizeof(noproc));
    struct control control;
    struct buf to, watch;

    (void)state;
    buf_init(&to, 0);
    term_put_pid(&to, theirs);
    buf_init(&watch, 0);
    term_put_ref(&watch, &ref);
    for (int modern = 0; modern < 2; modern++) {
        uint64_t peer = modern ? DIST_EXIT_PAYLOAD : 0;

        buf_clear(&bytes);
        assert_int_equal(
            control_put_exit(&bytes, peer, ours, view_of(&to), reason), modern);
        assert_int_equal(control_decode(written(), &control), 0);
        assert_int_equal(control.kind, CONTROL_EXIT);
        assert_int_equal(control.has_payload, modern);
        assert_int_equal(cnode_is_atom(control.reason, "noproc"), !modern);

        buf_clear(&bytes);
        assert_int_equal(
            control_put_exit2(&bytes, peer, ours, view_of(&to), reason),
            modern);
        assert_int_equal(control_decode(written(), &control), 0);
        assert_int_equal(control.kind, CONTROL_EXIT2);
        assert_int_equal(cnode_is_atom(control.reason, "noproc"), !modern);

        buf_clear(&bytes);
        assert_int_equal(control_put_monitor_exit(&bytes, peer, reason,
                                                  view_of(&to), view_of(&watch),
                                                  reason),
                         modern);
        assert_int_equal(control_decode(written(), &control), 0);
        assert_int_equal(control.kind, CONTROL_MONITOR_EXIT);
        assert_true(cnode_is_atom(control.from, "noproc"));
        assert_int_equal(cnode_is_atom(control.reason, "noproc"), !modern);
    }
    buf_fini(&to);
    buf_fini(&watch);
}

static void spawn_replies_are_read_back(void **state)
{
    struct control control;
    struct buf request, to;

    (void)state;
    buf_init(&request, 0);
    term_put_ref(&request, &ref);
    buf_init(&to, 0);
    term_put_pid(&to, theirs);

    buf_clear(&bytes);
    control_put_spawn_reply(&bytes, view_of(&request), view_of(&to), 2, ours,
                            ATOM_NONE);
    assert_int_equal(control_decode(written(), &control), 0);
    assert_int_equal(control.kind, CONTROL_SPAWN_REPLY);
    assert_int_equal(control.flags, 2);
    assert_pid(control.result, ours);

    buf_clear(&bytes);
    control_put_spawn_reply(&bytes, view_of(&request), view_of(&to), 0,
                            PID_NONE, A_notsup);
    assert_int_equal(control_decode(written(), &control), 0);
    assert_int_equal(term_atom(control.result), A_notsup);
    buf_fini(&request);
    buf_fini(&to);
}

static void ei_writes_the_same_bytes(void **state)
{
    erlang_pid from = {
        .num = ours.id, .serial = ours.serial, .creation = ours.creation};
    ei_x_buff x;

    (void)state;
    strcpy(from.node, atom_text(ours.node));
    ei_x_new(&x);
    ei_x_encode_tuple_header(&x, 4);
    ei_x_encode_long(&x, 6);
    ei_x_encode_pid(&x, &from);
    ei_x_encode_atom_as(&x, "", ERLANG_UTF8, ERLANG_UTF8);
    ei_x_encode_atom_as(&x, "some_name", ERLANG_UTF8, ERLANG_UTF8);

    buf_clear(&bytes);
    control_put_reg_send(&bytes, ours, name);
    assert_int_equal(buf_size(&bytes), x.index);
    assert_memory_equal(buf_data(&bytes), x.buff, (size_t)x.index);
    ei_x_free(&x);
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
        cmocka_unit_test(unlink_id_zero_breaks_the_protocol),
        cmocka_unit_test(the_payload_of_an_exit_is_its_reason),
        cmocka_unit_test(altact_flags_say_what_it_is),
        cmocka_unit_test(altact_to_must_be_what_the_flags_say),
        cmocka_unit_test(altact_flags_may_be_a_bignum),
        cmocka_unit_test(sends_are_read_back),
        cmocka_unit_test(sends_without_sender_use_the_old_form),
        cmocka_unit_test(links_and_monitors_are_read_back),
        cmocka_unit_test(reasons_follow_as_payload_or_stand_in_the_tuple),
        cmocka_unit_test(spawn_replies_are_read_back),
        cmocka_unit_test(ei_writes_the_same_bytes),
        cmocka_unit_test(every_kind_has_a_name),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
