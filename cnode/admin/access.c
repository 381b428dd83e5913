/* SPDX-License-Identifier: Apache-2.0
 *
 * See access.h.
 */
#include "admin/access.h"

#include <string.h>

#include <cnode/error.h>

#include "admin/cookie.h"
#include "admin/reach_settings.h"

static int read_config(struct access *access, const struct cli *cli,
                       struct buf *error);
static int read_tls_options(struct access *access, const struct cli *cli,
                            struct buf *error);
static int read_cookie(struct access *access, const struct cli *cli,
                       struct buf *error);

int access_read(struct access *access, const struct cli *cli, struct buf *error)
{
    int rc = 0;

    *access = (struct access){.epmd_port = epmd_port_from_env()};
    if (cli->config != NULL) {
        rc = read_config(access, cli, error);
    }
    if (rc == 0 && (cli->tls_cert != NULL || cli->tls_key != NULL ||
                    cli->tls_ca != NULL)) {
        rc = read_tls_options(access, cli, error);
    }
    if (rc == 0) {
        rc = read_cookie(access, cli, error);
    }
    return rc;
}

void access_fini(struct access *access)
{
    tls_context_free(access->tls);
    settings_fini(&access->settings);
    explicit_bzero(access->cookie, sizeof(access->cookie));
}

/* The configuration is that of the node itself, or of one beside it. */
bool access_address(const struct access *access, const char *node,
                    struct node_address *address)
{
    const struct settings *settings = &access->settings;
    bool is_its_own =
        settings->node.name != NULL && strcmp(settings->node.name, node) == 0;

    if (reach_settings_address(settings, node, address)) {
        return true;
    }
    address->host[0] = '\0';
    address->port = (uint16_t)(is_its_own && !settings->node.epmd
                                   ? settings->node.port
                                   : settings->node.peer_port);
    return address->port != 0;
}

/* Options of TLS take the place of node.tls as a whole. */
static int read_config(struct access *access, const struct cli *cli,
                       struct buf *error)
{
    struct settings *settings = &access->settings;
    bool has_options = cli->tls_cert != NULL || cli->tls_ca != NULL;
    int rc = settings_load(settings, cli);

    if (rc == 0 && settings->config.error_count == 0 && !has_options) {
        rc = settings_open_tls(settings, &access->tls);
    }
    if (settings->config.error_count > 0) {
        buf_put(error, buf_data(&settings->config.errors),
                buf_size(&settings->config.errors));
        return CNODE_CONFIG;
    }
    if (rc == 0 && settings->node.epmd_port != 0) {
        access->epmd_port = (uint16_t)settings->node.epmd_port;
    }
    if (rc == 0 && access->tls != NULL && settings->node.name != NULL) {
        access->host = strchr(settings->node.name, '@') + 1;
    }
    return rc;
}

static int read_tls_options(struct access *access, const struct cli *cli,
                            struct buf *error)
{
    struct tls_options options = {.cert = cli->tls_cert,
                                  .key = cli->tls_key,
                                  .ca = cli->tls_ca,
                                  .versions = TLS_1_2 | TLS_1_3,
                                  .verify = TLS_VERIFY_BOTH,
                                  .match_name = true};
    struct tls_mistake mistake;

    if (cli->tls_key != NULL && cli->tls_cert == NULL) {
        buf_printf(error, "cnode: --tls-key without --tls-cert\n");
        return CNODE_CONFIG;
    }
    if (tls_context_new(&access->tls, &options, &mistake) != 0) {
        buf_printf(error, "cnode: --tls-%s: %s\n", mistake.field, mistake.text);
        return CNODE_CONFIG;
    }
    return 0;
}

static int read_cookie(struct access *access, const struct cli *cli,
                       struct buf *error)
{
    const char *file = cli->cookie_file != NULL
                           ? cli->cookie_file
                           : access->settings.node.cookie_file;
    struct cookie_sources sources = cookie_sources(cli->cookie, file);

    return cookie_read(&sources, access->cookie, error);
}
