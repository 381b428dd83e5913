/* SPDX-License-Identifier: Apache-2.0
 *
 * Millions of small objects of many sizes, close together in huge pages
 * (base/huge.h). Objects of one size (in steps of 16 bytes) share chunks; a
 * chunk that is empty goes back to the system, but for one. One thread.
 */
#ifndef CNODE_BASE_HEAP_H
#define CNODE_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/list.h"

enum {
    HEAP_STEP = 16,
    HEAP_OBJECT_MAX = 1024, /* larger ones are malloc's */
};

struct heap_bin {
    struct list partial, full; /* struct heap_chunk.in_bin */
    uint32_t chunks;
};

struct heap {
    struct heap_bin bins[HEAP_OBJECT_MAX / HEAP_STEP];
    struct heap_chunk *spare; /* empty, of no bin */
};

void heap_init(struct heap *heap);
/* What is not freed yet may be freed later. */
void heap_fini(struct heap *heap);

/* Aligned to 16 bytes, not zeroed; NULL when there is not enough memory. */
MUST_USE void *heap_try(struct heap *heap, size_t size);
void heap_free(void *object, size_t size); /* as it was wanted */

#endif
