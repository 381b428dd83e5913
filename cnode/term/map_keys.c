/* SPDX-License-Identifier: Apache-2.0
 *
 * One walk over the term notes where the keys of the open maps are; at the end
 * of each map its keys are compared: each with each in a small one, by a table
 * of hashes in a large one. Equal are keys whose canonical forms are the same
 * bytes; nearly all are canonical as they come.
 *
 * A key is looked at again for each map that it is nested into as a key.
 * Hostile nesting would make that quadratic, so the bytes looked at are
 * limited.
 *
 * The walk may stop at any term of those that have come, and go on later: it
 * knows places from the front of the term only.
 */
#include "term/map_keys.h"

#include <string.h>

#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "term/canonical.h"
#include "term/tag.h"

enum {
    FEW_PAIRS = 16, /* of a small map */
    LEVELS_SMALL = 16,
    KEYS_SMALL = 64,
    LOOK_FREE_BYTES = 1 << 20,
    LOOK_FACTOR = 16,
};

/* Where a key is, from the front of the term. */
struct key {
    uint32_t start, end;
};

/* Containers of the walk; those outside of maps share one. */
struct key_level {
    uint64_t left; /* terms still to come */
    uint32_t first;
    bool is_map;
};

struct key_walk {
    const uint8_t *bytes;
    size_t at, size;          /* how far it went; the bytes there are */
    struct key_level *levels; /* small, or heap when there are more */
    struct key *keys;         /* of all open maps; the same */
    size_t depth, levels_cap, keys_len, keys_cap;
    uint64_t looked, pairs_left;
    struct buf form; /* the canonical form of a key that has another */
    struct key_level small_levels[LEVELS_SMALL];
    struct key small_keys[KEYS_SMALL];
};

static int push(struct key_walk *w, uint64_t left, bool is_map);
static int walk_term(struct key_walk *w);
static int check_map(struct key_walk *w, const struct key *keys, size_t n);

static void walk_init(struct key_walk *w)
{
    w->at = 0;
    w->levels = w->small_levels;
    w->keys = w->small_keys;
    w->levels_cap = LEVELS_SMALL;
    w->keys_cap = KEYS_SMALL;
    w->depth = w->keys_len = 0;
    w->looked = 0;
    w->pairs_left = limits.map_pairs;
    buf_init(&w->form, 0);
    CHECK(push(w, 1, false) == 0); /* there is room */
}

static void walk_fini(struct key_walk *w)
{
    buf_fini(&w->form);
    if (w->levels != w->small_levels) {
        mem_free(w->levels);
    }
    if (w->keys != w->small_keys) {
        mem_free(w->keys);
    }
}

int term_check_keys(const uint8_t *bytes, size_t size)
{
    struct key_walk w;
    int rc;

    walk_init(&w);
    rc = key_walk_step(&w, bytes, size);
    walk_fini(&w);
    return rc;
}

struct key_walk *key_walk_new(void)
{
    struct key_walk *w = mem_alloc(sizeof(*w));

    walk_init(w);
    return w;
}

void key_walk_free(struct key_walk *w)
{
    if (w != NULL) {
        walk_fini(w);
        mem_free(w);
    }
}

int key_walk_step(struct key_walk *w, const uint8_t *bytes, size_t size)
{
    if (size > UINT32_MAX) {
        return CNODE_TOO_LARGE;
    }
    w->bytes = bytes;
    w->size = size;
    return walk_term(w);
}

/* -- walking --------------------------------------------------------------- */

/* A twice as large copy of an array, or NULL. `small` is not on the heap. */
static void *grown(void *array, const void *small, size_t *cap, size_t size)
{
    size_t bytes = *cap * size;
    void *more = mem_try_realloc(array == small ? NULL : array, 2 * bytes);

    if (more != NULL) {
        if (array == small) {
            memcpy(more, small, bytes);
        }
        *cap *= 2;
    }
    return more;
}

static int push(struct key_walk *w, uint64_t left, bool is_map)
{
    if (w->depth == w->levels_cap) {
        void *more = grown(w->levels, w->small_levels, &w->levels_cap,
                           sizeof(*w->levels));
        if (more == NULL) {
            return CNODE_NOMEM;
        }
        w->levels = more;
    }
    w->levels[w->depth++] = (struct key_level){
        .left = left, .first = (uint32_t)w->keys_len, .is_map = is_map};
    return 0;
}

static int note_key(struct key_walk *w, const uint8_t *at)
{
    if (w->keys_len == w->keys_cap) {
        void *more =
            grown(w->keys, w->small_keys, &w->keys_cap, sizeof(*w->keys));
        if (more == NULL) {
            return CNODE_NOMEM;
        }
        w->keys = more;
    }
    w->keys[w->keys_len++].start = (uint32_t)(at - w->bytes);
    return 0;
}

/* A map of n pairs begins. */
static int open_map(struct key_walk *w, uint64_t n)
{
    if (n > FEW_PAIRS) {
        if (n > w->pairs_left) {
            return CNODE_TOO_LARGE;
        }
        w->pairs_left -= n;
    }
    return push(w, 2 * n, true);
}

/* Steps over a term that is no container, without a call if it is common. */
static inline const uint8_t *skip_scalar(const uint8_t *at)
{
    switch (*at) {
    case TAG_ATOM8:
        return at + 2 + at[1];
    case TAG_INT8:
        return at + 2;
    case TAG_INT32:
        return at + 5;
    case TAG_NIL:
        return at + 1;
    case TAG_BINARY:
        return at + 5 + get_u32(at + 1);
    default:
        return term_skip(at);
    }
}

/* The next term is a key, or ends one. */
static int note_pair(struct key_walk *w, const struct key_level *level,
                     const uint8_t *at)
{
    if (level->left % 2 == 0) {
        return note_key(w, at);
    }
    w->keys[w->keys_len - 1].end = (uint32_t)(at - w->bytes);
    return 0;
}

/* The bytes of a container's head, and how many terms it holds; 0 for others.
 */
static inline size_t open_container(const uint8_t *at, uint64_t *terms)
{
    switch (*at) {
    case TAG_TUPLE8:
        *terms = at[1];
        return 2;
    case TAG_TUPLE32:
        *terms = get_u32(at + 1);
        return 5;
    case TAG_LIST:
        *terms = (uint64_t)get_u32(at + 1) + 1;
        return 5;
    case TAG_MAP:
        *terms = 2 * (uint64_t)get_u32(at + 1);
        return 5;
    case TAG_RECORD:
        *terms = 2 * (uint64_t)get_u32(at + 1) + 2;
        return 6;
    case TAG_FUN:
        *terms = 4 + (uint64_t)get_u32(at + FUN_FREE_AT);
        return FUN_HEAD_BYTES;
    default:
        return 0;
    }
}

/* Ends the levels that have no more terms to come. */
static int leave(struct key_walk *w)
{
    int rc = 0;

    while (rc == 0 && w->depth > 0 && w->levels[w->depth - 1].left == 0) {
        const struct key_level *level = &w->levels[--w->depth];

        if (level->is_map) {
            rc = check_map(w, w->keys + level->first,
                           w->keys_len - level->first);
            w->keys_len = level->first;
        }
    }
    return rc;
}

static int walk_term(struct key_walk *w)
{
    const uint8_t *at = w->bytes + w->at;
    const uint8_t *end = w->bytes + w->size;
    int rc = 0;

    while (rc == 0 && w->depth > 0 && at < end) {
        struct key_level *level = &w->levels[w->depth - 1];
        uint8_t tag = *at;
        uint64_t terms;
        size_t head = open_container(at, &terms);

        rc = level->is_map ? note_pair(w, level, at) : 0;
        level->left--;
        at = head == 0 ? skip_scalar(at) : at + head;
        if (rc == 0 && head != 0) {
            if (tag == TAG_MAP) {
                rc = open_map(w, terms / 2);
            } else if (level->is_map) {
                rc = push(w, terms, false);
            } else {
                level->left += terms;
            }
        }
        rc = rc == 0 ? leave(w) : rc;
    }
    w->at = (size_t)(at - w->bytes);
    return rc;
}

/* -- one map --------------------------------------------------------------- */

/* A key as a term, which is about to be looked at. */
static int look_at(struct key_walk *w, const struct key *key,
                   struct cnode_term *term)
{
    size_t size = key->end - key->start;

    w->looked += size;
    if (w->looked > LOOK_FREE_BYTES + LOOK_FACTOR * (uint64_t)w->size) {
        return CNODE_TOO_LARGE;
    }
    *term = term_at(w->bytes + key->start, size);
    return 0;
}

static size_t size_of(struct cnode_term term)
{
    return (size_t)(term.end - term.at);
}

static inline bool is_canonical(struct cnode_term term)
{
    return *term.at == TAG_ATOM8 || *term.at == TAG_BINARY ||
           term_is_canonical(term);
}

/* The last eight bytes: nearly all keys that differ do so there. */
static inline uint64_t last_bytes(struct cnode_term term)
{
    uint64_t last = 0;

    if (size_of(term) >= sizeof(last)) {
        memcpy(&last, term.end - sizeof(last), sizeof(last));
    } else {
        for (const uint8_t *at = term.at; at < term.end; at++) {
            last = last << 8 | *at;
        }
    }
    return last;
}

/* Compares each with each. A negative error; 0; 1: they need a closer look. */
static int check_few(struct key_walk *w, const struct key *keys, size_t n)
{
    struct cnode_term terms[FEW_PAIRS];
    uint64_t lasts[FEW_PAIRS];

    for (size_t i = 0; i < n; i++) {
        int rc = look_at(w, &keys[i], &terms[i]);

        if (rc != 0) {
            return rc;
        }
        if (!is_canonical(terms[i])) {
            return 1;
        }
        lasts[i] = last_bytes(terms[i]);
        for (size_t j = 0; j < i; j++) {
            if (lasts[j] == lasts[i] &&
                size_of(terms[j]) == size_of(terms[i]) &&
                memcmp(terms[j].at, terms[i].at, size_of(terms[i])) == 0) {
                return CNODE_MALFORMED;
            }
        }
    }
    return 0;
}

struct key_slot {
    uint32_t hash;
    uint32_t number; /* of the key, from 1; 0: free */
};

/* The hash of a key's canonical form. */
static int hash_of(struct key_walk *w, const struct key *key, uint64_t *hash)
{
    struct cnode_term term;
    int rc = look_at(w, key, &term);

    if (rc == 0 && !is_canonical(term)) {
        buf_clear(&w->form);
        rc = term_put_canonical(&w->form, term);
        term = term_at(buf_data(&w->form), buf_size(&w->form));
    }
    if (rc == 0) {
        *hash = hash_bytes(term.at, size_of(term));
    }
    return rc;
}

/* Two keys with the same hash. */
static int compare(struct key_walk *w, const struct key *a, const struct key *b)
{
    const struct key *keys[2] = {a, b};
    struct cnode_term term;
    size_t half = 0;
    int rc = 0;

    buf_clear(&w->form);
    for (int i = 0; i < 2 && rc == 0; i++) {
        half = buf_size(&w->form);
        rc = look_at(w, keys[i], &term);
        if (rc == 0) {
            rc = term_put_canonical(&w->form, term);
        }
    }
    if (rc != 0) {
        return rc;
    }
    return buf_size(&w->form) == 2 * half &&
                   memcmp(buf_data(&w->form), buf_data(&w->form) + half,
                          half) == 0
               ? CNODE_MALFORMED
               : 0;
}

static int check_many(struct key_walk *w, const struct key *keys, size_t n)
{
    size_t cap = 2 * (size_t)FEW_PAIRS;
    struct key_slot *table;
    uint64_t hash = 0;
    int rc = 0;

    while (cap < 2 * n) {
        cap *= 2;
    }
    table = mem_try(cap * sizeof(*table));
    if (table == NULL) {
        return CNODE_NOMEM;
    }
    memset(table, 0, cap * sizeof(*table));
    for (size_t i = 0; i < n && rc == 0; i++) {
        size_t at;

        rc = hash_of(w, &keys[i], &hash);
        at = hash & (cap - 1);
        for (; rc == 0 && table[at].number != 0; at = (at + 1) & (cap - 1)) {
            if (table[at].hash == hash >> 32) {
                rc = compare(w, &keys[table[at].number - 1], &keys[i]);
            }
        }
        table[at] = (struct key_slot){.hash = (uint32_t)(hash >> 32),
                                      .number = (uint32_t)i + 1};
    }
    mem_free(table);
    return rc;
}

static int check_map(struct key_walk *w, const struct key *keys, size_t n)
{
    int rc = n <= FEW_PAIRS ? check_few(w, keys, n) : 1;

    return rc == 1 ? check_many(w, keys, n) : rc;
}
