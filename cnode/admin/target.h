/* SPDX-License-Identifier: Apache-2.0
 *
 * The node that a command asks: who, where, for how long, and what is said when
 * no answer comes.
 */
#ifndef CNODE_ADMIN_TARGET_H
#define CNODE_ADMIN_TARGET_H

#include "admin/access.h"
#include "admin/cli.h"
#include "admin/client.h"
#include "node/node.h"

/* Exit codes of all commands. */
enum { EXIT_CODE_OK, EXIT_CODE_FAILED, EXIT_CODE_USAGE };

struct target {
    const char *node;
    uint64_t timeout_ms;
    uint16_t epmd_port;          /* for messages */
    struct node_address address; /* of --at or --config; port 0: epmd says */
};

/* From the argument and options. 0; or CNODE_EINVALID with a line for people in
 * `error`. Pure. */
MUST_USE int target_read(struct target *target, const char *node,
                         const struct cli *cli, struct buf *error);

/* What the options leave open, and the access reads. */
void target_find(struct target *target, const struct access *access);

/* Calls the process of that name there. As client_call(). */
MUST_USE int target_call(const struct target *target,
                         const struct access *access, atom_t name,
                         void (*put)(void *owner, struct buf *buf,
                                     struct pid self),
                         void *owner, struct client_result *result);

/* Why there is no reply of `name`, one line. `id`: of a worker of that pool, as
 * it was given; NULL: it is a process. Pure. */
void target_put_failure(struct buf *out, const struct target *target,
                        const char *name, const char *id,
                        const struct client_result *result);

#endif
