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
 * `undefined`. Look-ups are of names at random, made before: of all of them,
 * where each costs what two reads of memory cost that no cache has (the slot,
 * and then the entry), and of a thousand among all, which the caches keep; one
 * after the other, and many at once. A figure is the median of some rounds.
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

enum {
    NAME_BYTES = 5 + 12,
    THREADS_MAX = 2,
    HOT = 1000,
    CHOSEN = 8192,       /* at a time */
    LOOKS = 64 * CHOSEN, /* a round */
    ROUNDS = 9,
    PACE = 15000, /* names, then a pause: no node sends more in 50 ms */
};

struct reader {
    const struct syn_table *table;
    uint32_t names, wanted; /* there are; of which so many are looked up */
    uint32_t at_once;
    uint64_t random, looks, found;
    double seconds;
    struct cnode_term chosen[CHOSEN];
    uint8_t bytes[CHOSEN][NAME_BYTES];
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

static void retire(void *owner, void *memory, retired_free_fn free_it)
{
    (void)owner;
    free_it(memory);
}

/* Returns how long the longest of them took, at most: the clock is read after
 * some only, as that takes a while. */
static double fill(struct syn_table *table, struct syn_owner *owner,
                   uint32_t names)
{
    struct syn_claim claim = {.meta = atom_term(A_undefined)};
    struct syn_entry *entry;
    uint8_t bytes[NAME_BYTES];
    double before = now_s(), now, longest = 0;

    for (uint32_t i = 0; i < names; i++) {
        claim.name = name_of(i, bytes);
        claim.pid = (struct pid){A_node, i + 1, 1, 1};
        claim.time++;
        if (syn_table_put(table, NULL, owner, &claim, &entry) != 0) {
            fprintf(stderr, "no room for name %u\n", i);
            exit(1);
        }
        if (i % 16 == 0) {
            now = now_s();
            longest = now - before > longest ? now - before : longest;
            before = now;
        }
        if (i % PACE == PACE - 1) {
            nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        }
    }
    return longest;
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

/* Names that somebody has at hand: made before the clock runs. */
static void choose(struct reader *reader)
{
    for (uint32_t i = 0; i < CHOSEN; i++) {
        uint32_t number = random_below(&reader->random, reader->wanted) *
                          (reader->names / reader->wanted);
        reader->chosen[i] = name_of(number, reader->bytes[i]);
    }
}

static void look_up_chosen(struct reader *reader, struct buf *scratch)
{
    const struct syn_entry *entries[SYN_LOOKUPS];

    if (reader->at_once == 1) {
        for (uint32_t i = 0; i < CHOSEN; i++) {
            reader->found += syn_table_lookup(reader->table, reader->chosen[i],
                                              scratch) != NULL;
        }
        return;
    }
    for (uint32_t i = 0; i < CHOSEN; i += reader->at_once) {
        syn_table_lookup_many(reader->table, reader->chosen + i,
                              reader->at_once, scratch, entries);
        for (uint32_t n = 0; n < reader->at_once; n++) {
            reader->found += entries[n] != NULL;
        }
    }
}

static void *look_up(void *arg)
{
    struct reader *reader = arg;
    struct buf scratch;

    buf_init(&scratch, 0);
    atomic_fetch_add(&readers_ready, 1);
    while (atomic_load(&readers_ready) < readers_wanted) {
    }
    while (reader->looks < LOOKS) {
        double start;
        choose(reader);
        start = now_s();
        look_up_chosen(reader, &scratch);
        reader->seconds += now_s() - start;
        reader->looks += CHOSEN;
    }
    buf_fini(&scratch);
    return NULL;
}

/* How many a second, of the slowest thread. */
static double measure(const struct reader *what, unsigned threads)
{
    struct reader *readers = mem_zalloc(threads * sizeof(*readers));
    pthread_t ids[THREADS_MAX];
    double slowest = 0;

    readers_wanted = threads;
    atomic_store(&readers_ready, 0);
    for (unsigned i = 0; i < threads; i++) {
        readers[i] = *what;
        readers[i].random = i + 1;
        pthread_create(&ids[i], NULL, look_up, &readers[i]);
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        slowest = readers[i].seconds > slowest ? readers[i].seconds : slowest;
        if (readers[i].found != LOOKS) {
            fprintf(stderr, "names are missing\n");
            exit(1);
        }
    }
    mem_free(readers);
    return LOOKS / slowest;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void bench_lookups(const struct syn_table *table, uint32_t names,
                          uint32_t wanted, uint32_t at_once, unsigned threads)
{
    struct reader what = {
        .table = table, .names = names, .wanted = wanted, .at_once = at_once};
    double rates[ROUNDS];

    for (int i = 0; i < ROUNDS; i++) {
        rates[i] = measure(&what, threads);
    }
    qsort(rates, ROUNDS, sizeof(rates[0]), by_value);
    printf("{\"bench\":\"syn_lookup\",\"threads\":%u,\"names\":%u,"
           "\"of\":%u,\"at_once\":%u,\"per_thread_s\":%.0f,"
           "\"least\":%.0f,\"most\":%.0f}\n",
           threads, names, wanted, at_once, rates[ROUNDS / 2], rates[0],
           rates[ROUNDS - 1]);
}

static void bench_all_lookups(const struct syn_table *table, uint32_t names)
{
    static const uint32_t at_once[] = {1, 16, 32};

    for (unsigned threads = 1; threads <= THREADS_MAX; threads++) {
        for (size_t i = 0; i < sizeof(at_once) / sizeof(at_once[0]); i++) {
            bench_lookups(table, names, names, at_once[i], threads);
            bench_lookups(table, names, names < HOT ? names : HOT, at_once[i],
                          threads);
        }
    }
}

/* --- the rest */

static void bench_table(bool is_local, uint32_t names)
{
    struct syn_table table;
    struct syn_owner theirs, *owner = is_local ? &table.local : &theirs;
    size_t before = mem_use().in_use;
    double start, filled, longest;

    syn_table_init(&table, SYN_REGISTRY, retire, NULL);
    syn_owner_init(&theirs, false);
    start = now_s();
    longest = fill(&table, owner, names);
    filled = now_s() - start;
    printf("{\"bench\":\"syn_insert\",\"local\":%d,\"names\":%u,"
           "\"per_s\":%.0f,\"longest_ms\":%.2f,\"bytes_beyond_terms\":%.1f}\n",
           is_local, names, names / filled, longest * 1e3,
           (double)(mem_use().in_use - before - table.bytes) / names);
    if (is_local) {
        bench_all_lookups(&table, names);
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
