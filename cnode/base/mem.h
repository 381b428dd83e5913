/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory. malloc is called in mem.c only. Any thread.
 */
#ifndef CNODE_BASE_MEM_H
#define CNODE_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

/* For our own small objects: never NULL, aborts with a report when out of
 * memory (whoever supervises the node starts it again). `size` 0 is fine. */
void *mem_alloc(size_t size);
void *mem_zalloc(size_t size); /* zero filled */
void *mem_realloc(void *old, size_t size);
char *mem_strdup(const char *text);

/* For every size that a peer or user chooses, after it passed a named limit.
 * NULL when there is not enough memory. */
MUST_USE void *mem_try(size_t size);
MUST_USE void *mem_try_zalloc(size_t size); /* zero filled, as it is used */
MUST_USE void *mem_try_realloc(void *old, size_t size); /* old stays valid */

void mem_free(void *ptr); /* NULL is fine */

/* Gives free memory back to the system; takes milliseconds. For after much was
 * freed that is not soon needed again. */
void mem_trim(void);

/* What malloc and base/huge.h have from the system, and how much of it is in
 * use (of the latter all). Walks free lists: not for hot paths. Under a
 * sanitizer malloc's may be 0. */
struct mem_use {
    size_t in_use, mapped;
};
struct mem_use mem_use(void);

/* Tests: the nth next mem_try or mem_try_realloc fails (1 = the next). 0 turns
 * it off. Per thread. */
void mem_fail_after(unsigned n);
/* For what gets memory elsewhere and may fail: it has to fail now. */
bool mem_must_fail(void);

/* Fixed-size objects of one thread: taken from chunks, reused from a free list,
 * given back to the system only by fini. Aligned as malloc does when the size
 * is a multiple of 16, else to 8. Freed objects are poisoned under
 * AddressSanitizer. */
struct slab {
    void *free;   /* list of freed objects */
    void *chunks; /* list of all chunks */
    char *fresh;  /* never used yet, in the newest chunk */
    char *fresh_end;
    size_t object_bytes;
    size_t used; /* objects handed out */
};

void slab_init(struct slab *slab, size_t object_bytes);
void slab_fini(struct slab *slab);
void *slab_alloc(struct slab *slab);             /* not zeroed; never NULL */
void slab_free(struct slab *slab, void *object); /* NULL is fine */

#endif
