/* SPDX-License-Identifier: Apache-2.0
 *
 * What the operator chose: the configuration file with --set put in place, and
 * the options that overrule it. The keys of "node", "runtime", "limits" and
 * "log" are read here; "pools", "services" and "behaviours" by the pool layer,
 * from the same file.
 */
#ifndef CNODE_ADMIN_SETTINGS_H
#define CNODE_ADMIN_SETTINGS_H

#include "admin/cli.h"
#include "admin/scope_settings.h"
#include "admin/tls_settings.h"
#include "base/config.h"
#include "base/limits.h"
#include "cluster/cluster.h"
#include "node/node.h"
#include "registry/syn.h"

struct settings {
    struct config config; /* holds all strings below, and the mistakes */

    struct settings_top {
        const char *schema; /* for editors only */
        json_t *node, *runtime, *limits, *log, *pg, *syn;
        json_t *pools, *services, *behaviours, *spawn, *stores, *cluster;
    } top;
    struct settings_node {
        const char *name;
        const char *cookie_file; /* NULL: the default */
        json_t *join;
        bool hidden, mesh;
        const char *listen;
        uint64_t port, epmd_port; /* epmd_port 0: as the environment says */
        bool epmd, start_epmd;
        uint64_t peer_port; /* 0: epmd says */
        json_t *static_map, *allow;
        int auto_connect; /* enum auto_connect */
        uint64_t ticktime_ns, setup_ns, stop_ns;
        int link_profile; /* enum link_profile */
        int global;       /* enum global_mode */
        json_t *cookies;
        json_t *tls; /* NULL: plain TCP */
    } node;
    struct settings_tls tls;
    struct settings_runtime {
        json_t *schedulers;
        uint64_t busy_poll_ns, callback_budget_ns, callback_limit_ns;
    } runtime;
    struct settings_pg pg;
    struct settings_syn syn;
    struct settings_log {
        int level, format; /* enum log_level, enum log_format */
    } log;
    struct limits limits;

    struct cli_list join; /* of the file and of the options */
    char *cookie_path;    /* node.cookie_file, made relative to the file */
};

/* One object of the configuration, for the reader, the reference and the
 * schema. */
struct settings_section {
    const char *path; /* "": the whole file */
    const char *doc;
    const struct config_key *keys;
    size_t count;
    const void *defaults;
    void *target;
};

enum { SETTINGS_SECTION_COUNT = 8 };

/* All sections; `target` points into `settings`. */
void settings_sections(struct settings *settings,
                       struct settings_section out[SETTINGS_SECTION_COUNT]);

/* Reads the file and the options. All mistakes are in config.errors and counted
 * in config.error_count. CNODE_CONFIG when there is no use in reading on (no
 * file, a syntax error). settings_fini() is due in any case. */
MUST_USE int settings_load(struct settings *settings, const struct cli *cli);
/* The same from memory; cli->config is what the file is called in messages. */
MUST_USE int settings_parse(struct settings *settings, const struct cli *cli,
                            const char *text);
void settings_fini(struct settings *settings);

/* Reads the files of node.tls: *context, NULL when there is no such key. Or
 * CNODE_CONFIG and a mistake more. */
MUST_USE int settings_open_tls(struct settings *settings,
                               struct tls_context **context);

/* The part that the node layer wants; `cookie` and `settings` must live as long
 * as the node. */
void settings_node_config(const struct settings *settings, const char *cookie,
                          struct node_config *out);

/* The part that the cluster layer wants; `settings` must live as long. */
void settings_cluster_config(const struct settings *settings,
                             struct cluster_config *out);

/* The part that the registry wants; `settings` must live as long. */
void settings_syn_config(const struct settings *settings,
                         struct syn_config *out);

/* The cookie for a node of node.cookies, or NULL. */
const char *settings_cookie_for(const struct settings *settings,
                                const char *node);

#endif
