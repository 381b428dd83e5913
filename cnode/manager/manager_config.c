/* SPDX-License-Identifier: Apache-2.0
 *
 * See manager_config.h.
 */
#include "manager/manager_config.h"

#include <string.h>

#include "base/mem.h"
#include "pool/pool_config_keys.h"

#define SEC UINT64_C(1000000000)

#define KEYS    struct manager_config_keys
#define SERVICE struct manager_service_keys

#define KEY(type_, field) .name = #field, .offset = offsetof(type_, field)
#define KEY_AS(name_, type_, field)                                            \
    .name = (name_), .offset = offsetof(type_, field)

static const char *const states[] = {"offline", "online", NULL};

static const struct config_key top_keys[] = {
    {KEY(KEYS, manager), .type = CONFIG_BOOL,
     .doc = "this node may be the cluster's manager: it is when no other is, "
            "and waits while there is one"},
    {KEY(KEYS, node_manager), .type = CONFIG_BOOL,
     .doc = "it has a node manager, which answers for its pools, when some of "
            "them are in syn"},
    {KEY_AS("heartbeat", KEYS, heartbeat_ns), .type = CONFIG_DURATION,
     .least = SEC / 10, .most = 3600 * SEC,
     .doc = "how often the cluster's manager asks all nodes for their health"},
    {KEY(KEYS, nodes), .type = CONFIG_OBJECT,
     .doc = "what other nodes host, for those who ask the cluster's manager: "
            "by node, then by pool"},
};

static const struct config_key service_keys[] = {
    {KEY(SERVICE, state), .type = CONFIG_ENUM, .choices = states,
     .doc = "what it should be"},
    {KEY(SERVICE, priority), .type = CONFIG_UINT, .most = 1000000,
     .doc = "nodes with a higher one are preferred"},
    {KEY_AS("worker_target", SERVICE, worker_target_json),
     .type = CONFIG_OBJECT, .doc = "number of its workers there"},
    {KEY_AS("supervisor_target", SERVICE, supervisor_target_json),
     .type = CONFIG_OBJECT, .doc = "number of its worker supervisors there"},
    {KEY_AS("health_target", SERVICE, health_target_json),
     .type = CONFIG_OBJECT, .doc = "health that it should have there"},
};

static const KEYS defaults = {.node_manager = true, .heartbeat_ns = 15 * SEC};

static const SERVICE service_defaults = {
    .state = POOL_STATE_ONLINE,
    .priority = 10,
    .worker_target = {10000, 50000, 100000},
    .supervisor_target = {1, 1, 5},
    .health_target = {.low = 0.75, .target = 4, .high = 8},
};

#define SECTION(path_, keys_, defaults_, doc_)                                 \
    {                                                                          \
        .path = (path_), .doc = (doc_), .keys = (keys_),                       \
        .count = ARRAY_LEN(keys_), .defaults = &(defaults_)                    \
    }

const struct pool_config_section manager_config_sections[] = {
    SECTION("cluster", top_keys, defaults,
            "Managers of an AdvancedPool cluster, and what others host."),
    SECTION("cluster.nodes.*.*", service_keys, service_defaults,
            "A pool on another node."),
};
const size_t manager_config_section_count = ARRAY_LEN(manager_config_sections);

static void read_service(struct config *config, const char *at, json_t *object,
                         struct manager_service_keys *keys)
{
    *keys = service_defaults;
    config_read(config, at, object, service_keys, ARRAY_LEN(service_keys),
                keys);
    pool_config_read_window(config, at, "worker_target",
                            keys->worker_target_json, &keys->worker_target);
    pool_config_read_window(config, at, "supervisor_target",
                            keys->supervisor_target_json,
                            &keys->supervisor_target);
    pool_config_read_range(config, at, keys->health_target_json,
                           &keys->health_target);
}

static void read_node(struct manager_config *out, struct config *config,
                      const char *at, atom_t node, json_t *pools)
{
    const char *name;
    json_t *object;

    if (!json_is_object(pools)) {
        config_error(config, at, "expected an object: what by pool");
        return;
    }
    out->services = mem_realloc(
        out->services, (out->service_count + json_object_size(pools) + 1) *
                           sizeof(*out->services));
    json_object_foreach(pools, name, object)
    {
        struct manager_service *service = &out->services[out->service_count++];
        char *path = config_join(at, name);

        service->node = node;
        service->pool = pool_config_read_atom(config, path, name);
        if (json_is_object(object)) {
            read_service(config, path, object, &service->keys);
        } else {
            config_error(config, path, "expected an object");
        }
        mem_free(path);
    }
}

void manager_config_read(struct manager_config *out, struct config *config,
                         json_t *object)
{
    const char *name;
    json_t *pools;

    *out = (struct manager_config){.keys = defaults};
    config_read(config, "cluster", object, top_keys, ARRAY_LEN(top_keys),
                &out->keys);
    json_object_foreach(out->keys.nodes, name, pools)
    {
        char *at = config_join("cluster.nodes", name);

        if (strchr(name, '@') == NULL) {
            config_error(config, at, "expected the name of a node: name@host");
        } else {
            read_node(out, config, at, pool_config_read_atom(config, at, name),
                      pools);
        }
        mem_free(at);
    }
}

void manager_config_fini(struct manager_config *config)
{
    mem_free(config->services);
    *config = (struct manager_config){0};
}
