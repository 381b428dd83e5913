/* SPDX-License-Identifier: Apache-2.0 */
#include "node/gen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/limits.h"
#include "base/metric.h"
#include "support/node/fake_peer.h"
#include "support/node/recorder.h"
#include "term/text.h"

struct fixture {
    struct node node;
    struct fake_peer peer;
    struct recorder a;
    struct buf buf; /* the term of the test */
    struct pid caller;
    struct ref ref;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    fake_node_open(&f.node);
    fake_peer_open(&f.peer, &f.node, "p1@there");
    recorder_open(&f.a, &f.node);
    buf_init(&f.buf, 0);
    f.caller =
        (struct pid){.node = atom_find("p1@there", 8), .id = 5, .creation = 3};
    f.ref = (struct ref){
        .node = f.caller.node, .creation = 3, .len = 3, .words = {1, 2, 3}};
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    buf_fini(&f->buf);
    fake_peer_close(&f->peer);
    recorder_close(&f->a);
    fake_node_close(&f->node);
    return 0;
}

/* Erlang text, ~p is the caller, ~r the reference. */
static struct cnode_term term(struct fixture *f, const char *format, ...)
{
    va_list args;

    buf_clear(&f->buf);
    va_start(args, format);
    term_vformat(&f->buf, format, args);
    va_end(args);
    assert_int_equal(buf_error(&f->buf), 0);
    return term_at(buf_data(&f->buf), buf_size(&f->buf));
}

static void assert_kind(struct fixture *f, enum gen_kind kind,
                        struct cnode_term message)
{
    struct gen_message parsed;

    (void)f;
    gen_parse(message, &parsed);
    assert_int_equal(parsed.kind, kind);
    if (kind == GEN_INFO) {
        assert_true(term_same_bytes(parsed.body, message));
    }
}

/* --- reading */

static void a_call_has_a_from_and_a_request(void **state)
{
    struct fixture *f = *state;
    struct gen_message message;
    struct pid pid;

    gen_parse(term(f, "{'$gen_call', {~p, [alias | ~r]}, {ask, [1, 2]}}",
                   f->caller, &f->ref),
              &message);
    assert_int_equal(message.kind, GEN_CALL);
    assert_true(term_get_pid(message.from.pid, &pid));
    assert_true(pid_equal(pid, f->caller));
    assert_int_equal(cnode_type(message.from.tag), CNODE_TYPE_LIST);
    assert_int_equal(cnode_type(message.body), CNODE_TYPE_TUPLE);
}

static void a_cast_has_a_request(void **state)
{
    struct fixture *f = *state;
    struct gen_message message;

    gen_parse(term(f, "{'$gen_cast', done}"), &message);
    assert_int_equal(message.kind, GEN_CAST);
    assert_true(term_has_text(message.body, "done", 4));
}

static void what_only_looks_like_a_call_is_a_plain_message(void **state)
{
    struct fixture *f = *state;

    assert_kind(f, GEN_INFO, term(f, "'$gen_call'"));
    assert_kind(f, GEN_INFO, term(f, "{'$gen_call', x, y}"));
    assert_kind(f, GEN_INFO, term(f, "{'$gen_call', {~p}, y}", f->caller));
    assert_kind(f, GEN_INFO, term(f, "{'$gen_call', {x, ~r}, y}", &f->ref));
    assert_kind(f, GEN_INFO,
                term(f, "{'$gen_call', {~p, t}, y, z}", f->caller));
    assert_kind(f, GEN_INFO, term(f, "{'$gen_call', {~p, t}}", f->caller));
    assert_kind(f, GEN_INFO, term(f, "{'$gen_cast'}"));
    assert_kind(f, GEN_INFO, term(f, "{'$gen_cast', a, b}"));
    assert_kind(f, GEN_INFO, term(f, "{}"));
    assert_kind(f, GEN_INFO, term(f, "[]"));
}

static void the_alias_of_a_tag_is_found_in_both_of_its_forms(void **state)
{
    struct fixture *f = *state;
    struct cnode_term alias;
    struct ref ref;

    assert_true(gen_alias(term(f, "[alias | ~r]", &f->ref), &alias));
    assert_true(term_get_ref(alias, &ref) && ref_equal(&ref, &f->ref));
    assert_true(
        gen_alias(term(f, "[[alias | ~r] | ~r]", &f->ref, &f->ref), &alias));
    assert_true(term_get_ref(alias, &ref) && ref_equal(&ref, &f->ref));
}

static void other_tags_have_no_alias(void **state)
{
    struct fixture *f = *state;
    struct cnode_term alias;

    assert_false(gen_alias(term(f, "~r", &f->ref), &alias));
    assert_false(gen_alias(term(f, "{~r, node}", &f->ref), &alias));
    assert_false(gen_alias(term(f, "[alias]"), &alias));
    assert_false(gen_alias(term(f, "[alias, ~r]", &f->ref), &alias));
    assert_false(gen_alias(term(f, "[other | ~r]", &f->ref), &alias));
    assert_false(gen_alias(term(f, "[alias | tail]"), &alias));
    assert_false(gen_alias(term(f, "[[[alias | ~r]]]", &f->ref), &alias));
    assert_false(gen_alias(term(f, "\"alias\""), &alias));
    assert_false(gen_alias(term(f, "[]"), &alias));
}

/* --- answering */

static struct gen_from from_of(struct fixture *f, const char *tag)
{
    struct gen_message message;
    char format[100];

    (void)snprintf(format, sizeof(format), "{'$gen_call', {~p, %s}, x}", tag);
    gen_parse(term(f, format, f->caller, &f->ref), &message);
    assert_int_equal(message.kind, GEN_CALL);
    return message.from;
}

static void a_reply_without_a_process_comes_from_the_node(void **state)
{
    struct fixture *f = *state;
    struct gen_from from = from_of(f, "~r");

    assert_int_equal(gen_reply(&f->node, NULL, &from, "~i", (int64_t)7), 0);
    assert_string_equal(fake_peer_got(&f->peer),
                        "send from=<n1@here.0.0> to=<p1@there.5.0> "
                        "payload={#Ref<p1@there.3.2.1>,7}");
}

static void a_local_caller_is_answered_through_its_mailbox(void **state)
{
    struct fixture *f = *state;
    struct gen_message message;

    gen_parse(term(f, "{'$gen_call', {~p, tag}, x}", recorder_pid(&f->a)),
              &message);
    assert_int_equal(gen_reply(&f->node, NULL, &message.from, "yes"), 0);
    assert_string_equal(recorder_seen(&f->a), "{tag,yes}");
}

static void a_caller_of_a_node_never_heard_of_is_no_error(void **state)
{
    struct fixture *f = *state;
    uint64_t dead = metric_read(METRIC_dead_letters);
    struct gen_message message;
    struct pid pid = {.node = atom_intern("wellknown@x", 11), .id = 1};
    uint8_t *name;

    gen_parse(term(f, "{'$gen_call', {~p, tag}, x}", pid), &message);
    name = memmem(buf_data(&f->buf), buf_size(&f->buf), "wellknown", 9);
    memcpy(name, "unknowing", 9);
    assert_int_equal(gen_reply(&f->node, NULL, &message.from, "yes"), 0);
    assert_int_equal(metric_read(METRIC_dead_letters), dead + 1);
}

static void
a_reply_that_is_too_large_is_an_error_and_sends_nothing(void **state)
{
    struct fixture *f = *state;
    struct gen_from from = from_of(f, "~r");
    struct buf *buf;

    f->node.scratch.max = 100;
    buf = gen_reply_begin(&f->node, &from);
    for (int i = 0; i < 100; i++) {
        term_format(buf, "element");
    }
    assert_int_equal(gen_reply_end(&f->node, NULL, &from), CNODE_TOO_LARGE);
    assert_string_equal(fake_peer_got(&f->peer), "");
    assert_int_equal(gen_reply(&f->node, NULL, &from, "{error, too_large}"), 0);
}

static void a_reply_to_a_peer_that_does_not_read_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct gen_from from = from_of(f, "~r");
    uint64_t saved = limits.send_queue_bytes;
    uint64_t dead = metric_read(METRIC_dead_letters);

    limits.send_queue_bytes = 10;
    assert_int_equal(gen_reply(&f->node, NULL, &from, "one"), 0);
    assert_int_equal(gen_reply(&f->node, NULL, &from, "two"), 0);
    limits.send_queue_bytes = saved;
    assert_int_equal(metric_read(METRIC_dead_letters), dead + 1);
    assert_null(strstr(fake_peer_got(&f->peer), "two"));
}

static void a_large_reply_that_finds_no_room_becomes_an_error(void **state)
{
    struct fixture *f = *state;
    struct gen_from from = from_of(f, "~r");
    struct limits saved = limits;
    uint64_t dropped = metric_read(METRIC_large_sends_dropped);
    struct buf *buf;
    int rc = 0;

    limits.large_queue_bytes = 100000;
    for (int i = 0; i < 3; i++) {
        buf = gen_reply_begin(&f->node, &from);
        buf_put(buf, (const uint8_t[]){109, 0, 1, 0x86, 0xA0}, 5);
        memset(buf_reserve(buf, 100000), i, 100000);
        buf_commit(buf, 100000);
        rc |= gen_reply_end(&f->node, NULL, &from);
    }
    rc |= gen_reply(&f->node, NULL, &from, "small");
    limits = saved;
    assert_int_equal(rc, 0);
    assert_int_equal(metric_read(METRIC_large_sends_dropped), dropped + 2);
    assert_non_null(strstr(fake_peer_got(&f->peer), "{error,overloaded}"));
}

static void large_replies_under_way_drop_no_small_one(void **state)
{
    struct fixture *f = *state;
    struct gen_from from = from_of(f, "~r");
    struct limits saved = limits;
    struct buf *buf;
    int rc;

    limits.send_queue_bytes = 65536;
    buf = gen_reply_begin(&f->node, &from);
    buf_put(buf, (const uint8_t[]){109, 0, 1, 0x86, 0xA0}, 5);
    memset(buf_reserve(buf, 100000), 'x', 100000);
    buf_commit(buf, 100000);
    rc = gen_reply_end(&f->node, NULL, &from);
    rc |= gen_reply(&f->node, NULL, &from, "small");
    limits = saved;
    assert_int_equal(rc, 0);
    assert_non_null(strstr(fake_peer_got(&f->peer), ",small}"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_call_has_a_from_and_a_request),
        T(a_cast_has_a_request),
        T(what_only_looks_like_a_call_is_a_plain_message),
        T(the_alias_of_a_tag_is_found_in_both_of_its_forms),
        T(other_tags_have_no_alias),
        T(a_reply_without_a_process_comes_from_the_node),
        T(a_local_caller_is_answered_through_its_mailbox),
        T(a_caller_of_a_node_never_heard_of_is_no_error),
        T(a_reply_that_is_too_large_is_an_error_and_sends_nothing),
        T(a_reply_to_a_peer_that_does_not_read_is_dropped),
        T(a_large_reply_that_finds_no_room_becomes_an_error),
        T(large_replies_under_way_drop_no_small_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
