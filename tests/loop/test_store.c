/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread of a store, above a backend in memory that fails as told.
 */
#include "storage/store.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cnode/error.h>

#include "base/limits.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/metric.h"
#include "support/storage/fake_store.h"

enum { MOST = 1000 };

static unsigned done_count;
static unsigned done_order[MOST];
static pthread_mutex_t done_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t done_one = PTHREAD_COND_INITIALIZER;

struct item {
    struct store_op op;
    unsigned number;
    bool is_done;
};

/* --- operations */

static void on_done(struct store_op *op)
{
    struct item *item = CONTAINER_OF(op, struct item, op);

    pthread_mutex_lock(&done_lock);
    done_order[done_count++ % MOST] = item->number;
    item->is_done = true;
    pthread_cond_broadcast(&done_one);
    pthread_mutex_unlock(&done_lock);
}

static void item_init(struct item *item, unsigned number, enum store_kind kind,
                      char key, char value)
{
    *item = (struct item){.number = number};
    store_op_init(&item->op, kind, on_done);
    buf_put(&item->op.key, &key, 1);
    if (kind == STORE_PUT) {
        buf_put(store_op_value(&item->op), &value, 1);
    }
}

static int wait_done(struct item *item)
{
    pthread_mutex_lock(&done_lock);
    while (!item->is_done) {
        pthread_cond_wait(&done_one, &done_lock);
    }
    pthread_mutex_unlock(&done_lock);
    return item->op.rc;
}

static int setup(void **state)
{
    (void)state;
    fake_store_init();
    done_count = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_store_fini();
    return 0;
}

/* --- tests */

static void a_value_comes_back_and_what_is_not_there_does_not(void **state)
{
    struct store *store = fake_store_open(100);
    struct item put, get, none, gone, after;

    (void)state;
    item_init(&put, 0, STORE_PUT, 'a', 'v');
    item_init(&get, 1, STORE_GET, 'a', 0);
    item_init(&none, 2, STORE_GET, 'b', 0);
    item_init(&gone, 3, STORE_DELETE, 'a', 0);
    item_init(&after, 4, STORE_GET, 'a', 0);
    assert_int_equal(store_submit(store, &put.op), 0);
    assert_int_equal(store_submit(store, &get.op), 0);
    assert_int_equal(store_submit(store, &none.op), 0);
    assert_int_equal(store_submit(store, &gone.op), 0);
    assert_int_equal(store_submit(store, &after.op), 0);
    assert_int_equal(wait_done(&put), 0);
    assert_int_equal(wait_done(&get), 0);
    assert_int_equal(buf_size(&get.op.value), 1);
    assert_int_equal(buf_data(&get.op.value)[0], 'v');
    assert_int_equal(wait_done(&none), CNODE_NOT_FOUND);
    assert_int_equal(wait_done(&gone), 0);
    assert_int_equal(wait_done(&after), CNODE_NOT_FOUND);
    store_close(store);
    store_op_fini(&put.op);
    store_op_fini(&get.op);
    store_op_fini(&none.op);
    store_op_fini(&gone.op);
    store_op_fini(&after.op);
}

static void what_waits_shares_one_commit_in_order(void **state)
{
    struct store *store = fake_store_open(MOST);
    struct item *items = mem_zalloc(MOST * sizeof(*items));

    (void)state;
    fake_store_set(&fake_store.is_shut, true);
    for (unsigned i = 0; i < 200; i++) {
        item_init(&items[i], i, STORE_PUT, (char)('a' + i % 10), 'v');
        assert_int_equal(store_submit(store, &items[i].op), 0);
        if (i == 0) {
            fake_store_wait_for_run();
        }
    }
    fake_store_set(&fake_store.is_shut, false);
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(wait_done(&items[i]), 0);
        assert_int_equal(done_order[i], i);
        store_op_fini(&items[i].op);
    }
    assert_int_equal(fake_store.runs, 2);
    assert_int_equal(fake_store.sizes[0], 1);
    assert_int_equal(fake_store.sizes[1], 199);
    store_close(store);
    mem_free(items);
}

static void what_finds_no_room_fails_alone(void **state)
{
    struct store *store = fake_store_open(MOST);
    struct item *items = mem_zalloc(MOST * sizeof(*items));
    uint64_t full = metric_read(METRIC_store_full);

    (void)state;
    fake_store.room = STORE_HEADER_BYTES + 1;
    fake_store_set(&fake_store.is_shut, true);
    for (unsigned i = 0; i < 100; i++) {
        item_init(&items[i], i, STORE_PUT, 'a', 'v');
        if (i % 37 == 5) {
            buf_put_u8(&items[i].op.value, 'v');
        }
        assert_int_equal(store_submit(store, &items[i].op), 0);
    }
    fake_store_set(&fake_store.is_shut, false);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(wait_done(&items[i]),
                         i % 37 == 5 ? CNODE_STORE_FULL : 0);
        assert_int_equal(done_order[i], i);
        store_op_fini(&items[i].op);
    }
    assert_int_equal(metric_read(METRIC_store_full) - full, 3);
    assert_false(store_is_failing(store)); /* the last one worked */
    store_close(store);
    mem_free(items);
}

static void unreachable_keeps_writes_and_gives_up_reads(void **state)
{
    struct store *store = fake_store_open(100);
    struct item first, second, get;

    (void)state;
    fake_store.is_gone = true;
    item_init(&first, 0, STORE_PUT, 'a', '1');
    item_init(&get, 1, STORE_GET, 'a', 0);
    item_init(&second, 2, STORE_PUT, 'a', '2');
    get.op.until_ns = loop_clock_ns() + 1;
    assert_int_equal(store_submit(store, &first.op), 0);
    assert_int_equal(store_submit(store, &get.op), 0);
    assert_int_equal(store_submit(store, &second.op), 0);
    assert_int_equal(wait_done(&get), CNODE_STORE_UNREACHABLE);
    assert_true(store_is_failing(store));
    assert_false(first.is_done);
    fake_store_set(&fake_store.is_gone, false);
    assert_int_equal(wait_done(&first), 0);
    assert_int_equal(wait_done(&second), 0);
    assert_int_equal(buf_data(fake_store_value('a'))[STORE_HEADER_BYTES], '2');
    assert_false(store_is_failing(store));
    store_close(store);
    store_op_fini(&first.op);
    store_op_fini(&second.op);
    store_op_fini(&get.op);
}

static void closing_ends_what_cannot_be_done(void **state)
{
    struct store *store = fake_store_open(100);
    struct item put;

    (void)state;
    fake_store.is_gone = true;
    item_init(&put, 0, STORE_PUT, 'a', '1');
    assert_int_equal(store_submit(store, &put.op), 0);
    store_close(store);
    assert_true(put.is_done);
    assert_int_equal(put.op.rc, CNODE_STORE_UNREACHABLE);
    store_op_fini(&put.op);
}

static void too_many_or_too_much_is_refused_and_counted(void **state)
{
    struct store *store = fake_store_open(16);
    struct item items[20];
    uint64_t refused = metric_read(METRIC_store_refused);
    uint64_t most = limits.store_bytes;

    (void)state;
    fake_store_set(&fake_store.is_shut, true);
    for (unsigned i = 0; i < 16; i++) {
        item_init(&items[i], i, STORE_PUT, 'a', 'v');
        assert_int_equal(store_is_busy(store), i > 8);
        assert_int_equal(store_submit(store, &items[i].op), 0);
    }
    item_init(&items[16], 16, STORE_PUT, 'a', 'v');
    assert_int_equal(store_submit(store, &items[16].op), CNODE_OVERLOADED);
    item_init(&items[17], 17, STORE_FLUSH, 'a', 0);
    assert_int_equal(store_submit(store, &items[17].op), 0);
    fake_store_set(&fake_store.is_shut, false);
    assert_int_equal(wait_done(&items[17]), 0);
    limits.store_bytes = 100;
    assert_int_equal(store_submit(store, &items[16].op), CNODE_OVERLOADED);
    limits.store_bytes = most;
    assert_int_equal(metric_read(METRIC_store_refused) - refused, 2);
    for (unsigned i = 0; i < 18; i++) {
        store_op_fini(&items[i].op);
    }
    store_close(store);
}

static void other_bytes_than_were_written_are_corrupt(void **state)
{
    struct store *store = fake_store_open(100);
    struct item put, get;
    uint64_t corrupt = metric_read(METRIC_store_corrupt);

    (void)state;
    item_init(&put, 0, STORE_PUT, 'a', 'v');
    item_init(&get, 1, STORE_GET, 'a', 0);
    assert_int_equal(store_submit(store, &put.op), 0);
    assert_int_equal(wait_done(&put), 0);
    buf_data(fake_store_value('a'))[STORE_HEADER_BYTES] ^= 1;
    assert_int_equal(store_submit(store, &get.op), 0);
    assert_int_equal(wait_done(&get), CNODE_STORE_CORRUPT);
    assert_int_equal(metric_read(METRIC_store_corrupt) - corrupt, 1);
    store_close(store);
    store_op_fini(&put.op);
    store_op_fini(&get.op);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_value_comes_back_and_what_is_not_there_does_not),
        TEST(what_waits_shares_one_commit_in_order),
        TEST(what_finds_no_room_fails_alone),
        TEST(unreachable_keeps_writes_and_gives_up_reads),
        TEST(closing_ends_what_cannot_be_done),
        TEST(too_many_or_too_much_is_refused_and_counted),
        TEST(other_bytes_than_were_written_are_corrupt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
