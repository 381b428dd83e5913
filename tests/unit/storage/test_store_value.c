/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands in a store besides the value.
 */
#include "storage/store_value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cnode/error.h>

#include "storage/store_backend.h"

static void make(struct store_op *op, const char *key, const char *value)
{
    store_op_init(op, STORE_PUT, NULL);
    buf_put(&op->key, key, strlen(key));
    buf_put(store_op_value(op), value, strlen(value));
}

static void what_was_sealed_opens(void **state)
{
    struct store_op op;

    (void)state;
    make(&op, "key", "value");
    store_value_seal(&op);
    assert_int_equal(store_value_open(&op), 0);
    assert_int_equal(buf_size(&op.value), 5);
    assert_memory_equal(buf_data(&op.value), "value", 5);
    store_op_fini(&op);
}

static void every_changed_byte_is_noticed(void **state)
{
    struct store_op op;

    (void)state;
    make(&op, "key", "value");
    store_value_seal(&op);
    for (size_t i = 0; i < buf_size(&op.value); i++) {
        buf_data(&op.value)[i] ^= 0x10;
        assert_int_equal(store_value_open(&op), CNODE_STORE_CORRUPT);
        buf_data(&op.value)[i] ^= 0x10;
    }
    for (size_t size = buf_size(&op.value) - 1; size > 0; size--) {
        buf_truncate(&op.value, size);
        assert_int_equal(store_value_open(&op), CNODE_STORE_CORRUPT);
    }
    store_op_fini(&op);
}

static void the_value_of_another_key_is_noticed(void **state)
{
    struct store_op op;

    (void)state;
    make(&op, "key", "value");
    store_value_seal(&op);
    buf_data(&op.key)[0] = 'K';
    assert_int_equal(store_value_open(&op), CNODE_STORE_CORRUPT);
    store_op_fini(&op);
}

static void long_keys_are_short_and_differ(void **state)
{
    static char text[5000];
    struct store_op a, b;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    make(&a, text, "");
    text[sizeof(text) - 2] = 'y';
    make(&b, text, "");
    store_key_shorten(&a);
    store_key_shorten(&b);
    assert_int_equal(buf_size(store_op_key(&a)), STORE_KEY_BYTES);
    assert_int_equal(buf_size(store_op_key(&b)), STORE_KEY_BYTES);
    assert_memory_not_equal(buf_data(store_op_key(&a)),
                            buf_data(store_op_key(&b)), STORE_KEY_BYTES);
    store_key_shorten(&a); /* again is the same */
    assert_int_equal(buf_size(store_op_key(&a)), STORE_KEY_BYTES);
    store_op_fini(&a);
    store_op_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_sealed_opens),
        cmocka_unit_test(every_changed_byte_is_noticed),
        cmocka_unit_test(the_value_of_another_key_is_noticed),
        cmocka_unit_test(long_keys_are_short_and_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
