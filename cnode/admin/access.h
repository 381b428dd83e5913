/* SPDX-License-Identifier: Apache-2.0
 *
 * What a command of operators needs to get into a cluster: cookie, epmd, TLS,
 * where nodes are that epmd does not know.
 * From its options, and what they leave open from the configuration of a node
 * (--config).
 */
#ifndef CNODE_ADMIN_ACCESS_H
#define CNODE_ADMIN_ACCESS_H

#include "admin/cli.h"
#include "admin/settings.h"

struct access {
    char cookie[COOKIE_MAX + 1];
    uint16_t epmd_port;
    struct tls_context *tls; /* NULL: plain TCP */
    const char *host; /* of our own node name, that of the configured node;
                         NULL: any */
    struct settings settings; /* what was read of --config; holds `host` */
};

/* 0; or CNODE_CONFIG or CNODE_COOKIE, with lines for people in `error`.
 * access_fini() is due in both cases. */
MUST_USE int access_read(struct access *access, const struct cli *cli,
                         struct buf *error);
void access_fini(struct access *access);

/* Where --config says that a node listens; false: its epmd knows. An empty
 * host stands for that of its name. */
bool access_address(const struct access *access, const char *node,
                    struct node_address *address);

#endif
