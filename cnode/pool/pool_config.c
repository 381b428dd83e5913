/* SPDX-License-Identifier: Apache-2.0
 *
 * The few rules that a table of keys (pool_config_keys.c) cannot say.
 */
#include "pool/pool_config.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "pool/pool_config_keys.h"
#include "pool/server.h"
#include "term/utf8.h"

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
    read_each(settings, config, "pools", pools, &pool_config_defaults);
    read_each(settings, config, "services", services,
              &pool_config_service_defaults);
    server_add_all(settings);
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
atom_t pool_config_read_atom(struct config *config, const char *at,
                             const char *text)
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

void pool_config_read_window(struct config *config, const char *path,
                             const char *key, json_t *object,
                             struct pool_window *window)
{
    unsigned errors = config->error_count;
    char *at;

    if (object == NULL) {
        return;
    }
    at = config_join(path, key);
    config_read(config, at, object, pool_window_keys, pool_window_key_count,
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
        pool->worker.module =
            pool_config_read_atom(config, at, pool->worker.module_text);
    } else if (pool->name != ATOM_NONE) {
        buf_init(&text, 0);
        buf_printf(&text, "%s.Worker", atom_text(pool->name));
        buf_put_u8(&text, '\0');
        pool->worker.module =
            pool_config_read_atom(config, at, (const char *)buf_data(&text));
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
        config_read(config, at, object, pool_worker_keys, pool_worker_key_count,
                    worker);
        if (json_is_null(json_object_get(object, "idle_timeout"))) {
            worker->idle_ns = 0;
        }
        read_sticky(config, at, worker);
        pool_config_read_window(config, at, "target", worker->target_json,
                                &worker->target);
    }
    read_module(config, at, pool);
    mem_free(at);
}

static void read_supervisors(struct config *config, const char *path,
                             struct pool_config *pool)
{
    struct pool_config_supervisors *supervisors = &pool->supervisors;
    char *at = config_join(path, "supervisors");

    config_read(config, at, pool->top.supervisors, pool_supervisors_keys,
                pool_supervisors_key_count, supervisors);
    pool_config_read_window(config, at, "target", supervisors->target_json,
                            &supervisors->target);
    mem_free(at);
}

/* One number of a range; it stays as it is when it is not there. */
static void read_health(struct config *config, const char *path,
                        const char *key, const json_t *json, double *value)
{
    char *at;

    if (json == NULL) {
        return;
    }
    if (json_is_number(json) && json_number_value(json) >= 0 &&
        json_number_value(json) <= 8) {
        *value = json_number_value(json);
        return;
    }
    at = config_join(path, key);
    config_error(config, at, "expected a health from 0.0 to 8.0");
    mem_free(at);
}

void pool_config_read_range(struct config *config, const char *path,
                            json_t *object, struct pool_range *range)
{
    unsigned errors = config->error_count;
    char *at;

    if (object == NULL) {
        return;
    }
    at = config_join(path, "health_target");
    config_read(config, at, object, pool_range_keys, pool_range_key_count,
                range);
    read_health(config, at, "low", range->low_json, &range->low);
    read_health(config, at, "target", range->target_json, &range->target);
    read_health(config, at, "high", range->high_json, &range->high);
    if (config->error_count == errors &&
        (range->low > range->target || range->target > range->high)) {
        config_error(config, at, "expected low <= target <= high");
    }
    mem_free(at);
}

static void read_cluster(struct config *config, const char *path,
                         struct pool_config *pool)
{
    struct pool_config_cluster *cluster = &pool->cluster;
    char *at = config_join(path, "cluster");

    config_read(config, at, pool->top.cluster, pool_cluster_keys,
                pool_cluster_key_count, cluster);
    pool_config_read_window(config, at, "node_target",
                            cluster->node_target_json, &cluster->node_target);
    pool_config_read_window(config, at, "worker_target",
                            cluster->worker_target_json,
                            &cluster->worker_target);
    pool_config_read_range(config, at, cluster->health_target_json,
                           &cluster->health_target);
    mem_free(at);
}

static void read_here(struct config *config, const char *path,
                      struct pool_config *pool)
{
    struct pool_config_here *here = &pool->here;
    char *at = config_join(path, "node");

    config_read(config, at, pool->top.node, pool_here_keys, pool_here_key_count,
                here);
    pool_config_read_window(config, at, "supervisor_target",
                            here->supervisor_target_json,
                            &here->supervisor_target);
    pool_config_read_range(config, at, here->health_target_json,
                           &here->health_target);
    mem_free(at);
}

static void read_persist(struct config *config, const char *path,
                         struct pool_config *pool)
{
    char *at = config_join(path, "persist");

    pool->persist.is_on = pool->top.persist != NULL;
    config_read(config, at, pool->top.persist, pool_persist_keys,
                pool_persist_key_count, &pool->persist);
    mem_free(at);
}

static void check_thresholds(struct config *config, const char *at,
                             uint64_t degraded, uint64_t critical,
                             const char *names)
{
    if (degraded > critical) {
        config_error(config, at, "expected %s", names);
    }
}

static void read_health_limits(struct config *config, const char *path,
                               struct pool_config *pool)
{
    struct pool_config_health *health = &pool->health;
    char *at = config_join(path, "health");

    config_read(config, at, pool->top.health, pool_health_keys,
                pool_health_key_count, health);
    check_thresholds(config, at, health->degraded, health->critical,
                     "degraded <= critical");
    check_thresholds(config, at, health->worker_degraded,
                     health->worker_critical,
                     "worker_degraded <= worker_critical");
    mem_free(at);
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

/* NULL: none is named, or there is no such one. */
static const struct cnode_behaviour *
find_behaviour(const struct pool_settings *settings, struct config *config,
               const char *path, const char *key, const char *name)
{
    const struct cnode_behaviour *found = NULL;
    char *at;

    if (name != NULL) {
        found = behaviours_find(&settings->behaviours, name);
    }
    if (name != NULL && found == NULL) {
        at = config_join(path, key);
        no_such_behaviour(settings, config, at, name);
        mem_free(at);
    }
    return found;
}

/* Of a pool whose workers are never here. */
static const struct cnode_behaviour stand_alone = {
    .abi = CNODE_ABI,
    .size = sizeof(struct cnode_behaviour),
    .name = "stand_alone",
};

static void check_behaviour(struct config *config, const char *path,
                            json_t *object)
{
    char *at = config_join(path, "behaviour");

    if (json_object_get(object, "behaviour") == NULL) {
        config_error(config, at, "missing, expected a string");
    }
    mem_free(at);
}

static void read_one(struct pool_settings *settings, struct config *config,
                     const char *path, const char *name, json_t *object)
{
    struct pool_config *pool = &settings->pools[settings->count - 1];

    pool->name = pool_config_read_atom(config, path, name);
    check_name(settings, config, path, pool->name);
    if (!json_is_object(object)) {
        config_error(config, path, "expected an object");
        return;
    }
    if (pool->is_service) {
        config_read(config, path, object, pool_service_keys,
                    pool_service_key_count, &pool->top);
        pool->worker.module = pool->name;
    } else {
        config_read(config, path, object, pool_top_keys, pool_top_key_count,
                    &pool->top);
        read_worker(config, path, pool);
        read_supervisors(config, path, pool);
        read_cluster(config, path, pool);
        read_here(config, path, pool);
        read_persist(config, path, pool);
        read_health_limits(config, path, pool);
    }
    pool->behaviour = find_behaviour(settings, config, path, "behaviour",
                                     pool->top.behaviour);
    pool->server =
        find_behaviour(settings, config, path, "server", pool->top.server);
    if (pool->top.stand_alone) {
        pool->behaviour = &stand_alone;
    } else if (!pool->is_service) {
        check_behaviour(config, path, object);
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
    rule->module = pool_config_read_atom(config, at, module);
    rule->function = pool_config_read_atom(config, at, colon + 1);
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
