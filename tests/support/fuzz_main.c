/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a fuzz target without a fuzzer, so that every test run covers it with
 * any compiler: first each file of the corpus as it is, then a fixed number of
 * random mutations of them.
 *
 *     fuzz_frame [CORPUS FOLDER or FILE]...
 *
 * FUZZ_SEED repeats a run (the seed is printed first), FUZZ_RUNS changes the
 * number of mutations. After a crash, the input that caused it is the
 * file named in the last line, ready to become a case of the corpus.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "support/random.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Of a target whose inputs take long: fewer mutations. */
extern const size_t fuzz_runs __attribute__((weak));
/* What AddressSanitizer calls before it ends the process.
 * NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
void __sanitizer_set_death_callback(void (*callback)(void))
    __attribute__((weak));

enum { INPUT_MAX = 64 * 1024, DEFAULT_RUNS = 20000 };

struct input {
    uint8_t *data;
    size_t size;
};

struct corpus {
    struct input *inputs;
    size_t count;
};

static uint64_t random_state;
static uint8_t scratch[INPUT_MAX];
static const uint8_t *running; /* the input at work, for the crash report */
static size_t running_size;
static char crash_file[256];

/* splitmix64: small, and the same on every machine. */
static size_t random_up_to(size_t limit)
{
    return limit == 0 ? 0 : (size_t)(random_u64(&random_state) % limit);
}

static void die(const char *what, const char *path)
{
    fprintf(stderr, "fuzz: %s %s\n", what, path);
    exit(2);
}

/* --- corpus ------------------------------------------------------------- */

static void corpus_add(struct corpus *corpus, const uint8_t *data, size_t size)
{
    size_t bytes = (corpus->count + 1) * sizeof(corpus->inputs[0]);
    struct input *input;

    corpus->inputs = realloc(corpus->inputs, bytes);
    if (corpus->inputs == NULL) {
        die("out of memory at input", "");
    }
    input = &corpus->inputs[corpus->count++];
    input->size = size;
    input->data = malloc(size + 1); /* never zero bytes */
    if (input->data == NULL) {
        die("out of memory at input", "");
    }
    memcpy(input->data, data, size);
}

static void corpus_add_file(struct corpus *corpus, const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t size;

    if (file == NULL) {
        die("cannot read", path);
    }
    size = fread(scratch, 1, sizeof(scratch), file);
    if (!feof(file) && fgetc(file) != EOF) {
        die("larger than 64 KiB:", path);
    }
    fclose(file);
    corpus_add(corpus, scratch, size);
}

/* By name, so that a seed means the same on every file system. */
static void corpus_add_dir(struct corpus *corpus, const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    char file[4096];

    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
            corpus_add_file(corpus, file);
        }
        free(entries[i]);
    }
    if (count >= 0) {
        free(entries);
    }
}

static void corpus_free(struct corpus *corpus)
{
    for (size_t i = 0; i < corpus->count; i++) {
        free(corpus->inputs[i].data);
    }
    free(corpus->inputs);
}

/* --- mutation ------------------------------------------------------------ */

/* Values at which length and count fields go wrong. */
static const uint32_t edges[] = {
    0,      1,      0x7f,       0x80,       0xff,       0x100,
    0x7fff, 0x8000, 0xffff,     0x10000,    0x7fffffff, 0x80000000,
    0xfffe, 131,    0xfffffffe, 0xffffffff,
};

static void put_edge(uint8_t *data, size_t size)
{
    uint32_t value = edges[random_up_to(sizeof(edges) / sizeof(edges[0]))];
    size_t width = (size_t)1 << random_up_to(3);
    size_t at = random_up_to(size);

    for (size_t i = 0; i < width && at + i < size; i++) {
        data[at + i] = (uint8_t)(value >> (8 * (width - 1 - i)));
    }
}

/* Copies a piece of another input over, or into, this one. */
static size_t graft(uint8_t *data, size_t size, const struct input *other)
{
    size_t from = random_up_to(other->size);
    size_t len = 1 + random_up_to(other->size - from);
    size_t at = random_up_to(size + 1);
    bool insert = random_up_to(2) == 0;

    if (len > INPUT_MAX - (insert ? size : at)) {
        return size;
    }
    if (insert) {
        memmove(data + at + len, data + at, size - at);
        size += len;
    } else if (at + len > size) {
        size = at + len;
    }
    memcpy(data + at, other->data + from, len);
    return size;
}

static size_t cut(uint8_t *data, size_t size)
{
    size_t at = random_up_to(size);
    size_t len = 1 + random_up_to(size - at);

    memmove(data + at, data + at + len, size - at - len);
    return size - len;
}

static size_t grow(uint8_t *data, size_t size)
{
    size_t at = random_up_to(size + 1);
    size_t len = 1 + random_up_to(16);

    if (len > INPUT_MAX - size) {
        return size;
    }
    memmove(data + at + len, data + at, size - at);
    for (size_t i = 0; i < len; i++) {
        data[at + i] = (uint8_t)random_u64(&random_state);
    }
    return size + len;
}

static size_t mutate_once(uint8_t *data, size_t size,
                          const struct corpus *corpus)
{
    const struct input *other = &corpus->inputs[random_up_to(corpus->count)];

    if (size == 0) {
        return grow(data, size);
    }
    switch (random_up_to(7)) {
    case 0:
        data[random_up_to(size)] ^= (uint8_t)(1u << random_up_to(8));
        return size;
    case 1:
        data[random_up_to(size)] = (uint8_t)random_u64(&random_state);
        return size;
    case 2:
        put_edge(data, size);
        return size;
    case 3:
        return other->size == 0 ? size : graft(data, size, other);
    case 4:
        return cut(data, size);
    case 5:
        return grow(data, size);
    default:
        return random_up_to(size); /* truncate */
    }
}

/* --- running -------------------------------------------------------------- */

/* Only calls that are allowed in a signal handler. */
static void save_input(void)
{
    static bool saved;
    int fd;

    if (running == NULL || saved) {
        return;
    }
    saved = true;
    fd = open(crash_file, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0) {
        return;
    }
    if (write(fd, running, running_size) == (ssize_t)running_size &&
        write(STDERR_FILENO, "fuzz: the input is in ", 22) == 22 &&
        write(STDERR_FILENO, crash_file, strlen(crash_file)) > 0 &&
        write(STDERR_FILENO, "\n", 1) == 1) {
        close(fd);
    }
}

static void on_signal(int number)
{
    save_input();
    signal(number, SIG_DFL);
    raise(number);
}

static void watch_crashes(uint64_t seed)
{
    snprintf(crash_file, sizeof(crash_file), "crash-%s-%" PRIu64,
             program_invocation_short_name, seed);
    signal(SIGABRT, on_signal);
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(save_input);
    } else {
        signal(SIGSEGV, on_signal);
        signal(SIGBUS, on_signal);
    }
}

/* A copy of exactly this size: a read beyond it is seen by the sanitizer. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    if (copy == NULL) {
        die("out of memory at input", "");
    }
    memcpy(copy, data, size);
    running = copy;
    running_size = size;
    if (LLVMFuzzerTestOneInput(copy, size) != 0) {
        fprintf(stderr, "fuzz: the target refused an input\n");
        abort();
    }
    running = NULL;
    free(copy);
}

static void run_mutations(const struct corpus *corpus, uint64_t runs)
{
    for (uint64_t i = 0; i < runs; i++) {
        const struct input *input =
            &corpus->inputs[random_up_to(corpus->count)];
        size_t size = input->size;
        size_t steps = 1 + random_up_to(8);

        memcpy(scratch, input->data, size);
        while (steps-- > 0) {
            size = mutate_once(scratch, size, corpus);
        }
        run(scratch, size);
    }
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);

    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

int main(int argc, char **argv)
{
    uint64_t seed = number_from("FUZZ_SEED", (uint64_t)time(NULL));
    uint64_t runs =
        number_from("FUZZ_RUNS", &fuzz_runs == NULL ? DEFAULT_RUNS : fuzz_runs);
    struct corpus corpus = {0};
    struct stat info;

    printf("FUZZ_SEED=%" PRIu64 " FUZZ_RUNS=%" PRIu64 "\n", seed, runs);
    fflush(stdout);
    random_state = seed;
    watch_crashes(seed);
    for (int i = 1; i < argc; i++) {
        if (stat(argv[i], &info) == 0 && S_ISDIR(info.st_mode)) {
            corpus_add_dir(&corpus, argv[i]);
        } else if (stat(argv[i], &info) == 0) {
            corpus_add_file(&corpus, argv[i]);
        }
    }
    if (corpus.count == 0) {
        corpus_add(&corpus, scratch, 0);
    }
    for (size_t i = 0; i < corpus.count; i++) {
        run(corpus.inputs[i].data, corpus.inputs[i].size);
    }
    run_mutations(&corpus, runs);
    printf("%zu cases of the corpus and %" PRIu64 " mutations\n", corpus.count,
           runs);
    corpus_free(&corpus);
    return 0;
}
