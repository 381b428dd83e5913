/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of a scope of syn: what a name costs, how fast they come, are found
 * and go. A JSON line for each figure.
 *
 *     cmake --preset release -B build/bench -DCNODE_TESTS=ON
 *     cmake --build build/bench --target bench_syn_table
 *     build/bench/tests/bench_syn_table [NAMES [ROUNDS]]
 *
 * Names are binaries of 12 bytes, each of a process of its own; metadata is
 * `undefined`. Look-ups are of names at random: of all of them, where each
 * costs what two reads of memory cost that no cache has (the slot, the entry),
 * and of a thousand among all, which the caches keep.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "base/mem.h"
#include "registry/syn_table.h"
#include "support/random.h"
#include "term/build.h"

enum { NAME_BYTES = 5 + 12, THREADS_MAX = 2, HOT = 1000 };

struct reader {
    const struct syn_table *table;
    uint32_t names, wanted; /* there are; of which so many are looked up */
    uint64_t random, found;
    double seconds;
};

static _Atomic unsigned readers_ready;
static unsigned readers_wanted;

/* CPU time of this thread: what else the machine does does not matter much. */
static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* <<"user00001234">>, without what printf costs. */
static struct cnode_term name_of(uint32_t number, uint8_t bytes[NAME_BYTES])
{
    memcpy(bytes, "\x6d\0\0\0\x0cuser", 9);
    for (int i = NAME_BYTES - 1; i >= 9; i--) {
        bytes[i] = (uint8_t)('0' + number % 10);
        number /= 10;
    }
    return term_at(bytes, NAME_BYTES);
}

static void retire(void *owner, void *memory)
{
    (void)owner;
    mem_free(memory);
}

static void fill(struct syn_table *table, struct syn_owner *owner,
                 uint32_t names)
{
    struct syn_claim claim = {.meta = atom_term(A_undefined)};
    struct syn_entry *entry;
    uint8_t bytes[NAME_BYTES];

    for (uint32_t i = 0; i < names; i++) {
        claim.name = name_of(i, bytes);
        claim.pid = (struct pid){A_node, i + 1, 1, 1};
        claim.time++;
        if (syn_table_put(table, NULL, owner, &claim, &entry) != 0) {
            fprintf(stderr, "no room for name %u\n", i);
            exit(1);
        }
    }
}

static void purge(struct syn_table *table, struct syn_owner *owner)
{
    struct syn_entry *entry;
    struct syn_walk walk;

    syn_walk_begin(&walk, table, owner);
    while ((entry = syn_walk_next(&walk)) != NULL) {
        syn_table_remove(table, entry);
    }
    syn_walk_end(&walk);
}

/* --- look-ups */

static void *look_up(void *arg)
{
    struct reader *reader = arg;
    struct buf scratch;
    uint8_t bytes[NAME_BYTES];
    double start;

    buf_init(&scratch, 0);
    atomic_fetch_add(&readers_ready, 1);
    while (atomic_load(&readers_ready) < readers_wanted) {
    }
    start = now_s();
    for (uint32_t i = 0; i < 2 * reader->names; i++) {
        uint32_t number = random_below(&reader->random, reader->wanted) *
                          (reader->names / reader->wanted);
        reader->found += syn_table_lookup(reader->table, name_of(number, bytes),
                                          &scratch) != NULL;
    }
    reader->seconds = now_s() - start;
    buf_fini(&scratch);
    return NULL;
}

static void bench_lookups(const struct syn_table *table, uint32_t names,
                          uint32_t wanted, unsigned threads)
{
    struct reader readers[THREADS_MAX] = {{0}};
    pthread_t ids[THREADS_MAX];
    double slowest = 0;

    readers_wanted = threads;
    atomic_store(&readers_ready, 0);
    for (unsigned i = 0; i < threads; i++) {
        readers[i] = (struct reader){
            .table = table, .names = names, .wanted = wanted, .random = i + 1};
        pthread_create(&ids[i], NULL, look_up, &readers[i]);
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        slowest = readers[i].seconds > slowest ? readers[i].seconds : slowest;
        if (readers[i].found != 2 * (uint64_t)names) {
            fprintf(stderr, "names are missing\n");
            exit(1);
        }
    }
    printf("{\"bench\":\"syn_lookup\",\"threads\":%u,\"names\":%u,"
           "\"of\":%u,\"per_thread_s\":%.0f}\n",
           threads, names, wanted, 2.0 * names / slowest);
}

/* --- the rest */

static void bench_table(bool is_local, uint32_t names)
{
    struct syn_table table;
    struct syn_owner theirs, *owner = is_local ? &table.local : &theirs;
    size_t before = mem_use().in_use;
    double start, filled;

    syn_table_init(&table, SYN_REGISTRY, retire, NULL);
    syn_owner_init(&theirs, false);
    start = now_s();
    fill(&table, owner, names);
    filled = now_s() - start;
    printf("{\"bench\":\"syn_insert\",\"local\":%d,\"names\":%u,"
           "\"per_s\":%.0f,\"bytes_beyond_terms\":%.1f}\n",
           is_local, names, names / filled,
           (double)(mem_use().in_use - before - table.bytes) / names);
    for (unsigned threads = 1; is_local && threads <= THREADS_MAX; threads++) {
        bench_lookups(&table, names, names, threads);
        bench_lookups(&table, names, names < HOT ? names : HOT, threads);
    }
    start = now_s();
    purge(&table, owner);
    printf("{\"bench\":\"syn_purge\",\"local\":%d,\"names\":%u,"
           "\"per_s\":%.0f}\n",
           is_local, names, names / (now_s() - start));
    syn_table_fini(&table);
}

int main(int argc, char *argv[])
{
    uint32_t names = argc > 1 ? (uint32_t)atoi(argv[1]) : 1000000;
    int rounds = argc > 2 ? atoi(argv[2]) : 1;

    atom_init();
    for (int i = 0; i < rounds; i++) {
        bench_table(true, names);
        bench_table(false, names);
    }
    atom_fini();
    return 0;
}
