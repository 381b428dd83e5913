/* SPDX-License-Identifier: Apache-2.0
 *
 * See global_locks.h.
 */
#include "cluster/global_locks.h"

#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "term/build.h"

static bool lock_equal(const void *item, const void *key)
{
    return term_key_equal(&((const struct global_lock *)item)->resource, key);
}

static bool monitor_equal(const void *item, const void *key)
{
    return ref_equal(&((const struct global_holder *)item)->monitor, key);
}

static uint64_t monitor_hash(const struct ref *ref)
{
    return hash_bytes(ref->words, sizeof(ref->words));
}

void global_locks_init(struct global_locks *locks)
{
    map_init(&locks->by_resource, lock_equal);
    map_init(&locks->by_monitor, monitor_equal);
    buf_init(&locks->scratch, 0);
    buf_init(&locks->scratch2, 0);
    locks->is_global_down = false;
}

static void lock_free(struct global_lock *lock)
{
    term_key_free(&lock->resource);
    term_key_free(&lock->requester);
    mem_free(lock);
}

void global_locks_fini(struct global_locks *locks)
{
    struct global_holder *holder;
    struct global_lock *lock;

    MAP_EACH(holder, &locks->by_monitor) {
        mem_free(holder);
    }
    MAP_EACH(lock, &locks->by_resource) {
        lock_free(lock);
    }
    map_fini(&locks->by_resource);
    map_fini(&locks->by_monitor);
    buf_fini(&locks->scratch);
    buf_fini(&locks->scratch2);
}

bool global_lock_id(struct cnode_term term, struct global_lock_id *id)
{
    struct cnode_term parts[2];

    if (!term_get_tuple(term, 2, parts)) {
        return false;
    }
    *id = (struct global_lock_id){.resource = parts[0], .requester = parts[1]};
    return true;
}

static int resource_key(struct global_locks *locks, struct cnode_term term,
                        struct term_key *key)
{
    return term_key_make(key, term, limits.global_term_bytes, &locks->scratch);
}

static int requester_key(struct global_locks *locks, struct cnode_term term,
                         struct term_key *key)
{
    return term_key_make(key, term, limits.global_term_bytes, &locks->scratch2);
}

static struct global_lock *find(struct global_locks *locks,
                                struct cnode_term resource)
{
    struct term_key key;

    return resource_key(locks, resource, &key) == 0
               ? map_get(&locks->by_resource, key.hash, &key)
               : NULL;
}

static bool is_of(struct global_locks *locks, const struct global_lock *lock,
                  struct cnode_term requester)
{
    struct term_key key;

    return requester_key(locks, requester, &key) == 0 &&
           term_key_equal(&lock->requester, &key);
}

bool global_locks_can_set(struct global_locks *locks,
                          const struct global_lock_id *id)
{
    const struct global_lock *lock = find(locks, id->resource);

    return lock == NULL || is_of(locks, lock, id->requester);
}

struct global_holder *global_locks_find(struct global_locks *locks,
                                        const struct global_lock_id *id,
                                        struct pid pid)
{
    struct global_lock *lock = find(locks, id->resource);

    if (lock == NULL || !is_of(locks, lock, id->requester)) {
        return NULL;
    }
    LIST_EACH(it, &lock->holders) {
        struct global_holder *holder =
            CONTAINER_OF(it, struct global_holder, in_lock);

        if (pid_equal(holder->pid, pid)) {
            return holder;
        }
    }
    return NULL;
}

static int open_lock(struct global_locks *locks,
                     const struct global_lock_id *id, struct global_lock **out)
{
    struct term_key resource, requester;
    struct global_lock *lock;
    int rc = resource_key(locks, id->resource, &resource);

    if (rc == 0) {
        rc = requester_key(locks, id->requester, &requester);
    }
    if (rc != 0) {
        return rc;
    }
    lock = mem_zalloc(sizeof(*lock));
    rc = term_key_copy(&lock->resource, &resource);
    if (rc == 0) {
        rc = term_key_copy(&lock->requester, &requester);
    }
    if (rc != 0) {
        lock_free(lock);
        return rc;
    }
    list_init(&lock->holders);
    map_add(&locks->by_resource, lock->resource.hash, lock);
    *out = lock;
    return 0;
}

int global_locks_add(struct global_locks *locks,
                     const struct global_lock_id *id, struct pid pid,
                     const struct ref *monitor)
{
    struct global_lock *lock = find(locks, id->resource);
    struct global_holder *holder;
    int rc = locks->by_monitor.count >= limits.global_locks ? CNODE_LIMIT : 0;

    if (rc == 0 && lock == NULL) {
        rc = open_lock(locks, id, &lock);
    }
    if (rc != 0) {
        METRIC_INC(global_refused);
        return rc;
    }
    holder = mem_alloc(sizeof(*holder));
    *holder =
        (struct global_holder){.lock = lock, .pid = pid, .monitor = *monitor};
    list_push_back(&lock->holders, &holder->in_lock);
    map_add(&locks->by_monitor, monitor_hash(monitor), holder);
    return 0;
}

void global_locks_remove(struct global_locks *locks,
                         struct global_holder *holder, bool is_down)
{
    struct global_lock *lock = holder->lock;

    map_remove(&locks->by_monitor, monitor_hash(&holder->monitor),
               &holder->monitor);
    list_remove(&holder->in_lock);
    mem_free(holder);
    if (list_is_empty(&lock->holders)) {
        if (term_is_atom(term_key_term(&lock->resource), A_global)) {
            locks->is_global_down = is_down;
        }
        map_remove(&locks->by_resource, lock->resource.hash, &lock->resource);
        lock_free(lock);
    }
}

struct global_holder *global_locks_of_monitor(const struct global_locks *locks,
                                              const struct ref *monitor)
{
    return map_get(&locks->by_monitor, monitor_hash(monitor), monitor);
}

struct global_holder *global_locks_of_node(const struct global_locks *locks,
                                           atom_t node)
{
    struct global_holder *holder;

    MAP_EACH(holder, &locks->by_monitor) {
        if (holder->pid.node == node) {
            return holder;
        }
    }
    return NULL;
}

const struct global_lock *global_locks_global(struct global_locks *locks)
{
    return find(locks, atom_term(A_global));
}
