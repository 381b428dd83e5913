/* SPDX-License-Identifier: Apache-2.0
 *
 * A node with pools for fuzz targets: no sockets, its time goes on when told.
 */
#ifndef CNODE_TESTS_SUPPORT_POOL_FUZZ_NODE_H
#define CNODE_TESTS_SUPPORT_POOL_FUZZ_NODE_H

#include "node/node.h"
#include "pool/pools.h"

struct fuzz_node {
    struct node node;
    struct pools pools;
    struct pool_settings settings;
    struct config config;
};

/* n@h with the "pools" and "services" of a configuration, not opened yet. Log
 * lines are dropped. Zeroed memory, which stays where it is. */
void fuzz_node_open(struct fuzz_node *f, const char *json);
/* Its pools come up. */
void fuzz_node_start(struct fuzz_node *f);
/* All that is to be done is done; then it is so much later. */
void fuzz_node_settle(struct fuzz_node *f, uint64_t ms);
/* Its pools end; then the node. */
void fuzz_node_stop(struct fuzz_node *f);
void fuzz_node_fini(struct fuzz_node *f);

/* The term as it is (0), as a call (1) or as a cast (2) of a process of the
 * node. */
void fuzz_node_put(const struct fuzz_node *f, struct buf *buf, unsigned how,
                   struct cnode_term term);

#endif
