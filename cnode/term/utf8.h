/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8 as Erlang has it: no overlong forms, no surrogates, up to U+10FFFF.
 * Pure, any thread.
 */
#ifndef CNODE_TERM_UTF8_H
#define CNODE_TERM_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { UTF8_MAX_BYTES = 4 };

/* Nearly all text is. Eight bytes a step; the last steps overlap. */
static inline bool utf8_is_ascii(const uint8_t *at, size_t len)
{
    uint64_t all = 0, word;
    uint32_t half[2];

    if (len >= 8) {
        for (size_t i = 0; i < len - 8; i += 8) {
            memcpy(&word, at + i, 8);
            all |= word;
        }
        memcpy(&word, at + len - 8, 8);
        all |= word;
    } else if (len >= 4) {
        memcpy(&half[0], at, 4);
        memcpy(&half[1], at + len - 4, 4);
        all = half[0] | half[1];
    } else if (len > 0) {
        all = at[0] | at[len / 2] | at[len - 1];
    }
    return (all & UINT64_C(0x8080808080808080)) == 0;
}

/* Number of code points, or -1 when the bytes are not valid UTF-8. */
long utf8_count(const void *bytes, size_t len);

/* Decodes the code point at the start: its bytes, 0 when it is not valid. */
size_t utf8_get(const uint8_t *at, const uint8_t *end, uint32_t *point);

/* Encodes; 0 when it is not a code point. */
size_t utf8_put(uint8_t out[UTF8_MAX_BYTES], uint32_t point);

#endif
