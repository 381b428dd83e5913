/* SPDX-License-Identifier: Apache-2.0
 *
 * The names of OTP's global as this node knows them. Pure. Bounded by
 * limits.global_names and global_term_bytes; what is over is not known here.
 */
#ifndef CNODE_CLUSTER_GLOBAL_NAMES_H
#define CNODE_CLUSTER_GLOBAL_NAMES_H

#include "base/map.h"
#include "term/ident.h"
#include "term/key.h"

struct global_name {
    struct term_key key;
    struct pid pid;
    struct ref monitor;        /* of the server on pid */
    struct cnode_kept *method; /* what resolves a conflict */
    atom_t
        ext_node; /* registered for a C node of the old kind: there; or none */
};

struct global_names {
    struct map by_name, by_monitor;
    struct buf scratch;
};

void global_names_init(struct global_names *names);
void global_names_fini(struct global_names *names);

struct global_name *global_names_find(struct global_names *names,
                                      struct cnode_term name);
/* A name that is not there yet. CNODE_LIMIT, CNODE_TOO_LARGE, CNODE_NOMEM. */
MUST_USE int global_names_add(struct global_names *names,
                              struct cnode_term name, struct pid pid,
                              struct cnode_term method, atom_t ext_node,
                              const struct ref *monitor);
void global_names_remove(struct global_names *names, struct global_name *name);
struct global_name *global_names_of_monitor(const struct global_names *names,
                                            const struct ref *monitor);
/* Any name of that process, or of that node (pid.id 0). NULL: none. */
struct global_name *global_names_of_pid(const struct global_names *names,
                                        struct pid pid);

/* Appends [{Name, Pid, Method}]. */
void global_names_put(const struct global_names *names, struct buf *buf);
/* Appends [{Name, Pid, RegNode}] of those with ext_node. */
void global_names_put_ext(const struct global_names *names, struct buf *buf);

#endif
