/* SPDX-License-Identifier: Apache-2.0
 *
 * See entries.h.
 */
#include "manager/entries.h"

#include "base/check.h"
#include "term/build.h"

/* What the first ~A of the name is; the second is the other one. */
enum first { FIRST_NODE, FIRST_POOL, FIRST_MODULE };

static const struct row {
    enum syn_kind kind;
    atom_t scope; /* ATOM_NONE: that of the pool */
    const char *name;
    enum first first;
    atom_t module; /* FIRST_MODULE, then the node */
} rows[] = {
    [ENTRY_POOL_NODES] = {SYN_GROUPS, ATOM_NONE, "nodes", FIRST_NODE, 0},
    [ENTRY_POOL_NODE] = {SYN_REGISTRY, ATOM_NONE, "{node, ~A}", FIRST_NODE, 0},
    [ENTRY_SERVICES] = {SYN_GROUPS, A_NodeManager, "{~A, services}", FIRST_NODE,
                        0},
    [ENTRY_NODE_POOL] = {SYN_REGISTRY, A_NodeManager, "{~A, ~A}", FIRST_NODE,
                         0},
    [ENTRY_SERVICE] = {SYN_GROUPS, A_ClusterManager, "{service, ~A}",
                       FIRST_POOL, 0},
    [ENTRY_FACE] = {SYN_GROUPS, ATOM_NONE, "{~A, worker_sups}", FIRST_NODE, 0},
    [ENTRY_NODE_FACE] = {SYN_GROUPS, A_NodeManager, "{~A, ~A, worker_sups}",
                         FIRST_NODE, 0},
    [ENTRY_NODE_MANAGER] = {SYN_REGISTRY, A_NodeManager, "{node_manager, ~A}",
                            FIRST_NODE, 0},
    [ENTRY_NODE_MANAGERS] = {SYN_GROUPS, A_NodeManager, "node_managers",
                             FIRST_NODE, 0},
    [ENTRY_NODE_MANAGER_REF] = {SYN_REGISTRY, A_NodeManagerRegistry,
                                "{worker, {ref, ~A, ~A}}", FIRST_MODULE,
                                A_NodeManagerServer},
    [ENTRY_NODE_SUPERVISOR] = {SYN_REGISTRY, A_NodeManager, "{supervisor, ~A}",
                               FIRST_NODE, 0},
    [ENTRY_NODE_SUPERVISORS] = {SYN_GROUPS, A_NodeManager, "supervisors",
                                FIRST_NODE, 0},
    [ENTRY_CLUSTER_MANAGER] = {SYN_REGISTRY, A_ClusterManager, "manager",
                               FIRST_NODE, 0},
    [ENTRY_CLUSTER_MANAGER_REF] = {SYN_REGISTRY, A_ClusterManagerRegistry,
                                   "{worker, {ref, ~A, manager}}", FIRST_MODULE,
                                   A_ClusterManagerServer},
    [ENTRY_CLUSTER_SUPERVISOR] = {SYN_REGISTRY, A_ClusterManager, "supervisor",
                                  FIRST_NODE, 0},
};

enum syn_kind entry_kind(enum entry entry)
{
    return rows[entry].kind;
}

atom_t entry_scope(enum entry entry, atom_t pool)
{
    return rows[entry].scope != ATOM_NONE ? rows[entry].scope : pool;
}

void entry_put_name(struct buf *buf, enum entry entry, atom_t node, atom_t pool)
{
    const struct row *row = &rows[entry];

    switch (row->first) {
    case FIRST_NODE:
        term_format(buf, row->name, node, pool);
        break;
    case FIRST_POOL:
        term_format(buf, row->name, pool);
        break;
    case FIRST_MODULE:
        term_format(buf, row->name, row->module, node);
        break;
    }
}
