/* SPDX-License-Identifier: Apache-2.0
 *
 * See ended.h. A cache by the hash of slot and serial: each pid has a few
 * places where it may be, of which a new one takes the oldest.
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

/* The first of the places for a pid. */
static struct ended_entry *places(const struct ended *ended, uint32_t slot,
                                  uint32_t serial)
{
    uint32_t set = (uint32_t)hash_u64((uint64_t)slot << 32 | serial) &
                   (ENDED_ENTRIES / ENDED_WAYS - 1);

    return &ended->entries[set * ENDED_WAYS];
}

void ended_add(struct ended *ended, uint32_t slot, uint32_t serial, void *pool,
               uint32_t worker_hash, uint64_t now_ms)
{
    struct ended_entry *first, *oldest;

    if (ended->entries == NULL) {
        ended->entries = mem_zalloc(ENDED_ENTRIES * sizeof(*ended->entries));
    }
    first = oldest = places(ended, slot, serial);
    for (unsigned i = 1; i < ENDED_WAYS; i++) {
        oldest = first[i].until_ms < oldest->until_ms ? &first[i] : oldest;
    }
    *oldest = (struct ended_entry){
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
    const struct ended_entry *first;

    if (ended->entries == NULL) {
        return NULL;
    }
    first = places(ended, slot, serial);
    for (unsigned i = 0; i < ENDED_WAYS; i++) {
        if (first[i].pool != NULL && first[i].slot == slot &&
            first[i].serial == serial && now_ms < first[i].until_ms) {
            return &first[i];
        }
    }
    return NULL;
}
