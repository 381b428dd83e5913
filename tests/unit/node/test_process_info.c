/* SPDX-License-Identifier: Apache-2.0 */
#include "node/process_info.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "support/node/fake_peer.h"
#include "support/node/recorder.h"
#include "term/text.h"

struct fixture {
    struct node node;
    struct fake_peer peer;
    struct recorder a, b;
    struct pid caller;
    struct buf term, out;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    fake_node_open(&f.node);
    fake_peer_open(&f.peer, &f.node, "p1@there");
    recorder_open(&f.a, &f.node);
    recorder_open(&f.b, &f.node);
    f.caller =
        (struct pid){.node = atom_find("p1@there", 8), .id = 5, .creation = 3};
    buf_init(&f.term, 0);
    buf_init(&f.out, 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    buf_fini(&f->term);
    buf_fini(&f->out);
    fake_peer_close(&f->peer);
    recorder_close(&f->a);
    recorder_close(&f->b);
    fake_node_close(&f->node);
    return 0;
}

static const char *text_of(struct fixture *f)
{
    assert_int_equal(buf_error(&f->out), 0);
    buf_clear(&f->term);
    term_print(&f->term, term_at(buf_data(&f->out), buf_size(&f->out)), 0);
    buf_put_u8(&f->term, 0);
    return (const char *)buf_data(&f->term);
}

/* What process_info(A, What) gives, or "badarg". */
static const char *info(struct fixture *f, const char *what)
{
    int rc;

    fake_node_settle(&f->node);
    buf_clear(&f->term);
    buf_clear(&f->out);
    term_format(&f->term, what);
    rc = process_info_put(&f->node, &f->a.process,
                          term_at(buf_data(&f->term), buf_size(&f->term)),
                          &f->out);
    return rc == CNODE_EINVALID ? "badarg" : text_of(f);
}

static void one_item_comes_with_its_name(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(info(f, "status"), "{status,waiting}");
    assert_string_equal(info(f, "priority"), "{priority,normal}");
    assert_string_equal(info(f, "initial_call"),
                        "{initial_call,{proc_lib,init_p,5}}");
    assert_string_equal(info(f, "trap_exit"), "{trap_exit,false}");
    f->a.process.flags |= PROCESS_TRAP_EXIT;
    assert_string_equal(info(f, "trap_exit"), "{trap_exit,true}");
    assert_string_equal(info(f, "parent"), "{parent,undefined}");
}

static void a_list_gives_its_items_in_its_order(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(info(f, "[message_queue_len, registered_name, links, "
                                "{dictionary, '$initial_call'}]"),
                        "[{message_queue_len,0},{registered_name,[]},"
                        "{links,[]},"
                        "{{dictionary,'$initial_call'},{cnode,init,1}}]");
    assert_string_equal(info(f, "[]"), "[]");
}

static void what_no_beam_knows_is_badarg(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(info(f, "colour"), "badarg");
    assert_string_equal(info(f, "[status, colour]"), "badarg");
    assert_string_equal(info(f, "1"), "badarg");
    assert_string_equal(info(f, "{dictionary}"), "badarg");
    assert_string_equal(info(f, "[status | x]"), "badarg");
    assert_string_equal(info(f, "\"abc\""), "badarg");
}

static void without_a_name_there_is_no_tuple_around_it(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(info(f, "registered_name"), "[]");
    assert_int_equal(names_register(&f->node, A_rex, &f->a.process), 0);
    assert_string_equal(info(f, "registered_name"), "{registered_name,rex}");
}

static void ties_are_listed_from_both_ends(void **state)
{
    struct fixture *f = *state;
    struct ref ref = {
        .node = f->caller.node, .creation = 3, .len = 3, .words = {1, 2, 3}};
    struct dest b = dest_pid(recorder_pid(&f->b));
    struct dest name = dest_name(A_rex, f->caller.node);
    struct ref mine;

    assert_int_equal(monitor_start(&f->node, &f->a.process, &b, &mine), 0);
    assert_int_equal(monitor_start(&f->node, &f->a.process, &name, &mine), 0);
    assert_int_equal(link_start(&f->node, &f->a.process, recorder_pid(&f->b)),
                     0);
    fake_peer_send(&f->peer, NULL, "{19, ~p, ~p, ~r}", f->caller,
                   recorder_pid(&f->a), &ref);
    assert_string_equal(info(f, "[links, monitors, monitored_by]"),
                        "[{links,[<n1@here.2.0>]},"
                        "{monitors,[{process,<n1@here.2.0>},"
                        "{process,{rex,p1@there}}]},"
                        "{monitored_by,[<p1@there.5.0>]}]");
}

static void reductions_are_handled_messages(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 3; i++) {
        fake_peer_send(&f->peer, "hello", "{22, ~p, ~p}", f->caller,
                       recorder_pid(&f->a));
    }
    assert_string_equal(info(f, "reductions"), "{reductions,3}");
    f->a.process.mailbox.handled = UINT32_MAX; /* the low half is full */
    fake_peer_send(&f->peer, "hello", "{22, ~p, ~p}", f->caller,
                   recorder_pid(&f->a));
    assert_string_equal(info(f, "reductions"), "{reductions,4294967296}");
}

static void waiting_messages_are_shown(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(info(f, "messages"), "{messages,[]}");
    f->a.process.flags |= PROCESS_HELD;
    fake_peer_send(&f->peer, "one", "{22, ~p, ~p}", f->caller,
                   recorder_pid(&f->a));
    fake_peer_send(&f->peer, "{two, 2}", "{22, ~p, ~p}", f->caller,
                   recorder_pid(&f->a));
    assert_string_equal(info(f, "[message_queue_len, messages]"),
                        "[{message_queue_len,2},{messages,[one,{two,2}]}]");
    scheduler_resume(&f->node.scheduler, &f->a.process);
}

static void all_begins_with_the_name_if_it_has_one(void **state)
{
    struct fixture *f = *state;

    process_info_put_all(&f->node, &f->a.process, &f->out);
    assert_non_null(strstr(text_of(f), "[{current_function,{gen_server,loop,"));
    assert_int_equal(names_register(&f->node, A_rex, &f->a.process), 0);
    buf_clear(&f->out);
    process_info_put_all(&f->node, &f->a.process, &f->out);
    assert_non_null(strstr(text_of(f), "[{registered_name,rex},"
                                       "{current_function,"));
    assert_non_null(strstr(text_of(f), "{suspending,[]}]"));
}

/* Every item has a value that is one term: a slip in the table shows here. */
static void every_item_of_every_release_is_there(void **state)
{
    static const char *const names[] = {
        "async_dist",
        "backtrace",
        "binary",
        "catchlevel",
        "current_function",
        "current_location",
        "current_stacktrace",
        "dictionary",
        "error_handler",
        "fullsweep_after",
        "garbage_collection",
        "garbage_collection_info",
        "group_leader",
        "heap_size",
        "initial_call",
        "label",
        "last_calls",
        "links",
        "magic_ref",
        "max_heap_size",
        "memory",
        "message_queue_data",
        "message_queue_len",
        "messages",
        "min_bin_vheap_size",
        "min_heap_size",
        "monitored_by",
        "monitors",
        "parent",
        "priority",
        "priority_messages",
        "reductions",
        "sequential_trace_token",
        "stack_size",
        "status",
        "suspending",
        "total_heap_size",
        "trace",
        "trap_exit",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *text = info(f, names[i]);

        assert_int_equal(text[0], '{');
        assert_memory_equal(text + 1, names[i], strlen(names[i]));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_item_comes_with_its_name),
        TEST(a_list_gives_its_items_in_its_order),
        TEST(what_no_beam_knows_is_badarg),
        TEST(without_a_name_there_is_no_tuple_around_it),
        TEST(ties_are_listed_from_both_ends),
        TEST(reductions_are_handled_messages),
        TEST(waiting_messages_are_shown),
        TEST(all_begins_with_the_name_if_it_has_one),
        TEST(every_item_of_every_release_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
