/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages of OTP's sys module: {system, From, Request}. Only {terminate,
 * Reason} is understood so far (GenServer.stop, Supervisor.stop); the rest is
 * answered {error, {unsupported, Request}}, so that nobody waits.
 */
#ifndef CNODE_POOL_SYSTEM_H
#define CNODE_POOL_SYSTEM_H

#include "term/view.h"

struct node;
struct process;

enum system_result {
    SYSTEM_OTHER,     /* no system message */
    SYSTEM_DONE,      /* answered */
    SYSTEM_TERMINATE, /* answered; the process is to end with *reason */
};

enum system_result system_message(struct node *node, struct process *self,
                                  struct cnode_term message,
                                  struct cnode_term *reason);

#endif
