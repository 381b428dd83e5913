/* SPDX-License-Identifier: Apache-2.0
 *
 * See syn_parts.h. The rivals of one name are a chain; the table has its first.
 * While nobody has the name there are none: the best one moves into the table
 * when its entry goes.
 */
#include <string.h>

#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "registry/syn_parts.h"

static uint8_t *bytes_of(const struct syn_rival *rival)
{
    return (uint8_t *)(rival + 1);
}

static bool equal(const void *item, const void *key)
{
    const struct syn_rival *rival = item;
    const struct term_key *k = key;

    return rival->hash == k->hash && rival->name_bytes == k->size &&
           memcmp(bytes_of(rival), k->bytes, k->size) == 0;
}

void syn_rival_init(struct syn_scope *scope)
{
    map_init(&scope->rivals, equal);
}

struct syn_claim syn_rival_claim(const struct syn_rival *rival)
{
    const uint8_t *bytes = bytes_of(rival);

    return (struct syn_claim){
        .name = term_at(bytes, rival->name_bytes),
        .pid = rival->pid,
        .meta = term_at(bytes + rival->name_bytes, rival->meta_bytes),
        .time = rival->time,
    };
}

static size_t size_of(const struct syn_rival *rival)
{
    return sizeof(*rival) + rival->name_bytes + rival->meta_bytes;
}

/* --- the chain of a name */

static struct syn_rival *first_of(struct syn_scope *scope,
                                  struct cnode_term name, struct term_key *key)
{
    return term_key_make(key, name, limits.syn_name_bytes, &scope->scratch) == 0
               ? map_get(&scope->rivals, key->hash, key)
               : NULL;
}

struct syn_rival *syn_rival_find(struct syn_scope *scope,
                                 struct cnode_term name,
                                 const struct syn_remote *remote)
{
    struct term_key key;
    struct syn_rival *rival;

    if (scope->rivals.count == 0) {
        return NULL;
    }
    rival = first_of(scope, name, &key);
    while (rival != NULL && rival->remote != remote) {
        rival = rival->next;
    }
    return rival;
}

static bool is_better(const struct syn_rival *a, const struct syn_rival *b)
{
    return a->time > b->time ||
           (a->time == b->time && syn_pid_compare(a->pid, b->pid) > 0);
}

struct syn_rival *syn_rival_best(struct syn_scope *scope,
                                 struct cnode_term name)
{
    struct term_key key;
    struct syn_rival *best = NULL;

    if (scope->rivals.count == 0) {
        return NULL;
    }
    for (struct syn_rival *it = first_of(scope, name, &key); it != NULL;
         it = it->next) {
        if (it->remote->in != SYN_IN_PURGE &&
            (best == NULL || is_better(it, best))) {
            best = it;
        }
    }
    return best;
}

/* --- coming and going */

/* Those of an older round come first: see syn_remote.c, sweep(). */
void syn_rival_set_round(struct syn_rival *rival, uint32_t round)
{
    struct syn_remote *remote = rival->remote;

    rival->round = round;
    list_remove(&rival->in_remote);
    list_push_back(round == remote->owner.round ? &remote->rivals
                                                : remote->rivals.next,
                   &rival->in_remote);
}

int syn_rival_put(struct syn_scope *scope, struct syn_remote *remote,
                  const struct syn_claim *claim, uint32_t round, bool is_judged)
{
    struct syn_rival *rival = syn_rival_find(scope, claim->name, remote);
    size_t meta_bytes = cnode_term_size(claim->meta);
    struct syn_rival *first;
    struct term_key key;
    int rc;

    if (rival != NULL) {
        syn_rival_drop(scope, rival);
    }
    rc = term_key_make(&key, claim->name, limits.syn_name_bytes,
                       &scope->scratch);
    if (rc == 0 && meta_bytes > limits.syn_meta_bytes) {
        rc = CNODE_TOO_LARGE;
    }
    if (rc == 0 && scope->rival_bytes + sizeof(*rival) + key.size + meta_bytes >
                       limits.syn_held_bytes) {
        rc = CNODE_LIMIT;
    }
    rival = rc == 0 ? mem_try(sizeof(*rival) + key.size + meta_bytes) : NULL;
    if (rival == NULL) {
        METRIC_INC(syn_refused);
        return rc == 0 ? CNODE_NOMEM : rc;
    }
    *rival = (struct syn_rival){.remote = remote,
                                .hash = key.hash,
                                .pid = claim->pid,
                                .time = claim->time,
                                .name_bytes = (uint32_t)key.size,
                                .meta_bytes = (uint32_t)meta_bytes,
                                .is_judged = is_judged};
    memcpy(bytes_of(rival), key.bytes, key.size);
    memcpy(bytes_of(rival) + key.size, claim->meta.at, meta_bytes);
    list_init(&rival->in_remote);
    syn_rival_set_round(rival, round);
    scope->rival_bytes += size_of(rival);
    first = map_get(&scope->rivals, key.hash, &key);
    if (first == NULL) {
        map_add(&scope->rivals, key.hash, rival);
    } else {
        rival->next = first->next;
        first->next = rival;
    }
    return 0;
}

void syn_rival_drop(struct syn_scope *scope, struct syn_rival *rival)
{
    struct term_key key = {.hash = rival->hash,
                           .bytes = bytes_of(rival),
                           .size = rival->name_bytes};
    struct syn_rival *it = map_get(&scope->rivals, key.hash, &key);

    if (it == rival) {
        map_remove(&scope->rivals, key.hash, &key);
        if (rival->next != NULL) {
            map_add(&scope->rivals, key.hash, rival->next);
        }
    } else {
        while (it->next != rival) {
            it = it->next;
        }
        it->next = rival->next;
    }
    list_remove(&rival->in_remote);
    scope->rival_bytes -= size_of(rival);
    mem_free(rival);
}
