/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/syn_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "support/term/terms.h"
#include "term/build.h"

#define HERE "a@h"

static struct pid pid_of(const char *node, uint32_t id)
{
    return (struct pid){atom_intern(node, strlen(node)), id, 2, 3};
}

/* The term of a format as in term/build.h; one at a time. */
static struct cnode_term make(const char *format, ...)
{
    static struct buf buf;
    va_list args;

    buf_fini(&buf);
    buf_init(&buf, 0);
    if (format == NULL) {
        return TERM_NONE;
    }
    va_start(args, format);
    term_vformat(&buf, format, args);
    va_end(args);
    assert_int_equal(buf_error(&buf), 0);
    return term_at(buf_data(&buf), buf_size(&buf));
}

static int parse(enum syn_kind kind, struct cnode_term term)
{
    struct syn_message message;

    return syn_message_parse(kind, term, &message);
}

static int parse_request(enum syn_kind kind, struct cnode_term term)
{
    struct syn_request request;

    return syn_request_parse(kind, term, &request);
}

/* --- messages */

static void a_registration_is_read(void **state)
{
    struct syn_message m;
    struct pid pid = pid_of(HERE, 7);
    int64_t time = INT64_C(1795170185588666601);

    (void)state;
    assert_int_equal(
        syn_message_parse(
            SYN_REGISTRY,
            make("{'3.0', sync_register, {n, 1}, ~p, [m], ~i, normal}", pid,
                 time),
            &m),
        0);
    assert_int_equal(m.what, SYN_ADD);
    assert_term_text(m.claim.name, "{n,1}");
    assert_term_text(m.claim.meta, "[m]");
    assert_term_text(m.reason, "normal");
    assert_true(pid_equal(m.claim.pid, pid));
    assert_true(m.claim.time == time);
}

static void an_end_is_read(void **state)
{
    struct syn_message m;

    (void)state;
    assert_int_equal(syn_message_parse(SYN_GROUPS,
                                       make("{'3.0', sync_leave, g, ~p, m, "
                                            "{shutdown, x}}",
                                            pid_of(HERE, 7)),
                                       &m),
                     0);
    assert_int_equal(m.what, SYN_REMOVE);
    assert_term_text(m.claim.name, "g");
    assert_term_text(m.reason, "{shutdown,x}");
}

static void the_messages_of_the_other_kind_are_unknown(void **state)
{
    struct pid pid = pid_of(HERE, 7);

    (void)state;
    assert_int_equal(
        parse(SYN_GROUPS,
              make("{'3.0', sync_register, n, ~p, m, 1, normal}", pid)),
        CNODE_UNHANDLED);
    assert_int_equal(
        parse(SYN_REGISTRY, make("{'3.0', sync_leave, n, ~p, m, normal}", pid)),
        CNODE_UNHANDLED);
}

static void other_versions_and_shapes_are_unknown(void **state)
{
    static const char *const texts[] = {
        "{'3.1', discover, ~p}",
        "{'3.0', discover, ~p, []}",
        "{'3.0', 1, ~p}",
        "{'3.0', hello_there_nobody_knows, ~p}",
        "{'3.0', sync_register, n, ~p, m, 1, normal, []}",
        "[discover, ~p]",
    };
    struct pid pid = pid_of(HERE, 7);

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        assert_int_equal(parse(SYN_REGISTRY, make(texts[i], pid)),
                         CNODE_UNHANDLED);
    }
    assert_int_equal(parse(SYN_REGISTRY, make("{'3.0'}")), CNODE_UNHANDLED);
    assert_int_equal(parse(SYN_REGISTRY, make("{}")), CNODE_UNHANDLED);
    assert_int_equal(parse(SYN_REGISTRY, make("discover")), CNODE_UNHANDLED);
}

static void what_is_no_pid_or_no_time_is_invalid(void **state)
{
    static const char *const texts[] = {
        "{'3.0', discover, x}",
        "{'3.0', ack_sync, x, []}",
        "{'3.0', sync_register, n, x, m, 1, normal}",
        "{'3.0', sync_unregister, n, x, m, normal}",
    };
    struct pid pid = pid_of(HERE, 7);

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        assert_int_equal(parse(SYN_REGISTRY, make(texts[i])), CNODE_EINVALID);
    }
    assert_int_equal(
        parse(SYN_REGISTRY,
              make("{'3.0', sync_register, n, ~p, m, 1.0, normal}", pid)),
        CNODE_EINVALID);
    assert_int_equal(
        parse(SYN_REGISTRY,
              make("{'3.0', sync_register, n, ~p, m, 99999999999999999999, x}",
                   pid)),
        CNODE_EINVALID);
}

static void a_pid_of_an_unknown_node_is_invalid(void **state)
{
    /* <nobody@h.1.0> */
    static const char *const hex = "68 03 77 03 332e30 77 08 646973636f766572"
                                   "58 77 08 6e6f626f64794068 00000001 00000000"
                                   "00000001";
    struct buf bytes = bytes_of_hex(hex);

    (void)state;
    assert_int_equal(parse(SYN_REGISTRY, term_in(&bytes)), CNODE_EINVALID);
    buf_fini(&bytes);
}

static void entries_of_a_snapshot_are_read_one_by_one(void **state)
{
    struct syn_claim claim;
    struct pid pid = pid_of(HERE, 9);

    (void)state;
    assert_true(syn_claim_parse(make("{n, ~p, m, -5}", pid), &claim));
    assert_true(claim.time == -5);
    assert_false(syn_claim_parse(make("{n, ~p, m, t}", pid), &claim));
    assert_false(syn_claim_parse(make("{n, p, m, 5}"), &claim));
    assert_false(syn_claim_parse(make("{n, ~p, m}", pid), &claim));
    assert_false(syn_claim_parse(make("n"), &claim));
}

static void the_count_of_a_snapshot_may_be_set_later(void **state)
{
    struct syn_claim claim = {make(NULL), pid_of(HERE, 1), TERM_NONE, 5};
    struct buf buf, once;
    size_t place;

    (void)state;
    claim.name = claim.meta = term_small_int(7);
    buf_init(&buf, 0);
    buf_init(&once, 0);
    buf_put_u8(&buf, 131); /* what comes before does not matter */
    place = syn_put_ack_sync(&buf, pid_of(HERE, 3), 1);
    syn_put_ack_sync(&once, pid_of(HERE, 3), 2);
    for (int i = 0; i < 2; i++) {
        syn_put_claim(&buf, &claim);
        syn_put_claim(&once, &claim);
    }
    set_u32(buf_data(&buf) + place, 2);
    assert_int_equal(buf_size(&buf), buf_size(&once) + 1);
    assert_memory_equal(buf_data(&buf) + 1, buf_data(&once), buf_size(&once));
    buf_fini(&buf);
    buf_fini(&once);
}

/* --- requests */

static void requests_are_read(void **state)
{
    struct syn_request r;
    struct pid pid = pid_of(HERE, 7);

    (void)state;
    assert_int_equal(syn_request_parse(SYN_GROUPS,
                                       make("{'3.0', join_or_update_on_node, "
                                            "'a@h', g, ~p, meta}",
                                            pid),
                                       &r),
                     0);
    assert_int_equal(r.ask, SYN_ASK_ADD);
    assert_int_equal(r.requester, pid.node);
    assert_term_text(r.claim.meta, "meta");
    assert_int_equal(syn_request_parse(
                         SYN_REGISTRY,
                         make("{'3.0', unregister_on_node, 'b@c', n, ~p}", pid),
                         &r),
                     0);
    assert_int_equal(r.ask, SYN_ASK_REMOVE);
    assert_int_equal(r.requester, ATOM_NONE); /* a node we do not know */
    assert_int_equal(
        syn_request_parse(SYN_REGISTRY, make("{'3.0', subcluster_nodes}"), &r),
        0);
    assert_int_equal(r.ask, SYN_ASK_NODES);
}

static void requests_for_no_process_are_invalid(void **state)
{
    struct pid pid = pid_of(HERE, 7);

    (void)state;
    assert_int_equal(
        parse_request(SYN_REGISTRY,
                      make("{'3.0', unregister_on_node, 'a@h', n, p}")),
        CNODE_EINVALID);
    assert_int_equal(
        parse_request(SYN_REGISTRY,
                      make("{'3.0', unregister_on_node, 5, n, ~p}", pid)),
        CNODE_EINVALID);
    assert_int_equal(
        parse_request(SYN_REGISTRY,
                      make("{'3.0', register_on_node, 'a@h', n, ~p, m}", pid)),
        CNODE_UNHANDLED);
}

/* --- names */

static void the_names_of_a_scope_are_those_of_syn(void **state)
{
    struct syn_names names;
    atom_t scope = atom_intern("Elixir.MyApp.R\xc3\xa9g", 17);

    (void)state;
    assert_int_equal(syn_names_make(&names, SYN_REGISTRY, scope), 0);
    assert_string_equal(atom_text(names.process),
                        "syn_registry_Elixir.MyApp.R\xc3\xa9g");
    assert_string_equal(atom_text(names.by_name),
                        "syn_registry_by_name_Elixir.MyApp.R\xc3\xa9g");
    assert_int_equal(syn_names_make(&names, SYN_GROUPS, scope), 0);
    assert_string_equal(atom_text(names.process),
                        "syn_pg_Elixir.MyApp.R\xc3\xa9g");
    assert_string_equal(atom_text(names.by_pid),
                        "syn_pg_by_pid_Elixir.MyApp.R\xc3\xa9g");
}

static void a_scope_that_no_beam_could_have_is_refused(void **state)
{
    struct syn_names names;
    char text[250];

    (void)state;
    assert_int_equal(
        syn_names_make(&names, SYN_REGISTRY, atom_intern("\xc4\x80", 2)),
        CNODE_EINVALID);
    assert_int_equal(syn_names_make(&names, SYN_REGISTRY, ATOM_NONE),
                     CNODE_EINVALID);
    memset(text, 'x', sizeof(text));
    assert_int_equal(
        syn_names_make(&names, SYN_REGISTRY, atom_intern(text, 235)),
        CNODE_LIMIT);
    assert_int_equal(
        syn_names_make(&names, SYN_REGISTRY, atom_intern(text, 234)), 0);
}

/* --- order */

static void pids_have_the_order_of_erlang(void **state)
{
    atom_t a = atom_intern("a@h", 3), ab = atom_intern("ab@h", 4);
    /* ascending */
    const struct pid pids[] = {{a, 9, 0, 9}, {ab, 1, 1, 2}, {a, 2, 1, 1},
                               {a, 2, 1, 2}, {ab, 2, 1, 1}, {a, 1, 2, 1}};
    int count = sizeof(pids) / sizeof(*pids);

    (void)state;
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < count; j++) {
            int order = syn_pid_compare(pids[i], pids[j]);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
    }
}

static int set_up(void **state)
{
    (void)state;
    atom_init();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)make(NULL);
    atom_fini();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_registration_is_read),
        cmocka_unit_test(an_end_is_read),
        cmocka_unit_test(the_messages_of_the_other_kind_are_unknown),
        cmocka_unit_test(other_versions_and_shapes_are_unknown),
        cmocka_unit_test(what_is_no_pid_or_no_time_is_invalid),
        cmocka_unit_test(a_pid_of_an_unknown_node_is_invalid),
        cmocka_unit_test(entries_of_a_snapshot_are_read_one_by_one),
        cmocka_unit_test(the_count_of_a_snapshot_may_be_set_later),
        cmocka_unit_test(requests_are_read),
        cmocka_unit_test(requests_for_no_process_are_invalid),
        cmocka_unit_test(the_names_of_a_scope_are_those_of_syn),
        cmocka_unit_test(a_scope_that_no_beam_could_have_is_refused),
        cmocka_unit_test(pids_have_the_order_of_erlang),
    };
    return cmocka_run_group_tests_name("syn_wire", tests, set_up, tear_down);
}
