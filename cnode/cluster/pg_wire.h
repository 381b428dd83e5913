/* SPDX-License-Identifier: Apache-2.0
 *
 * What a scope of pg says to others (see pg.h), in either version. Pure.
 */
#ifndef CNODE_CLUSTER_PG_WIRE_H
#define CNODE_CLUSTER_PG_WIRE_H

#include "cluster/pg_view.h"

/* A process of ours joins one group, or leaves some. */
struct pg_change {
    bool is_join;
    struct pid pid;
    struct cnode_term first; /* of the groups, one behind the other */
    uint32_t count;
};

void pg_put_discover(struct buf *buf, struct pid self, bool speaks_1);
/* All members of ours, as a cast. */
void pg_put_all(struct buf *buf, struct pid self, bool speaks_1,
                const struct pg_view *view);
void pg_put_change(struct buf *buf, struct pid self, bool speaks_1,
                   const struct pg_change *change);

#endif
