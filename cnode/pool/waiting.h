/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker without a pid: it will be started in the background, or again after
 * it ended. What comes for its ref waits, in order, and is delivered when it is
 * up ("buffer, then deliver"). The pool starts what is due at its next turn;
 * when init fails, again after 10 ms, 20 ms, ... 1 s. After the fifth failure
 * in a row whoever waits, and whoever comes, is told {error, Reason}.
 */
#ifndef CNODE_POOL_WAITING_H
#define CNODE_POOL_WAITING_H

#include "base/list.h"
#include "base/timer.h"
#include "pool/worker.h"

struct kept;

struct waiting {
    struct list node;   /* pool.due while it is due */
    struct list all;    /* pool.waiting */
    struct timer timer; /* the back-off */
    struct cnode_worker *worker;
    struct mailbox mail;     /* messages for it */
    struct mailbox starters; /* start_child calls for it */
    uint32_t failures;       /* of init, in a row */
    struct kept *kept;       /* its state of before; persist.h */
    struct cnode_kept *why;  /* of the last of too many; else NULL */
};

/* The worker (STARTING or RESTARTING) is due. */
struct waiting *waiting_new(struct cnode_worker *w);

/* A message by ref. When too many wait it is refused: a call is answered
 * {error, overloaded}. */
void waiting_push(struct cnode_worker *w, const struct signal *signal);
/* Takes a heap signal, without a limit of its own. */
void waiting_take(struct cnode_worker *w, struct signal *signal);
/* A start_child call: answered {ok, Pid} when it is up. */
void waiting_push_starter(struct cnode_worker *w, const struct signal *signal);

/* Tries to start the worker, which is not in pool.due any more. */
void waiting_start(struct waiting *waiting);

/* Nothing comes of it: calls get {error, Reason}. Freed. */
void waiting_give_up(struct waiting *waiting, struct cnode_term reason);

/* The same for any mailbox of messages by ref. */
void waiting_refuse_all(struct pool *pool, struct mailbox *mail,
                        struct cnode_term reason);

#endif
