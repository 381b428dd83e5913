/* SPDX-License-Identifier: Apache-2.0
 *
 * Events for operators: a fixed event name and typed fields, one line each on
 * stderr, as logfmt or JSON. Each call site has a rate limit of its own (10
 * lines, then one a second) and reports what it held back. Any thread.
 *
 *     LOG_WARN("handshake_failed", F_STR("peer", name), F_ERR(rc));
 *
 * Never log cookies or payloads. Pure code does not log.
 */
#ifndef CNODE_BASE_LOG_H
#define CNODE_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARN,
    LOG_LEVEL_ERROR,
};
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

enum log_kind { LOG_END, LOG_STRING, LOG_SIGNED, LOG_UNSIGNED, LOG_ERROR_CODE };

struct log_field {
    enum log_kind kind;
    const char *key;
    const char *text; /* LOG_STRING: len bytes, any bytes (escaped) */
    size_t len;
    union {
        int64_t i;
        uint64_t u;
    } value;
};

/* Rate limit of one call site. */
struct log_site {
    _Atomic uint64_t window_s; /* second of the newest line */
    _Atomic uint32_t lines;    /* a bucket that leaks one line a second */
    _Atomic uint32_t held;     /* lines held back since the newest one */
};

static inline struct log_field log_string(const char *key, const char *text)
{
    return (struct log_field){
        .kind = LOG_STRING,
        .key = key,
        .text = text,
        .len = text == NULL ? 0 : strlen(text),
    };
}

#define F_STR(k, v) log_string((k), (v)) /* NULL is logged as "" */
#define F_BYTES(k, p, n)                                                       \
    ((struct log_field){.kind = LOG_STRING,                                    \
                        .key = (k),                                            \
                        .text = (const char *)(p),                             \
                        .len = (n)})
#define F_INT(k, v)                                                            \
    ((struct log_field){                                                       \
        .kind = LOG_SIGNED, .key = (k), .value.i = (int64_t)(v)})
#define F_UINT(k, v)                                                           \
    ((struct log_field){                                                       \
        .kind = LOG_UNSIGNED, .key = (k), .value.u = (uint64_t)(v)})
/* error=noproc text="no process with that pid or name" */
#define F_ERR(rc)                                                              \
    ((struct log_field){                                                       \
        .kind = LOG_ERROR_CODE, .key = "error", .value.i = (rc)})

#define LOG_AT(level, event, ...)                                              \
    do {                                                                       \
        static struct log_site log_site_;                                      \
        if (log_enabled(level)) {                                              \
            log_event(&log_site_, (level), (event),                            \
                      (struct log_field[]){                                    \
                          __VA_ARGS__ __VA_OPT__(, ){.kind = LOG_END}});       \
        }                                                                      \
    } while (0)

#define LOG_DEBUG(...) LOG_AT(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define LOG_INFO(...)  LOG_AT(LOG_LEVEL_INFO, __VA_ARGS__)
#define LOG_WARN(...)  LOG_AT(LOG_LEVEL_WARN, __VA_ARGS__)
#define LOG_ERROR(...) LOG_AT(LOG_LEVEL_ERROR, __VA_ARGS__)

void log_setup(enum log_level level, enum log_format format);
bool log_enabled(enum log_level level);
void log_event(struct log_site *site, enum log_level level, const char *event,
               const struct log_field *fields);

/* Tests: lines go to `sink` instead of stderr; NULL restores stderr. */
void log_capture(void (*sink)(const char *line, size_t len, void *user),
                 void *user);
/* Tests: nanoseconds since 1970, for `ts` and the rate limits; NULL restores
 * the real clock. */
void log_clock(uint64_t (*now_ns)(void));

#endif
