/* SPDX-License-Identifier: Apache-2.0
 *
 * See ask_cursor.h.
 */
#include "manager/ask_cursor.h"

#include <string.h>

void ask_cursor_put(const struct ask_cursor *cursor, uint64_t mark,
                    uint8_t bytes[ASK_CURSOR_BYTES])
{
    memcpy(bytes, &mark, 8);
    memcpy(bytes + 8, &cursor->part, 4);
    memcpy(bytes + 12, &cursor->number, 4);
}

bool ask_cursor_get(struct ask_cursor *cursor, uint64_t mark,
                    const uint8_t *bytes, size_t len)
{
    if (len != ASK_CURSOR_BYTES || memcmp(bytes, &mark, 8) != 0) {
        return false;
    }
    memcpy(&cursor->part, bytes + 8, 4);
    memcpy(&cursor->number, bytes + 12, 4);
    return true;
}
