/* SPDX-License-Identifier: Apache-2.0
 *
 * See ended.h. A direct-mapped cache by the hash of slot and serial.
 */
#include "pool/ended.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"

_Static_assert((ENDED_ENTRIES & (ENDED_ENTRIES - 1)) == 0, "a power of two");

void ended_init(struct ended *ended)
{
    ended->entries = NULL;
}

void ended_fini(struct ended *ended)
{
    mem_free(ended->entries);
    ended->entries = NULL;
}

static uint32_t place(uint32_t slot, uint32_t serial)
{
    return (uint32_t)hash_u64((uint64_t)slot << 32 | serial) &
           (ENDED_ENTRIES - 1);
}

void ended_add(struct ended *ended, uint32_t slot, uint32_t serial, void *pool,
               uint32_t worker_hash, uint64_t now_ms)
{
    if (ended->entries == NULL) {
        ended->entries = mem_zalloc(ENDED_ENTRIES * sizeof(*ended->entries));
    }
    ended->entries[place(slot, serial)] = (struct ended_entry){
        .slot = slot,
        .serial = serial,
        .worker_hash = worker_hash,
        .until_ms = now_ms + ENDED_MS,
        .pool = pool,
    };
}

const struct ended_entry *ended_find(const struct ended *ended, uint32_t slot,
                                     uint32_t serial, uint64_t now_ms)
{
    const struct ended_entry *entry;

    if (ended->entries == NULL) {
        return NULL;
    }
    entry = &ended->entries[place(slot, serial)];
    return entry->pool != NULL && entry->slot == slot &&
                   entry->serial == serial && now_ms < entry->until_ms
               ? entry
               : NULL;
}
