/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8 as Erlang has it: no overlong forms, no surrogates, up to U+10FFFF.
 * Pure, any thread.
 */
#ifndef CNODE_TERM_UTF8_H
#define CNODE_TERM_UTF8_H

#include <stddef.h>
#include <stdint.h>

enum { UTF8_MAX_BYTES = 4 };

/* Number of code points, or -1 when the bytes are not valid UTF-8. */
long utf8_count(const void *bytes, size_t len);

/* Decodes the code point at the start: its bytes, 0 when it is not valid. */
size_t utf8_get(const uint8_t *at, const uint8_t *end, uint32_t *point);

/* Encodes; 0 when it is not a code point. */
size_t utf8_put(uint8_t out[UTF8_MAX_BYTES], uint32_t point);

#endif
