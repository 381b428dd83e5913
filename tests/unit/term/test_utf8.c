/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8: what is valid, and that decoding undoes encoding.
 */
#include "term/utf8.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void every_code_point_comes_back(void **state)
{
    uint8_t bytes[UTF8_MAX_BYTES];
    uint32_t point;

    (void)state;
    for (uint32_t wanted = 0; wanted < 0x110000; wanted++) {
        size_t n = utf8_put(bytes, wanted);
        if (wanted >= 0xD800 && wanted <= 0xDFFF) {
            assert_int_equal(n, 0);
            continue;
        }
        assert_int_equal(utf8_get(bytes, bytes + n, &point), n);
        assert_int_equal(point, wanted);
        assert_int_equal(utf8_count(bytes, n), 1);
        assert_int_equal(utf8_get(bytes, bytes + n - 1, &point), 0);
    }
    assert_int_equal(utf8_put(bytes, 0x110000), 0);
}

static void wrong_bytes_are_refused(void **state)
{
    static const char *const wrong[] = {
        "\x80",         "\xc0\x80",         "\xc1\xbf", "\xe0\x80\x80",
        "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xff",     "\xf4\x90\x80\x80",
        "\xc3(",        "12345678\xff",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        size_t len = 0;
        while (wrong[i][len] != '\0') {
            len++;
        }
        assert_int_equal(utf8_count(wrong[i], len), -1);
    }
}

static void long_text_is_counted_in_characters(void **state)
{
    (void)state;
    assert_int_equal(utf8_count("", 0), 0);
    assert_int_equal(utf8_count("12345678901234567", 17), 17);
    assert_int_equal(utf8_count("1234567\xc3\xa9"
                                "89012345",
                                17),
                     16);
}

static void one_byte_that_is_not_ascii_is_seen_anywhere(void **state)
{
    uint8_t text[40];

    (void)state;
    for (size_t len = 0; len < sizeof(text); len++) {
        memset(text, 'a', sizeof(text));
        text[len] = 0xff; /* the one behind does not count */
        assert_true(utf8_is_ascii(text, len));
        for (size_t at = 0; at < len; at++) {
            text[at] = 0x80;
            assert_false(utf8_is_ascii(text, len));
            text[at] = 'a';
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_comes_back),
        cmocka_unit_test(wrong_bytes_are_refused),
        cmocka_unit_test(long_text_is_counted_in_characters),
        cmocka_unit_test(one_byte_that_is_not_ascii_is_seen_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
