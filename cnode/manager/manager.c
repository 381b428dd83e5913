/* SPDX-License-Identifier: Apache-2.0
 *
 * See manager.h.
 */
#include "manager/manager.h"

static void on_told(void *owner, enum syn_kind kind, atom_t scope,
                    const struct syn_request *request)
{
    struct manager *manager = owner;

    if (!manager->is_over) {
        membership_told(&manager->membership, kind, scope, request);
    }
}

int manager_start(struct manager *manager, struct pools *pools, struct syn *syn,
                  const struct manager_config *config)
{
    int rc;

    *manager = (struct manager){
        .node = pools->node, .pools = pools, .syn = syn, .config = config};
    rc = membership_start(&manager->membership, pools, syn);
    syn_local_listen(syn, on_told, manager);
    return rc;
}

void manager_leave(struct manager *manager)
{
    membership_leave(&manager->membership);
}

void manager_stop(struct manager *manager)
{
    if (!manager->is_over) {
        manager->is_over = true;
        membership_stop(&manager->membership);
    }
}

void manager_fini(struct manager *manager)
{
    membership_fini(&manager->membership);
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
