/* SPDX-License-Identifier: Apache-2.0
 *
 * What the configuration says about the AdvancedPool cluster: its key
 * "cluster". Who hosts what on other nodes is for those who ask the cluster's
 * manager for the configuration.
 */
#ifndef CNODE_MANAGER_MANAGER_CONFIG_H
#define CNODE_MANAGER_MANAGER_CONFIG_H

#include "base/config.h"
#include "placement/status.h"
#include "pool/pool_config.h"

/* A pool on another node. */
struct manager_service {
    atom_t node, pool;
    struct manager_service_keys {
        int state; /* enum pool_state_wish */
        uint64_t priority;
        json_t *worker_target_json, *supervisor_target_json;
        json_t *health_target_json;
        struct pool_window worker_target, supervisor_target;
        struct pool_range health_target;
    } keys;
};

struct manager_config {
    struct manager_config_keys {
        bool manager;      /* this node may be the cluster's manager */
        bool node_manager; /* it answers for itself */
        uint64_t heartbeat_ns;
        json_t *nodes;
    } keys;
    struct manager_service *services;
    size_t service_count;
};

/* Reads the value of "cluster" (NULL: it is not there). Mistakes go to the
 * config's errors. */
void manager_config_read(struct manager_config *out, struct config *config,
                         json_t *object);
void manager_config_fini(struct manager_config *config);

/* For the reference and the schema. */
extern const struct pool_config_section manager_config_sections[];
extern const size_t manager_config_section_count;

#endif
