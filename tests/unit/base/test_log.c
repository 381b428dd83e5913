/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines as operators and their tools see them.
 */
#include "base/log.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/metric.h"
#include <cnode/error.h>

#define TS "2026-11-20T12:00:00.123Z"

static char lines[65536];
static size_t lines_len;
static unsigned line_count;
static uint64_t now_ns;

static void capture(const char *line, size_t len, void *user)
{
    assert_ptr_equal(user, &now_ns);
    assert_true(lines_len + len < sizeof(lines));
    memcpy(lines + lines_len, line, len);
    lines_len += len;
    lines[lines_len] = '\0';
    line_count++;
}

static uint64_t fixed_clock(void)
{
    return now_ns;
}

static int setup(void **state)
{
    (void)state;
    lines_len = 0;
    lines[0] = '\0';
    line_count = 0;
    now_ns = UINT64_C(1795176000123000000); /* TS */
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
    log_capture(capture, &now_ns);
    log_clock(fixed_clock);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    log_capture(NULL, NULL);
    log_clock(NULL);
    return 0;
}

static void logfmt_line_has_time_level_event_and_fields(void **state)
{
    (void)state;
    LOG_WARN("handshake_failed", F_STR("peer", "a@b"), F_ERR(CNODE_NOPROC),
             F_INT("delta", -5), F_INT("least", INT64_MIN),
             F_UINT("bytes", UINT64_MAX));
    assert_string_equal(
        lines, "ts=" TS " level=warn event=handshake_failed peer=a@b "
               "error=noproc text=\"no process with that pid or name\" "
               "delta=-5 least=-9223372036854775808 "
               "bytes=18446744073709551615\n");
}

static void json_line_has_the_same_fields(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    LOG_ERROR("lost", F_STR("peer", "a@b"), F_ERR(CNODE_NOCONN),
              F_INT("n", -1));
    assert_string_equal(
        lines, "{\"ts\":\"" TS "\",\"level\":\"error\",\"event\":\"lost\","
               "\"peer\":\"a@b\",\"error\":\"noconnection\","
               "\"text\":\"not connected to that node\",\"n\":-1}\n");
}

static void event_without_fields_is_a_line(void **state)
{
    (void)state;
    LOG_INFO("ready");
    assert_string_equal(lines, "ts=" TS " level=info event=ready\n");
}

static void lines_below_the_level_are_left_out(void **state)
{
    (void)state;
    LOG_DEBUG("not_now");
    assert_int_equal(line_count, 0);
    log_setup(LOG_LEVEL_DEBUG, LOG_FORMAT_LOGFMT);
    LOG_DEBUG("now");
    assert_int_equal(line_count, 1);
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    LOG_WARN("not_now");
    assert_int_equal(line_count, 1);
}

/* Where the value of x starts in the line written last. */
static const char *value_of_x(void)
{
    return strstr(lines, "x=") + 2;
}

static void strings_cannot_forge_a_line(void **state)
{
    (void)state;
    LOG_INFO("e", F_STR("x", "a\nlevel=error \"b\"\\\t\x1b[31m\x7f"));
    assert_string_equal(value_of_x(),
                        "\"a\\nlevel=error \\\"b\\\"\\\\\\t\\x1b[31m\\x7f\"\n");
}

static void bytes_that_are_not_utf8_are_escaped(void **state)
{
    (void)state;
    /* good, lone continuation, overlong, surrogate, cut, C1 control, NUL */
    LOG_INFO("e", F_BYTES("x",
                          "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"
                          "\x80\xc0\xaf\xed\xa0\x80\xc2\x9b\xe2\x82\0",
                          20));
    assert_string_equal(value_of_x(),
                        "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"
                        "\\x80\\xc0\\xaf\\xed\\xa0\\x80\\xc2\\x9b\\xe2\\x82"
                        "\\x00\"\n");
    lines_len = 0;
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    LOG_INFO("e", F_BYTES("x", "\xff\x01\n", 3));
    assert_non_null(strstr(lines, "\"x\":\"\\u00ff\\u0001\\n\"}\n"));
}

static void empty_and_missing_strings_are_empty_quotes(void **state)
{
    const char *missing = NULL;

    (void)state;
    LOG_INFO("e", F_STR("x", ""), F_STR("y", missing), F_BYTES("z", NULL, 0));
    assert_string_equal(value_of_x(), "\"\" y=\"\" z=\"\"\n");
}

/* Quotes of a logfmt line, without escaped ones. */
static unsigned count_quotes(void)
{
    unsigned quotes = 0;

    for (size_t i = 0; i < lines_len; i++) {
        quotes += lines[i] == '"' && lines[i - 1] != '\\';
    }
    return quotes;
}

static void long_lines_are_cut_and_stay_well_formed(void **state)
{
    static char text[10000];

    (void)state;
    for (unsigned n = 0; n < 800; n++) {
        size_t len = 3900 + n / 4;
        bool is_json = n % 2 == 0, is_plain = n / 2 % 2 == 0;

        memset(text, is_plain ? 'a' : '\n', sizeof(text));
        lines_len = 0;
        now_ns += UINT64_C(1000000000000); /* no rate limit here */
        log_setup(LOG_LEVEL_INFO,
                  is_json ? LOG_FORMAT_JSON : LOG_FORMAT_LOGFMT);
        LOG_INFO("e", F_BYTES("x", text, is_plain ? len : len / 2),
                 F_UINT("n", 1), F_STR("y", "q q"), F_STR("z", "z"));
        assert_in_range(lines_len, 3900, 4096);
        assert_int_equal(lines[lines_len - 1], '\n');
        if (is_json) {
            json_t *line = json_loadb(lines, lines_len, 0, NULL);
            assert_non_null(line);
            json_decref(line);
        } else {
            assert_int_equal(count_quotes() % 2, 0);
        }
    }
    assert_int_equal(line_count, 800);
}

static void log_often(unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        LOG_INFO("often");
    }
}

static void a_call_site_gets_ten_lines_then_one_a_second(void **state)
{
    uint64_t held = metric_read(METRIC_logs_held);

    (void)state;
    log_often(1000);
    assert_int_equal(line_count, 10);
    assert_int_equal(metric_read(METRIC_logs_held) - held, 990);
    now_ns += 1000000000;
    lines_len = 0;
    log_often(1000);
    assert_int_equal(line_count, 11);
    assert_non_null(strstr(lines, " event=often held=990\n"));
    LOG_INFO("other"); /* has a limit of its own */
    assert_int_equal(line_count, 12);
    now_ns += UINT64_C(60000000000); /* a quiet minute: ten again */
    log_often(1000);
    assert_int_equal(line_count, 22);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(logfmt_line_has_time_level_event_and_fields),
        TEST(json_line_has_the_same_fields),
        TEST(event_without_fields_is_a_line),
        TEST(lines_below_the_level_are_left_out),
        TEST(strings_cannot_forge_a_line),
        TEST(bytes_that_are_not_utf8_are_escaped),
        TEST(empty_and_missing_strings_are_empty_quotes),
        TEST(long_lines_are_cut_and_stay_well_formed),
        TEST(a_call_site_gets_ten_lines_then_one_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
