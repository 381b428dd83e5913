/* SPDX-License-Identifier: Apache-2.0 */
#include "node/system.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/metric.h"
#include "support/node/fake_peer.h"
#include "support/node/recorder.h"

struct fixture {
    struct node node;
    struct fake_peer peer;
    struct recorder a;
    struct pid caller;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    fake_node_open(&f.node);
    fake_peer_open(&f.peer, &f.node, "p1@there");
    recorder_open(&f.a, &f.node);
    f.caller =
        (struct pid){.node = atom_find("p1@there", 8), .id = 5, .creation = 3};
    (void)fake_peer_got(&f.peer);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    fake_peer_close(&f->peer);
    recorder_close(&f->a);
    fake_node_close(&f->node);
    return 0;
}

static void say(struct fixture *f, const char *message)
{
    struct pid to = recorder_pid(&f->a);

    fake_peer_send(&f->peer, message, "{22, ~p, ~p}", f->caller, to);
}

/* {system, {Caller, tag}, Request}. */
static void send_system(struct fixture *f, const char *request)
{
    struct signal signal = {
        .kind = SIGNAL_MESSAGE, .from = f->caller, .to = recorder_pid(&f->a)};
    char format[256];
    struct buf buf;

    (void)snprintf(format, sizeof(format), "{system, {~p, tag}, %s}", request);
    buf_init(&buf, 0);
    term_format(&buf, format, f->caller);
    assert_int_equal(buf_error(&buf), 0);
    signal.term = term_at(buf_data(&buf), buf_size(&buf));
    scheduler_dispatch(&f->node.scheduler, &signal);
    buf_fini(&buf);
}

/* The payload of the one answer. */
static const char *answer(struct fixture *f)
{
    const char *got = fake_peer_got(&f->peer);
    const char *payload = strstr(got, "payload=");

    return payload != NULL ? payload + strlen("payload=") : got;
}

static const char *ask(struct fixture *f, const char *request)
{
    send_system(f, request);
    return answer(f);
}

static void everything_is_answered(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(ask(f, "get_state"), "{tag,{ok,recorder}}");
    assert_string_equal(ask(f, "{replace_state, x}"),
                        "{tag,{error,{callback_failed,{gen_server,"
                        "system_replace_state},{error,notsup}}}}");
    assert_string_equal(ask(f, "{debug, {trace, true}}"), "{tag,ok}");
    assert_string_equal(ask(f, "{debug, {log, get}}"), "{tag,{ok,[]}}");
    assert_string_equal(ask(f, "{debug, {statistics, get}}"),
                        "{tag,{ok,no_statistics}}");
    assert_string_equal(ask(f, "{nothing, we, know}"),
                        "{tag,{error,{unknown_system_msg,{nothing,we,know}}}}");
    assert_string_equal(ask(f, "terminate"),
                        "{tag,{error,{unknown_system_msg,terminate}}}");
    assert_string_equal(recorder_seen(&f->a), "");
}

static void the_status_is_as_gen_server_has_it(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(
        ask(f, "get_status"),
        "{tag,{status,<n1@here.1.0>,{module,gen_server},["
        "[{'$initial_call',{cnode,init,1}},{'$ancestors',[]}],running,"
        "<n1@here.1.0>,[],[{header,\"Status for generic server <0.1.0>\"},"
        "{data,[{\"Status\",running},{\"Parent\",<n1@here.1.0>},"
        "{\"Logged events\",[]}]},{data,[{\"State\",recorder}]}]]}}");
    assert_int_equal(names_register(&f->node, A_system, &f->a.process), 0);
    assert_non_null(strstr(ask(f, "get_status"), "generic server system\""));
}

static void suspended_all_but_system_messages_wait(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(ask(f, "suspend"), "{tag,ok}");
    assert_string_equal(ask(f, "suspend"), "{tag,ok}");
    say(f, "one");
    say(f, "two");
    assert_string_equal(recorder_seen(&f->a), "");
    assert_int_equal(f->a.process.mailbox.count, 2);
    assert_non_null(strstr(ask(f, "get_status"), "suspended"));
    assert_string_equal(recorder_seen(&f->a), "");
    say(f, "{system, three, four}"); /* only looks like one */
    assert_string_equal(ask(f, "resume"), "{tag,ok}");
    assert_string_equal(recorder_seen(&f->a), "one\ntwo\n{system,three,four}");
    assert_string_equal(ask(f, "resume"), "{tag,ok}");
    say(f, "five");
    assert_non_null(strstr(recorder_seen(&f->a), "four}\nfive"));
}

/* All of them wait in its mailbox when it begins. */
static void a_suspend_that_waited_is_followed_by_what_ends_it(void **state)
{
    struct fixture *f = *state;

    f->a.process.flags |= PROCESS_HELD;
    say(f, "one");
    send_system(f, "suspend");
    say(f, "two");
    send_system(f, "get_state");
    say(f, "three");
    send_system(f, "resume");
    send_system(f, "suspend");
    say(f, "four");
    scheduler_resume(&f->node.scheduler, &f->a.process);
    fake_node_settle(&f->node);
    /* resumed, it goes on from the front: two, three, then the suspend */
    assert_string_equal(recorder_seen(&f->a), "one\ntwo\nthree");
    assert_int_equal(f->a.process.mailbox.count, 1);
    (void)fake_peer_got(&f->peer);
    assert_string_equal(ask(f, "resume"), "{tag,ok}");
    assert_string_equal(recorder_seen(&f->a), "one\ntwo\nthree\nfour");
}

static void a_full_mailbox_lets_resume_through(void **state)
{
    struct fixture *f = *state;
    uint64_t before = metric_read(METRIC_mailbox_overflow);

    f->a.process.mailbox_limit = 2;
    assert_string_equal(ask(f, "suspend"), "{tag,ok}");
    say(f, "one");
    say(f, "two");
    say(f, "three");
    assert_int_equal(metric_read(METRIC_mailbox_overflow), before + 1);
    assert_string_equal(ask(f, "resume"), "{tag,ok}");
    assert_string_equal(recorder_seen(&f->a), "one\ntwo");
}

/* Not suspended it takes its turn; a mailbox that is full says so. */
static void a_full_mailbox_is_told_to_who_asks(void **state)
{
    struct fixture *f = *state;

    f->a.process.mailbox_limit = 1;
    f->a.process.flags |= PROCESS_HELD;
    say(f, "one");
    assert_string_equal(ask(f, "get_state"), "{tag,{error,overloaded}}");
    scheduler_resume(&f->node.scheduler, &f->a.process);
}

static void terminate_ends_with_exactly_that_reason(void **state)
{
    struct fixture *f = *state;
    struct ref ref = {
        .node = f->caller.node, .creation = 3, .len = 3, .words = {1, 2, 3}};
    const char *got;

    fake_peer_send(&f->peer, NULL, "{19, ~p, ~p, ~r}", f->caller,
                   recorder_pid(&f->a), &ref);
    send_system(f, "suspend");
    say(f, "never_handled");
    (void)fake_peer_got(&f->peer);
    send_system(f, "{terminate, {shutdown, x}}");
    got = fake_peer_got(&f->peer);
    assert_non_null(strstr(got, "payload={tag,ok}\n"));
    assert_non_null(strstr(got, "reason={shutdown,x}"));
    assert_true(f->a.ended);
}

static void malformed_ones_are_plain_messages(void **state)
{
    static const char *const messages[] = {
        "{system,x,y}",   "{system,{x,tag},get_state}",
        "{system,[],[]}", "{system}",
        "{system,a,b,c}",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        say(f, messages[i]);
        assert_non_null(strstr(recorder_seen(&f->a), messages[i]));
    }
    assert_string_equal(fake_peer_got(&f->peer), "");
}

/* gen_event:which_handlers/1 waits for ever. */
static void an_event_call_is_answered(void **state)
{
    static const struct {
        const char *query, *answer;
    } calls[] = {
        {"which_handlers", "[]"},
        {"{sync_notify, event}", "ok"},
        {"{call, handler, query}", "{error,bad_module}"},
        {"{delete_handler, handler, args}", "{error,module_not_found}"},
        {"{add_handler, handler, args}", "{error,notsup}"},
        {"{swap_handler, a, b, c, d}", "{error,notsup}"},
    };
    struct fixture *f = *state;
    struct ref ref = {
        .node = f->caller.node, .creation = 3, .len = 3, .words = {1, 2, 3}};

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        struct signal signal = {.kind = SIGNAL_MESSAGE,
                                .to = recorder_pid(&f->a)};
        char format[128];
        struct buf buf;

        buf_init(&buf, 0);
        (void)snprintf(format, sizeof(format), "{~p, {~p, [alias | ~r]}, %s}",
                       calls[i].query);
        term_format(&buf, format, f->caller, f->caller, &ref);
        signal.term = term_at(buf_data(&buf), buf_size(&buf));
        scheduler_dispatch(&f->node.scheduler, &signal);
        buf_fini(&buf);
        assert_non_null(strstr(answer(f), calls[i].answer));
    }
    assert_string_equal(recorder_seen(&f->a), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everything_is_answered),
        TEST(the_status_is_as_gen_server_has_it),
        TEST(suspended_all_but_system_messages_wait),
        TEST(a_suspend_that_waited_is_followed_by_what_ends_it),
        TEST(a_full_mailbox_lets_resume_through),
        TEST(a_full_mailbox_is_told_to_who_asks),
        TEST(terminate_ends_with_exactly_that_reason),
        TEST(malformed_ones_are_plain_messages),
        TEST(an_event_call_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
