/* SPDX-License-Identifier: Apache-2.0
 *
 * What the configuration says about pools: its keys "behaviours", "pools",
 * "services" and "spawn". Reading them loads the behaviours, so that `cnode
 * check` finds what is wrong with those too.
 */
#ifndef CNODE_POOL_POOL_CONFIG_H
#define CNODE_POOL_POOL_CONFIG_H

#include "base/config.h"
#include "pool/plugin.h"
#include "term/atom.h"

enum pool_restart { RESTART_PERMANENT, RESTART_TRANSIENT, RESTART_TEMPORARY };
enum pool_spawn { SPAWN_LAZY, SPAWN_ASYNC, SPAWN_SYNC };
enum pool_registry { REGISTRY_SYN, REGISTRY_NONE };
enum pool_strategy {
    STRATEGY_LEAST_LOADED,
    STRATEGY_ROUND_ROBIN,
    STRATEGY_WEIGHTED,
    STRATEGY_RANDOM,
    STRATEGY_HEALTH,
    STRATEGY_STICKY,
    STRATEGY_HASH,
};
enum pool_state_wish { POOL_STATE_OFFLINE, POOL_STATE_ONLINE };
enum pool_persist {
    PERSIST_MANUAL,
    PERSIST_ON_STOP,
    PERSIST_INTERVAL,
    PERSIST_ON_CHANGE,
};

struct pool_window {
    uint64_t low, target, high;
};

/* Of a health. */
struct pool_range {
    double low, target, high;
    json_t *low_json, *target_json, *high_json; /* for reading only */
};

/* One pool, or one service: then only name, behaviour and the fixed rest count.
 */
struct pool_config {
    atom_t name;
    const struct cnode_behaviour *behaviour;
    bool is_service; /* one permanent worker under the name itself */
    bool is_server;  /* a service beside a pool: server.h */
    bool is_spawned; /* temporary workers that were spawned: spawned.h */

    struct pool_config_top {
        const char *behaviour, *server; /* as written; for reading only */
        int registry;
        int state;        /* enum pool_state_wish */
        bool stand_alone; /* no workers here; the behaviour may be NULL */
        json_t *worker, *supervisors, *cluster, *node, *persist, *health;
    } top;
    const struct cnode_behaviour *server; /* of <Pool>.Server, or NULL */
    struct pool_config_worker {
        const char *module_text; /* as written; for reading only */
        atom_t module;           /* of the refs of this pool */
        int restart, spawn;
        uint64_t max;     /* most workers; UINT64_MAX: no limit */
        uint64_t idle_ns; /* 0: never */
        uint64_t offload_above, offload_memory; /* UINT64_MAX: never */
        uint64_t mailbox_limit;
        json_t *sticky_json, *target_json;
        double sticky; /* threshold of health; below 0: not sticky */
        struct pool_window target;
    } worker;
    struct pool_config_supervisors {
        uint64_t count, segments, max_restarts, max_seconds;
        json_t *target_json;
        struct pool_window target;
    } supervisors;
    struct pool_config_cluster {
        int state; /* enum pool_state_wish */
        uint64_t priority;
        json_t *node_target_json, *worker_target_json, *health_target_json;
        struct pool_window node_target, worker_target;
        struct pool_range health_target;
        int strategy;
    } cluster;
    struct pool_config_here {
        uint64_t priority, weight;
        json_t *supervisor_target_json, *health_target_json;
        struct pool_window supervisor_target;
        struct pool_range health_target;
    } here;
    struct pool_config_persist {
        bool is_on;
        const char *store; /* its name; NULL: the only one */
        int mode;          /* enum pool_persist */
        uint64_t interval_ns;
    } persist;
    struct pool_config_health { /* failures in a minute */
        uint64_t degraded, critical, worker_degraded, worker_critical;
    } health;
};

/* A number that operators may change while the pool runs (manager/ask_set.c),
 * for other schedulers than the one that does; it orders nothing. */
static inline uint64_t pool_config_now(const uint64_t *field)
{
    return __atomic_load_n(field, __ATOMIC_RELAXED);
}

/* It takes workers from the start: here, and in the cluster as a whole. */
static inline bool pool_config_is_online(const struct pool_config *pool)
{
    return pool->top.state == POOL_STATE_ONLINE &&
           (pool->is_service || pool->is_spawned ||
            pool->cluster.state == POOL_STATE_ONLINE);
}

/* What SPAWN_REQUEST may start. */
struct spawn_rule {
    atom_t module, function;
    const struct cnode_behaviour *behaviour;
};

/* Of the pools of spawned workers: all but name and behaviour. */
extern const struct pool_config pool_config_spawned;

struct pool_settings {
    struct behaviours behaviours;
    struct spawn_rule *spawns;
    size_t spawn_count;
    struct pool_config *pools; /* services too */
    size_t count, cap;
};

/* Reads the four values (each may be NULL: absent). Mistakes go to the
 * config's errors; the settings may be used only when there were none.
 * pool_settings_fini() is due in any case. */
void pool_settings_read(struct pool_settings *settings, struct config *config,
                        json_t *behaviours, json_t *pools, json_t *services,
                        json_t *spawn);
void pool_settings_fini(struct pool_settings *settings);

/* Parts that other objects have too. The atom of a text, ATOM_NONE after a
 * mistake; a window under that key, and a range under health_target, which stay
 * as they are where nothing is said. */
atom_t pool_config_read_atom(struct config *config, const char *at,
                             const char *text);
void pool_config_read_window(struct config *config, const char *path,
                             const char *key, json_t *object,
                             struct pool_window *window);
void pool_config_read_range(struct config *config, const char *path,
                            json_t *object, struct pool_range *range);

/* The keys of each object, for the reference and the schema. `*` in a path is
 * any name. */
struct pool_config_section {
    const char *path;
    const char *doc;
    const struct config_key *keys;
    size_t count;
    const void *defaults;
};

extern const struct pool_config_section pool_config_sections[];
extern const size_t pool_config_section_count;

#endif
