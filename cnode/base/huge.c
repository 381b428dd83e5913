/* SPDX-License-Identifier: Apache-2.0
 *
 * See huge.h. The system gives whole pages; what is mapped too much before and
 * behind what is aligned goes back.
 *
 * A few chunks are kept ready: a thread that ends when they are there touches
 * their pages, and starts again when one of them is taken.
 */
#include "base/huge.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"

enum { READY = 2, SMALL_PAGE = 4096 };

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

static void advise(void *memory, size_t size)
{
#ifdef MADV_HUGEPAGE
    (void)madvise(memory, size, MADV_HUGEPAGE); /* else it is slower */
#else
    (void)memory, (void)size;
#endif
}

/* `size` in whole pages. */
static void *map(size_t size)
{
    char *at, *aligned;

    at = mmap(NULL, size + HUGE_BYTES, PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        return NULL;
    }
    aligned = at + (-(uintptr_t)at & (HUGE_BYTES - 1));
    unmap(at, aligned);
    unmap(aligned + size, at + size + HUGE_BYTES);
    return aligned;
}

/* It is somebody's from here on. */
static void *counted(void *memory, size_t size)
{
    if (memory != NULL) {
        atomic_fetch_add_explicit(&mapped, size, memory_order_relaxed);
    }
    return memory;
}

static void give_back(void *memory, size_t size)
{
    CHECK(munmap(memory, size) == 0);
    atomic_fetch_sub_explicit(&mapped, size, memory_order_relaxed);
}

/* --- of any size */

void *huge_try_zalloc(size_t size)
{
    void *memory;

    if (size < HUGE_BYTES) {
        return mem_try_zalloc(size);
    }
    memory = mem_must_fail() ? NULL : map(whole_pages(size));
    if (memory != NULL) {
        advise(memory, whole_pages(size));
    }
    return counted(memory, whole_pages(size));
}

void huge_free(void *memory, size_t size)
{
    if (size < HUGE_BYTES) {
        mem_free(memory);
    } else if (memory != NULL) {
        give_back(memory, whole_pages(size));
    }
}

/* --- chunks, some of them ready before they are wanted */

static struct {
    pthread_mutex_t lock;
    void *chunks[READY];
    unsigned count;
    bool is_filling; /* a thread is at it */
} stock = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The first write to a page is what takes the time. */
static void *chunk_ready(void)
{
    char *chunk = map(HUGE_BYTES);

    if (chunk != NULL) {
        advise(chunk, HUGE_BYTES);
        for (size_t at = 0; at < HUGE_BYTES; at += SMALL_PAGE) {
            *(volatile char *)(chunk + at) = 0;
        }
    }
    return chunk;
}

/* Ends when the stock is full again: nothing runs where nothing grows. */
static void *fill_stock(void *arg)
{
    void *chunk;

    (void)arg;
    for (;;) {
        chunk = chunk_ready();
        pthread_mutex_lock(&stock.lock);
        if (chunk != NULL) {
            stock.chunks[stock.count++] = chunk;
        }
        if (chunk == NULL || stock.count == READY) {
            break;
        }
        pthread_mutex_unlock(&stock.lock);
    }
    stock.is_filling = false;
    pthread_mutex_unlock(&stock.lock);
    return NULL;
}

static bool start_filling(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    bool is_started;

    if (pthread_attr_init(&attr) != 0) {
        return false;
    }
    sigfillset(&all); /* signals are for others */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    is_started =
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED) == 0 &&
        pthread_create(&thread, &attr, fill_stock, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return is_started;
}

static void *take_ready(void)
{
    void *chunk = NULL;

    pthread_mutex_lock(&stock.lock); /* never held while memory is made ready */
    if (stock.count > 0) {
        chunk = stock.chunks[--stock.count];
    }
    if (!stock.is_filling) {
        stock.is_filling = start_filling();
    }
    pthread_mutex_unlock(&stock.lock);
    return chunk;
}

void *huge_try_chunk(bool ready)
{
    void *chunk = NULL;

    if (mem_must_fail()) {
        return NULL;
    }
    if (ready) {
        chunk = take_ready();
    }
    return counted(chunk != NULL ? chunk : map(HUGE_BYTES), HUGE_BYTES);
}

void huge_settle_chunk(void *chunk)
{
    advise(chunk, HUGE_BYTES);
}

void huge_free_chunk(void *chunk)
{
    give_back(chunk, HUGE_BYTES);
}
