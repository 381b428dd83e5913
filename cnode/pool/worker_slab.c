/* SPDX-License-Identifier: Apache-2.0
 *
 * See worker_slab.h. Chunks of about 64 KiB, never given back before the end: a
 * pool that was large once will be again. A free object holds the number of the
 * next one in its first bytes.
 */
#include "pool/worker_slab.h"

#include <string.h>

#include <cnode/error.h>

#include "base/mem.h"
#include "base/poison.h"

enum { CHUNK_BYTES = 65536 };

void worker_slab_init(struct worker_slab *slab, size_t bytes, size_t tail)
{
    *slab = (struct worker_slab){.stride = ((bytes + 7) & ~(size_t)7) + tail,
                                 .tail = tail};
    while (slab->stride << (slab->shift + 1) <= CHUNK_BYTES) {
        slab->shift++;
    }
}

void worker_slab_fini(struct worker_slab *slab)
{
    for (uint32_t i = 0; i < slab->chunk_count; i++) {
        UNPOISON(slab->chunks[i], slab->stride << slab->shift);
        mem_free(slab->chunks[i]);
    }
    mem_free(slab->chunks);
    mem_free(slab->taken);
    slab->chunks = NULL;
    slab->taken = NULL;
}

static void set_taken(struct worker_slab *slab, uint32_t number, bool is_taken)
{
    uint64_t bit = UINT64_C(1) << (number % 64);
    uint64_t *word = &slab->taken[number / 64];

    *word = is_taken ? *word | bit : *word & ~bit;
}

/* Bits for all numbers that the chunks can have. */
static int grow_taken(struct worker_slab *slab, uint32_t chunks)
{
    size_t had = (((size_t)slab->chunk_cap << slab->shift) + 63) / 64;
    size_t words = (((size_t)chunks << slab->shift) + 63) / 64;
    uint64_t *taken = mem_try(words * sizeof(*taken));

    if (taken == NULL) {
        return CNODE_NOMEM;
    }
    memset(taken, 0, words * sizeof(*taken));
    if (slab->taken != NULL) {
        memcpy(taken, slab->taken, had * sizeof(*taken));
        mem_free(slab->taken);
    }
    slab->taken = taken;
    return 0;
}

static int grow_chunks(struct worker_slab *slab)
{
    uint32_t cap = slab->chunk_cap == 0 ? 8 : slab->chunk_cap * 2;
    int rc = grow_taken(slab, cap);

    if (rc == 0) {
        slab->chunks = mem_realloc(slab->chunks, cap * sizeof(*slab->chunks));
        slab->chunk_cap = cap;
    }
    return rc;
}

static int add_chunk(struct worker_slab *slab)
{
    size_t bytes = slab->stride << slab->shift;
    int rc = slab->chunk_count == slab->chunk_cap ? grow_chunks(slab) : 0;
    char *chunk = rc == 0 ? mem_try(bytes) : NULL;

    if (chunk == NULL) {
        return CNODE_NOMEM;
    }
    slab->chunks[slab->chunk_count++] = chunk;
    POISON(chunk, bytes);
    return 0;
}

int worker_slab_alloc(struct worker_slab *slab, uint32_t *number)
{
    void *object;

    if (slab->free != 0) {
        *number = slab->free - 1;
        object = worker_slab_at(slab, *number);
        UNPOISON(object, slab->stride);
        memcpy(&slab->free, object, sizeof(slab->free));
    } else {
        if (slab->fresh >= WORKER_SLAB_MOST) {
            return CNODE_LIMIT;
        }
        if (slab->fresh >> slab->shift == slab->chunk_count) {
            int rc = add_chunk(slab);

            if (rc != 0) {
                return rc;
            }
        }
        *number = slab->fresh++;
        UNPOISON(worker_slab_at(slab, *number), slab->stride);
    }
    set_taken(slab, *number, true);
    slab->used++;
    return 0;
}

void worker_slab_free(struct worker_slab *slab, uint32_t number)
{
    void *object = worker_slab_at(slab, number);

    memcpy(object, &slab->free, sizeof(slab->free));
    slab->free = number + 1;
    slab->used--;
    set_taken(slab, number, false);
    POISON(object, slab->stride - slab->tail);
}
