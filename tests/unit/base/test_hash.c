/* SPDX-License-Identifier: Apache-2.0
 *
 * SipHash-1-3 against values of another implementation (CPython's bytes hash
 * with its key turned off).
 */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void hash_is_siphash_1_3(void **state)
{
    static const struct {
        const char *text;
        uint64_t hash;
    } known[] = {
        {"a", UINT64_C(0x407448d2b89b1813)},
        {"abcdefg", UINT64_C(0x6db12aae9070f506)},
        {"abcdefgh", UINT64_C(0x3f7b849c0b8e35ea)},
        {"abcdefghi", UINT64_C(0xf89b34a3d11eb6e5)},
        {"0123456789abcdef0123456789abcdef0123456",
         UINT64_C(0x9b43e967b54bcbb0)},
    };

    (void)state;
    hash_seed(0, 0);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        assert_true(hash_bytes(known[i].text, strlen(known[i].text)) ==
                    known[i].hash);
    }
}

static void key_changes_keyed_hashes_only(void **state)
{
    uint64_t bytes, stable, number;

    (void)state;
    hash_seed(1, 2);
    bytes = hash_bytes("worker", 6);
    stable = hash_stable("worker", 6);
    number = hash_u64(7);
    hash_seed(1, 3);
    assert_true(hash_bytes("worker", 6) != bytes);
    assert_true(hash_u64(7) != number);
    assert_true(hash_stable("worker", 6) == stable);
    hash_seed(2, 2);
    assert_true(hash_bytes("worker", 6) != bytes);
    assert_true(hash_u64(7) != number);
}

static void stable_hash_never_changes(void **state)
{
    (void)state;
    /* Two versions of the program must agree: do not touch these numbers. */
    assert_true(hash_stable("", 0) == UINT64_C(0xabac0158050fc4dc));
    assert_true(hash_stable("worker", 6) == UINT64_C(0x1fe1fcafe20225b9));
}

static void length_and_every_byte_count(void **state)
{
    uint8_t bytes[64] = {0};

    (void)state;
    for (size_t len = 0; len < sizeof(bytes); len++) {
        uint64_t hash = hash_bytes(bytes, len);
        assert_true(hash != hash_bytes(bytes, len + 1));
        for (size_t i = 0; i < len; i++) {
            bytes[i] = 1;
            assert_true(hash != hash_bytes(bytes, len));
            bytes[i] = 0;
        }
    }
}

static void numbers_in_a_row_spread_over_low_and_high_bits(void **state)
{
    uint16_t low[256] = {0}, high[256] = {0};

    (void)state;
    hash_seed(3, 4);
    for (uint64_t i = 0; i < 65536; i++) {
        uint64_t hash = hash_u64(i << 28);
        low[hash & 0xff]++;
        high[hash >> 56]++;
    }
    for (unsigned i = 0; i < 256; i++) { /* 256 each on average */
        assert_in_range(low[i], 150, 370);
        assert_in_range(high[i], 150, 370);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_is_siphash_1_3),
        cmocka_unit_test(key_changes_keyed_hashes_only),
        cmocka_unit_test(stable_hash_never_changes),
        cmocka_unit_test(length_and_every_byte_count),
        cmocka_unit_test(numbers_in_a_row_spread_over_low_and_high_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
