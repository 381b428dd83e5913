/* SPDX-License-Identifier: Apache-2.0
 *
 * The records by which the nodes of an AdvancedPool cluster tell each other
 * about themselves, as they stand in syn and in answers. Pure. What a peer says
 * is checked once, here: false for anything that is not exactly such a record.
 *
 *     {target_window, Target, Low, High}
 *     {pool_status | worker_sup_status, Status, Service, Health, Node, Count,
 *      Window, UpdatedOn}
 *     {node_status | cluster_status, Node, Status, State, Health, StartedOn,
 *      UpdatedOn}
 *     {node_service, State, Priority, SupervisorTarget, WorkerTarget, Pool,
 *      HealthTarget, Node}
 *     {cluster_service, State, Priority, NodeTarget, WorkerTarget,
 *      HealthTarget, Pool}
 */
#ifndef CNODE_PLACEMENT_STATUS_H
#define CNODE_PLACEMENT_STATUS_H

#include "base/buf.h"
#include "term/view.h"

struct target_window {
    double low, target, high; /* low <= target <= high */
};

/* AdvancedPool's, for who says nothing. */
extern const struct target_window status_pool_window; /* workers of a pool */
extern const struct target_window status_face_window; /* of a supervisor */
extern const struct target_window status_health_window;

enum status_state {
    STATUS_INITIALIZING,
    STATUS_OFFLINE,
    STATUS_ONLINE,
    STATUS_OTHER, /* something that we do not know */
};

/* pool_status and worker_sup_status. */
struct service_status {
    enum status_state state;
    bool is_locked; /* {locked, State}; it may be nested */
    bool has_health;
    double health;        /* has_health; else `initializing` */
    atom_t service, node; /* ATOM_NONE: not in the table */
    uint64_t count;       /* workers */
    struct target_window window;
    int64_t updated_on; /* Unix seconds */
};

enum status_kind { STATUS_OF_POOL, STATUS_OF_FACE };

void status_put_service(struct buf *buf, enum status_kind kind,
                        const struct service_status *status);
MUST_USE bool status_parse_service(struct cnode_term term,
                                   enum status_kind kind,
                                   struct service_status *status);
/* Says the same, but for the time. */
bool status_is_same(const struct service_status *a,
                    const struct service_status *b);
/* It takes new workers: online, and not locked. */
static inline bool status_is_open(const struct service_status *status)
{
    return status->state == STATUS_ONLINE && !status->is_locked;
}

/* node_status and cluster_status: of a manager. */
struct manager_status {
    atom_t node, status, state;
    double health;
    int64_t started_on, updated_on;
};
void status_put_manager(struct buf *buf, atom_t record,
                        const struct manager_status *status);

/* What the configuration wants of a pool. */
struct service_config {
    atom_t state; /* online, offline */
    uint64_t priority;
    struct target_window supervisors; /* how many; node_service */
    struct target_window nodes;       /* how many; cluster_service */
    struct target_window workers, health;
    atom_t pool, node; /* the node: node_service */
};
void status_put_node_service(struct buf *buf,
                             const struct service_config *config);
void status_put_cluster_service(struct buf *buf,
                                const struct service_config *config);

/* Counts (integers), or health (floats). */
void status_put_counts(struct buf *buf, const struct target_window *window);
void status_put_floats(struct buf *buf, const struct target_window *window);
MUST_USE bool status_parse_window(struct cnode_term term,
                                  struct target_window *window);

#endif
