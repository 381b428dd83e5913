/* SPDX-License-Identifier: Apache-2.0
 *
 * jansson does not remember where a value stood. So config_line() walks the
 * text once more, straight to the value a path names: members that do not match
 * are skipped by counting brackets, without recursion, and nothing is assumed
 * about the text but its terminating NUL.
 */
#include "base/config_path.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

/* --- paths -------------------------------------------------------------- */

void config_path_init(struct config_path *walk, const char *path)
{
    walk->at = path;
    walk->is_end = path[0] == '\0';
    walk->is_key_next = false;
}

/* [123], with whatever separates it from the next segment. */
static bool next_index(struct config_path *walk, struct config_segment *segment)
{
    const char *p = walk->at + 1;

    segment->key = NULL;
    segment->index = 0;
    if (*p == ']') {
        return false;
    }
    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(segment->index, 10, &segment->index) ||
            __builtin_add_overflow(segment->index, (size_t)(*p - '0'),
                                   &segment->index)) {
            return false;
        }
    }
    if (p[0] != ']' || (p[1] != '\0' && p[1] != '.' && p[1] != '[')) {
        return false;
    }
    walk->is_end = p[1] == '\0';
    walk->is_key_next = p[1] == '.';
    walk->at = walk->is_key_next ? p + 2 : p + 1;
    return true;
}

bool config_path_next(struct config_path *walk, struct config_segment *segment)
{
    const char *p = walk->at;
    size_t len = 0;

    if (walk->is_end) {
        return false;
    }
    if (*p == '[' && !walk->is_key_next) {
        return next_index(walk, segment);
    }
    segment->key = mem_alloc(strlen(p) + 1); /* unescaped it is not longer */
    for (; *p != '\0' && *p != '.' && *p != '['; p++) {
        if (p[0] == '\\' && p[1] != '\0') {
            p++;
        }
        segment->key[len++] = *p;
    }
    segment->key[len] = '\0';
    walk->is_end = *p == '\0';
    walk->is_key_next = *p == '.';
    walk->at = walk->is_key_next ? p + 1 : p;
    return true;
}

char *config_join(const char *path, const char *key)
{
    size_t len = strlen(path);
    char *joined = mem_alloc(len + 1 + 2 * strlen(key) + 1);

    memcpy(joined, path, len);
    if (len > 0) {
        joined[len++] = '.';
    }
    for (; *key != '\0'; key++) {
        if (strchr(".[\\=", *key) != NULL) {
            joined[len++] = '\\';
        }
        joined[len++] = *key;
    }
    joined[len] = '\0';
    return joined;
}

char *config_index(const char *path, size_t index)
{
    size_t size = strlen(path) + 24; /* 20 digits, brackets, NUL */
    char *joined = mem_alloc(size);

    (void)snprintf(joined, size, "%s[%zu]", path, index);
    return joined;
}

/* --- the text ----------------------------------------------------------- */

static const char *skip_space(const char *p)
{
    return p + strspn(p, " \t\r\n");
}

/* From an opening quote to behind the closing one (or the end of the text). */
static const char *skip_string(const char *p)
{
    for (p++; *p != '\0' && *p != '"'; p++) {
        if (p[0] == '\\' && p[1] != '\0') {
            p++;
        }
    }
    return *p == '"' ? p + 1 : p;
}

static const char *skip_value(const char *p)
{
    size_t depth = 0;

    do {
        p += strcspn(p, depth == 0 ? "\"[]{}, \t\r\n" : "\"[]{}");
        if (*p == '"') {
            p = skip_string(p);
        } else if (*p == '[' || *p == '{') {
            depth++;
            p++;
        } else if ((*p == ']' || *p == '}') && depth > 0) {
            depth--;
            p++;
        }
    } while (depth > 0 && *p != '\0');
    return p;
}

static bool read_hex4(const char *p, uint32_t *value)
{
    uint32_t v = 0;

    for (int i = 0; i < 4; i++) {
        uint32_t c = (unsigned char)p[i];
        uint32_t nibble = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : 16;
        if (nibble == 16) {
            return false;
        }
        v = v << 4 | nibble;
    }
    *value = v;
    return true;
}

/* What follows "\u"; *p moves behind it. Appends UTF-8, false when malformed.
 */
static bool unescape_unicode(const char **p, struct buf *out)
{
    uint32_t c, low;

    if (!read_hex4(*p, &c)) {
        return false;
    }
    *p += 4;
    if (c >= 0xd800 && c < 0xdc00 && (*p)[0] == '\\' && (*p)[1] == 'u' &&
        read_hex4(*p + 2, &low) && low >= 0xdc00 && low < 0xe000) {
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        *p += 6;
    }
    if (c < 0x80) {
        buf_put_u8(out, (uint8_t)c);
    } else if (c < 0x800) {
        buf_put_u8(out, (uint8_t)(0xc0 | c >> 6));
        buf_put_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        buf_put_u8(out, (uint8_t)(0xe0 | c >> 12));
        buf_put_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
        buf_put_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
    } else {
        buf_put_u8(out, (uint8_t)(0xf0 | c >> 18));
        buf_put_u8(out, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
        buf_put_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
        buf_put_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
    }
    return true;
}

/* Whether the string at `p` (a quote) reads `key`. */
static bool is_key(const char *p, const char *key)
{
    static const char plain[] = "\"\\/bfnrt";
    static const char meant[] = "\"\\/\b\f\n\r\t";
    const char *end = skip_string(p);
    size_t key_len = strlen(key);
    struct buf text;
    bool is_same;

    /* without escapes, as nearly always, there is nothing to decode */
    if (memchr(p, '\\', (size_t)(end - p)) == NULL) {
        return (size_t)(end - p) == key_len + 2 &&
               memcmp(p + 1, key, key_len) == 0;
    }
    buf_init(&text, key_len + 1); /* longer is another key */
    for (p++; p < end && *p != '"' && buf_error(&text) == 0;) {
        const char *found;
        if (*p != '\\') {
            buf_put_u8(&text, (uint8_t)*p++);
            continue;
        }
        p++;
        found = *p == '\0' ? NULL : strchr(plain, *p);
        if (*p == 'u') {
            p++;
            if (!unescape_unicode(&p, &text)) {
                break;
            }
        } else if (found != NULL) {
            buf_put_u8(&text, (uint8_t)meant[found - plain]);
            p++;
        } else {
            break; /* not JSON */
        }
    }
    is_same = p == end - 1 && buf_error(&text) == 0 &&
              buf_size(&text) == key_len &&
              (key_len == 0 || memcmp(buf_data(&text), key, key_len) == 0);
    buf_fini(&text);
    return is_same;
}

/* The value of a member of the object at `p`, or NULL. */
static const char *find_member(const char *p, const char *key)
{
    if (*p != '{') {
        return NULL;
    }
    do {
        bool is_found;
        p = skip_space(p + 1);
        if (*p != '"') {
            return NULL;
        }
        is_found = is_key(p, key);
        p = skip_space(skip_string(p));
        if (*p != ':') {
            return NULL;
        }
        p = skip_space(p + 1);
        if (is_found) {
            return p;
        }
        p = skip_space(skip_value(p));
    } while (*p == ',');
    return NULL;
}

/* An element of the array at `p`, or NULL. */
static const char *find_element(const char *p, size_t index)
{
    if (*p != '[') {
        return NULL;
    }
    p = skip_space(p + 1);
    for (; index > 0; index--) {
        p = skip_space(skip_value(p));
        if (*p != ',') {
            return NULL;
        }
        p = skip_space(p + 1);
    }
    return *p == ']' ? NULL : p;
}

unsigned config_line(const char *text, const char *path)
{
    const char *value = skip_space(text);
    struct config_path walk;
    struct config_segment segment;
    unsigned line = 1;

    config_path_init(&walk, path);
    while (config_path_next(&walk, &segment)) {
        const char *child = segment.key != NULL
                                ? find_member(value, segment.key)
                                : find_element(value, segment.index);
        mem_free(segment.key);
        if (child == NULL) {
            break;
        }
        value = child;
    }
    while ((text = memchr(text, '\n', (size_t)(value - text))) != NULL) {
        line++;
        text++;
    }
    return line;
}
