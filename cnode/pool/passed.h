/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls that were passed on to a process elsewhere. Whoever called watches the
 * process here that he called; when the one that has his call ends, his monitor
 * fires with its reason, a moment later: its answer may be on its way to him.
 * For a process on scheduler 0.
 */
#ifndef CNODE_POOL_PASSED_H
#define CNODE_POOL_PASSED_H

#include "base/list.h"
#include "base/map.h"
#include "base/timer.h"
#include "node/gen.h"
#include "runtime/signal.h"

struct node;
struct process;

struct passed {
    struct node *node;
    struct process *process; /* whom they called */
    struct list all;         /* struct passed_to.in_all */
    struct map by_pid;       /* those that have not ended */
    struct map by_ref;       /* all, by our monitor */
    struct timer sweep;      /* forgets what was answered */
    uint32_t count;          /* of calls, at most limits.passed_calls */
};

void passed_init(struct passed *passed, struct node *node,
                 struct process *process);
/* The process has ended, and with it all monitors; may be used again. */
void passed_clear(struct passed *passed);

/* The message is on its way to that process; no call, no matter. */
void passed_on(struct passed *passed, const struct gen_from *from,
               struct pid to);
/* A 'DOWN' of one of those. False: none. */
bool passed_down(struct passed *passed, struct cnode_term message);

/* Another node has passed a call on to us: the answer goes to the caller's own
 * node, which is connected if it is not (replies never dial). */
void passed_here(struct node *node, const struct signal *signal,
                 const struct gen_message *gen);

#endif
