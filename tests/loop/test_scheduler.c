/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include <cnode/error.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "runtime/scheduler.h"
#include "support/loop_until.h"
#include "term/build.h"

enum { LOG_MAX = 4 * SCHEDULER_TURN_BUDGET };

struct fixture {
    struct scheduler scheduler;
    struct process a, b;
    uint64_t ids[LOG_MAX]; /* what arrived, in order */
    uint32_t slots[LOG_MAX];
    unsigned count, undelivered, signals;
    int last_reason;
    bool a_sends_to_b; /* a passes everything on to b, twice */
    bool a_ends;
    bool a_sends_to_itself;
    bool is_slow;   /* each takes a millisecond */
    bool a_returns; /* the messages above 100, to b */
};

static struct fixture *current; /* classes have no owner pointer of their own */

static void post_to(struct fixture *f, struct process *to, uint64_t id)
{
    struct signal signal = {.kind = SIGNAL_MESSAGE,
                            .to = {.id = to->slot, .serial = to->serial},
                            .id = id};

    assert_int_equal(scheduler_deliver(&f->scheduler, &signal), 0);
}

static void spend_1_ms(void)
{
    uint64_t until_ns = loop_clock_ns() + 1000000;

    while (loop_clock_ns() < until_ns) {
    }
}

static void on_message(struct process *process, const struct signal *signal)
{
    struct fixture *f = current;

    if (f->count < LOG_MAX) {
        f->slots[f->count] = process->slot;
        f->ids[f->count] = signal->id;
    }
    f->count++;
    if (f->is_slow) {
        spend_1_ms();
    }
    if (process == &f->a && f->a_sends_to_b) {
        post_to(f, &f->b, signal->id * 10);
        post_to(f, &f->b, signal->id * 10 + 1);
    }
    if (process == &f->a && f->a_sends_to_itself) {
        post_to(f, &f->a, signal->id);
    }
    if (process == &f->a && f->a_returns && signal->id > 100) {
        struct signal message = {.kind = SIGNAL_MESSAGE,
                                 .to = {.id = f->b.slot, .serial = f->b.serial},
                                 .id = signal->id};

        assert_int_equal(scheduler_return(&f->scheduler, &message), 0);
    }
    if (process == &f->a && f->a_ends) {
        scheduler_remove(&f->scheduler, process);
    }
}

static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    (void)process, (void)reason;
}

static const struct process_class class = {
    .name = "test", .message = on_message, .exit = on_exit_signal};

static void on_signal(void *owner, struct scheduler *scheduler,
                      const struct signal *signal)
{
    struct fixture *f = owner;

    (void)scheduler, (void)signal;
    f->signals++;
}

static void on_undelivered(void *owner, struct scheduler *scheduler,
                           const struct signal *signal, int reason)
{
    struct fixture *f = owner;

    (void)scheduler, (void)signal;
    f->undelivered++;
    f->last_reason = reason;
}

static const struct scheduler_events events = {.signal = on_signal,
                                               .undelivered = on_undelivered};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    current = &f;
    assert_int_equal(scheduler_init(&f.scheduler, 0, &events, &f), 0);
    assert_int_equal(scheduler_add(&f.scheduler, &f.a, &class), 0);
    assert_int_equal(scheduler_add(&f.scheduler, &f.b, &class), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if ((f->a.flags & PROCESS_DEAD) == 0) {
        scheduler_remove(&f->scheduler, &f->a);
    }
    scheduler_remove(&f->scheduler, &f->b);
    scheduler_fini(&f->scheduler);
    return 0;
}

static unsigned count_of(const struct fixture *f, uint64_t id)
{
    unsigned count = 0;

    for (unsigned i = 0; i < f->count && i < LOG_MAX; i++) {
        count += f->ids[i] == id;
    }
    return count;
}

static void what_a_callback_sends_waits_until_it_returned(void **state)
{
    struct fixture *f = *state;
    struct signal signal = {.kind = SIGNAL_MESSAGE,
                            .to = {.id = f->a.slot, .serial = f->a.serial},
                            .id = 7};

    f->a_sends_to_b = true;
    scheduler_dispatch(&f->scheduler, &signal);
    assert_int_equal(f->count, 1); /* no recursion into b */
    (void)scheduler_turn(&f->scheduler);
    assert_int_equal(f->count, 3);
    assert_int_equal(f->ids[1], 70);
    assert_int_equal(f->ids[2], 71);
}

static void an_older_message_goes_before_one_from_a_channel(void **state)
{
    struct fixture *f = *state;
    struct signal signal = {.kind = SIGNAL_MESSAGE,
                            .to = {.id = f->a.slot, .serial = f->a.serial},
                            .id = 2};

    post_to(f, &f->a, 1);
    scheduler_dispatch(&f->scheduler, &signal);
    (void)scheduler_turn(&f->scheduler);
    assert_int_equal(f->count, 2);
    assert_int_equal(f->ids[0], 1);
    assert_int_equal(f->ids[1], 2);
}

static void dispatch_to(struct fixture *f, struct process *to, uint64_t id)
{
    struct signal signal = {.kind = SIGNAL_MESSAGE,
                            .to = {.id = to->slot, .serial = to->serial},
                            .id = id};

    scheduler_dispatch(&f->scheduler, &signal);
}

static void send_through_door(struct fixture *f, struct process *to,
                              uint64_t id)
{
    struct signal signal = {.kind = SIGNAL_MESSAGE,
                            .to = {.id = to->slot, .serial = to->serial},
                            .id = id};

    scheduler_post(&f->scheduler, signal_copy(&signal));
}

/* a got 101 and gives it to b, which was sent 1 later. */
static void assert_returned_first(struct fixture *f)
{
    assert_int_equal(f->count, 3);
    assert_int_equal(f->ids[0], 101);
    assert_int_equal(f->ids[1], 101);
    assert_int_equal(f->slots[1], f->b.slot);
    assert_int_equal(f->ids[2], 1);
    f->count = 0;
}

static void what_returns_goes_before_all_that_was_sent_later(void **state)
{
    struct fixture *f = *state;

    f->a_returns = true;
    post_to(f, &f->a, 101);
    post_to(f, &f->b, 1);
    (void)scheduler_turn(&f->scheduler);
    assert_returned_first(f);
    send_through_door(f, &f->a, 101);
    send_through_door(f, &f->b, 1);
    (void)scheduler_turn(&f->scheduler);
    assert_returned_first(f);
    dispatch_to(f, &f->a, 101);
    dispatch_to(f, &f->b, 1);
    assert_returned_first(f);
    f->a.flags |= PROCESS_HELD;
    post_to(f, &f->a, 101);
    post_to(f, &f->a, 1);
    (void)scheduler_turn(&f->scheduler);
    scheduler_resume(&f->scheduler, &f->a);
    (void)scheduler_turn(&f->scheduler);
    assert_returned_first(f);
}

static void a_held_process_gets_its_messages_in_order_when_resumed(void **state)
{
    struct fixture *f = *state;

    f->a.flags |= PROCESS_HELD;
    for (uint64_t i = 0; i < 10; i++) {
        post_to(f, &f->a, i);
    }
    (void)scheduler_turn(&f->scheduler);
    assert_int_equal(f->count, 0);
    scheduler_resume(&f->scheduler, &f->a);
    (void)scheduler_turn(&f->scheduler);
    assert_int_equal(f->count, 10);
    for (uint64_t i = 0; i < 10; i++) {
        assert_int_equal(f->ids[i], i);
    }
}

static void a_full_mailbox_refuses_and_says_so(void **state)
{
    struct fixture *f = *state;

    f->a.flags |= PROCESS_HELD;
    f->a.mailbox_limit = 3;
    for (uint64_t i = 0; i < 5; i++) {
        post_to(f, &f->a, i);
    }
    (void)scheduler_turn(&f->scheduler);
    assert_int_equal(f->undelivered, 2);
    assert_int_equal(f->last_reason, CNODE_OVERLOADED);
}

static void a_process_that_ends_in_its_callback_loses_the_rest(void **state)
{
    struct fixture *f = *state;

    f->a_ends = true;
    f->a.flags |= PROCESS_HELD;
    for (uint64_t i = 0; i < 4; i++) {
        post_to(f, &f->a, i);
    }
    (void)scheduler_turn(&f->scheduler);
    scheduler_resume(&f->scheduler, &f->a);
    (void)scheduler_turn(&f->scheduler);
    assert_int_equal(f->count, 1);
    assert_int_equal(f->undelivered, 3);
    assert_int_equal(f->last_reason, CNODE_NOPROC);
}

static void one_busy_process_does_not_starve_another(void **state)
{
    struct fixture *f = *state;
    unsigned b_at = 0;

    f->a.flags |= PROCESS_HELD;
    f->b.flags |= PROCESS_HELD;
    for (uint64_t i = 0; i < 2000; i++) {
        post_to(f, &f->a, i);
    }
    post_to(f, &f->b, 9999);
    (void)scheduler_turn(&f->scheduler);
    scheduler_resume(&f->scheduler, &f->a);
    scheduler_resume(&f->scheduler, &f->b);
    while (scheduler_turn(&f->scheduler)) {
    }
    assert_int_equal(f->count, 2001);
    while (f->ids[b_at] != 9999) {
        b_at++;
    }
    assert_true(b_at <= SCHEDULER_PROCESS_BUDGET);
}

/* It sends to itself as long as it lives. */
static void
processes_without_end_starve_neither_door_nor_mailboxes(void **state)
{
    struct fixture *f = *state;

    f->a_sends_to_itself = true;
    f->b.flags |= PROCESS_HELD;
    post_to(f, &f->b, 9);
    (void)scheduler_turn(&f->scheduler);
    post_to(f, &f->a, 1);
    scheduler_resume(&f->scheduler, &f->b);
    (void)scheduler_turn(&f->scheduler);
    assert_int_equal(count_of(f, 9), 1); /* from its mailbox */
    send_through_door(f, &f->b, 8);
    (void)scheduler_turn(&f->scheduler);
    assert_int_equal(count_of(f, 8), 1);
    assert_true(count_of(f, 1) > 100);
    f->a_sends_to_itself = false;
}

static void a_turn_ends_within_its_budget(void **state)
{
    struct fixture *f = *state;

    for (uint64_t i = 0; i < SCHEDULER_TURN_BUDGET + 10; i++) {
        post_to(f, &f->b, i);
    }
    assert_true(scheduler_turn(&f->scheduler));
    assert_in_range(f->count, 1, SCHEDULER_TURN_BUDGET);
    while (scheduler_turn(&f->scheduler)) {
    }
    assert_int_equal(f->count, SCHEDULER_TURN_BUDGET + 10);
}

/* Sockets and timers have their turn soon, whatever callbacks take. */
static void a_turn_of_slow_callbacks_ends_early(void **state)
{
    struct fixture *f = *state;
    unsigned turns = 0;

    f->is_slow = true;
    f->b.flags |= PROCESS_HELD;
    for (uint64_t i = 0; i < 100; i++) {
        post_to(f, &f->b, i); /* for its mailbox */
        send_through_door(f, &f->a, i);
        post_to(f, &f->a, i);
    }
    while (scheduler_turn(&f->scheduler)) {
        turns++;
    }
    assert_int_equal(f->count, 200);
    assert_true(turns >= 5);
    scheduler_resume(&f->scheduler, &f->b);
    for (turns = 0; scheduler_turn(&f->scheduler); turns++) {
    }
    assert_int_equal(f->count, 300);
    assert_true(turns >= 3);
}

enum { POSTERS = 4, POSTS = 2000 };

static void *post_many(void *arg)
{
    struct fixture *f = current;
    uint64_t base = (uint64_t)(uintptr_t)arg * POSTS;

    for (uint64_t i = 0; i < POSTS; i++) {
        struct signal signal = {.kind = SIGNAL_MESSAGE,
                                .to = {.id = f->b.slot, .serial = f->b.serial},
                                .id = base + i};

        scheduler_post(&f->scheduler, signal_copy(&signal));
    }
    return NULL;
}

static uint64_t next_of[POSTERS];
static bool in_order = true;

static void on_posted(struct process *process, const struct signal *signal)
{
    uint64_t poster = signal->id / POSTS;

    (void)process;
    in_order = in_order && next_of[poster] == signal->id % POSTS;
    next_of[poster]++;
    current->count++;
}

static const struct process_class posted_class = {
    .name = "posted", .message = on_posted, .exit = on_exit_signal};

static void posts_from_threads_arrive_all_and_in_the_order_of_each(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[POSTERS];

    f->b.class = &posted_class;
    for (uintptr_t i = 0; i < POSTERS; i++) {
        void *number = (void *)i; /* NOLINT(performance-no-int-to-ptr) */

        assert_int_equal(pthread_create(&threads[i], NULL, post_many, number),
                         0);
    }
    LOOP_UNTIL(&f->scheduler.loop, f->count == POSTERS * POSTS);
    for (int i = 0; i < POSTERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(in_order);
}

/* --- the end */

struct counted_task {
    struct signal_task task;
    unsigned *runs;
};

static void run_counted(struct signal_task *task, void *owner)
{
    struct counted_task *counted =
        CONTAINER_OF(task, struct counted_task, task);

    *counted->runs += owner != NULL;
}

/* A node that is told to end must not go through seconds of messages first;
 * what others ordered is done. */
static void its_thread_ends_before_the_messages_that_wait(void **state)
{
    struct fixture *f = *state;
    struct counted_task *task = mem_zalloc(sizeof(*task));
    uint64_t start_ns = loop_clock_ns();
    unsigned runs = 0;

    f->is_slow = true;
    assert_int_equal(scheduler_open_thread(&f->scheduler), 0);
    for (uint64_t i = 0; i < 5000; i++) {
        send_through_door(f, &f->a, i);
    }
    *task = (struct counted_task){
        .task = {.signal.kind = SIGNAL_TASK, .run = run_counted},
        .runs = &runs};
    scheduler_post(&f->scheduler, &task->task.signal);
    scheduler_go(&f->scheduler);
    scheduler_join(&f->scheduler);
    assert_true(loop_clock_ns() - start_ns < UINT64_C(2000000000));
    assert_int_equal(runs, 1);
    assert_true(f->count < 5000);
    assert_int_equal(f->scheduler.door_bytes, 0);
}

/* --- watchdog */

static _Atomic unsigned reports;
static char reported[32];

static void on_report(const char *what, uint32_t slot, uint32_t serial,
                      uint64_t ms, bool fatal)
{
    (void)slot, (void)serial, (void)ms;
    if (!fatal) {
        strncpy(reported, what, sizeof(reported) - 1);
        atomic_fetch_add(&reports, 1);
    }
}

static void a_slow_callback_is_reported_once_by_name(void **state)
{
    struct watch watch = {0};
    struct watch *watches[] = {&watch};
    struct watchdog *dog;
    uint64_t end = uv_hrtime() + UINT64_C(10000000000);

    (void)state;
    atomic_store(&reports, 0);
    assert_int_equal(watchdog_start(&dog, watches, 1, 5000000, 0, on_report),
                     0);
    watch_begin(&watch, "sleeper", 1, 2);
    while (atomic_load(&reports) == 0 && uv_hrtime() < end) {
    }
    watch_end(&watch);
    assert_int_equal(atomic_load(&reports), 1);
    assert_string_equal(reported, "sleeper");
    watchdog_stop(dog);
}

static void on_line(const char *line, size_t len, void *user)
{
    struct buf *lines = user;

    buf_put(lines, line, len);
    buf_put_u8(lines, 0);
    atomic_fetch_add(&reports, 1);
}

static void the_log_names_the_slow_process_and_its_pid(void **state)
{
    struct watch watch = {0};
    struct watch *watches[] = {&watch};
    struct watchdog *dog;
    uint64_t end = uv_hrtime() + UINT64_C(10000000000);
    struct buf lines;

    (void)state;
    buf_init(&lines, 0);
    log_capture(on_line, &lines);
    atomic_store(&reports, 0);
    assert_int_equal(watchdog_start(&dog, watches, 1, 5000000, 0, NULL), 0);
    watch_begin(&watch, "counter in P", 433, 8);
    while (atomic_load(&reports) == 0 && uv_hrtime() < end) {
    }
    watch_end(&watch);
    watchdog_stop(dog);
    log_capture(NULL, NULL);
    assert_int_equal(atomic_load(&reports), 1);
    assert_non_null(strstr((char *)buf_data(&lines), "counter in P"));
    assert_non_null(strstr((char *)buf_data(&lines), "<0.433.8>"));
    buf_fini(&lines);
}

static void quick_callbacks_are_not_reported(void **state)
{
    struct watch watch = {0};
    struct watch *watches[] = {&watch};
    struct watchdog *dog;
    uint64_t end = uv_hrtime() + 100000000;

    (void)state;
    atomic_store(&reports, 0);
    assert_int_equal(watchdog_start(&dog, watches, 1, 50000000, 0, on_report),
                     0);
    while (uv_hrtime() < end) {
        watch_begin(&watch, "quick", 1, 2);
        watch_end(&watch);
    }
    watchdog_stop(dog);
    assert_int_equal(atomic_load(&reports), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_a_callback_sends_waits_until_it_returned),
        T(an_older_message_goes_before_one_from_a_channel),
        T(what_returns_goes_before_all_that_was_sent_later),
        T(a_held_process_gets_its_messages_in_order_when_resumed),
        T(a_full_mailbox_refuses_and_says_so),
        T(a_process_that_ends_in_its_callback_loses_the_rest),
        T(one_busy_process_does_not_starve_another),
        T(processes_without_end_starve_neither_door_nor_mailboxes),
        T(a_turn_ends_within_its_budget),
        T(a_turn_of_slow_callbacks_ends_early),
        T(posts_from_threads_arrive_all_and_in_the_order_of_each),
        T(its_thread_ends_before_the_messages_that_wait),
        cmocka_unit_test(a_slow_callback_is_reported_once_by_name),
        cmocka_unit_test(the_log_names_the_slow_process_and_its_pid),
        cmocka_unit_test(quick_callbacks_are_not_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
