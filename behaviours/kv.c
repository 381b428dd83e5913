/* SPDX-License-Identifier: Apache-2.0
 *
 * kv: keeps values under keys, any terms both. It shows memory of its own:
 * terms are copied to be kept, and freed in terminate. Keys are kept in
 * canonical form, in which equal terms have equal bytes; a hash table with
 * chains finds them.
 *
 *     call {put, Key, Value} -> ok             cast {put, Key, Value}
 *     call {get, Key}        -> {ok, Value} | error
 *     call {delete, Key}     -> ok             cast {delete, Key}
 *     call keys              -> list of all keys, in no order
 */
#include <stdlib.h>
#include <string.h>

#include <cnode/behaviour.h>

struct entry {
    struct entry *next;
    uint32_t hash;
    struct cnode_kept *key, *value;
};

struct kv {
    struct entry **buckets; /* a power of two of them; NULL while it is empty */
    uint32_t mask, count;
};

/* FNV-1a: short, and good enough for keys of people who mean well. */
static uint32_t hash_of(struct cnode_term key)
{
    size_t size = cnode_term_size(key);
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ key.at[i]) * 16777619u;
    }
    return hash;
}

static bool same(struct cnode_term a, struct cnode_term b)
{
    size_t size = cnode_term_size(a);

    return size == cnode_term_size(b) && memcmp(a.at, b.at, size) == 0;
}

/* The place that points to the entry of a canonical key, or to NULL. */
static struct entry **find(struct kv *kv, struct cnode_term key, uint32_t hash)
{
    struct entry **at = &kv->buckets[hash & kv->mask];

    while (*at != NULL &&
           ((*at)->hash != hash || !same(cnode_kept_term((*at)->key), key))) {
        at = &(*at)->next;
    }
    return at;
}

/* Twice the buckets as soon as there are as many entries. */
static int grow(struct kv *kv)
{
    uint32_t n = kv->buckets == NULL ? 8 : (kv->mask + 1) * 2;
    struct entry **buckets = calloc(n, sizeof(struct entry *));

    if (buckets == NULL) {
        return CNODE_NOMEM;
    }
    for (uint32_t i = 0; kv->buckets != NULL && i <= kv->mask; i++) {
        struct entry *entry = kv->buckets[i], *next;

        for (; entry != NULL; entry = next) {
            next = entry->next;
            entry->next = buckets[entry->hash & (n - 1)];
            buckets[entry->hash & (n - 1)] = entry;
        }
    }
    free(kv->buckets);
    kv->buckets = buckets;
    kv->mask = n - 1;
    return 0;
}

static void entry_free(struct entry *entry)
{
    cnode_term_free(entry->key);
    cnode_term_free(entry->value);
    free(entry);
}

/* Takes `key`, also when it fails. */
static int insert(struct kv *kv, struct cnode_kept *key, uint32_t hash,
                  struct cnode_term value)
{
    struct entry *entry = calloc(1, sizeof(*entry));
    struct cnode_kept *copy = cnode_term_copy(value);
    struct entry **at;

    if (entry == NULL || copy == NULL) {
        free(entry);
        cnode_term_free(key);
        cnode_term_free(copy);
        return CNODE_NOMEM;
    }
    *entry = (struct entry){.hash = hash, .key = key, .value = copy};
    at = find(kv, cnode_kept_term(key), hash);
    *at = entry;
    kv->count++;
    return 0;
}

static int put(struct kv *kv, struct cnode_term key, struct cnode_term value)
{
    struct cnode_kept *canonical = cnode_term_canonical(key);
    struct cnode_kept *copy;
    struct entry *entry;
    uint32_t hash;

    if (canonical == NULL || (kv->count >= kv->mask && grow(kv) != 0)) {
        cnode_term_free(canonical);
        return CNODE_NOMEM;
    }
    hash = hash_of(cnode_kept_term(canonical));
    entry = *find(kv, cnode_kept_term(canonical), hash);
    if (entry == NULL) {
        return insert(kv, canonical, hash, value);
    }
    cnode_term_free(canonical);
    copy = cnode_term_copy(value);
    if (copy == NULL) {
        return CNODE_NOMEM;
    }
    cnode_term_free(entry->value);
    entry->value = copy;
    return 0;
}

/* The place of any key, canonical or not; NULL when it is not there. */
static struct entry **lookup(struct kv *kv, struct cnode_term key)
{
    struct cnode_kept *canonical;
    struct entry **at;

    if (kv->count == 0) {
        return NULL;
    }
    canonical = cnode_term_canonical(key);
    if (canonical == NULL) {
        return NULL;
    }
    at = find(kv, cnode_kept_term(canonical),
              hash_of(cnode_kept_term(canonical)));
    cnode_term_free(canonical);
    return *at != NULL ? at : NULL;
}

static void delete (struct kv *kv, struct cnode_term key)
{
    struct entry **at = lookup(kv, key);
    struct entry *entry;

    if (at != NULL) {
        entry = *at;
        *at = entry->next;
        entry_free(entry);
        kv->count--;
    }
}

/* --- all of them, as a list of keys or as a map */

static void build_all(const struct kv *kv, struct cnode_build *out,
                      bool with_values)
{
    for (uint32_t i = 0; kv->buckets != NULL && i <= kv->mask; i++) {
        for (const struct entry *entry = kv->buckets[i]; entry != NULL;
             entry = entry->next) {
            cnode_build_add(out, "~t", cnode_kept_term(entry->key));
            if (with_values) {
                cnode_build_add(out, "~t", cnode_kept_term(entry->value));
            }
        }
    }
}

static int reply_keys(struct cnode_worker *w, const struct kv *kv)
{
    struct cnode_build build;
    struct cnode_term keys;
    int rc = CNODE_NOMEM;

    cnode_build_init(&build);
    cnode_build_list(&build, kv->count);
    build_all(kv, &build, false);
    cnode_build_add(&build, "[]");
    keys = cnode_build_term(&build);
    if (keys.at != NULL) {
        rc = cnode_reply(w, "~t", keys);
    }
    cnode_build_fini(&build);
    return rc;
}

/* --- callbacks */

static int kv_handle_call(struct cnode_worker *w, void *state,
                          struct cnode_term call)
{
    struct cnode_term key, value;
    struct entry **at;
    int rc;

    if (cnode_match(call, "{get, ~t}", &key)) {
        at = lookup(state, key);
        return at != NULL
                   ? cnode_reply(w, "{ok, ~t}", cnode_kept_term((*at)->value))
                   : cnode_reply(w, "error");
    }
    if (cnode_match(call, "{put, ~t, ~t}", &key, &value)) {
        rc = put(state, key, value);
        return rc == 0 ? cnode_reply(w, "ok") : rc;
    }
    if (cnode_match(call, "{delete, ~t}", &key)) {
        delete (state, key);
        return cnode_reply(w, "ok");
    }
    if (cnode_is_atom(call, "keys")) {
        return reply_keys(w, state);
    }
    return CNODE_UNHANDLED;
}

static int kv_handle_cast(struct cnode_worker *w, void *state,
                          struct cnode_term cast)
{
    struct cnode_term key, value;

    (void)w;
    if (cnode_match(cast, "{put, ~t, ~t}", &key, &value)) {
        return put(state, key, value);
    }
    if (cnode_match(cast, "{delete, ~t}", &key)) {
        delete (state, key);
        return 0;
    }
    return CNODE_UNHANDLED;
}

static int kv_dump(struct cnode_worker *w, const void *state,
                   struct cnode_build *out)
{
    const struct kv *kv = state;

    (void)w;
    cnode_build_map(out, kv->count);
    build_all(kv, out, true);
    return 0;
}

static int kv_restore(struct cnode_worker *w, void *state,
                      struct cnode_term dumped)
{
    struct cnode_term key, value;
    uint32_t pairs;
    int rc = 0;

    (void)w;
    if (!cnode_get_map(dumped, &pairs, &key)) {
        return CNODE_EINVALID;
    }
    for (; pairs > 0 && rc == 0; pairs--, key = cnode_next(value)) {
        value = cnode_next(key);
        rc = put(state, key, value);
    }
    return rc;
}

/* Runs whatever ends the worker: the memory goes here. */
static void kv_terminate(struct cnode_worker *w, void *state,
                         struct cnode_term reason)
{
    struct kv *kv = state;

    (void)w;
    (void)reason;
    for (uint32_t i = 0; kv->buckets != NULL && i <= kv->mask; i++) {
        struct entry *entry = kv->buckets[i], *next;

        for (; entry != NULL; entry = next) {
            next = entry->next;
            entry_free(entry);
        }
    }
    free(kv->buckets);
}

CNODE_BEHAVIOUR(kv, .state_size = sizeof(struct kv),
                .handle_call = kv_handle_call, .handle_cast = kv_handle_cast,
                .terminate = kv_terminate, .dump = kv_dump,
                .restore = kv_restore);
