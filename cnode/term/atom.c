/* SPDX-License-Identifier: Apache-2.0
 *
 * The atom table: an array of entries, which an atom_t indexes, and a hash
 * table of atom_t with linear probing. Neither ever grows or moves: room for
 * limits.atoms is reserved at the start and becomes resident as it is used.
 *
 * Writers take a lock, complete the entry, then publish its number in a slot
 * with release. Readers load slots with acquire, so that an entry they see is
 * complete; an atom they miss was being added at that moment, as good as later.
 *
 * A peer sends the same few atoms again and again, above all names of nodes:
 * each thread remembers what it found lately, so that most look-ups need no
 * keyed hash. A peer that makes its atoms collide there only slows itself down.
 */
#include "term/atom.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "term/tag.h"
#include "term/utf8.h"
#include "term/view.h"

enum { CHUNK_BYTES = 65536, FINDINGS_BITS = 8 };

/* Texts lie in chunks, which never move. */
struct chunk {
    struct chunk *older;
    char bytes[CHUNK_BYTES];
};

struct entry {
    const char *text;
    uint32_t len;
    uint32_t hash; /* the upper half, the lower one chose the slot */
};

static struct {
    pthread_mutex_t lock;
    struct entry *entries;
    _Atomic uint32_t *slots; /* ATOM_NONE: free */
    uint32_t mask;
    uint32_t capacity;      /* of entries */
    _Atomic uint32_t count; /* entries in use, ATOM_NONE included */
    struct chunk *chunks;   /* newest first */
    char *next;             /* where the next text goes, in the newest */
    size_t left;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const struct {
    const char *text;
    uint32_t len;
} fixed[ATOM_FIXED_COUNT] = {
    {"", 0}, /* ATOM_NONE */
#define ATOM(name)            {#name, sizeof(#name) - 1},
#define ATOM_TEXT(name, text) {(text), sizeof(text) - 1},
#include "term/atoms.def"
#undef ATOM
#undef ATOM_TEXT
};

/* The bytes at both ends of a text: all of them when there are at most 16. */
struct ends {
    uint64_t first, last;
};

/* What a thread found lately. */
struct finding {
    struct ends ends;
    uint32_t len;
    atom_t atom;
};

static _Thread_local struct finding findings[1 << FINDINGS_BITS];

static void table_reserve(void);
static atom_t table_find(const char *text, size_t len, uint64_t hash);
static atom_t table_add(const char *text, size_t len, uint64_t hash);

void atom_init(void)
{
    pthread_mutex_lock(&table.lock);
    if (table.entries == NULL) {
        table_reserve();
        for (uint32_t i = 1; i < ATOM_FIXED_COUNT; i++) {
            uint64_t hash = hash_bytes(fixed[i].text, fixed[i].len);
            /* a text listed twice in atoms.def would have two numbers */
            CHECK(table_find(fixed[i].text, fixed[i].len, hash) == ATOM_NONE);
            CHECK(table_add(fixed[i].text, fixed[i].len, hash) == i);
        }
    }
    pthread_mutex_unlock(&table.lock);
}

void atom_fini(void)
{
    pthread_mutex_lock(&table.lock);
    while (table.chunks != NULL) {
        struct chunk *chunk = table.chunks;
        table.chunks = chunk->older;
        mem_free(chunk);
    }
    mem_free(table.slots);
    mem_free(table.entries);
    table.slots = NULL;
    table.entries = NULL;
    table.left = 0;
    memset(findings, 0, sizeof(findings));
    pthread_mutex_unlock(&table.lock);
}

static void table_reserve(void)
{
    uint32_t slots = 1024;

    table.capacity = ATOM_FIXED_COUNT + (uint32_t)limits.atoms;
    while (slots < 2 * table.capacity) {
        slots *= 2;
    }
    table.mask = slots - 1;
    table.slots = mem_zalloc(slots * sizeof(*table.slots));
    table.entries = mem_zalloc(table.capacity * sizeof(*table.entries));
    table.entries[ATOM_NONE] = (struct entry){.text = ""};
    /* relaxed: under the lock; readers order themselves by slots */
    atomic_store_explicit(&table.count, 1, memory_order_relaxed);
}

static inline bool has_text(atom_t atom, const char *text, size_t len)
{
    return table.entries[atom].len == len &&
           memcmp(table.entries[atom].text, text, len) == 0;
}

static inline struct ends ends_of(const char *text, size_t len)
{
    struct ends ends = {0, 0};

    if (len >= 8) {
        memcpy(&ends.first, text, 8);
        memcpy(&ends.last, text + len - 8, 8);
    } else if (len >= 4) {
        memcpy(&ends.first, text, 4);
        memcpy(&ends.last, text + len - 4, 4);
    } else if (len > 0) {
        ends.first = (uint64_t)(uint8_t)text[0] << 8 | (uint8_t)text[len / 2];
        ends.last = (uint8_t)text[len - 1];
    }
    return ends;
}

/* What was not found lately, or is longer than its ends. */
__attribute__((noinline)) static atom_t find_slow(const char *text, size_t len,
                                                  struct finding *finding)
{
    if (finding->atom == ATOM_NONE || !has_text(finding->atom, text, len)) {
        *finding = (struct finding){
            .ends = ends_of(text, len),
            .len = (uint32_t)len,
            .atom = table_find(text, len, hash_bytes(text, len)),
        };
    }
    return finding->atom;
}

atom_t atom_find(const char *text, size_t len)
{
    struct ends ends = ends_of(text, len);
    uint64_t mix =
        (3 * ends.first + ends.last + len) * UINT64_C(0x9E3779B97F4A7C15);
    struct finding *finding = &findings[mix >> (64 - FINDINGS_BITS)];

    if (finding->len == len && len <= sizeof(ends) &&
        finding->ends.first == ends.first && finding->ends.last == ends.last &&
        finding->atom != ATOM_NONE) {
        return finding->atom;
    }
    return find_slow(text, len, finding);
}

atom_t atom_intern(const char *text, size_t len)
{
    uint64_t hash = hash_bytes(text, len);
    atom_t atom = table_find(text, len, hash);
    long chars;

    if (atom != ATOM_NONE) {
        return atom;
    }
    chars = len > ATOM_MAX_BYTES ? -1 : utf8_count(text, len);
    if (chars < 0 || chars > ATOM_MAX_CHARS) {
        return ATOM_NONE;
    }
    pthread_mutex_lock(&table.lock);
    atom = table_find(text, len, hash); /* added meanwhile? */
    if (atom == ATOM_NONE) {
        atom = table_add(text, len, hash);
    }
    pthread_mutex_unlock(&table.lock);
    if (atom == ATOM_NONE) {
        METRIC_INC(atoms_refused);
    }
    return atom;
}

static atom_t table_find(const char *text, size_t len, uint64_t hash)
{
    DCHECK(table.entries != NULL);
    for (uint32_t i = (uint32_t)hash;; i++) {
        /* acquire: pairs with the release in table_add */
        atom_t atom = atomic_load_explicit(&table.slots[i & table.mask],
                                           memory_order_acquire);
        if (atom == ATOM_NONE) {
            return ATOM_NONE;
        }
        const struct entry *entry = &table.entries[atom];
        if (entry->hash == (uint32_t)(hash >> 32) &&
            has_text(atom, text, len)) {
            return atom;
        }
    }
}

/* A copy for ever, with a NUL behind it and the head of its external form in
 * front of it, so that atom_term() is a view. */
static const char *text_keep(const char *text, size_t len)
{
    size_t head = len <= UINT8_MAX ? 2 : 3;
    char *copy;

    if (table.left < head + len + 1) {
        struct chunk *chunk = mem_alloc(sizeof(*chunk));
        chunk->older = table.chunks;
        table.chunks = chunk;
        table.next = chunk->bytes;
        table.left = CHUNK_BYTES;
    }
    copy = table.next + head;
    if (head == 2) {
        copy[-2] = TAG_ATOM8;
        copy[-1] = (char)len;
    } else {
        copy[-3] = TAG_ATOM16;
        copy[-2] = (char)(len >> 8);
        copy[-1] = (char)len;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    table.next += head + len + 1;
    table.left -= head + len + 1;
    return copy;
}

static atom_t table_add(const char *text, size_t len, uint64_t hash)
{
    /* relaxed: only holders of the lock write it */
    atom_t atom = atomic_load_explicit(&table.count, memory_order_relaxed);
    uint32_t i = (uint32_t)hash;

    if (atom == table.capacity) {
        return ATOM_NONE;
    }
    table.entries[atom] = (struct entry){
        .text = text_keep(text, len),
        .len = (uint32_t)len,
        .hash = (uint32_t)(hash >> 32),
    };
    while (atomic_load_explicit(&table.slots[i & table.mask],
                                memory_order_relaxed) != ATOM_NONE) {
        i++;
    }
    atomic_store_explicit(&table.slots[i & table.mask], atom,
                          memory_order_release);
    atomic_store_explicit(&table.count, atom + 1, memory_order_relaxed);
    return atom;
}

const char *atom_text(atom_t atom)
{
    DCHECK(atom < atom_count());
    return table.entries[atom].text;
}

struct cnode_term atom_term(atom_t atom)
{
    size_t len = atom_len(atom);
    size_t head = len <= UINT8_MAX ? 2 : 3;

    CHECK(atom != ATOM_NONE);
    return term_at(atom_text(atom) - head, head + len);
}

size_t atom_len(atom_t atom)
{
    DCHECK(atom < atom_count());
    return table.entries[atom].len;
}

uint32_t atom_capacity(void)
{
    return table.capacity; /* fixed by atom_init() */
}

size_t atom_bytes(void)
{
    size_t bytes = atom_count() * (sizeof(struct entry) + sizeof(atom_t));

    CHECK(pthread_mutex_lock(&table.lock) == 0);
    for (const struct chunk *it = table.chunks; it != NULL; it = it->older) {
        bytes += sizeof(*it);
    }
    CHECK(pthread_mutex_unlock(&table.lock) == 0);
    return bytes;
}

uint32_t atom_count(void)
{
    /* relaxed: a figure for operators and checks, it orders nothing */
    return atomic_load_explicit(&table.count, memory_order_relaxed);
}
