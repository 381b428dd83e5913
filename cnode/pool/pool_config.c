/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of keys, and the few rules that a table cannot say.
 */
#include "pool/pool_config.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "term/utf8.h"

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
#define WINDOW      struct pool_window

/* --- the keys */

static const char *const registries[] = {"syn", "none", NULL};
static const char *const restarts[] = {"permanent", "transient", "temporary",
                                       NULL};
static const char *const spawns[] = {"lazy", "async", "sync", NULL};
static const char *const strategies[] = {"least_loaded", "round_robin",
                                         "weighted", "random", NULL};

static const struct config_key top_keys[] = {
    {KEY(TOP, behaviour), .type = CONFIG_STRING, .required = true,
     .doc = "what its workers do: the name given to CNODE_BEHAVIOUR"},
    {KEY(TOP, registry), .type = CONFIG_ENUM, .choices = registries,
     .doc = "where its workers are registered"},
    {KEY(TOP, worker), .type = CONFIG_OBJECT, .doc = "its workers"},
    {KEY(TOP, supervisors), .type = CONFIG_OBJECT, .doc = "their supervisors"},
    {KEY(TOP, cluster), .type = CONFIG_OBJECT,
     .doc = "its place among the nodes that host it"},
};

static const struct config_key worker_keys[] = {
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

static const struct config_key supervisors_keys[] = {
    {KEY(SUPERVISORS, count), .type = CONFIG_UINT, .least = 1, .most = 1000,
     .doc = "worker supervisors, as a BEAM sees them"},
    {KEY(SUPERVISORS, segments), .type = CONFIG_UINT, .least = 1, .most = 4096,
     .doc = "supervisors that each own a fixed share of the refs"},
    {KEY(SUPERVISORS, max_restarts), .type = CONFIG_UINT, .most = 1000000,
     .doc = "restarts a supervisor may make within max_seconds before it ends "
            "itself"},
    {KEY(SUPERVISORS, max_seconds), .type = CONFIG_UINT, .least = 1,
     .most = 86400, .doc = "the time in which restarts are counted"},
};

static const struct config_key cluster_keys[] = {
    {KEY(CLUSTER, priority), .type = CONFIG_UINT, .most = 1000000,
     .doc = "nodes with a higher one are preferred"},
    {KEY_AS("node_target", CLUSTER, node_target_json), .type = CONFIG_OBJECT,
     .doc = "number of nodes that should host the pool"},
    {KEY(CLUSTER, strategy), .type = CONFIG_ENUM, .choices = strategies,
     .doc = "how a node is chosen for a new worker"},
};

static const struct config_key window_keys[] = {
    {KEY(WINDOW, low), .type = CONFIG_UINT, .most = 1000000000,
     .doc = "below this more are wanted"},
    {KEY(WINDOW, target), .type = CONFIG_UINT, .most = 1000000000,
     .doc = "as many as this are aimed at"},
    {KEY(WINDOW, high), .type = CONFIG_UINT, .most = 1000000000,
     .doc = "above this none is added while there is another place"},
};

static const struct config_key service_keys[] = {
    {KEY(TOP, behaviour), .type = CONFIG_STRING, .required = true,
     .doc = "what it does: the name given to CNODE_BEHAVIOUR"},
};

static const struct pool_config pool_defaults = {
    .top = {.registry = REGISTRY_SYN},
    .worker = {.restart = RESTART_PERMANENT,
               .spawn = SPAWN_LAZY,
               .max = UINT64_MAX,
               .idle_ns = 15 * MIN,
               .mailbox_limit = 10000,
               .sticky = -1,
               .target = {10000, 50000, 100000}},
    .supervisors = {.count = 1,
                    .segments = 64,
                    .max_restarts = 1000,
                    .max_seconds = 5},
    .cluster = {.priority = 10,
                .node_target = {1, 2, 3},
                .strategy = STRATEGY_LEAST_LOADED},
};

static const struct pool_config service_defaults = {
    .is_service = true,
    .top = {.registry = REGISTRY_NONE},
    .worker = {.restart = RESTART_PERMANENT,
               .max = 1,
               .mailbox_limit = 100000,
               .sticky = -1},
    .supervisors = {.count = 1,
                    .segments = 1,
                    .max_restarts = 1000,
                    .max_seconds = 5},
};

const struct pool_config pool_config_spawned = {
    .is_spawned = true,
    .top = {.registry = REGISTRY_NONE},
    .worker = {.restart = RESTART_TEMPORARY,
               .max = UINT64_MAX,
               .mailbox_limit = 100000,
               .sticky = -1},
    .supervisors = {.count = 1,
                    .segments = 1,
                    .max_restarts = 1000,
                    .max_seconds = 5},
};

#define SECTION(path_, keys_, defaults_, doc_)                                 \
    {                                                                          \
        .path = (path_), .doc = (doc_), .keys = (keys_),                       \
        .count = ARRAY_LEN(keys_), .defaults = &(defaults_)                    \
    }

const struct pool_config_section pool_config_sections[] = {
    SECTION("pools.*", top_keys, pool_defaults.top,
            "A pool of workers under its registered name."),
    SECTION("pools.*.worker", worker_keys, pool_defaults.worker,
            "The workers of a pool."),
    SECTION("pools.*.worker.target", window_keys, pool_defaults.worker.target,
            "Number of workers on one node; it steers placement only."),
    SECTION("pools.*.supervisors", supervisors_keys, pool_defaults.supervisors,
            "Worker supervisors and segments of a pool."),
    SECTION("pools.*.cluster", cluster_keys, pool_defaults.cluster,
            "A pool's place in the cluster. Read and not used yet: a pool "
            "lives on every node that has it."),
    SECTION("pools.*.cluster.node_target", window_keys,
            pool_defaults.cluster.node_target,
            "Number of nodes that host the pool."),
    SECTION("services.*", service_keys, service_defaults.top,
            "One permanent worker under a registered name."),
};
const size_t pool_config_section_count = ARRAY_LEN(pool_config_sections);

/* --- reading */

static void read_behaviours(struct pool_settings *settings,
                            struct config *config, json_t *behaviours);
static void read_each(struct pool_settings *settings, struct config *config,
                      const char *key, json_t *objects,
                      const struct pool_config *defaults);
static void read_spawns(struct pool_settings *settings, struct config *config,
                        json_t *object);

void pool_settings_read(struct pool_settings *settings, struct config *config,
                        json_t *behaviours, json_t *pools, json_t *services,
                        json_t *spawn)
{
    *settings = (struct pool_settings){0};
    behaviours_init(&settings->behaviours);
    read_behaviours(settings, config, behaviours);
    read_each(settings, config, "pools", pools, &pool_defaults);
    read_each(settings, config, "services", services, &service_defaults);
    read_spawns(settings, config, spawn);
}

void pool_settings_fini(struct pool_settings *settings)
{
    mem_free(settings->pools);
    mem_free(settings->spawns);
    behaviours_fini(&settings->behaviours);
    *settings = (struct pool_settings){0};
}

static void load(struct pool_settings *settings, struct config *config,
                 const char *at, const char *name)
{
    char *path = config_file(config, name);
    struct buf why;

    buf_init(&why, 0);
    if (behaviours_load(&settings->behaviours, path, &why) != 0) {
        config_error(config, at, "cannot load the behaviour: %.*s",
                     (int)buf_size(&why), (const char *)buf_data(&why));
    }
    buf_fini(&why);
    mem_free(path);
}

static void read_behaviours(struct pool_settings *settings,
                            struct config *config, json_t *behaviours)
{
    size_t i;
    json_t *value;
    char at[48];

    json_array_foreach(behaviours, i, value)
    {
        (void)snprintf(at, sizeof(at), "behaviours[%zu]", i);
        if (json_is_string(value)) {
            load(settings, config, at, json_string_value(value));
        } else {
            config_error(config, at, "expected the path of a shared object");
        }
    }
}

/* --- one pool or service */

/* The atom of a text from the file; ATOM_NONE after a mistake. */
static atom_t read_atom(struct config *config, const char *at, const char *text)
{
    long chars = utf8_count(text, strlen(text));
    atom_t atom;

    if (chars < 1 || chars > ATOM_MAX_CHARS) {
        config_error(config, at, "expected an atom of 1..%d characters",
                     ATOM_MAX_CHARS);
        return ATOM_NONE;
    }
    atom = atom_intern(text, strlen(text));
    if (atom == ATOM_NONE) {
        config_error(config, at, "the table of atoms is full (limits.atoms)");
    }
    return atom;
}

static void read_window(struct config *config, const char *path,
                        const char *key, json_t *object,
                        struct pool_window *window)
{
    unsigned errors = config->error_count;
    char *at;

    if (object == NULL) {
        return;
    }
    at = config_join(path, key);
    config_read(config, at, object, window_keys, ARRAY_LEN(window_keys),
                window);
    if (config->error_count == errors &&
        (window->low > window->target || window->target > window->high)) {
        config_error(config, at, "expected low <= target <= high");
    }
    mem_free(at);
}

static void read_sticky(struct config *config, const char *path,
                        struct pool_config_worker *worker)
{
    json_t *json = worker->sticky_json;
    char *at;

    if (json == NULL || json_is_false(json)) {
        return;
    }
    worker->sticky = json_is_true(json) ? 0.75 : json_number_value(json);
    if (json_is_true(json) ||
        (json_is_number(json) && worker->sticky >= 0 && worker->sticky <= 8)) {
        return;
    }
    at = config_join(path, "sticky");
    config_error(config, at,
                 "expected true, false or a health from 0.0 to "
                 "8.0");
    mem_free(at);
}

static void read_module(struct config *config, const char *path,
                        struct pool_config *pool)
{
    char *at = config_join(path, "module");
    struct buf text;

    if (pool->worker.module_text != NULL) {
        pool->worker.module = read_atom(config, at, pool->worker.module_text);
    } else if (pool->name != ATOM_NONE) {
        buf_init(&text, 0);
        buf_printf(&text, "%s.Worker", atom_text(pool->name));
        buf_put_u8(&text, '\0');
        pool->worker.module =
            read_atom(config, at, (const char *)buf_data(&text));
        buf_fini(&text);
    }
    mem_free(at);
}

static void read_worker(struct config *config, const char *path,
                        struct pool_config *pool)
{
    char *at = config_join(path, "worker");
    struct pool_config_worker *worker = &pool->worker;
    json_t *object = pool->top.worker;

    if (object != NULL) {
        config_read(config, at, object, worker_keys, ARRAY_LEN(worker_keys),
                    worker);
        if (json_is_null(json_object_get(object, "idle_timeout"))) {
            worker->idle_ns = 0;
        }
        read_sticky(config, at, worker);
        read_window(config, at, "target", worker->target_json, &worker->target);
    }
    read_module(config, at, pool);
    mem_free(at);
}

static void read_supervisors(struct config *config, const char *path,
                             struct pool_config *pool)
{
    char *at;

    if (pool->top.supervisors != NULL) {
        at = config_join(path, "supervisors");
        config_read(config, at, pool->top.supervisors, supervisors_keys,
                    ARRAY_LEN(supervisors_keys), &pool->supervisors);
        mem_free(at);
    }
    if (pool->top.cluster != NULL) {
        at = config_join(path, "cluster");
        config_read(config, at, pool->top.cluster, cluster_keys,
                    ARRAY_LEN(cluster_keys), &pool->cluster);
        read_window(config, at, "node_target", pool->cluster.node_target_json,
                    &pool->cluster.node_target);
        mem_free(at);
    }
}

/* `at`: where it is named. */
static void no_such_behaviour(const struct pool_settings *settings,
                              struct config *config, const char *at,
                              const char *name)
{
    const struct behaviours *behaviours = &settings->behaviours;
    const char **names = mem_alloc((behaviours->count + 1) * sizeof(*names));
    const char *nearest;
    struct buf text;

    buf_init(&text, 0);
    for (size_t i = 0; i < behaviours->count; i++) {
        names[i] = behaviours_name(behaviours, i);
        buf_printf(&text, "%s%s", i == 0 ? "" : ", ", names[i]);
    }
    nearest = config_nearest(name, names, behaviours->count);
    if (nearest != NULL) {
        config_error(config, at,
                     "there is no behaviour \"%s\", did you mean \"%s\"?", name,
                     nearest);
    } else {
        config_error(config, at, "there is no behaviour \"%s\", only %.*s",
                     name, (int)buf_size(&text), (const char *)buf_data(&text));
    }
    buf_fini(&text);
    mem_free(names);
}

/* Pools and services share the names of the node. */
static void check_name(const struct pool_settings *settings,
                       struct config *config, const char *at, atom_t name)
{
    static const atom_t taken[] = {A_net_kernel, A_global_name_server, A_rex};

    for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
        if (name == taken[i]) {
            config_error(config, at, "the name belongs to the node itself");
        }
    }
    if (name == A_undefined) {
        config_error(config, at,
                     "expected another name: Erlang takes undefined for none");
    }
    for (size_t i = 0; i + 1 < settings->count; i++) {
        if (name != ATOM_NONE && settings->pools[i].name == name) {
            config_error(config, at, "the name is used twice");
        }
    }
}

static void read_one(struct pool_settings *settings, struct config *config,
                     const char *path, const char *name, json_t *object)
{
    struct pool_config *pool = &settings->pools[settings->count - 1];

    pool->name = read_atom(config, path, name);
    check_name(settings, config, path, pool->name);
    if (!json_is_object(object)) {
        config_error(config, path, "expected an object");
        return;
    }
    if (pool->is_service) {
        config_read(config, path, object, service_keys, ARRAY_LEN(service_keys),
                    &pool->top);
        pool->worker.module = pool->name;
    } else {
        config_read(config, path, object, top_keys, ARRAY_LEN(top_keys),
                    &pool->top);
        read_worker(config, path, pool);
        read_supervisors(config, path, pool);
    }
    if (pool->top.behaviour == NULL) {
        return; /* missing or no string: said already */
    }
    pool->behaviour =
        behaviours_find(&settings->behaviours, pool->top.behaviour);
    if (pool->behaviour == NULL) {
        char *at = config_join(path, "behaviour");

        no_such_behaviour(settings, config, at, pool->top.behaviour);
        mem_free(at);
    }
}

static void read_each(struct pool_settings *settings, struct config *config,
                      const char *key, json_t *objects,
                      const struct pool_config *defaults)
{
    const char *name;
    json_t *object;

    json_object_foreach(objects, name, object)
    {
        char *path = config_join(key, name);

        if (settings->count == settings->cap) {
            settings->cap = settings->cap == 0 ? 8 : settings->cap * 2;
            settings->pools = mem_realloc(
                settings->pools, settings->cap * sizeof(*settings->pools));
        }
        settings->pools[settings->count++] = *defaults;
        read_one(settings, config, path, name, object);
        mem_free(path);
    }
}

/* --- what may be spawned */

/* "module:function", cut at the last colon. */
static void read_function(struct config *config, const char *at,
                          const char *text, struct spawn_rule *rule)
{
    const char *colon = strrchr(text, ':');
    char *module;

    if (colon == NULL) {
        config_error(config, at, "expected \"module:function\"");
        return;
    }
    module = mem_strdup(text);
    module[colon - text] = '\0';
    rule->module = read_atom(config, at, module);
    rule->function = read_atom(config, at, colon + 1);
    mem_free(module);
}

static void read_spawns(struct pool_settings *settings, struct config *config,
                        json_t *object)
{
    size_t count = json_object_size(object);
    const char *name;
    json_t *value;

    settings->spawns = mem_zalloc((count + 1) * sizeof(*settings->spawns));
    json_object_foreach(object, name, value)
    {
        struct spawn_rule *rule = &settings->spawns[settings->spawn_count++];
        char *at = config_join("spawn", name);

        read_function(config, at, name, rule);
        if (!json_is_string(value)) {
            config_error(config, at, "expected the name of a behaviour");
        } else {
            rule->behaviour = behaviours_find(&settings->behaviours,
                                              json_string_value(value));
            if (rule->behaviour == NULL) {
                no_such_behaviour(settings, config, at,
                                  json_string_value(value));
            }
        }
        mem_free(at);
    }
}
