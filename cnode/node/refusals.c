/* SPDX-License-Identifier: Apache-2.0
 *
 * See refusals.h.
 */
#include "node/refusals.h"

#include "base/hash.h"

bool refusals_is_news(struct refusals *refusals, const char *who, size_t len,
                      uint64_t now_ms)
{
    uint64_t hash = hash_bytes(who, len);
    struct refusal *slot = &refusals->items[hash % REFUSALS];

    if (slot->who == hash && now_ms < slot->until_ms) {
        return false;
    }
    *slot = (struct refusal){.who = hash, .until_ms = now_ms + REFUSAL_MS};
    return true;
}
