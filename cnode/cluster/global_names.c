/* SPDX-License-Identifier: Apache-2.0
 *
 * See global_names.h.
 */
#include "cluster/global_names.h"

#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "term/build.h"

static bool name_equal(const void *item, const void *key)
{
    return term_key_equal(&((const struct global_name *)item)->key, key);
}

static bool monitor_equal(const void *item, const void *key)
{
    return ref_equal(&((const struct global_name *)item)->monitor, key);
}

static uint64_t monitor_hash(const struct ref *ref)
{
    return hash_bytes(ref->words, sizeof(ref->words));
}

void global_names_init(struct global_names *names)
{
    map_init(&names->by_name, name_equal);
    map_init(&names->by_monitor, monitor_equal);
    buf_init(&names->scratch, 0);
}

static void name_free(struct global_name *name)
{
    term_key_free(&name->key);
    cnode_term_free(name->method);
    mem_free(name);
}

void global_names_fini(struct global_names *names)
{
    struct global_name *name;

    MAP_EACH(name, &names->by_name) {
        name_free(name);
    }
    map_fini(&names->by_name);
    map_fini(&names->by_monitor);
    buf_fini(&names->scratch);
}

static int key_of(struct global_names *names, struct cnode_term name,
                  struct term_key *key)
{
    return term_key_make(key, name, limits.global_term_bytes, &names->scratch);
}

struct global_name *global_names_find(struct global_names *names,
                                      struct cnode_term name)
{
    struct term_key key;

    return key_of(names, name, &key) == 0
               ? map_get(&names->by_name, key.hash, &key)
               : NULL;
}

/* A key and a method of its own. */
static int copy(struct global_names *names, struct cnode_term term,
                struct cnode_term method, struct global_name *name)
{
    struct term_key key;
    int rc = key_of(names, term, &key);

    if (rc == 0 && cnode_term_size(method) > limits.global_term_bytes) {
        rc = CNODE_TOO_LARGE;
    }
    if (rc == 0) {
        rc = term_key_copy(&name->key, &key);
    }
    if (rc != 0) {
        return rc;
    }
    name->method = cnode_term_copy(method);
    if (name->method == NULL) {
        term_key_free(&name->key);
        return CNODE_NOMEM;
    }
    return 0;
}

int global_names_add(struct global_names *names, struct cnode_term term,
                     struct pid pid, struct cnode_term method, atom_t ext_node,
                     const struct ref *monitor)
{
    struct global_name draft = {
        .pid = pid, .monitor = *monitor, .ext_node = ext_node};
    struct global_name *name;
    int rc = names->by_name.count >= limits.global_names
                 ? CNODE_LIMIT
                 : copy(names, term, method, &draft);

    if (rc != 0) {
        METRIC_INC(global_refused);
        return rc;
    }
    name = mem_alloc(sizeof(*name));
    *name = draft;
    map_add(&names->by_name, name->key.hash, name);
    map_add(&names->by_monitor, monitor_hash(monitor), name);
    return 0;
}

void global_names_remove(struct global_names *names, struct global_name *name)
{
    map_remove(&names->by_name, name->key.hash, &name->key);
    map_remove(&names->by_monitor, monitor_hash(&name->monitor),
               &name->monitor);
    name_free(name);
}

struct global_name *global_names_of_monitor(const struct global_names *names,
                                            const struct ref *monitor)
{
    return map_get(&names->by_monitor, monitor_hash(monitor), monitor);
}

struct global_name *global_names_of_pid(const struct global_names *names,
                                        struct pid pid)
{
    struct global_name *name;

    MAP_EACH(name, &names->by_name) {
        if (pid.id == 0 ? name->pid.node == pid.node
                        : pid_equal(name->pid, pid)) {
            return name;
        }
    }
    return NULL;
}

void global_names_put(const struct global_names *names, struct buf *buf)
{
    const struct global_name *name;

    term_put_list(buf, names->by_name.count);
    MAP_EACH(name, &names->by_name) {
        term_format(buf, "{~t, ~p, ~t}", term_key_term(&name->key), name->pid,
                    cnode_kept_term(name->method));
    }
    term_put_nil(buf);
}

void global_names_put_ext(const struct global_names *names, struct buf *buf)
{
    const struct global_name *name;
    uint32_t count = 0;

    MAP_EACH(name, &names->by_name) {
        count += name->ext_node != ATOM_NONE;
    }
    term_put_list(buf, count);
    MAP_EACH(name, &names->by_name) {
        if (name->ext_node != ATOM_NONE) {
            term_format(buf, "{~t, ~p, ~A}", term_key_term(&name->key),
                        name->pid, name->ext_node);
        }
    }
    term_put_nil(buf);
}
