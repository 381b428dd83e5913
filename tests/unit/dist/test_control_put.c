/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing control messages: what we write we read back, and ei agrees.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <ei.h>

#include "dist/flags.h"
#include "support/dist/control_case.h"

static struct cnode_term view_of(struct buf *buf)
{
    return term_at(buf_data(buf), buf_size(buf));
}

static void sends_are_read_back(void **state)
{
    struct control control;
    struct buf alias;

    (void)state;
    buf_clear(&it.bytes);
    control_put_send(&it.bytes, DIST_SEND_SENDER, it.ours, it.theirs);
    assert_int_equal(control_decode(it_written(), &control), 0);
    assert_int_equal(control.kind, CONTROL_SEND);
    assert_is_pid(control.from, it.ours);
    assert_is_pid(control.to, it.theirs);

    buf_clear(&it.bytes);
    control_put_reg_send(&it.bytes, it.ours, it.name);
    assert_int_equal(control_decode(it_written(), &control), 0);
    assert_int_equal(control.kind, CONTROL_REG_SEND);
    assert_int_equal(term_atom(control.to), it.name);

    buf_init(&alias, 0);
    term_put_ref(&alias, &it.ref);
    for (int altact_sig = 0; altact_sig < 2; altact_sig++) {
        buf_clear(&it.bytes);
        control_put_alias_send(&it.bytes, altact_sig ? DIST_ALTACT_SIG : 0,
                               it.ours, view_of(&alias));
        assert_int_equal(buf_data(&it.bytes)[3], altact_sig ? 37 : 33);
        assert_int_equal(control_decode(it_written(), &control), 0);
        assert_int_equal(control.kind, CONTROL_ALIAS_SEND);
        assert_is_ref(control.ref);
    }
    buf_fini(&alias);
}

static void sends_without_sender_use_the_old_form(void **state)
{
    (void)state;
    buf_clear(&it.bytes);
    control_put_send(&it.bytes, 0, it.ours, it.theirs);
    assert_int_equal(buf_data(&it.bytes)[3], 2);
    buf_clear(&it.bytes);
    control_put_send(&it.bytes, DIST_SEND_SENDER, PID_NONE, it.theirs);
    assert_int_equal(buf_data(&it.bytes)[3], 2);
}

static void links_and_monitors_are_read_back(void **state)
{
    struct control control;
    struct buf to;

    (void)state;
    buf_clear(&it.bytes);
    control_put_link(&it.bytes, it.ours, it.theirs);
    assert_int_equal(control_decode(it_written(), &control), 0);
    assert_int_equal(control.kind, CONTROL_LINK);

    buf_clear(&it.bytes);
    control_put_unlink(&it.bytes, UINT64_MAX, it.ours, it.theirs);
    assert_int_equal(control_decode(it_written(), &control), 0);
    assert_int_equal(control.kind, CONTROL_UNLINK);
    assert_true(control.id == UINT64_MAX);

    buf_init(&to, 0);
    term_put_pid(&to, it.theirs);
    buf_clear(&it.bytes);
    control_put_unlink_ack(&it.bytes, 5, it.ours, view_of(&to));
    assert_int_equal(control_decode(it_written(), &control), 0);
    assert_int_equal(control.kind, CONTROL_UNLINK_ACK);
    assert_is_pid(control.to, it.theirs);
    buf_fini(&to);

    buf_clear(&it.bytes);
    control_put_monitor(&it.bytes, it.ours, it.theirs, ATOM_NONE, &it.ref);
    assert_int_equal(control_decode(it_written(), &control), 0);
    assert_int_equal(control.kind, CONTROL_MONITOR);
    assert_is_pid(control.to, it.theirs);

    buf_clear(&it.bytes);
    control_put_demonitor(&it.bytes, it.ours, PID_NONE, it.name, &it.ref);
    assert_int_equal(control_decode(it_written(), &control), 0);
    assert_int_equal(control.kind, CONTROL_DEMONITOR);
    assert_int_equal(term_atom(control.to), it.name);
    assert_is_ref(control.ref);
}

static void reasons_follow_as_payload_or_stand_in_the_tuple(void **state)
{
    const uint8_t noproc[] = {119, 6, 'n', 'o', 'p', 'r', 'o', 'c'};
    struct cnode_term reason = term_at(noproc, sizeof(noproc));
    struct control control;
    struct buf to, watch;

    (void)state;
    buf_init(&to, 0);
    term_put_pid(&to, it.theirs);
    buf_init(&watch, 0);
    term_put_ref(&watch, &it.ref);
    for (int modern = 0; modern < 2; modern++) {
        uint64_t peer = modern ? DIST_EXIT_PAYLOAD : 0;

        buf_clear(&it.bytes);
        assert_int_equal(
            control_put_exit(&it.bytes, peer, it.ours, view_of(&to), reason),
            modern);
        assert_int_equal(control_decode(it_written(), &control), 0);
        assert_int_equal(control.kind, CONTROL_EXIT);
        assert_int_equal(control.has_payload, modern);
        assert_int_equal(cnode_is_atom(control.reason, "noproc"), !modern);

        buf_clear(&it.bytes);
        assert_int_equal(
            control_put_exit2(&it.bytes, peer, it.ours, view_of(&to), reason),
            modern);
        assert_int_equal(control_decode(it_written(), &control), 0);
        assert_int_equal(control.kind, CONTROL_EXIT2);
        assert_int_equal(cnode_is_atom(control.reason, "noproc"), !modern);

        buf_clear(&it.bytes);
        assert_int_equal(control_put_monitor_exit(&it.bytes, peer, reason,
                                                  view_of(&to), view_of(&watch),
                                                  reason),
                         modern);
        assert_int_equal(control_decode(it_written(), &control), 0);
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
    term_put_ref(&request, &it.ref);
    buf_init(&to, 0);
    term_put_pid(&to, it.theirs);

    buf_clear(&it.bytes);
    control_put_spawn_reply(&it.bytes, view_of(&request), view_of(&to), 2,
                            it.ours, ATOM_NONE);
    assert_int_equal(control_decode(it_written(), &control), 0);
    assert_int_equal(control.kind, CONTROL_SPAWN_REPLY);
    assert_int_equal(control.flags, 2);
    assert_is_pid(control.result, it.ours);

    buf_clear(&it.bytes);
    control_put_spawn_reply(&it.bytes, view_of(&request), view_of(&to), 0,
                            PID_NONE, A_notsup);
    assert_int_equal(control_decode(it_written(), &control), 0);
    assert_int_equal(term_atom(control.result), A_notsup);
    buf_fini(&request);
    buf_fini(&to);
}

static void spawn_requests_are_read_back(void **state)
{
    struct control control;
    struct buf mfa;

    (void)state;
    buf_init(&mfa, 0);
    term_format(&mfa, "{m, f, 0}");
    buf_clear(&it.bytes);
    control_put_spawn_request(&it.bytes, &it.ref, it.ours, it.theirs,
                              view_of(&mfa), term_nil());
    assert_int_equal(control_decode(it_written(), &control), 0);
    assert_int_equal(control.kind, CONTROL_SPAWN_REQUEST);
    assert_is_pid(control.from, it.ours);
    assert_is_pid(control.leader, it.theirs);
    assert_true(term_same_bytes(control.mfa, view_of(&mfa)));
    assert_int_equal(cnode_type(control.opts), CNODE_TYPE_NIL);
    buf_fini(&mfa);
}

static void group_leaders_are_read_back(void **state)
{
    struct control control;

    (void)state;
    buf_clear(&it.bytes);
    control_put_group_leader(&it.bytes, it.ours, it.theirs);
    assert_int_equal(control_decode(it_written(), &control), 0);
    assert_int_equal(control.kind, CONTROL_GROUP_LEADER);
    assert_is_pid(control.from, it.ours);
    assert_is_pid(control.to, it.theirs);
}

static void ei_writes_the_same_bytes(void **state)
{
    erlang_pid from = {.num = it.ours.id,
                       .serial = it.ours.serial,
                       .creation = it.ours.creation};
    ei_x_buff x;

    (void)state;
    (void)snprintf(from.node, sizeof(from.node), "%s", atom_text(it.ours.node));
    ei_x_new(&x);
    ei_x_encode_tuple_header(&x, 4);
    ei_x_encode_long(&x, 6);
    ei_x_encode_pid(&x, &from);
    ei_x_encode_atom_as(&x, "", ERLANG_UTF8, ERLANG_UTF8);
    ei_x_encode_atom_as(&x, "some_name", ERLANG_UTF8, ERLANG_UTF8);

    buf_clear(&it.bytes);
    control_put_reg_send(&it.bytes, it.ours, it.name);
    assert_int_equal(buf_size(&it.bytes), x.index);
    assert_memory_equal(buf_data(&it.bytes), x.buff, (size_t)x.index);
    ei_x_free(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_are_read_back),
        cmocka_unit_test(sends_without_sender_use_the_old_form),
        cmocka_unit_test(links_and_monitors_are_read_back),
        cmocka_unit_test(reasons_follow_as_payload_or_stand_in_the_tuple),
        cmocka_unit_test(spawn_replies_are_read_back),
        cmocka_unit_test(spawn_requests_are_read_back),
        cmocka_unit_test(group_leaders_are_read_back),
        cmocka_unit_test(ei_writes_the_same_bytes),
    };

    return cmocka_run_group_tests(tests, control_case_setup,
                                  control_case_teardown);
}
