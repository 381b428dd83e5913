/* SPDX-License-Identifier: Apache-2.0
 *
 * What `cnode start` tells whoever started it: the one line on stdout when the
 * node is ready, or the one line on stderr why there is none. Pure.
 */
#ifndef CNODE_ADMIN_ANNOUNCE_H
#define CNODE_ADMIN_ANNOUNCE_H

#include "node/node.h"
#include "pool/pool_config.h"

/* ready name=c1@127.0.0.1 port=41234 creation=7 pools=A,B behaviours=echo,kv
 * Names are sorted. */
void announce_put_ready(struct buf *out, const char *name, uint16_t port,
                        uint32_t creation, const struct pool_settings *pools);

/* Why node_open() failed, or the ready event brought an error. */
void announce_put_failure(struct buf *out, const struct node_config *config,
                          int rc);

#endif
