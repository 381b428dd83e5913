/* SPDX-License-Identifier: Apache-2.0
 *
 * Persisted updates a second, each of them durable before it counts, by how
 * many are under way at once: 1 is one commit each, with more those that wait
 * share the next (group commit). A JSON line for each, the median of the
 * rounds, which take turns; `ratio` is to one commit each in the same run.
 *
 *     cmake --preset release -B build/bench -DCNODE_TESTS=ON
 *     cmake --build build/bench --target bench_store
 *     build/bench/tests/bench_store FOLDER|postgresql://... [ROUNDS]
 *
 * FOLDER is on the disk that is to be measured: nothing is there in memory.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/mem.h"
#include "storage/store_backend.h"

enum { VALUE_BYTES = 100, KEYS = 10000, MOST_ROUNDS = 99, NS_PER_MS = 1000000 };

static const unsigned widths[] = {1, 16, 256, 4096};

/* One writer: its next update begins when the one before is durable. */
struct writer {
    struct store_op op;
    struct bench *bench;
};

struct bench {
    struct store *store;
    pthread_mutex_t lock;
    pthread_cond_t over;
    uint64_t until_ns, done, number;
    unsigned running;
};

static void on_done(struct store_op *op);

/* Under the lock. */
static void next(struct writer *writer)
{
    static const uint8_t value[VALUE_BYTES];
    struct store_op *op = &writer->op;
    struct bench *bench = writer->bench;

    store_op_fini(op);
    store_op_init(op, STORE_PUT, on_done);
    buf_put_u64(&op->key, bench->number++ * 2654435761u % KEYS);
    buf_put(store_op_value(op), value, sizeof(value));
    CHECK(store_submit(bench->store, op) == 0);
}

static void on_done(struct store_op *op)
{
    struct writer *writer = CONTAINER_OF(op, struct writer, op);
    struct bench *bench = writer->bench;

    CHECK(op->rc == 0);
    pthread_mutex_lock(&bench->lock);
    if (loop_clock_ns() < bench->until_ns) {
        bench->done++;
        next(writer);
    } else if (--bench->running == 0) {
        pthread_cond_signal(&bench->over);
    }
    pthread_mutex_unlock(&bench->lock);
}

/* Updates a second. */
static double measure(struct store *store, unsigned width, uint64_t ms)
{
    struct writer *writers = mem_zalloc(width * sizeof(*writers));
    struct bench bench = {.store = store, .running = width};
    uint64_t start_ns = loop_clock_ns();

    pthread_mutex_init(&bench.lock, NULL);
    pthread_cond_init(&bench.over, NULL);
    bench.until_ns = start_ns + ms * NS_PER_MS;
    pthread_mutex_lock(&bench.lock);
    for (unsigned i = 0; i < width; i++) {
        writers[i].bench = &bench;
        next(&writers[i]);
    }
    while (bench.running > 0) {
        pthread_cond_wait(&bench.over, &bench.lock);
    }
    pthread_mutex_unlock(&bench.lock);
    for (unsigned i = 0; i < width; i++) {
        store_op_fini(&writers[i].op);
    }
    mem_free(writers);
    pthread_cond_destroy(&bench.over);
    pthread_mutex_destroy(&bench.lock);
    return (double)bench.done /
           ((double)(loop_clock_ns() - start_ns) / (1000.0 * NS_PER_MS));
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static struct store *open_store(const char *path, const char *kind, bool sync)
{
    struct store_config config = {.name = "bench",
                                  .path = path,
                                  .url = path,
                                  .table = "cnode_bench",
                                  .max_bytes = UINT64_C(1) << 30,
                                  .sync = sync,
                                  .queue = 100000};
    struct store *store = NULL;
    struct buf why;

    buf_init(&why, 0);
    if (store_open(&store, store_backend_find(kind), &config, &why) != 0) {
        (void)fprintf(stderr, "%.*s\n", (int)buf_size(&why),
                      (const char *)buf_data(&why));
        exit(1);
    }
    buf_fini(&why);
    return store;
}

static void run(struct store *store, const char *kind, bool sync,
                unsigned rounds)
{
    static double figures[ARRAY_LEN(widths)][MOST_ROUNDS];
    double one;

    for (unsigned round = 0; round < rounds; round++) {
        for (size_t i = 0; i < ARRAY_LEN(widths); i++) {
            figures[i][round] = measure(store, widths[i], 1000);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(widths); i++) {
        qsort(figures[i], rounds, sizeof(double), compare);
    }
    one = figures[0][rounds / 2];
    for (size_t i = 0; i < ARRAY_LEN(widths); i++) {
        printf("{\"bench\":\"store_updates\",\"store\":\"%s\",\"sync\":%s,"
               "\"under_way\":%u,\"per_s\":%.0f,\"least\":%.0f,\"most\":%.0f,"
               "\"ratio\":%.1f}\n",
               kind, sync ? "true" : "false", widths[i], figures[i][rounds / 2],
               figures[i][0], figures[i][rounds - 1],
               figures[i][rounds / 2] / one);
    }
}

int main(int argc, char **argv)
{
    const char *kind =
        argc > 1 && strstr(argv[1], "://") != NULL ? "postgres" : "lmdb";
    unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 5;

    if (argc < 2 || rounds < 1 || rounds > MOST_ROUNDS) {
        (void)fprintf(stderr, "bench_store FOLDER|postgresql://... [ROUNDS]\n");
        return 2;
    }
    for (int sync = 1; sync >= 0; sync--) {
        struct store *store = open_store(argv[1], kind, sync == 1);

        run(store, kind, sync == 1, rounds);
        store_close(store);
        if (strcmp(kind, "lmdb") != 0) {
            break;
        }
    }
    return 0;
}
