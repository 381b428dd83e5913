/* SPDX-License-Identifier: Apache-2.0
 *
 * One line per event, built on the stack and written with one write(2), so that
 * lines of several threads do not mix. A line that would be longer than 4 KiB
 * is cut; cutting never splits an escape and keeps the line well formed.
 *
 * Everything in a field may come from outside. What could forge a line or play
 * tricks on a terminal is escaped: control characters, quotes, and bytes that
 * are not UTF-8.
 */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/metric.h"
#include <cnode/error.h>

enum {
    LINE_BYTES = 4096,
    LINE_TAIL = 4, /* kept free for closing quote, brace and newline */
    BURST_LINES = 10,
};

struct line {
    char bytes[LINE_BYTES];
    size_t len;
    bool is_full; /* nothing more fits; later fields are left out */
};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

/* Set once at start (and by tests), before other threads run. */
static enum log_level least_level = LOG_LEVEL_INFO;
static enum log_format line_format = LOG_FORMAT_LOGFMT;
static void (*sink_fn)(const char *line, size_t len, void *user);
static void *sink_user;
static uint64_t (*clock_fn)(void);

void log_setup(enum log_level level, enum log_format format)
{
    least_level = level;
    line_format = format;
}

void log_capture(void (*sink)(const char *line, size_t len, void *user),
                 void *user)
{
    sink_fn = sink;
    sink_user = user;
}

void log_clock(uint64_t (*now_ns)(void))
{
    clock_fn = now_ns;
}

bool log_enabled(enum log_level level)
{
    return level >= least_level;
}

static uint64_t read_clock(void)
{
    struct timespec now;

    if (clock_fn != NULL) {
        return clock_fn();
    }
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* A bucket of ten lines that leaks one a second. The atomics are relaxed and
 * the steps not one transaction: when threads race, a line more or less passes,
 * which harms nobody. False: this line is held back. */
static bool site_admits(struct log_site *site, uint64_t now_s, uint32_t *held)
{
    uint64_t last =
        atomic_exchange_explicit(&site->window_s, now_s, memory_order_relaxed);
    uint32_t lines = atomic_load_explicit(&site->lines, memory_order_relaxed);
    uint64_t leaked = now_s > last ? now_s - last : 0;

    lines = leaked >= lines ? 0 : lines - (uint32_t)leaked;
    if (lines >= BURST_LINES) {
        atomic_store_explicit(&site->lines, lines, memory_order_relaxed);
        atomic_fetch_add_explicit(&site->held, 1, memory_order_relaxed);
        METRIC_INC(logs_held);
        return false;
    }
    atomic_store_explicit(&site->lines, lines + 1, memory_order_relaxed);
    *held = atomic_exchange_explicit(&site->held, 0, memory_order_relaxed);
    return true;
}

/* Bytes that still fit; less than none once a closing quote took from the tail.
 */
static size_t line_room(const struct line *line)
{
    return line->len < LINE_BYTES - LINE_TAIL
               ? LINE_BYTES - LINE_TAIL - line->len
               : 0;
}

/* Appends all of it or, when it does not fit, nothing. */
static void line_put(struct line *line, const char *bytes, size_t len)
{
    if (line->is_full || len > line_room(line)) {
        line->is_full = true;
        return;
    }
    memcpy(line->bytes + line->len, bytes, len);
    line->len += len;
}

/* The last bytes of a line, for which room was kept. */
static void line_close(struct line *line, const char *text)
{
    size_t len = strlen(text);

    CHECK(len <= LINE_BYTES - line->len);
    memcpy(line->bytes + line->len, text, len);
    line->len += len;
}

__attribute__((format(printf, 2, 3))) static void
line_printf(struct line *line, const char *format, ...)
{
    char text[128];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    CHECK(n >= 0 && (size_t)n < sizeof(text));
    line_put(line, text, (size_t)n);
}

/* Bytes of the UTF-8 character at `p`, 0 when there is none. Refuses overlong
 * forms, surrogates and the C1 control characters. */
static size_t utf8_len(const uint8_t *p, size_t left)
{
    size_t len = p[0] < 0xc2   ? 0
                 : p[0] < 0xe0 ? 2
                 : p[0] < 0xf0 ? 3
                 : p[0] < 0xf5 ? 4
                               : 0;

    if (len == 0 || len > left) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((p[0] == 0xc2 && p[1] < 0xa0) || (p[0] == 0xe0 && p[1] < 0xa0) ||
        (p[0] == 0xed && p[1] >= 0xa0) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] >= 0x90)) {
        return 0;
    }
    return len;
}

/* Appends one character, escaped if need be; returns the bytes it took. */
static size_t put_char(struct line *line, const uint8_t *p, size_t left)
{
    size_t len = utf8_len(p, left);

    if (len > 0) {
        line_put(line, (const char *)p, len);
        return len;
    }
    switch (p[0]) {
    case '"':
        line_put(line, "\\\"", 2);
        break;
    case '\\':
        line_put(line, "\\\\", 2);
        break;
    case '\n':
        line_put(line, "\\n", 2);
        break;
    case '\t':
        line_put(line, "\\t", 2);
        break;
    default:
        if (p[0] >= 0x20 && p[0] < 0x7f) {
            line_put(line, (const char *)p, 1);
        } else if (line_format == LOG_FORMAT_JSON) {
            line_printf(line, "\\u%04x", p[0]);
        } else {
            line_printf(line, "\\x%02x", p[0]);
        }
    }
    return 1;
}

/* Words that logfmt takes without quotes. */
static bool is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=') {
            return false;
        }
    }
    return len > 0;
}

static void put_key(struct line *line, const char *key)
{
    bool is_json = line_format == LOG_FORMAT_JSON;

    if (line->len > (is_json ? 1 : 0)) {
        line_put(line, is_json ? "," : " ", 1);
    }
    line_put(line, "\"", is_json ? 1 : 0);
    line_put(line, key, strlen(key));
    line_put(line, is_json ? "\":" : "=", is_json ? 2 : 1);
}

/* A text that does not fit is cut, a key without its value taken back. */
static void put_text(struct line *line, const char *key, const char *text,
                     size_t len)
{
    size_t start = line->len;

    put_key(line, key);
    if (line_format == LOG_FORMAT_LOGFMT && is_plain(text, len) &&
        len <= line_room(line)) {
        line_put(line, text, len);
    } else {
        line_put(line, "\"", 1);
        if (!line->is_full) {
            for (size_t at = 0; at < len && !line->is_full;) {
                at += put_char(line, (const uint8_t *)text + at, len - at);
            }
            line_close(line, "\"");
            return;
        }
    }
    if (line->is_full) {
        line->len = start;
    }
}

static void put_number(struct line *line, const char *key, bool is_negative,
                       uint64_t magnitude)
{
    size_t start = line->len;

    put_key(line, key);
    line_printf(line, "%s%" PRIu64, is_negative ? "-" : "", magnitude);
    if (line->is_full) {
        line->len = start;
    }
}

static void put_cstring(struct line *line, const char *key, const char *text)
{
    put_text(line, key, text, strlen(text));
}

static void put_field(struct line *line, const struct log_field *field)
{
    int64_t i = field->value.i;

    switch (field->kind) {
    case LOG_STRING:
        put_text(line, field->key, field->text, field->len);
        break;
    case LOG_SIGNED:
        put_number(line, field->key, i < 0,
                   i < 0 ? 0 - (uint64_t)i : (uint64_t)i);
        break;
    case LOG_UNSIGNED:
        put_number(line, field->key, false, field->value.u);
        break;
    case LOG_ERROR_CODE:
        put_cstring(line, field->key, cnode_error_atom((int)i));
        put_cstring(line, "text", cnode_strerror((int)i));
        break;
    case LOG_END:
        break;
    }
}

static void put_time(struct line *line, uint64_t now_ns)
{
    time_t seconds = (time_t)(now_ns / 1000000000);
    char date[32], text[48];
    struct tm tm;

    gmtime_r(&seconds, &tm);
    (void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(text, sizeof(text), "%s.%03uZ", date,
                   (unsigned)(now_ns / 1000000 % 1000));
    put_cstring(line, "ts", text);
}

/* A line that cannot be written is lost: the log must not stop the node. */
static void line_write(const struct line *line)
{
    if (sink_fn != NULL) {
        sink_fn(line->bytes, line->len, sink_user);
        return;
    }
    while (write(STDERR_FILENO, line->bytes, line->len) < 0 && errno == EINTR) {
    }
}

void log_event(struct log_site *site, enum log_level level, const char *event,
               const struct log_field *fields)
{
    bool is_json = line_format == LOG_FORMAT_JSON;
    uint64_t now_ns = read_clock();
    struct line line;
    uint32_t held = 0;

    if (!site_admits(site, now_ns / 1000000000, &held)) {
        return;
    }
    line.len = 0;
    line.is_full = false;
    line_put(&line, "{", is_json ? 1 : 0);
    put_time(&line, now_ns);
    put_cstring(&line, "level", level_names[level]);
    put_cstring(&line, "event", event);
    if (held > 0) {
        put_number(&line, "held", false, held);
    }
    for (; fields->kind != LOG_END; fields++) {
        put_field(&line, fields);
    }
    line_close(&line, is_json ? "}\n" : "\n");
    line_write(&line);
}
