/* SPDX-License-Identifier: Apache-2.0
 *
 * See spawned.h.
 */
#include "pool/spawned.h"

#include <string.h>

#include <cnode/error.h>

#include "base/log.h"
#include "base/mem.h"
#include "node/node.h"
#include "pool/pools.h"

/* --- the pool of a behaviour */

const struct cnode_behaviour *spawned_behaviour(const struct pools *pools,
                                                const char *name)
{
    const struct pool_settings *settings = pools->root->settings;

    for (size_t i = 0; i < settings->count; i++) {
        if (strcmp(settings->pools[i].behaviour->name, name) == 0) {
            return settings->pools[i].behaviour;
        }
    }
    return behaviours_find(&pools->root->settings->behaviours, name);
}

static struct pool *find_pool(const struct pools *pools,
                              const struct cnode_behaviour *behaviour)
{
    for (size_t i = 0; i < pools->count; i++) {
        struct pool *pool = pools->pools[i];

        if (pool != NULL && pool->config->is_spawned &&
            pool->behaviour == behaviour) {
            return pool;
        }
    }
    return NULL;
}

/* Each scheduler has its own. */
static atom_t pool_name(const struct pools *pools,
                        const struct cnode_behaviour *behaviour)
{
    struct buf text;
    atom_t name;

    buf_init(&text, 0);
    buf_printf(&text, "%s_sup", behaviour->name);
    if (pools->node->index != 0) {
        buf_printf(&text, "_%u", pools->node->index);
    }
    name = atom_intern((const char *)buf_data(&text), buf_size(&text));
    buf_fini(&text);
    return name;
}

static int add_pool(struct pools *pools,
                    const struct cnode_behaviour *behaviour, struct pool **out)
{
    struct pool_config *config = mem_alloc(sizeof(*config));
    int rc;

    *config = pool_config_spawned;
    config->behaviour = behaviour;
    config->name = pool_name(pools, behaviour);
    config->worker.module =
        atom_intern(behaviour->name, strlen(behaviour->name));
    if (config->name == ATOM_NONE || config->worker.module == ATOM_NONE) {
        mem_free(config);
        return CNODE_LIMIT;
    }
    rc = pools_add(pools, config, out);
    if (rc != 0) {
        LOG_ERROR("pool_not_started", F_STR("pool", atom_text(config->name)),
                  F_ERR(rc));
    }
    return rc;
}

static int pool_of(struct pools *pools, const struct cnode_behaviour *behaviour,
                   struct pool **pool)
{
    *pool = find_pool(pools, behaviour);
    if (*pool == NULL) {
        return pools->is_stopping ? CNODE_STOPPED
                                  : add_pool(pools, behaviour, pool);
    }
    return 0;
}

/* --- one of them */

int spawned_new(struct pools *pools, const struct cnode_behaviour *behaviour,
                atom_t name, struct cnode_term args, struct cnode_worker **w)
{
    struct segment_start start = {.is_spawned = true, .args = args};
    struct worker_key key;
    struct pool *pool;
    struct buf id;
    int rc = pool_of(pools, behaviour, &pool);

    if (rc != 0) {
        return rc;
    }
    buf_init(&id, 0);
    term_put_uint(&id, ++pool->spawned);
    rc = worker_key_make(&key, term_at(buf_data(&id), buf_size(&id)),
                         &pools->key_bytes);
    if (rc == 0) {
        start.face = roll_choose_face(pool->roll);
        rc = segment_start_worker(&pool->segments[0], &key, &start, w);
    }
    buf_fini(&id);
    if (rc == 0 && name != ATOM_NONE) {
        rc = names_register(pools->node, name, &(*w)->process);
        if (rc != 0) {
            worker_end(*w, atom_term(A_normal), AFTER_NEVER);
        }
    }
    return rc;
}

void spawned_go(struct cnode_worker *w)
{
    struct node *node = worker_pool(w)->node;
    struct pid self = node_pid(node, &w->process);
    struct signal signal = {.kind = SIGNAL_MESSAGE,
                            .to = self,
                            .from = self,
                            .id = SIGNAL_BY_SPAWN,
                            .term = atom_term(A_ok)};

    (void)scheduler_deliver(&node->scheduler, &signal);
}

/* --- by request of a peer */

/* One scheduler after the other. */
static bool is_elsewhere(struct pools *pools, const struct spawn_call *call)
{
    if (call->elsewhere == NULL) {
        return false;
    }
    *call->elsewhere = pools->next_spawn++ % pools->node->count;
    return *call->elsewhere != pools->node->index;
}

static int on_spawn(void *owner, struct node *node,
                    const struct spawn_call *call, struct process **process)
{
    struct pools *pools = owner;
    atom_t module = term_atom(call->module);
    atom_t function = term_atom(call->function);
    const struct pool_settings *settings = pools->root->settings;
    struct cnode_worker *w;
    int rc;

    (void)node;
    for (size_t i = 0; i < settings->spawn_count; i++) {
        const struct spawn_rule *rule = &settings->spawns[i];

        if (rule->module == module && rule->function == function) {
            if (is_elsewhere(pools, call)) {
                *process = NULL;
                return 0;
            }
            rc = spawned_new(pools, rule->behaviour, ATOM_NONE, call->args, &w);
            if (rc == 0) {
                *process = &w->process;
            }
            return rc;
        }
    }
    return CNODE_NOT_FOUND;
}

static void on_start(void *owner, struct node *node, struct process *process,
                     const struct spawn_call *call)
{
    (void)owner;
    (void)node;
    (void)call;
    spawned_go(CONTAINER_OF(process, struct cnode_worker, process));
}

struct spawn_handler spawned_handler(struct pools *pools)
{
    return (struct spawn_handler){
        .spawn = on_spawn, .start = on_start, .owner = pools};
}
