/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8: see utf8.h.
 */
#include "term/utf8.h"

long utf8_count(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    const uint8_t *end = at + len;
    long count = 0;
    uint32_t point;

    if (utf8_is_ascii(at, len)) {
        return (long)len;
    }
    for (; at < end; count++) {
        size_t n = utf8_get(at, end, &point);
        if (n == 0) {
            return -1;
        }
        at += n;
    }
    return count;
}

size_t utf8_get(const uint8_t *at, const uint8_t *end, uint32_t *point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n;
    uint32_t value;

    if (at >= end) {
        return 0;
    }
    if (*at < 0x80) {
        *point = *at;
        return 1;
    }
    n = *at >= 0xF0 ? 4 : *at >= 0xE0 ? 3 : 2;
    if (*at < 0xC0 || *at > 0xF4 || (size_t)(end - at) < n) {
        return 0;
    }
    value = *at & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xC0) != 0x80) {
            return 0;
        }
        value = value << 6 | (at[i] & 0x3Fu);
    }
    if (value < least[n] || value > 0x10FFFF ||
        (value >= 0xD800 && value <= 0xDFFF)) {
        return 0;
    }
    *point = value;
    return n;
}

size_t utf8_put(uint8_t out[UTF8_MAX_BYTES], uint32_t point)
{
    if (point < 0x80) {
        out[0] = (uint8_t)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (uint8_t)(0xC0 | point >> 6);
        out[1] = (uint8_t)(0x80 | (point & 0x3F));
        return 2;
    }
    if (point < 0x10000) {
        if (point >= 0xD800 && point <= 0xDFFF) {
            return 0;
        }
        out[0] = (uint8_t)(0xE0 | point >> 12);
        out[1] = (uint8_t)(0x80 | (point >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (point & 0x3F));
        return 3;
    }
    if (point > 0x10FFFF) {
        return 0;
    }
    out[0] = (uint8_t)(0xF0 | point >> 18);
    out[1] = (uint8_t)(0x80 | (point >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (point >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (point & 0x3F));
    return 4;
}
