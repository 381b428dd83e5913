/* SPDX-License-Identifier: Apache-2.0
 *
 * See heap.h. A chunk begins with its header and is aligned to its size, so
 * that the chunk of an object is a matter of its address.
 *
 * The first chunk of a bin is of ordinary pages until it is full: who has few
 * objects does not pay for 2 MiB.
 */
#include "base/heap.h"

#include <string.h>

#include "base/huge.h"
#include "base/mem.h"
#include "base/poison.h"

struct heap_chunk {
    struct list in_bin;
    struct heap *heap; /* NULL: it is over */
    void *free;        /* a list of objects that were freed */
    uint32_t object_bytes;
    uint32_t used;  /* objects handed out */
    uint32_t fresh; /* from here on never used; bytes from the header */
};
_Static_assert(sizeof(struct heap_chunk) % HEAP_STEP == 0,
               "objects are aligned as they are");

void heap_init(struct heap *heap)
{
    *heap = (struct heap){0};
    for (size_t i = 0; i < HEAP_OBJECT_MAX / HEAP_STEP; i++) {
        list_init(&heap->bins[i].partial);
        list_init(&heap->bins[i].full);
    }
}

static inline struct heap_chunk *chunk_of(void *object)
{
    return (struct heap_chunk *)(void *)((char *)object - ((uintptr_t)object &
                                                           (HUGE_BYTES - 1)));
}

static inline struct heap_bin *bin_of(struct heap *heap, size_t object_bytes)
{
    return &heap->bins[object_bytes / HEAP_STEP - 1];
}

/* --- chunks */

static struct heap_chunk *chunk_new(struct heap *heap, bool is_one_of_many)
{
    struct heap_chunk *chunk = heap->spare;

    if (chunk != NULL) {
        heap->spare = NULL;
        return chunk;
    }
    chunk = huge_try_chunk(is_one_of_many);
    if (chunk != NULL) {
        POISON(chunk + 1, HUGE_BYTES - sizeof(*chunk));
    }
    return chunk;
}

static void chunk_free(struct heap_chunk *chunk)
{
    UNPOISON(chunk, HUGE_BYTES);
    huge_free_chunk(chunk);
}

static struct heap_chunk *grow(struct heap *heap, size_t object_bytes)
{
    struct heap_bin *bin = bin_of(heap, object_bytes);
    struct heap_chunk *chunk = chunk_new(heap, bin->chunks > 0);

    if (chunk != NULL) {
        *chunk = (struct heap_chunk){.heap = heap,
                                     .object_bytes = (uint32_t)object_bytes,
                                     .fresh = sizeof(*chunk)};
        list_push_back(&bin->partial, &chunk->in_bin);
        bin->chunks++;
    }
    return chunk;
}

/* Nothing is in it. */
static void give_back(struct heap_chunk *chunk)
{
    struct heap *heap = chunk->heap;

    list_remove(&chunk->in_bin);
    bin_of(heap, chunk->object_bytes)->chunks--;
    if (heap->spare == NULL) {
        heap->spare = chunk;
    } else {
        chunk_free(chunk);
    }
}

static void leave_alone(struct list *chunks)
{
    struct list *it;

    while ((it = list_pop(chunks)) != NULL) {
        CONTAINER_OF(it, struct heap_chunk, in_bin)->heap = NULL;
    }
}

void heap_fini(struct heap *heap)
{
    for (size_t i = 0; i < HEAP_OBJECT_MAX / HEAP_STEP; i++) {
        leave_alone(&heap->bins[i].partial);
        leave_alone(&heap->bins[i].full);
    }
    if (heap->spare != NULL) {
        chunk_free(heap->spare);
    }
}

/* --- objects */

static inline bool has_room(const struct heap_chunk *chunk)
{
    return chunk->free != NULL ||
           chunk->fresh + chunk->object_bytes <= HUGE_BYTES;
}

static void *take(struct heap_chunk *chunk)
{
    void *object = chunk->free;

    if (object == NULL) {
        object = (char *)chunk + chunk->fresh;
        chunk->fresh += chunk->object_bytes;
        UNPOISON(object, chunk->object_bytes);
    } else {
        UNPOISON(object, chunk->object_bytes);
        memcpy(&chunk->free, object, sizeof(void *));
    }
    chunk->used++;
    return object;
}

void *heap_try(struct heap *heap, size_t size)
{
    size_t bytes = (size + HEAP_STEP - 1) / HEAP_STEP * HEAP_STEP;
    struct heap_bin *bin;
    struct heap_chunk *chunk;
    void *object;

    if (size > HEAP_OBJECT_MAX) {
        return mem_try(size);
    }
    if (mem_must_fail()) {
        return NULL;
    }
    CHECK(size > 0);
    bin = bin_of(heap, bytes);
    chunk = list_is_empty(&bin->partial)
                ? grow(heap, bytes)
                : CONTAINER_OF(bin->partial.next, struct heap_chunk, in_bin);
    if (chunk == NULL) {
        return NULL;
    }
    object = take(chunk);
    if (!has_room(chunk)) {
        list_remove(&chunk->in_bin);
        list_push_back(&bin->full, &chunk->in_bin);
        huge_settle_chunk(chunk);
    }
    return object;
}

void heap_free(void *object, size_t size)
{
    struct heap_chunk *chunk;
    struct heap_bin *bin;

    if (size > HEAP_OBJECT_MAX || object == NULL) {
        mem_free(object);
        return;
    }
    chunk = chunk_of(object);
    memcpy(object, &chunk->free, sizeof(void *));
    chunk->free = object;
    POISON(object, chunk->object_bytes);
    chunk->used--;
    if (chunk->heap == NULL) {
        if (chunk->used == 0) {
            chunk_free(chunk);
        }
        return;
    }
    bin = bin_of(chunk->heap, chunk->object_bytes);
    if (chunk->used == 0) {
        give_back(chunk);
    } else {
        list_remove(&chunk->in_bin);
        list_push_back(&bin->partial, &chunk->in_bin);
    }
}
