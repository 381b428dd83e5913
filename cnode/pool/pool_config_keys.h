/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of pools and services with their defaults: for pool_config.c, which
 * reads them.
 */
#ifndef CNODE_POOL_POOL_CONFIG_KEYS_H
#define CNODE_POOL_POOL_CONFIG_KEYS_H

#include "pool/pool_config.h"

extern const struct config_key pool_top_keys[];
extern const size_t pool_top_key_count;
extern const struct config_key pool_worker_keys[];
extern const size_t pool_worker_key_count;
extern const struct config_key pool_supervisors_keys[];
extern const size_t pool_supervisors_key_count;
extern const struct config_key pool_cluster_keys[];
extern const size_t pool_cluster_key_count;
extern const struct config_key pool_here_keys[];
extern const size_t pool_here_key_count;
extern const struct config_key pool_persist_keys[];
extern const size_t pool_persist_key_count;
extern const struct config_key pool_health_keys[];
extern const size_t pool_health_key_count;
extern const struct config_key pool_window_keys[];
extern const size_t pool_window_key_count;
extern const struct config_key pool_range_keys[];
extern const size_t pool_range_key_count;
extern const struct config_key pool_service_keys[];
extern const size_t pool_service_key_count;

extern const struct pool_config pool_config_defaults;
extern const struct pool_config pool_config_service_defaults;

#endif
