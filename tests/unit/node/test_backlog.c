/* SPDX-License-Identifier: Apache-2.0 */
#include "node/backlog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "support/node/fake_peer.h"
#include "support/node/recorder.h"

struct fixture {
    struct node node;
    struct fake_peer peer;
    struct recorder a;
    struct backlog backlog;
    struct pid there;
    struct ref ref;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    fake_node_open(&f.node);
    fake_peer_open(&f.peer, &f.node, "p1@there");
    recorder_open(&f.a, &f.node);
    backlog_init(&f.backlog);
    f.there =
        (struct pid){.node = atom_find("p1@there", 8), .id = 5, .creation = 3};
    f.ref = (struct ref){.node = f.there.node, .creation = 3, .len = 3};
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    (void)backlog_clear(&f->backlog);
    fake_peer_close(&f->peer);
    recorder_close(&f->a);
    fake_node_close(&f->node);
    return 0;
}

static int add_message(struct fixture *f, const struct dest *dest,
                       const char *text)
{
    term_format(node_scratch(&f->node), text);
    return backlog_add_message(&f->backlog, recorder_pid(&f->a), dest,
                               node_scratch_payload(&f->node));
}

static int add_signal(struct fixture *f, enum signal_kind kind,
                      struct cnode_term reason)
{
    struct signal signal = {.kind = kind,
                            .from = recorder_pid(&f->a),
                            .to = f->there,
                            .ref = f->ref,
                            .term = reason};

    return backlog_add_signal(&f->backlog, &signal);
}

static void all_of_it_goes_out_in_order(void **state)
{
    struct fixture *f = *state;
    struct dest pid = dest_pid(f->there);
    struct dest name = dest_name(atom_intern("srv", 3), f->there.node);
    struct dest alias = {.kind = DEST_ALIAS, .node = f->there.node};
    struct buf buf;

    buf_init(&buf, 0);
    term_put_ref(&buf, &f->ref);
    alias.alias = term_at(buf_data(&buf), buf_size(&buf));
    assert_int_equal(add_signal(f, SIGNAL_MONITOR, TERM_NONE), 0);
    assert_int_equal(add_message(f, &pid, "one"), 0);
    assert_int_equal(add_message(f, &name, "two"), 0);
    assert_int_equal(add_message(f, &alias, "three"), 0);
    assert_int_equal(add_signal(f, SIGNAL_EXIT2, atom_term(A_kill)), 0);
    buf_fini(&buf); /* it was copied */
    backlog_send(&f->backlog, &f->node, f->there.node);
    assert_string_equal(
        fake_peer_got(&f->peer),
        "monitor from=<n1@here.1.0> to=<p1@there.5.0> "
        "ref=#Ref<p1@there.0.0.0>\n"
        "send from=<n1@here.1.0> to=<p1@there.5.0> payload=one\n"
        "reg_send from=<n1@here.1.0> to=srv payload=two\n"
        "alias_send from=<n1@here.1.0> ref=#Ref<p1@there.0.0.0> payload=three\n"
        "exit2 from=<n1@here.1.0> to=<p1@there.5.0> reason=kill");
    assert_true(backlog_is_empty(&f->backlog));
    assert_int_equal(f->backlog.bytes, 0);
}

static void it_is_bounded(void **state)
{
    struct fixture *f = *state;
    struct dest pid = dest_pid(f->there);
    uint64_t saved = limits.send_queue_bytes;
    uint64_t dropped = metric_read(METRIC_sends_dropped);
    int added = 0;

    limits.send_queue_bytes = 5000;
    while (add_message(f, &pid, "{some, message}") == 0) {
        added++;
    }
    assert_in_range(added, 1, 100);
    assert_int_equal(add_signal(f, SIGNAL_LINK, TERM_NONE), CNODE_OVERLOADED);
    limits.send_queue_bytes = saved;
    assert_int_equal(metric_read(METRIC_sends_dropped), dropped + 2);
    backlog_clear(&f->backlog);
}

static void large_messages_have_a_limit_of_their_own(void **state)
{
    struct fixture *f = *state;
    struct dest to = dest_pid(f->there);
    struct limits saved = limits;
    uint64_t dropped = metric_read(METRIC_large_sends_dropped);
    struct payload message = {.bytes = mem_zalloc(100005), .size = 100005};
    uint8_t head[] = {109, 0, 1, 0x86, 0xA0};
    struct pid from = {0};

    memcpy((void *)message.bytes, head, sizeof(head));
    limits.send_queue_bytes = 65536;
    limits.large_queue_bytes = 250000;
    assert_int_equal(backlog_add_message(&f->backlog, from, &to, message), 0);
    assert_int_equal(backlog_add_message(&f->backlog, from, &to, message), 0);
    assert_int_equal(backlog_add_message(&f->backlog, from, &to, message),
                     CNODE_OVERLOADED);
    assert_int_equal(add_message(f, &to, "small"), 0);
    limits = saved;
    assert_int_equal(metric_read(METRIC_large_sends_dropped), dropped + 1);
    mem_free((void *)message.bytes);
    backlog_clear(&f->backlog);
}

static void long_reasons_count_too(void **state)
{
    struct fixture *f = *state;
    uint64_t saved = limits.send_queue_bytes;
    struct buf buf;

    buf_init(&buf, 0);
    term_put_tuple(&buf, 1000);
    for (int i = 0; i < 1000; i++) {
        term_format(&buf, "reason");
    }
    limits.send_queue_bytes = 5000;
    assert_int_equal(
        add_signal(f, SIGNAL_EXIT2, term_at(buf_data(&buf), buf_size(&buf))),
        CNODE_OVERLOADED);
    limits.send_queue_bytes = saved;
    buf_fini(&buf);
}

static void when_it_fails_messages_are_dead_letters(void **state)
{
    struct fixture *f = *state;
    struct dest pid = dest_pid(f->there);
    uint64_t dead = metric_read(METRIC_dead_letters);

    assert_int_equal(add_message(f, &pid, "one"), 0);
    assert_int_equal(add_signal(f, SIGNAL_LINK, TERM_NONE), 0);
    backlog_fail(&f->backlog, &f->node, f->there.node);
    assert_int_equal(metric_read(METRIC_dead_letters), dead + 1);
    assert_true(backlog_is_empty(&f->backlog));
}

static void without_memory_nothing_is_added(void **state)
{
    struct fixture *f = *state;
    struct dest pid = dest_pid(f->there);

    mem_fail_after(1);
    assert_int_equal(add_signal(f, SIGNAL_EXIT2, atom_term(A_kill)),
                     CNODE_NOMEM);
    term_format(node_scratch(&f->node), "one");
    mem_fail_after(1);
    assert_int_equal(backlog_add_message(&f->backlog, PID_NONE, &pid,
                                         node_scratch_payload(&f->node)),
                     CNODE_NOMEM);
    mem_fail_after(0);
    assert_true(backlog_is_empty(&f->backlog));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(all_of_it_goes_out_in_order),
        T(it_is_bounded),
        T(large_messages_have_a_limit_of_their_own),
        T(long_reasons_count_too),
        T(when_it_fails_messages_are_dead_letters),
        T(without_memory_nothing_is_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
