/* SPDX-License-Identifier: Apache-2.0
 *
 * Terms for tests.
 */
#include "support/term/terms.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "term/text.h"

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

struct buf bytes_of_hex(const char *hex)
{
    struct buf buf;

    buf_init(&buf, 0);
    while (*hex != '\0') {
        if (*hex == ' ') {
            hex++;
            continue;
        }
        assert_true(hex_digit(hex[0]) >= 0 && hex_digit(hex[1]) >= 0);
        buf_put_u8(&buf, (uint8_t)(hex_digit(hex[0]) * 16 + hex_digit(hex[1])));
        hex += 2;
    }
    return buf;
}

struct buf bytes_of_text(const char *text)
{
    const char *what = "";
    size_t where = 0;
    struct buf buf;

    buf_init(&buf, 0);
    if (term_parse(&buf, text, strlen(text), false, &where, &what) != 0) {
        fail_msg("%s: at %zu: expected %s", text, where, what);
    }
    return buf;
}

struct cnode_term term_in(const struct buf *buf)
{
    return term_at(buf_data(buf), buf_size(buf));
}

void assert_term_text(struct cnode_term term, const char *text)
{
    struct buf out;

    buf_init(&out, 0);
    term_print(&out, term, 0);
    buf_put_u8(&out, '\0');
    assert_string_equal((const char *)buf_data(&out), text);
    buf_fini(&out);
}

void assert_hex(const struct buf *buf, const char *hex)
{
    struct buf wanted = bytes_of_hex(hex);

    assert_int_equal(buf_error(buf), 0);
    if (buf_size(buf) != buf_size(&wanted) ||
        memcmp(buf_data(buf), buf_data(&wanted), buf_size(buf)) != 0) {
        for (size_t i = 0; i < buf_size(buf); i++) {
            print_message("%02x", buf_data(buf)[i]);
        }
        fail_msg(" instead of %s", hex);
    }
    buf_fini(&wanted);
}
