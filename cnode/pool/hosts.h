/* SPDX-License-Identifier: Apache-2.0
 *
 * The other nodes that host a pool, as they say in syn: the members of the
 * group {service, Pool} of AdvancedPool's ClusterManager, and what we have sent
 * them since they said it. On scheduler 0.
 */
#ifndef CNODE_POOL_HOSTS_H
#define CNODE_POOL_HOSTS_H

#include "placement/candidate.h"
#include "placement/status.h"
#include "term/ident.h"

struct syn;

struct host {
    atom_t node;
    struct pid pool;              /* its pool supervisor */
    struct service_status status; /* what it said last */
    uint64_t sent;                /* starts since then */
    uint64_t under_way;           /* of all: without an answer yet */
    bool is_listed;               /* it is in the group */
    /* --- of a C node, in the group {cnode_pools, Pool}; PID_NONE: none */
    struct pid arbiter; /* its pool supervisor as well */
    uint64_t priority, weight;
};

struct hosts {
    struct host *all;
    uint32_t count, cap;
    uint32_t listed, arbiters;
};

/* Looks again. Those of this node are left out. */
void hosts_read(struct hosts *hosts, struct syn *syn, atom_t pool);
void hosts_fini(struct hosts *hosts);

struct host *hosts_find(const struct hosts *hosts, atom_t node);

/* A start was sent there, and answered. */
void hosts_sent(struct hosts *hosts, atom_t node);
void hosts_answered(struct hosts *hosts, atom_t node);

void host_put_candidate(const struct host *host,
                        struct placement_candidate *out);
struct placement_window window_of(const struct target_window *window);

/* Of a node that says neither: a BEAM. */
enum { HOST_PRIORITY = 10, HOST_WEIGHT = 1 };

/* Its worker supervisors: the group {Node, worker_sups} of the scope Pool. */
enum { HOST_SUPERVISORS_MAX = 256 };
struct host_supervisors {
    struct pid pids[HOST_SUPERVISORS_MAX];
    uint64_t workers[HOST_SUPERVISORS_MAX];
    struct placement_window window;
    uint32_t count;
};
void host_read_supervisors(const struct host *host, struct syn *syn,
                           atom_t pool, struct host_supervisors *out);

#endif
