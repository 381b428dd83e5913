/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>

#include <cnode/error.h>

#include "base/limits.h"
#include "base/metric.h"
#include "runtime/process_table.h"

static void a_process_is_found_by_its_slot_and_serial(void **state)
{
    struct process_table table;
    struct process a = {0}, b = {0};

    (void)state;
    process_table_init(&table, 3);
    assert_int_equal(process_table_add(&table, &a), 0);
    assert_int_equal(process_table_add(&table, &b), 0);
    assert_int_equal(a.serial & PID_SCHEDULER_MASK, 3);
    assert_int_not_equal(a.slot, 0);
    assert_ptr_equal(process_table_get(&table, a.slot, a.serial), &a);
    assert_ptr_equal(process_table_get(&table, b.slot, b.serial), &b);
    assert_null(process_table_get(&table, a.slot, a.serial + 64));
    assert_null(process_table_get(&table, 0, 3));
    assert_null(process_table_get(&table, 1000000, 3));
    process_table_fini(&table);
}

static void a_slot_used_again_gives_another_pid(void **state)
{
    struct process_table table;
    struct process a = {0}, b = {0};

    (void)state;
    process_table_init(&table, 0);
    assert_int_equal(process_table_add(&table, &a), 0);
    process_table_remove(&table, &a);
    assert_null(process_table_get(&table, a.slot, a.serial));
    assert_int_equal(process_table_add(&table, &b), 0);
    assert_int_equal(a.slot, b.slot);
    assert_int_not_equal(a.serial, b.serial);
    assert_null(process_table_get(&table, a.slot, a.serial));
    process_table_fini(&table);
}

static void a_slot_whose_generations_are_used_up_is_retired(void **state)
{
    struct process_table table;
    struct process a = {0};
    uint32_t slot;

    (void)state;
    process_table_init(&table, 0);
    assert_int_equal(process_table_add(&table, &a), 0);
    slot = a.slot;
    a.serial = UINT32_MAX & ~(uint32_t)PID_SCHEDULER_MASK; /* the last one */
    process_table_remove(&table, &a);
    assert_int_equal(process_table_add(&table, &a), 0);
    assert_int_not_equal(a.slot, slot);
    process_table_fini(&table);
}

static void the_limit_refuses_one_more(void **state)
{
    struct process_table table;
    struct process a = {0}, b = {0};
    uint64_t saved = limits.processes;
    uint64_t refused = metric_read(METRIC_processes_refused);

    (void)state;
    limits.processes = 1;
    process_table_init(&table, 0);
    assert_int_equal(process_table_add(&table, &a), 0);
    assert_int_equal(process_table_add(&table, &b), CNODE_LIMIT);
    assert_int_equal(metric_read(METRIC_processes_refused), refused + 1);
    process_table_remove(&table, &a);
    assert_int_equal(process_table_add(&table, &b), 0);
    limits.processes = saved;
    process_table_fini(&table);
}

static void a_hidden_process_is_passed_over_by_who_lists_them(void **state)
{
    struct process_table table;
    struct process a = {0}, b = {0}, c = {0};
    uint32_t at = 0;

    (void)state;
    process_table_init(&table, 0);
    assert_int_equal(process_table_add(&table, &a), 0);
    assert_int_equal(process_table_add(&table, &b), 0);
    assert_int_equal(process_table_add(&table, &c), 0);
    process_table_hide(&table, &b);
    process_table_hide(&table, &c);
    assert_int_equal(table.hidden, 2);
    assert_ptr_equal(process_table_next(&table, &at), &a);
    assert_null(process_table_next(&table, &at));
    assert_ptr_equal(process_table_get(&table, b.slot, b.serial), &b);
    process_table_remove(&table, &b);
    process_table_remove(&table, &a);
    assert_int_equal(table.hidden, 1);
    process_table_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_is_found_by_its_slot_and_serial),
        cmocka_unit_test(a_slot_used_again_gives_another_pid),
        cmocka_unit_test(a_slot_whose_generations_are_used_up_is_retired),
        cmocka_unit_test(the_limit_refuses_one_more),
        cmocka_unit_test(a_hidden_process_is_passed_over_by_who_lists_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
