/* SPDX-License-Identifier: Apache-2.0
 *
 * See huge.h. The system gives whole pages; what is mapped too much before and
 * behind what is aligned goes back.
 */
#include "base/huge.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"

static _Atomic size_t mapped;

size_t huge_mapped(void)
{
    return atomic_load_explicit(&mapped, memory_order_relaxed);
}

static size_t whole_pages(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (size + page - 1) / page * page;
}

static void unmap(char *from, const char *to)
{
    if (from < to) {
        CHECK(munmap(from, (size_t)(to - from)) == 0);
    }
}

/* `size` in whole pages. */
static void *map(size_t size, bool is_huge)
{
    char *at, *aligned;

    if (mem_must_fail()) {
        return NULL;
    }
    at = mmap(NULL, size + HUGE_BYTES, PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        return NULL;
    }
    aligned = at + (-(uintptr_t)at & (HUGE_BYTES - 1));
    unmap(at, aligned);
    unmap(aligned + size, at + size + HUGE_BYTES);
#ifdef MADV_HUGEPAGE
    if (is_huge) {
        (void)madvise(aligned, size, MADV_HUGEPAGE); /* else it is slower */
    }
#endif
    atomic_fetch_add_explicit(&mapped, size, memory_order_relaxed);
    return aligned;
}

static void give_back(void *memory, size_t size)
{
    CHECK(munmap(memory, size) == 0);
    atomic_fetch_sub_explicit(&mapped, size, memory_order_relaxed);
}

void *huge_try_zalloc(size_t size)
{
    return size < HUGE_BYTES ? mem_try_zalloc(size)
                             : map(whole_pages(size), true);
}

void huge_free(void *memory, size_t size)
{
    if (size < HUGE_BYTES) {
        mem_free(memory);
    } else if (memory != NULL) {
        give_back(memory, whole_pages(size));
    }
}

void *huge_try_chunk(bool is_huge)
{
    return map(HUGE_BYTES, is_huge);
}

void huge_free_chunk(void *chunk)
{
    give_back(chunk, HUGE_BYTES);
}
