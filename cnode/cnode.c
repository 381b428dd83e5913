/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of contents: what a node is made of, in the order in which it
 * starts. It stops in the opposite order.
 *
 *     configuration   admin/settings, pool/pool_config (loads behaviours)
 *     TLS             admin/tls_settings: reads certificates, if any
 *     cookie          admin/cookie
 *     signals         admin/signals: from here on SIGTERM stops cleanly
 *     node            node/node: listens, registers at epmd
 *     cluster         cluster/cluster: when the node is ready: what BEAM peers
 *                     expect of it
 *     syn             registry/syn: its scopes
 *     pools           pool/pools
 *     administration  manager/ask: the process that answers for it
 *     manager         manager/manager: their part in an AdvancedPool cluster
 *     join            node/peers: dials the others
 *
 * A mistake in the configuration or the cookie is found before anything is
 * started (exit code 2); what fails later is exit code 1.
 */
#include "cnode.h"

#include <stdio.h>
#include <string.h>

#include "admin/announce.h"
#include "admin/call.h"
#include "admin/cookie.h"
#include "admin/reach_settings.h"
#include "admin/settings.h"
#include "admin/signals.h"
#include "base/log.h"
#include "base/mem.h"
#include "cluster/cluster.h"
#include "manager/ask.h"
#include "manager/bring_online.h"
#include "manager/manager.h"
#include "node/node.h"
#include "pool/persist.h"
#include "pool/pools.h"
#include "registry/syn.h"
#include "storage/stores.h"
#include <cnode/error.h>

enum { NS_PER_MS = 1000000 };

struct cnode {
    struct settings settings;
    struct pool_settings pool_settings;
    struct manager_config manager_config;
    struct stores stores;
    char cookie[COOKIE_MAX + 1];
    struct tls_context *tls; /* NULL: plain TCP */

    struct node_config config;
    struct node node;
    struct cluster cluster;
    struct syn syn;
    struct pools pools;
    struct ask ask;
    struct manager manager;
    struct signals signals;
    bool has_syn; /* it was started */
    bool has_manager;
    bool is_serving; /* all of these run: to be stopped first */
    int code;        /* to exit with */
};

/* In the order of time. */
static int cnode_load(struct cnode *c, const struct cli *cli);
static int cnode_read_cookie(struct cnode *c, const struct cli *cli);
static int cnode_run(struct cnode *c);
static void cnode_check_certificate(const struct cnode *c);
static int cnode_open_stores(struct cnode *c);
static const char *cookie_for(void *owner, const char *name);
static bool is_allowed(void *owner, const char *name);
static bool address_for(void *owner, const char *name,
                        struct node_address *address);
static int cnode_start_syn(struct cnode *c);
static int cnode_start_pools(struct cnode *c);
static void on_ready(void *owner, int rc);
static void on_nodeup(void *owner, struct peer *peer);
static void on_nodedown(void *owner, struct peer *peer);
static void on_dial_failed(void *owner, atom_t name, int reason);
static void cnode_report(struct cnode *c, int rc);
static void on_stop(void *owner);
static void on_pools_stopped(void *owner);
static void on_closed(void *owner);
static void cnode_unload(struct cnode *c);

static const struct node_events node_events = {
    .ready = on_ready,
    .nodeup = on_nodeup,
    .nodedown = on_nodedown,
    .dial_failed = on_dial_failed,
    .closed = on_closed,
};

/* Writes the text and frees it. Nobody reading it is no reason to end. */
static void print(FILE *file, struct buf *text)
{
    (void)fwrite(buf_data(text), 1, buf_size(text), file);
    (void)fflush(file);
    buf_fini(text);
}

int cnode_start(const struct cli *cli)
{
    struct cnode *c = mem_zalloc(sizeof(*c));
    int code = EXIT_CODE_USAGE;

    if (cnode_load(c, cli) == 0 && cnode_read_cookie(c, cli) == 0) {
        code = cnode_run(c);
    }
    cnode_unload(c);
    return code;
}

/* The cookie is looked at only if there is a choice to check: a machine that
 * checks configurations need not be one of the cluster. */
int cnode_check(const struct cli *cli)
{
    struct cnode *c = mem_zalloc(sizeof(*c));
    struct cookie_sources sources;
    int rc = cnode_load(c, cli);

    sources = cookie_sources(cli->cookie, c->settings.node.cookie_file);
    if (rc == 0 && !cookie_is_by_default(&sources)) {
        rc = cnode_read_cookie(c, cli);
    }
    cnode_unload(c);
    if (rc != 0) {
        return EXIT_CODE_USAGE;
    }
    return puts("ok") >= 0 && fflush(stdout) == 0 ? EXIT_CODE_OK
                                                  : EXIT_CODE_FAILED;
}

/* --- before anything runs */

/* Limits come before atoms, atoms before everything that knows names. */
static int cnode_load(struct cnode *c, const struct cli *cli)
{
    struct settings *settings = &c->settings;
    struct config *config = &settings->config;
    int rc = settings_load(settings, cli);

    if (rc == 0) {
        limits = settings->limits;
        log_setup((enum log_level)settings->log.level,
                  (enum log_format)settings->log.format);
        atom_init();
        pool_settings_read(&c->pool_settings, config, settings->top.behaviours,
                           settings->top.pools, settings->top.services,
                           settings->top.spawn);
        manager_config_read(&c->manager_config, config, settings->top.cluster);
        stores_read(&c->stores, config, settings->top.stores);
        persist_check(&c->pool_settings, &c->stores, config);
    }
    if (config->error_count == 0 && settings_open_tls(settings, &c->tls) == 0) {
        return 0;
    }
    print(stderr, &config->errors);
    return CNODE_CONFIG;
}

static int cnode_read_cookie(struct cnode *c, const struct cli *cli)
{
    struct cookie_sources sources =
        cookie_sources(cli->cookie, c->settings.node.cookie_file);
    struct buf error;
    int rc;

    buf_init(&error, 0);
    rc = cookie_read(&sources, c->cookie, &error);
    print(stderr, &error);
    return rc;
}

/* --- starting */

/* Runs until a signal or a failure; the exit code. */
static int cnode_run(struct cnode *c)
{
    struct node *node = &c->node;
    int rc;

    settings_node_config(&c->settings, c->cookie, &c->config);
    c->config.cookie_for = cookie_for;
    c->config.is_allowed = is_allowed;
    c->config.address_for = address_for;
    c->config.tls = c->tls;
    cnode_check_certificate(c);
    if (cnode_open_stores(c) != 0) {
        return c->code;
    }
    rc = node_init(node, &c->config, &node_events, c);
    if (rc != 0) {
        cnode_report(c, rc);
        return c->code;
    }
    pools_init(&c->pools, node);
    pools_use_stores(&c->pools, &c->stores);
    rc = signals_open(&c->signals, node_loop(node), on_stop, c);
    if (rc == 0) {
        rc = node_open(node);
    }
    if (rc != 0) {
        cnode_report(c, rc);
        node_close(node);
    }
    node_run(node);
    if (c->has_manager) {
        manager_fini(&c->manager);
    }
    stores_close(&c->stores); /* what they still do comes back to nobody */
    pools_fini(&c->pools);
    if (c->has_syn) {
        syn_fini(&c->syn);
    }
    node_fini(node);
    ask_fini(&c->ask);
    return c->code;
}

/* Before anything else: a node without its stores is not to be seen. */
static int cnode_open_stores(struct cnode *c)
{
    struct buf why;
    int rc;

    buf_init(&why, 0);
    rc = stores_open(&c->stores, &why);
    if (rc != 0) {
        c->code = EXIT_CODE_FAILED;
        (void)fprintf(stderr, "cnode: %.*s\n", (int)buf_size(&why),
                      (const char *)buf_data(&why));
    }
    buf_fini(&why);
    return rc;
}

/* Others will refuse us: better known now. */
static void cnode_check_certificate(const struct cnode *c)
{
    const char *host = strchr(c->config.name, '@');
    char why[512];

    if (c->tls != NULL && host != NULL &&
        tls_context_has_flaw(c->tls, host + 1, why, sizeof(why))) {
        LOG_WARN("own_certificate", F_STR("node", c->config.name),
                 F_STR("why", why));
    }
}

static const char *cookie_for(void *owner, const char *name)
{
    const struct cnode *c = owner;

    return settings_cookie_for(&c->settings, name);
}

static bool is_allowed(void *owner, const char *name)
{
    const struct cnode *c = owner;

    return reach_settings_is_allowed(&c->settings, name);
}

static bool address_for(void *owner, const char *name,
                        struct node_address *address)
{
    const struct cnode *c = owner;

    return reach_settings_address(&c->settings, name, address);
}

static int cnode_start_syn(struct cnode *c)
{
    struct syn_config config;
    int rc;

    settings_syn_config(&c->settings, &config);
    rc = syn_start(&c->syn, &c->node, &config);
    if (rc != 0) {
        cluster_stop(&c->cluster);
        return rc;
    }
    c->has_syn = true;
    pools_use_syn(&c->pools, &c->syn);
    return 0;
}

static int cnode_start_pools(struct cnode *c)
{
    int rc = pools_start(&c->pools, &c->pool_settings);

    if (rc == 0) {
        c->has_manager = true;
        rc = manager_start(&c->manager, &c->pools, &c->syn, &c->manager_config);
        bring_online_offer(&c->manager, &c->cluster.functions);
    }
    return rc;
}

/* The node has its creation: pids can be made. Nobody was let in before this
 * returns. */
static void on_ready(void *owner, int rc)
{
    struct cnode *c = owner;
    const struct cli_list *join = &c->settings.join;
    struct cluster_config cluster;
    struct buf text;

    if (rc != 0) {
        cnode_report(c, rc);
        return; /* the node closes by itself */
    }
    settings_cluster_config(&c->settings, &cluster);
    rc = cluster_start(&c->cluster, &c->node, &cluster);
    if (rc == 0) {
        rc = cnode_start_syn(c);
    }
    if (rc == 0) {
        c->is_serving = true;
        rc = cnode_start_pools(c);
    }
    if (rc == 0) {
        rc = ask_start(&c->ask, &c->node, &c->pools,
                       c->has_manager ? &c->manager : NULL);
    }
    if (rc != 0) {
        cnode_report(c, rc);
        on_stop(c);
        return;
    }
    for (size_t i = 0; i < join->count; i++) {
        rc = peers_join(&c->node.peers, join->items[i]);
        if (rc != 0) {
            LOG_ERROR("join_failed", F_STR("peer", join->items[i]), F_ERR(rc));
        }
    }
    buf_init(&text, 0);
    announce_put_ready(&text, atom_text(c->node.name), node_port(&c->node),
                       c->node.creation, &c->pool_settings);
    print(stdout, &text);
}

static void on_nodeup(void *owner, struct peer *peer)
{
    struct cnode *c = owner;

    if (c->is_serving) {
        cluster_nodeup(&c->cluster, peer);
        syn_nodeup(&c->syn, peer);
    }
}

/* Links and monitors are told by the node itself. */
static void on_nodedown(void *owner, struct peer *peer)
{
    struct cnode *c = owner;

    if (c->is_serving) {
        cluster_nodedown(&c->cluster, peer);
        syn_nodedown(&c->syn, peer);
    }
}

static void on_dial_failed(void *owner, atom_t name, int reason)
{
    struct cnode *c = owner;

    (void)reason;
    if (c->is_serving) {
        cluster_dial_failed(&c->cluster, name);
    }
}

/* Why there is no node. */
static void cnode_report(struct cnode *c, int rc)
{
    struct buf text;

    c->code = EXIT_CODE_FAILED;
    buf_init(&text, 0);
    announce_put_failure(&text, &c->config, rc);
    print(stderr, &text);
}

/* --- stopping */

static void on_stop(void *owner)
{
    struct cnode *c = owner;

    if (c->is_serving) {
        c->is_serving = false;
        if (c->has_manager) {
            manager_leave(&c->manager);
        }
        node_leave(&c->node);
        pools_stop(&c->pools, c->settings.node.stop_ns / NS_PER_MS,
                   on_pools_stopped, c);
    } else {
        node_close(&c->node);
    }
}

static void on_pools_stopped(void *owner)
{
    struct cnode *c = owner;

    ask_stop(&c->ask);
    if (c->has_manager) {
        manager_stop(&c->manager);
    }
    syn_stop(&c->syn);
    cluster_stop(&c->cluster);
    node_close(&c->node);
}

static void on_closed(void *owner)
{
    struct cnode *c = owner;

    signals_close(&c->signals);
}

static void cnode_unload(struct cnode *c)
{
    manager_config_fini(&c->manager_config);
    pool_settings_fini(&c->pool_settings);
    stores_fini(&c->stores);
    settings_fini(&c->settings);
    tls_context_free(c->tls);
    explicit_bzero(c->cookie, sizeof(c->cookie));
    mem_free(c);
}
