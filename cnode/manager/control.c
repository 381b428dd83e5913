/* SPDX-License-Identifier: Apache-2.0
 *
 * See control.h.
 */
#include "manager/control.h"

#include <cnode/error.h>

#include "base/log.h"
#include "node/node.h"

/* What is done to one pool; false: it was so already. */
typedef bool (*change_fn)(struct pool *pool);

static bool lock_pool(struct pool *pool)
{
    return standing_lock(pool->standing, STANDING_LOCK_POOL);
}

static bool release_pool(struct pool *pool)
{
    return standing_release(pool->standing, STANDING_LOCK_POOL);
}

static bool lock_node(struct pool *pool)
{
    return standing_lock(pool->standing, STANDING_LOCK_NODE);
}

static bool release_node(struct pool *pool)
{
    return standing_release(pool->standing, STANDING_LOCK_NODE);
}

static bool bring_online(struct pool *pool)
{
    bool was_offline = standing_set_state(pool->standing, STANDING_ONLINE);

    if (was_offline) {
        pool_undrain(pool);
    }
    return pool_revive(pool) == 0 || was_offline;
}

static bool take_offline(struct pool *pool)
{
    if (!standing_set_state(pool->standing, STANDING_OFFLINE)) {
        return false;
    }
    pool_drain(pool, A_offline, NULL, NULL);
    return true;
}

static void log_change(const char *what, const struct pool *pool)
{
    LOG_INFO("pool_control", F_STR("what", what),
             F_STR("pool", atom_text(pool->config->name)));
}

/* CNODE_EXISTS: none of them has changed. */
static int change_all(struct manager *manager, change_fn change,
                      const char *what)
{
    bool has_changed = false;

    for (size_t i = 0; i < manager->pools->count; i++) {
        struct pool *pool = manager->pools->pools[i];

        if (pool != NULL && manager_pool(manager, pool->config->name) == pool &&
            change(pool)) {
            has_changed = true;
            log_change(what, pool);
        }
    }
    return has_changed ? 0 : CNODE_EXISTS;
}

static int change_one(struct manager *manager, atom_t name, change_fn change,
                      const char *what)
{
    struct pool *pool = manager_pool(manager, name);

    if (pool == NULL) {
        return CNODE_NOT_FOUND;
    }
    if (!change(pool)) {
        return CNODE_EXISTS;
    }
    log_change(what, pool);
    return 0;
}

static int tell(struct manager *manager, int rc)
{
    membership_refresh(&manager->membership);
    return rc;
}

int control_lock(struct manager *manager, atom_t pool)
{
    if (pool != ATOM_NONE) {
        return tell(manager, change_one(manager, pool, lock_pool, "lock"));
    }
    if (manager->is_locked) {
        return CNODE_EXISTS;
    }
    manager->is_locked = true;
    (void)change_all(manager, lock_node, "lock_node");
    return tell(manager, 0);
}

int control_release(struct manager *manager, atom_t pool)
{
    int rc;

    if (pool != ATOM_NONE) {
        rc = change_one(manager, pool, release_pool, "release");
        return tell(manager, rc == CNODE_EXISTS ? CNODE_EINVALID : rc);
    }
    if (!manager->is_locked) {
        return CNODE_EINVALID;
    }
    manager->is_locked = false;
    (void)change_all(manager, release_node, "release_node");
    return tell(manager, 0);
}

int control_online(struct manager *manager, atom_t pool)
{
    return tell(manager,
                pool == ATOM_NONE
                    ? change_all(manager, bring_online, "online")
                    : change_one(manager, pool, bring_online, "online"));
}

int control_offline(struct manager *manager, atom_t pool)
{
    return tell(manager,
                pool == ATOM_NONE
                    ? change_all(manager, take_offline, "offline")
                    : change_one(manager, pool, take_offline, "offline"));
}

int control_add_supervisor(struct manager *manager, atom_t name,
                           struct pid *pid)
{
    struct pool *pool = manager_pool(manager, name);
    struct face *face;
    int rc;

    if (pool == NULL) {
        return CNODE_NOT_FOUND;
    }
    if (pool->state != POOL_UP) {
        return CNODE_EINVALID;
    }
    rc = pool_add_face(pool, &face);
    if (rc == 0) {
        *pid = node_pid(pool->node, &face->process);
    }
    return tell(manager, rc);
}

int control_remove_supervisor(struct manager *manager, atom_t name,
                              struct pid pid)
{
    struct pool *pool = manager_pool(manager, name);

    for (uint32_t i = 0; pool != NULL && i < pool->face_count; i++) {
        struct face *face = pool->faces[i];

        if (face->state == FACE_UP &&
            pid_equal(node_pid(pool->node, &face->process), pid)) {
            pool_remove_face(pool, face);
            return 0;
        }
    }
    return CNODE_NOT_FOUND;
}
