/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker supervisor: what a BEAM sees as a DynamicSupervisor. Workers are
 * supervised by segments; a face is a pid to ask for them, over all segments of
 * its pool. A worker counts for the face that first started it. When a face
 * crashes it is started again, and its workers live on.
 */
#ifndef CNODE_POOL_FACE_H
#define CNODE_POOL_FACE_H

#include "runtime/process.h"

struct cnode_kept;
struct pool;

enum face_state {
    FACE_DOWN, /* to be started again */
    FACE_UP,
    FACE_STOPPED, /* by terminate_child, until restart_child */
    FACE_REMOVED, /* after that by delete_child */
};

struct face {
    struct process process; /* first */
    struct pool *pool;
    uint16_t index;
    enum face_state state;
    /* Canonical; who started it gave it. NULL: {worker_supervisor, N}. */
    struct cnode_kept *id;
};

struct face *face_new(struct pool *pool, uint16_t index);
void face_free(struct face *face); /* ends it first */

/* The id that it is known by besides {worker_supervisor, N}. CNODE_NOMEM. */
MUST_USE int face_name(struct face *face, struct cnode_term id);
bool face_is_named(const struct face *face, struct cnode_term id);

MUST_USE int face_open(struct face *face);
/* At the top level; nothing happens when it has no pid. */
void face_close(struct face *face, struct cnode_term reason);
/* It ends until face_open(). Its workers live on; no face lists them meanwhile.
 */
void face_stop(struct face *face);
/* One that is stopped is gone for good. */
void face_remove(struct face *face);

#endif
