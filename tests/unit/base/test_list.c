/* SPDX-License-Identifier: Apache-2.0
 *
 * The intrusive ring.
 */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct item {
    int number;
    struct list node;
};

/* The numbers of a list as one decimal, front first. */
static int digits(struct list *head)
{
    int all = 0;

    LIST_EACH(it, head) {
        all = all * 10 + CONTAINER_OF(it, struct item, node)->number;
    }
    return all;
}

static void nodes_keep_the_order_of_pushes(void **state)
{
    struct list head;
    struct item a = {.number = 1}, b = {.number = 2}, c = {.number = 3};

    (void)state;
    list_init(&head);
    assert_true(list_is_empty(&head));
    list_push_back(&head, &a.node);
    list_push_back(&head, &b.node);
    list_push_back(&head, &c.node);
    assert_int_equal(digits(&head), 123);
    assert_ptr_equal(list_pop(&head), &a.node);
    assert_int_equal(digits(&head), 23);
}

static void second_remove_does_nothing(void **state)
{
    struct list head;
    struct item a = {.number = 1}, b = {.number = 2};

    (void)state;
    list_init(&head);
    list_init(&a.node);
    list_remove(&a.node); /* never in a list */
    list_push_back(&head, &a.node);
    list_push_back(&head, &b.node);
    list_remove(&a.node);
    list_remove(&a.node);
    assert_int_equal(digits(&head), 2);
    list_remove(&b.node);
    assert_true(list_is_empty(&head));
    assert_null(list_pop(&head));
}

static void take_moves_everything(void **state)
{
    struct list from, to;
    struct item a = {.number = 1}, b = {.number = 2};

    (void)state;
    list_init(&from);
    list_init(&to);
    list_take(&to, &from);
    assert_true(list_is_empty(&to));
    list_push_back(&from, &a.node);
    list_push_back(&from, &b.node);
    list_take(&to, &from);
    assert_true(list_is_empty(&from));
    assert_int_equal(digits(&to), 12);
    list_remove(&a.node); /* the ring is closed at both ends */
    list_remove(&b.node);
    assert_true(list_is_empty(&to));
}

static void each_allows_to_remove_the_current_node(void **state)
{
    struct list head;
    struct item items[4] = {
        {.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};

    (void)state;
    list_init(&head);
    for (unsigned i = 0; i < ARRAY_LEN(items); i++) {
        list_push_back(&head, &items[i].node);
    }
    LIST_EACH(it, &head) {
        if (CONTAINER_OF(it, struct item, node)->number % 2 == 0) {
            list_remove(it);
        }
    }
    assert_int_equal(digits(&head), 13);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_keep_the_order_of_pushes),
        cmocka_unit_test(second_remove_does_nothing),
        cmocka_unit_test(take_moves_everything),
        cmocka_unit_test(each_allows_to_remove_the_current_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
