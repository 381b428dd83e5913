/* SPDX-License-Identifier: Apache-2.0
 *
 * See manager.h.
 */
#include "manager/manager.h"

enum { TICK_MS = 1000 };

static void on_told(void *owner, enum syn_kind kind, atom_t scope,
                    const struct syn_request *request)
{
    struct manager *manager = owner;

    if (!manager->is_over) {
        membership_told(&manager->membership, kind, scope, request);
    }
}

/* Whoever asked for it may look for it in syn when he has his answer. */
static void on_face(void *owner)
{
    struct manager *manager = owner;

    if (!manager->is_over) {
        membership_refresh(&manager->membership);
    }
}

/* Entries that are as they should be cost a look-up each; one that somebody has
 * taken out, or of a process that was killed, is put again. */
static void on_tick(struct timer *timer)
{
    struct manager *manager = CONTAINER_OF(timer, struct manager, tick);

    node_manager_announce(manager);
    cluster_manager_announce(manager);
    loop_timer_start(node_loop(manager->node), timer, TICK_MS);
}

/* Pools that others host: so their workers are found from here. */
static int open_scopes_of_others(struct manager *manager)
{
    const struct manager_config *config = manager->config;
    int rc = 0;

    for (size_t i = 0; i < config->service_count && rc == 0; i++) {
        rc = membership_open_pool(manager->syn, config->services[i].pool);
    }
    return rc;
}

/* Without a pool in syn nobody asks for that of the node. */
static int start_managers(struct manager *manager)
{
    int rc = 0;

    if (manager->config->keys.node_manager && manager->membership.count > 0) {
        rc = node_manager_start(manager);
    }
    if (rc == 0 && manager->config->keys.manager) {
        rc = cluster_manager_start(manager);
    }
    if (rc == 0) {
        rc = open_scopes_of_others(manager);
    }
    if (rc == 0) {
        on_tick(&manager->tick);
    }
    return rc;
}

int manager_start(struct manager *manager, struct pools *pools, struct syn *syn,
                  const struct manager_config *config)
{
    int rc;

    *manager = (struct manager){
        .node = pools->node, .pools = pools, .syn = syn, .config = config};
    timer_init(&manager->tick, on_tick);
    rc = membership_start(&manager->membership, pools, syn);
    syn_local_listen(syn, on_told, manager);
    pools->on_face = on_face;
    pools->face_owner = manager;
    return rc == 0 ? start_managers(manager) : rc;
}

void manager_leave(struct manager *manager)
{
    membership_leave(&manager->membership);
}

void manager_stop(struct manager *manager)
{
    if (!manager->is_over) {
        manager->is_over = true;
        loop_timer_stop(node_loop(manager->node), &manager->tick);
        cluster_manager_stop(manager);
        node_manager_stop(manager);
        membership_stop(&manager->membership);
    }
}

void manager_fini(struct manager *manager)
{
    membership_fini(&manager->membership);
    node_manager_fini(manager);
    cluster_manager_fini(manager);
}

struct pool *manager_pool(const struct manager *manager, atom_t name)
{
    for (size_t i = 0; i < manager->pools->count; i++) {
        struct pool *pool = manager->pools->pools[i];

        if (pool != NULL && pool->part == 0 && pool->config->name == name &&
            !pool->config->is_service && !pool->config->is_spawned) {
            return pool;
        }
    }
    return NULL;
}
