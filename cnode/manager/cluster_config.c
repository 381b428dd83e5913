/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration of the cluster, as its manager tells it: the pools of this
 * node, and what cluster.nodes says about others.
 *
 *     #{Pool => #{cluster => cluster_service,
 *                 nodes => #{Node => node_service}}}
 */
#include "manager/cluster_manager.h"
#include "manager/manager.h"
#include "manager/window.h"
#include "pool/pool_config_keys.h"
#include "term/build.h"

static void put_cluster(struct buf *buf, atom_t pool,
                        const struct pool_config_cluster *cluster)
{
    struct service_config config = {
        .state = cluster->state == POOL_STATE_ONLINE ? A_online : A_offline,
        .priority = cluster->priority,
        .nodes = window_of(&cluster->node_target),
        .workers = window_of(&cluster->worker_target),
        .health = window_of_range(&cluster->health_target),
        .pool = pool};

    term_put_atom(buf, A_cluster);
    status_put_cluster_service(buf, &config);
}

static void put_service(struct buf *buf, const struct manager_service *service)
{
    const struct manager_service_keys *keys = &service->keys;
    struct service_config config = {
        .state = keys->state == POOL_STATE_ONLINE ? A_online : A_offline,
        .priority = keys->priority,
        .supervisors = window_of(&keys->supervisor_target),
        .workers = window_of(&keys->worker_target),
        .health = window_of_range(&keys->health_target),
        .pool = service->pool,
        .node = service->node};

    term_put_atom(buf, service->node);
    status_put_node_service(buf, &config);
}

static bool is_elsewhere(const struct manager *manager,
                         const struct manager_service *service, atom_t pool)
{
    return service->pool == pool && service->node != manager->node->name;
}

/* `pool` NULL: this node does not have it. */
static void put_nodes(struct buf *buf, const struct manager *manager,
                      atom_t name, const struct pool *pool)
{
    const struct manager_config *config = manager->config;
    uint32_t count = pool != NULL;

    for (size_t i = 0; i < config->service_count; i++) {
        count += is_elsewhere(manager, &config->services[i], name);
    }
    term_put_atom(buf, A_nodes);
    term_put_map(buf, count);
    if (pool != NULL) {
        struct service_config service;

        node_manager_config(pool, &service);
        term_put_atom(buf, service.node);
        status_put_node_service(buf, &service);
    }
    for (size_t i = 0; i < config->service_count; i++) {
        if (is_elsewhere(manager, &config->services[i], name)) {
            put_service(buf, &config->services[i]);
        }
    }
}

static void put_pool(struct buf *buf, const struct manager *manager,
                     atom_t name, const struct pool *pool)
{
    term_put_atom(buf, name);
    term_put_map(buf, 2);
    put_cluster(buf, name,
                pool != NULL ? &pool->config->cluster
                             : &pool_config_defaults.cluster);
    put_nodes(buf, manager, name, pool);
}

/* The first that names a pool which is not here. */
static bool is_new(const struct manager *manager, size_t index)
{
    const struct manager_service *services = manager->config->services;

    if (membership_find(&manager->membership, services[index].pool) != NULL) {
        return false;
    }
    for (size_t i = 0; i < index; i++) {
        if (services[i].pool == services[index].pool) {
            return false;
        }
    }
    return true;
}

void cluster_config_put(const struct manager *manager, struct buf *buf)
{
    const struct membership *membership = &manager->membership;
    const struct manager_config *config = manager->config;
    uint32_t count = (uint32_t)membership->count;

    for (size_t i = 0; i < config->service_count; i++) {
        count += is_new(manager, i);
    }
    term_put_map(buf, count);
    for (size_t i = 0; i < membership->count; i++) {
        const struct pool *pool = membership->members[i].pool;

        put_pool(buf, manager, pool->config->name, pool);
    }
    for (size_t i = 0; i < config->service_count; i++) {
        if (is_new(manager, i)) {
            put_pool(buf, manager, config->services[i].pool, NULL);
        }
    }
}
