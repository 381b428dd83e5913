/* SPDX-License-Identifier: Apache-2.0
 *
 * See pool_config_keys.h.
 */
#include "pool/pool_config_keys.h"

#include "base/check.h"

#define MS  UINT64_C(1000000) /* in nanoseconds */
#define SEC (1000 * MS)
#define MIN (60 * SEC)

#define KEY(type_, field) .name = #field, .offset = offsetof(type_, field)
#define KEY_AS(name_, type_, field)                                            \
    .name = (name_), .offset = offsetof(type_, field)
#define TOP         struct pool_config_top
#define WORKER      struct pool_config_worker
#define SUPERVISORS struct pool_config_supervisors
#define CLUSTER     struct pool_config_cluster
#define HERE        struct pool_config_here
#define PERSIST     struct pool_config_persist
#define HEALTH      struct pool_config_health
#define WINDOW      struct pool_window

/* --- the keys */

static const char *const registries[] = {"syn", "none", NULL};
static const char *const restarts[] = {"permanent", "transient", "temporary",
                                       NULL};
static const char *const spawns[] = {"lazy", "async", "sync", NULL};
static const char *const strategies[] = {
    "least_loaded", "round_robin", "weighted", "random",
    "health",       "sticky",      "hash",     NULL};
static const char *const states[] = {"offline", "online", NULL};
static const char *const persists[] = {"manual", "on_stop", "interval",
                                       "on_change", NULL};

const struct config_key pool_top_keys[] = {
    {KEY(TOP, behaviour), .type = CONFIG_STRING,
     .doc = "what its workers do: the name given to CNODE_BEHAVIOUR; required "
            "unless stand_alone"},
    {KEY(TOP, state), .type = CONFIG_ENUM, .choices = states,
     .doc = "whether it takes workers when the node starts"},
    {KEY(TOP, stand_alone), .type = CONFIG_BOOL,
     .doc = "no workers here: its name only passes messages on to the nodes "
            "that have some"},
    {KEY(TOP, server), .type = CONFIG_STRING,
     .doc = "behaviour of the process <Pool>.Server; by default it answers as "
            "AdvancedPool's"},
    {KEY(TOP, registry), .type = CONFIG_ENUM, .choices = registries,
     .doc = "where its workers are registered"},
    {KEY(TOP, worker), .type = CONFIG_OBJECT, .doc = "its workers"},
    {KEY(TOP, supervisors), .type = CONFIG_OBJECT, .doc = "their supervisors"},
    {KEY(TOP, cluster), .type = CONFIG_OBJECT,
     .doc = "the pool in the whole cluster"},
    {KEY(TOP, node), .type = CONFIG_OBJECT,
     .doc = "this node among those that host it"},
    {KEY(TOP, persist), .type = CONFIG_OBJECT,
     .doc = "its workers' state in a store; without it none is kept"},
    {KEY(TOP, health), .type = CONFIG_OBJECT,
     .doc = "when it counts as degraded or critical"},
};

const struct config_key pool_worker_keys[] = {
    {KEY_AS("module", WORKER, module_text), .type = CONFIG_STRING,
     .doc = "module in the refs of this pool; by default the pool's name "
            "with .Worker behind it"},
    {KEY(WORKER, restart), .type = CONFIG_ENUM, .choices = restarts,
     .doc = "when a worker that ended is started again, as in OTP: always, "
            "unless it ended normally, never"},
    {KEY(WORKER, max), .type = CONFIG_UINT, .least = 1, .most = 16000000,
     .or_null = true,
     .doc = "most workers on this node; a start above gets {error, "
            "max_children}"},
    {KEY_AS("idle_timeout", WORKER, idle_ns), .type = CONFIG_DURATION,
     .least = 100 * MS, .most = MIN * 60 * 8760, .or_null = true,
     .doc = "a worker without a message for that long is stopped and started "
            "again by its next message; null never"},
    {KEY(WORKER, offload_above), .type = CONFIG_UINT, .least = 1,
     .most = 16000000, .or_null = true,
     .doc = "with more workers than that here, those unused for longest are "
            "stopped until their next message; null never"},
    {KEY(WORKER, offload_memory), .type = CONFIG_SIZE, .least = 1 << 20,
     .most = UINT64_C(1) << 44, .or_null = true,
     .doc = "the same while its workers use more memory than that, by what the "
            "node knows of them and behaviours tell (cnode_memory); null "
            "never"},
    {KEY(WORKER, spawn), .type = CONFIG_ENUM, .choices = spawns,
     .doc = "how a worker starts by its first message: within it (lazy, sync) "
            "or in the background while the message waits (async)"},
    {KEY_AS("sticky", WORKER, sticky_json), .type = CONFIG_ANY,
     .wanted = "true, false or a health from 0.0 to 8.0",
     .doc = "prefer the node that asks, at or above that health"},
    {KEY(WORKER, mailbox_limit), .type = CONFIG_UINT, .least = 1,
     .most = 100000000,
     .doc = "most messages that wait for one worker; a call above gets "
            "{error, overloaded}"},
    {KEY_AS("target", WORKER, target_json), .type = CONFIG_OBJECT,
     .doc = "number of workers on one node that placement aims at"},
};

const struct config_key pool_supervisors_keys[] = {
    {KEY(SUPERVISORS, count), .type = CONFIG_UINT, .least = 1, .most = 1000,
     .doc = "worker supervisors, as a BEAM sees them"},
    {KEY(SUPERVISORS, segments), .type = CONFIG_UINT, .least = 1, .most = 4096,
     .doc = "supervisors that each own a fixed share of the refs"},
    {KEY(SUPERVISORS, max_restarts), .type = CONFIG_UINT, .most = 1000000,
     .doc = "restarts a supervisor may make within max_seconds before it ends "
            "itself"},
    {KEY(SUPERVISORS, max_seconds), .type = CONFIG_UINT, .least = 1,
     .most = 86400, .doc = "the time in which restarts are counted"},
    {KEY_AS("target", SUPERVISORS, target_json), .type = CONFIG_OBJECT,
     .doc = "number of workers of one supervisor, told to AdvancedPool"},
};

const struct config_key pool_cluster_keys[] = {
    {KEY(CLUSTER, state), .type = CONFIG_ENUM, .choices = states,
     .doc = "whether the pool takes workers anywhere: offline, it starts "
            "offline here too"},
    {KEY(CLUSTER, priority), .type = CONFIG_UINT, .most = 1000000,
     .doc = "told to AdvancedPool: of this pool among others"},
    {KEY_AS("node_target", CLUSTER, node_target_json), .type = CONFIG_OBJECT,
     .doc = "number of nodes that should have workers of the pool"},
    {KEY_AS("worker_target", CLUSTER, worker_target_json),
     .type = CONFIG_OBJECT, .doc = "number of its workers in the cluster"},
    {KEY_AS("health_target", CLUSTER, health_target_json),
     .type = CONFIG_OBJECT, .doc = "health that it should have"},
    {KEY(CLUSTER, strategy), .type = CONFIG_ENUM, .choices = strategies,
     .doc = "how a node is chosen for a new worker"},
};

const struct config_key pool_here_keys[] = {
    {KEY(HERE, priority), .type = CONFIG_UINT, .most = 1000000,
     .doc = "nodes with a higher one are preferred"},
    {KEY(HERE, weight), .type = CONFIG_UINT, .most = 1000000,
     .doc = "share of new workers by the strategies weighted and hash; 0 none"},
    {KEY_AS("supervisor_target", HERE, supervisor_target_json),
     .type = CONFIG_OBJECT, .doc = "number of its worker supervisors here"},
    {KEY_AS("health_target", HERE, health_target_json), .type = CONFIG_OBJECT,
     .doc = "health that it should have here"},
};

const struct config_key pool_persist_keys[] = {
    {KEY(PERSIST, store), .type = CONFIG_STRING,
     .doc = "name of the store, of those under \"stores\"; may be left out "
            "when there is one"},
    {KEY(PERSIST, mode), .type = CONFIG_ENUM, .choices = persists,
     .doc =
         "when a worker's state is written: by persist! only, when it stops, "
         "every interval if it has changed, or before the answer to a "
         "message that has changed it"},
    {KEY_AS("interval", PERSIST, interval_ns), .type = CONFIG_DURATION,
     .least = 100 * MS, .most = MIN * 60 * 24, .doc = "of the mode interval"},
};

const struct config_key pool_health_keys[] = {
    {KEY(HEALTH, degraded), .type = CONFIG_UINT, .least = 1, .most = 1000000000,
     .doc = "failures of its workers in a minute that make the pool degraded"},
    {KEY(HEALTH, critical), .type = CONFIG_UINT, .least = 1, .most = 1000000000,
     .doc = "and critical"},
    {KEY(HEALTH, worker_degraded), .type = CONFIG_UINT, .least = 1,
     .most = 1000000000,
     .doc = "failures of one worker in a minute that make it degraded"},
    {KEY(HEALTH, worker_critical), .type = CONFIG_UINT, .least = 1,
     .most = 1000000000, .doc = "and critical"},
};

const struct config_key pool_window_keys[] = {
    {KEY(WINDOW, low), .type = CONFIG_UINT, .most = 1000000000,
     .doc = "below this more are wanted"},
    {KEY(WINDOW, target), .type = CONFIG_UINT, .most = 1000000000,
     .doc = "as many as this are aimed at"},
    {KEY(WINDOW, high), .type = CONFIG_UINT, .most = 1000000000,
     .doc = "above this none is added while there is another place"},
};

const struct config_key pool_range_keys[] = {
    {.name = "low",
     .offset = offsetof(struct pool_range, low_json),
     .type = CONFIG_ANY,
     .wanted = "a health from 0.0 to 8.0",
     .doc = "below this it is not well"},
    {.name = "target",
     .offset = offsetof(struct pool_range, target_json),
     .type = CONFIG_ANY,
     .wanted = "a health from 0.0 to 8.0",
     .doc = "as it should be"},
    {.name = "high",
     .offset = offsetof(struct pool_range, high_json),
     .type = CONFIG_ANY,
     .wanted = "a health from 0.0 to 8.0",
     .doc = "the best that is expected"},
};

const struct config_key pool_service_keys[] = {
    {KEY(TOP, behaviour), .type = CONFIG_STRING, .required = true,
     .doc = "what it does: the name given to CNODE_BEHAVIOUR"},
};

const struct pool_config pool_config_defaults = {
    .top = {.registry = REGISTRY_SYN, .state = POOL_STATE_ONLINE},
    .worker = {.restart = RESTART_PERMANENT,
               .spawn = SPAWN_LAZY,
               .max = UINT64_MAX,
               .idle_ns = 15 * MIN,
               .offload_above = UINT64_MAX,
               .offload_memory = UINT64_MAX,
               .mailbox_limit = 10000,
               .sticky = -1,
               .target = {10000, 50000, 100000}},
    .supervisors = {.count = 1,
                    .segments = 64,
                    .max_restarts = 1000,
                    .max_seconds = 5,
                    .target = {500, 2500, 5000}},
    .cluster = {.state = POOL_STATE_ONLINE,
                .priority = 10,
                .node_target = {1, 1000, 1000},
                .worker_target = {10000, 50000, 100000},
                .health_target = {.low = 0.75, .target = 4, .high = 8},
                .strategy = STRATEGY_LEAST_LOADED},
    .here = {.priority = 10,
             .weight = 1,
             .supervisor_target = {1, 1, 5},
             .health_target = {.low = 0.75, .target = 4, .high = 8}},
    .persist = {.mode = PERSIST_ON_STOP, .interval_ns = 30 * SEC},
    .health = {.degraded = 100,
               .critical = 1000,
               .worker_degraded = 3,
               .worker_critical = 10},
};

const struct pool_config pool_config_service_defaults = {
    .is_service = true,
    .top = {.registry = REGISTRY_NONE, .state = POOL_STATE_ONLINE},
    .worker = {.restart = RESTART_PERMANENT,
               .max = 1,
               .offload_above = UINT64_MAX,
               .offload_memory = UINT64_MAX,
               .mailbox_limit = 100000,
               .sticky = -1},
    .supervisors = {.count = 1,
                    .segments = 1,
                    .max_restarts = 1000,
                    .max_seconds = 5},
    .health = {.degraded = 100,
               .critical = 1000,
               .worker_degraded = 3,
               .worker_critical = 10},
};

const struct pool_config pool_config_spawned = {
    .is_spawned = true,
    .top = {.registry = REGISTRY_NONE, .state = POOL_STATE_ONLINE},
    .worker = {.restart = RESTART_TEMPORARY,
               .max = UINT64_MAX,
               .offload_above = UINT64_MAX,
               .offload_memory = UINT64_MAX,
               .mailbox_limit = 100000,
               .sticky = -1},
    .supervisors = {.count = 1,
                    .segments = 1,
                    .max_restarts = 1000,
                    .max_seconds = 5},
    .health = {.degraded = UINT64_MAX,
               .critical = UINT64_MAX,
               .worker_degraded = UINT64_MAX,
               .worker_critical = UINT64_MAX},
};

#define SECTION(path_, keys_, defaults_, doc_)                                 \
    {                                                                          \
        .path = (path_), .doc = (doc_), .keys = (keys_),                       \
        .count = ARRAY_LEN(keys_), .defaults = &(defaults_)                    \
    }

#define D pool_config_defaults

const struct pool_config_section pool_config_sections[] = {
    SECTION("pools.*", pool_top_keys, D.top,
            "A pool of workers under its registered name."),
    SECTION("pools.*.worker", pool_worker_keys, D.worker,
            "The workers of a pool."),
    SECTION("pools.*.worker.target", pool_window_keys, D.worker.target,
            "Number of workers on one node; it steers placement only."),
    SECTION("pools.*.supervisors", pool_supervisors_keys, D.supervisors,
            "Worker supervisors and segments of a pool."),
    SECTION("pools.*.supervisors.target", pool_window_keys,
            D.supervisors.target, "Number of workers of one supervisor."),
    SECTION("pools.*.cluster", pool_cluster_keys, D.cluster,
            "The pool in the whole cluster."),
    SECTION("pools.*.cluster.node_target", pool_window_keys,
            D.cluster.node_target, "Number of nodes that host the pool."),
    SECTION("pools.*.cluster.worker_target", pool_window_keys,
            D.cluster.worker_target, "Number of its workers in the cluster."),
    SECTION("pools.*.cluster.health_target", pool_range_keys,
            D.cluster.health_target, "Health of the pool in the cluster."),
    SECTION("pools.*.node", pool_here_keys, D.here,
            "This node among those that host the pool."),
    SECTION("pools.*.node.supervisor_target", pool_window_keys,
            D.here.supervisor_target, "Number of worker supervisors here."),
    SECTION("pools.*.node.health_target", pool_range_keys, D.here.health_target,
            "Health of the pool here."),
    SECTION("pools.*.persist", pool_persist_keys, D.persist,
            "The state of a pool's workers in a store."),
    SECTION("pools.*.health", pool_health_keys, D.health,
            "When a pool counts as degraded or critical."),
    SECTION("services.*", pool_service_keys, pool_config_service_defaults.top,
            "One permanent worker under a registered name."),
};
const size_t pool_config_section_count = ARRAY_LEN(pool_config_sections);
const size_t pool_top_key_count = ARRAY_LEN(pool_top_keys);
const size_t pool_worker_key_count = ARRAY_LEN(pool_worker_keys);
const size_t pool_supervisors_key_count = ARRAY_LEN(pool_supervisors_keys);
const size_t pool_cluster_key_count = ARRAY_LEN(pool_cluster_keys);
const size_t pool_here_key_count = ARRAY_LEN(pool_here_keys);
const size_t pool_persist_key_count = ARRAY_LEN(pool_persist_keys);
const size_t pool_health_key_count = ARRAY_LEN(pool_health_keys);
const size_t pool_window_key_count = ARRAY_LEN(pool_window_keys);
const size_t pool_range_key_count = ARRAY_LEN(pool_range_keys);
const size_t pool_service_key_count = ARRAY_LEN(pool_service_keys);
