/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "runtime/mailbox.h"
#include "runtime/run_queue.h"
#include "term/build.h"

static struct signal *numbered(uint64_t n)
{
    struct signal signal = {.kind = SIGNAL_MESSAGE, .id = n};

    return signal_copy(&signal);
}

static void expect(struct mailbox *box, uint64_t n)
{
    struct signal *signal = mailbox_pop(box);

    assert_non_null(signal);
    assert_int_equal(signal->id, n);
    signal_free(signal);
}

static void the_oldest_comes_first(void **state)
{
    struct mailbox box = {0};

    (void)state;
    assert_null(mailbox_pop(&box));
    for (uint64_t i = 0; i < 5; i++) {
        mailbox_push(&box, numbered(i));
    }
    assert_int_equal(box.count, 5);
    expect(&box, 0);
    mailbox_push(&box, numbered(5));
    for (uint64_t i = 1; i < 6; i++) {
        expect(&box, i);
    }
    assert_true(mailbox_is_empty(&box));
}

static void a_copied_signal_carries_its_own_bytes(void **state)
{
    struct signal signal = {.kind = SIGNAL_MESSAGE}, *copy;
    struct buf buf;

    (void)state;
    buf_init(&buf, 0);
    term_format(&buf, "{hello, [1, 2]}");
    signal.term = term_at(buf_data(&buf), buf_size(&buf));
    copy = signal_copy(&signal);
    assert_non_null(copy);
    assert_true(term_same_bytes(copy->term, signal.term));
    assert_ptr_not_equal(copy->term.at, signal.term.at);
    buf_fini(&buf);
    signal_free(copy);
}

static void a_copy_without_memory_is_refused(void **state)
{
    struct signal signal = {.kind = SIGNAL_MESSAGE};

    (void)state;
    mem_fail_after(1);
    assert_null(signal_copy(&signal));
    mem_fail_after(0);
}

static void a_process_stands_in_the_run_queue_once(void **state)
{
    struct run_queue queue = {0};
    struct process a = {0}, b = {0}, c = {0};

    (void)state;
    run_queue_push(&queue, &a);
    run_queue_push(&queue, &b);
    run_queue_push(&queue, &a);
    run_queue_push(&queue, &c);
    assert_int_equal(queue.count, 3);
    run_queue_remove(&queue, &b);
    run_queue_remove(&queue, &b);
    assert_ptr_equal(run_queue_pop(&queue), &a);
    run_queue_remove(&queue, &c);
    assert_null(run_queue_pop(&queue));
    run_queue_push(&queue, &b);
    assert_ptr_equal(run_queue_pop(&queue), &b);
    assert_int_equal(queue.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_comes_first),
        cmocka_unit_test(a_copied_signal_carries_its_own_bytes),
        cmocka_unit_test(a_copy_without_memory_is_refused),
        cmocka_unit_test(a_process_stands_in_the_run_queue_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
