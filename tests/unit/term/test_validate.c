/* SPDX-License-Identifier: Apache-2.0
 *
 * The validator: what a BEAM sends passes, all else is an error, at any cut.
 */
#include "term/validate.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <cnode/error.h>

#include "base/mem.h"
#include "support/term/terms.h"
#include "term/build.h"

#define NODE "77036e4068" /* 'n@h' */

/* One of each tag. */
static const char *const good[] = {
    "61ff",
    "62ffffffff",
    "463ff0000000000000",
    "6e0400ffffffff",
    "6f0000000100ff",
    "6a",
    "6b00026162",
    "6c0000000161016a",
    "6c0000000161016102",
    "6d00000003010203",
    "4d00000001 04 f0",
    "4d00000001 08 f0",
    "7700",
    "77026f6b",
    "760002c3a9",
    "640001e9",
    "7301e9",
    "6800",
    "6802610a6a",
    "6900000001610a",
    "7400000000",
    "74000000016101620000ffff",
    "58" NODE "000000010000000200000003",
    "67" NODE "000000010000000203",
    "78" NODE "000000000000000100000003",
    "59" NODE "0000000100000003",
    "66" NODE "0000000103",
    "5a0003" NODE "00000003 000000010000000200000003",
    "5a0005" NODE "00000003 0000000100000002000000030000000400000005",
    "720001" NODE "0300000001",
    "65" NODE "0000000103",
    "717701617701626102",
    "70 0000003b 01 00000000000000000000000000000000 00000001 00000001"
    " 770161 6101 620000ffff 58" NODE "000000010000000200000003 6107",
    "43 00000002 00 7701617701727701617701626101680162000000ff",
    "63312e3530303030303030303030303030303030303030652b30300000000000",
};

static int validate_hex(const char *hex, uint32_t depth, size_t *size)
{
    struct buf buf = bytes_of_hex(hex);
    int rc = term_validate(buf_data(&buf), buf_size(&buf), depth, size);

    buf_fini(&buf);
    return rc;
}

static void every_tag_of_a_beam_is_accepted(void **state)
{
    size_t size;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct buf buf = bytes_of_hex(good[i]);
        buf_put_u8(&buf, 0); /* bytes behind are none of ours */
        assert_int_equal(
            term_validate(buf_data(&buf), buf_size(&buf), 10, &size), 0);
        assert_int_equal(size, buf_size(&buf) - 1);
        assert_int_equal(cnode_term_size(term_in(&buf)), size);
        buf_fini(&buf);
    }
}

static void every_shorter_term_is_truncated(void **state)
{
    size_t size;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct buf buf = bytes_of_hex(good[i]);
        for (size_t len = 0; len < buf_size(&buf); len++) {
            uint8_t *cut = mem_alloc(len); /* asan sees reads beyond */
            memcpy(cut, len > 0 ? buf_data(&buf) : cut, len);
            assert_int_equal(term_validate(cut, len, 10, &size),
                             CNODE_TRUNCATED);
            mem_free(cut);
        }
        buf_fini(&buf);
    }
}

static void malformed_terms_are_refused(void **state)
{
    static const char *const bad[] = {
        "50",                                 /* compressed */
        "79",                                 /* local */
        "74000000026a61016a6102",             /* a key twice */
        "7400000002 760000 6101 760000 6102", /* the same, uncommon */
        "5201",                               /* atom cache */
        "00",
        "83",
        "ff",
        "75",                 /* fun of old */
        "467ff0000000000000", /* infinite */
        "46fff8000000000000", /* not a number */
        "7701ff",             /* not UTF-8 */
        "7702c080",
        "7603fd", /* above 1020 bytes */
        "640100", /* above 255 characters */
        "4d0000000100f0",
        "4d0000000109f0",
        "4d0000000001",
        ("5a0006" NODE "00000003"),
        "586101000000010000000200000003", /* node is no atom */
        "7177016161017701",               /* fun m:1/... */
        "71770161770161770161",
        "6802617879",                       /* inside containers too */
        "43000000010077016161017701626101", /* name is no atom */
        "43000000010077016177017261036101", /* field is no atom */
        "636e616e0000000000000000000000000000000000000000000000000000000000",
        "63696e660000000000000000000000000000000000000000000000000000000000",
        "6331653939390000000000000000000000000000000000000000000000000000",
    };
    size_t size;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int rc = validate_hex(bad[i], 10, &size);
        if (rc != CNODE_MALFORMED) {
            fail_msg("%s: %s", bad[i], cnode_strerror(rc));
        }
    }
}

/* A BEAM reads them, nobody writes them, and nobody here reads them. */
static void forms_that_nobody_writes_are_told_from_malformed_ones(void **state)
{
    static const char *const odd[] = {
        "6c000000006a",    /* [] is 106 */
        "6c000000006101",  /* no element and a tail */
        "6b0000",          /* "" is 106 too */
        "4d0000000000",    /* <<>> is 109 */
        "68026101 6b0000", /* inside containers */
        ("5a0000" NODE "00000003"),
    };
    size_t size;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        int rc = validate_hex(odd[i], 10, &size);
        if (rc != CNODE_UNHANDLED) {
            fail_msg("%s: %s", odd[i], cnode_strerror(rc));
        }
    }
}

static void fun_of_another_size_is_read_by_nobody(void **state)
{
    struct buf buf = bytes_of_hex(good[32]);
    size_t size;

    (void)state;
    for (int change = -2; change <= 2; change++) {
        set_u32(buf_data(&buf) + 1, (uint32_t)(59 + change));
        assert_int_equal(
            term_validate(buf_data(&buf), buf_size(&buf), 10, &size),
            change == 0 ? 0 : CNODE_UNHANDLED);
    }
    buf_fini(&buf);
}

static void atom_may_have_255_characters_of_any_width(void **state)
{
    struct buf buf;
    size_t size;

    (void)state;
    for (int chars = 254; chars <= 256; chars++) {
        buf_init(&buf, 0);
        buf_put_u8(&buf, 118);
        buf_put_u16(&buf, (uint16_t)(2 * chars));
        for (int i = 0; i < chars; i++) {
            buf_put(&buf, "\xc3\xa9", 2);
        }
        assert_int_equal(
            term_validate(buf_data(&buf), buf_size(&buf), 10, &size),
            chars <= 255 ? 0 : CNODE_MALFORMED);
        buf_fini(&buf);
    }
}

static void huge_counts_ask_for_bytes_and_not_for_memory(void **state)
{
    static const char *const huge[] = {
        "69ffffffff6a",
        "6cffffffff6a",
        "74ffffffff6a",
        "6dffffffff6a",
        "4dffffffff01",
        "6fffffffff00",
        "43ffffffff0077016177017277016b",
    };
    size_t size;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(huge); i++) {
        assert_int_equal(validate_hex(huge[i], 10, &size), CNODE_TRUNCATED);
    }
}

static void depth_is_counted_in_levels(void **state)
{
    struct buf buf;
    size_t size;

    (void)state;
    buf_init(&buf, 0);
    for (int i = 0; i < 1000; i++) {
        term_put_tuple(&buf, 2); /* nested in front */
    }
    for (int i = 0; i < 1001; i++) {
        term_put_nil(&buf);
    }
    assert_int_equal(term_validate(buf_data(&buf), buf_size(&buf), 1000, &size),
                     0);
    assert_int_equal(size, buf_size(&buf));
    assert_int_equal(term_validate(buf_data(&buf), buf_size(&buf), 999, &size),
                     CNODE_TOO_DEEP);
    assert_int_equal(validate_hex("6801610a", 1, &size), 0);
    assert_int_equal(validate_hex("6801610a", 0, &size), CNODE_TOO_DEEP);
    assert_int_equal(validate_hex("6800", 0, &size), 0);
    mem_fail_after(1);
    assert_int_equal(term_validate(buf_data(&buf), buf_size(&buf), 1000, &size),
                     CNODE_NOMEM);
    mem_fail_after(0);
    buf_fini(&buf);
}

/* Feeds the bytes in pieces at ever new addresses. */
static int validate_in_slices(const struct buf *buf, uint64_t *random,
                              size_t *size)
{
    struct validator v;
    size_t len = 0;
    int rc;

    validator_init(&v, 100);
    do {
        uint8_t *copy;
        len += random_below(random, 9);
        len = len > buf_size(buf) ? buf_size(buf) : len;
        copy = mem_alloc(len);
        memcpy(copy, len > 0 ? buf_data(buf) : copy, len);
        rc = validator_step(&v, copy, len, 1 + random_below(random, 3));
        mem_free(copy);
    } while (rc == 0 && (len < buf_size(buf) || v.at < len));
    *size = v.at;
    validator_fini(&v);
    return rc;
}

static void slices_say_the_same_as_one_go(void **state)
{
    uint64_t random = random_seed();
    size_t size;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct buf buf = bytes_of_hex(good[i]);
        assert_int_equal(validate_in_slices(&buf, &random, &size), 1);
        assert_int_equal(size, buf_size(&buf));
        buf_fini(&buf);
    }
    for (int i = 0; i < 300; i++) {
        struct buf buf;
        buf_init(&buf, 0);
        random_term(&random, &buf, NULL, 4);
        assert_int_equal(
            term_validate(buf_data(&buf), buf_size(&buf), 100, &size), 0);
        assert_int_equal(size, buf_size(&buf));
        assert_int_equal(validate_in_slices(&buf, &random, &size), 1);
        assert_int_equal(size, buf_size(&buf));
        buf_fini(&buf);
    }
}

static void no_slice_checks_more_terms_than_its_budget(void **state)
{
    struct buf buf = bytes_of_text("{a,b,c,d,e,f}");
    struct validator v;

    (void)state;
    validator_init(&v, 10);
    assert_int_equal(validator_step(&v, buf_data(&buf), buf_size(&buf), 3), 0);
    assert_int_equal(v.at, 2 + 3 + 3);
    assert_int_equal(validator_step(&v, buf_data(&buf), buf_size(&buf), 4), 1);
    assert_int_equal(v.at, buf_size(&buf));
    assert_int_equal(validator_step(&v, buf_data(&buf), buf_size(&buf), 1), 1);
    validator_fini(&v);
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tag_of_a_beam_is_accepted),
        cmocka_unit_test(every_shorter_term_is_truncated),
        cmocka_unit_test(malformed_terms_are_refused),
        cmocka_unit_test(forms_that_nobody_writes_are_told_from_malformed_ones),
        cmocka_unit_test(fun_of_another_size_is_read_by_nobody),
        cmocka_unit_test(atom_may_have_255_characters_of_any_width),
        cmocka_unit_test(huge_counts_ask_for_bytes_and_not_for_memory),
        cmocka_unit_test(depth_is_counted_in_levels),
        cmocka_unit_test(slices_say_the_same_as_one_go),
        cmocka_unit_test(no_slice_checks_more_terms_than_its_budget),
    };

    atom_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
