/* SPDX-License-Identifier: Apache-2.0
 *
 * The one place that calls malloc. (Whole pages: huge.c.)
 *
 * Two promises (STYLE.md section 7): mem_alloc is for sizes that we choose and
 * never returns NULL; mem_try is for sizes that somebody else chooses and may.
 * Only the second kind can be made to fail by tests, as only there somebody
 * handles it.
 *
 * Slabs hand out the fresh part of the newest chunk from front to back, so that
 * the pages of a chunk become resident only when they are used, and reuse freed
 * objects first, last freed first, as those are warm.
 */
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "base/huge.h"
#include "base/poison.h"

enum {
    CHUNK_BYTES = 65536 - 16, /* malloc's own header makes it 64 KiB */
    CHUNK_OBJECTS = 4,        /* at least, when objects are large */
};

/* In front of the objects of a chunk; 16 bytes to keep their alignment. */
struct chunk {
    struct chunk *next;
    size_t bytes;
};
_Static_assert(sizeof(struct chunk) == 16, "objects start 16-byte aligned");

static _Thread_local unsigned fail_after; /* 0: off */

__attribute__((noreturn, cold)) static void mem_exhausted(size_t size)
{
    dprintf(STDERR_FILENO, "out of memory: %zu bytes wanted\n", size);
    abort();
}

void *mem_alloc(size_t size)
{
    void *ptr = malloc(size == 0 ? 1 : size);

    if (__builtin_expect(ptr == NULL, 0)) {
        mem_exhausted(size);
    }
    return ptr;
}

void *mem_zalloc(size_t size)
{
    void *ptr = calloc(1, size == 0 ? 1 : size);

    if (ptr == NULL) {
        mem_exhausted(size);
    }
    return ptr;
}

void *mem_realloc(void *old, size_t size)
{
    void *ptr = realloc(old, size == 0 ? 1 : size);

    if (ptr == NULL) {
        mem_exhausted(size);
    }
    return ptr;
}

char *mem_strdup(const char *text)
{
    size_t size = strlen(text) + 1;

    return memcpy(mem_alloc(size), text, size);
}

bool mem_must_fail(void)
{
    return __builtin_expect(fail_after != 0, 0) && --fail_after == 0;
}

void *mem_try(size_t size)
{
    return mem_must_fail() ? NULL : malloc(size == 0 ? 1 : size);
}

void *mem_try_zalloc(size_t size)
{
    return mem_must_fail() ? NULL : calloc(1, size == 0 ? 1 : size);
}

void *mem_try_realloc(void *old, size_t size)
{
    return mem_must_fail() ? NULL : realloc(old, size == 0 ? 1 : size);
}

void mem_free(void *ptr)
{
    free(ptr);
}

void mem_trim(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

struct mem_use mem_use(void)
{
    struct mem_use use = {0};
#ifdef __GLIBC__
    struct mallinfo2 info = mallinfo2();

    use.in_use = info.uordblks + info.hblkhd;
    use.mapped = info.arena + info.hblkhd;
#endif
    use.in_use += huge_mapped();
    use.mapped += huge_mapped();
    return use;
}

void mem_fail_after(unsigned n)
{
    fail_after = n;
}

void slab_init(struct slab *slab, size_t object_bytes)
{
    CHECK(object_bytes > 0);
    *slab = (struct slab){
        /* a freed object holds the link to the next one */
        .object_bytes = (object_bytes + 7) & ~(size_t)7,
    };
}

void slab_fini(struct slab *slab)
{
    struct chunk *chunk = slab->chunks;

    while (chunk != NULL) {
        struct chunk *next = chunk->next;
        UNPOISON(chunk, chunk->bytes);
        free(chunk);
        chunk = next;
    }
    slab_init(slab, slab->object_bytes);
}

static void slab_grow(struct slab *slab)
{
    size_t fitting = (CHUNK_BYTES - sizeof(struct chunk)) / slab->object_bytes;
    size_t objects = fitting < CHUNK_OBJECTS ? CHUNK_OBJECTS : fitting;
    size_t bytes;
    struct chunk *chunk;

    CHECK(!__builtin_mul_overflow(objects, slab->object_bytes, &bytes));
    chunk = mem_alloc(sizeof(*chunk) + bytes);
    chunk->next = slab->chunks;
    chunk->bytes = sizeof(*chunk) + bytes;
    slab->chunks = chunk;
    slab->fresh = (char *)(chunk + 1);
    slab->fresh_end = slab->fresh + bytes;
    POISON(slab->fresh, bytes);
}

void *slab_alloc(struct slab *slab)
{
    void *object = slab->free;

    slab->used++;
    if (object != NULL) {
        UNPOISON(object, slab->object_bytes);
        memcpy(&slab->free, object, sizeof(void *));
        return object;
    }
    if (slab->fresh == slab->fresh_end) {
        slab_grow(slab);
    }
    object = slab->fresh;
    slab->fresh += slab->object_bytes;
    UNPOISON(object, slab->object_bytes);
    return object;
}

void slab_free(struct slab *slab, void *object)
{
    if (object == NULL) {
        return;
    }
    CHECK(slab->used > 0);
    slab->used--;
    memcpy(object, &slab->free, sizeof(void *));
    slab->free = object;
    POISON(object, slab->object_bytes);
}
