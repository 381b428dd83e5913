/* SPDX-License-Identifier: Apache-2.0
 *
 * Workers whose state outlives them: written to a store as the behaviour dumps
 * it, and given back to `restore` when the worker starts again, after a crash,
 * an idle time-out or the end of the node.
 *
 *     start     read ---> store ---> init, restore, then the messages
 *     message   handled, dumped: has it changed? ---> store ---> its answers
 *     end       dumped ---> store
 *
 * When it is written is the mode's (enum pool_persist). A write belongs to the
 * state, not to the worker: it goes on when the worker has ended. What could
 * not be written is tried again, until it can or a newer state replaces it, so
 * that no state is lost while the node lives (persist_lost.h).
 *
 * One struct for each part of a pool; all of it on the part's scheduler.
 */
#ifndef CNODE_POOL_PERSIST_H
#define CNODE_POOL_PERSIST_H

#include "base/list.h"
#include "base/map.h"
#include "base/timer.h"
#include "pool/held.h"
#include "pool/worker.h"
#include "storage/store.h"

struct config;
struct node;
struct pool_settings;
struct pools;
struct run;
struct save;
struct stores;
struct waiting;

struct persist {
    struct pool *pool;
    struct store *store;
    int mode;                    /* enum pool_persist */
    struct cnode_worker *ending; /* persist_ends() runs for it */
    struct list unsaved;         /* struct saving: their newest write failed */
    struct map lost; /* struct save: failed, and the worker has ended */
    uint64_t lost_bytes;
    uint64_t dropped;       /* workers: persist_dropped() */
    struct timer retry;     /* of both */
    struct list under_way;  /* struct save: of workers, oldest first */
    struct timer late;      /* looks at the oldest */
    struct timer interval;  /* mode interval: next slice */
    uint32_t segment, slot; /* where it goes on */
};

/* What a worker has while writes of its state are under way or have failed; in
 * its extras. */
struct saving {
    struct list node; /* persist.unsaved */
    struct cnode_worker *worker;
    uint32_t under_way;
    struct save *newest; /* of them; NULL: none */
};

/* Bytes behind the state of a worker, itself a multiple of 8: the hash of the
 * newest state that was handed to the store. */
enum { PERSIST_BYTES = sizeof(uint64_t) };

/* What the tables cannot say: stores that are not there, behaviours that cannot
 * dump. Mistakes go to `config`. */
void persist_check(const struct pool_settings *settings,
                   const struct stores *stores, struct config *config);

/* NULL: this pool keeps no state. */
struct persist *persist_new(struct pool *pool);
void persist_free(struct persist *persist);

/* Too much waits for the store: starts and ends of workers that can wait should
 * (for PERSIST_WAIT_MS). */
enum { PERSIST_WAIT_MS = 10 };
bool persist_must_wait(const struct pool *pool);
/* The store takes nothing: workers that need not end should not. */
bool persist_is_failing(const struct pool *pool);

/* --- a worker starts */

/* The state of a worker that is to be started: 0: it is there (or there is
 * none); 1: it is being read, and the worker is due again when it is there; or
 * why there will be none. */
MUST_USE int persist_read(struct waiting *waiting);
/* The arguments that were kept with it; TERM_NONE: none. */
struct cnode_term persist_read_args(const struct waiting *waiting);
void persist_read_free(struct waiting *waiting);
/* init has run: gives it its state. In a run. 0; or what restore returned. */
MUST_USE int persist_restore(struct cnode_worker *w);

/* --- it lives */

/* Its answers are to be held until the message is handled. */
bool persist_holds(const struct persist *persist);
/* A message is about to be handled, in its run. */
void persist_touched(struct cnode_worker *w);
/* It was: writes what is due. The run's held answers leave now or later. */
void persist_handled(struct run *run);
/* persist!, in its run, without a callback of the behaviour: answered when it
 * is written. CNODE_UNHANDLED: there is no store. */
MUST_USE int persist_call(struct run *run);
/* It is about to end, before terminate, outside of a run. */
void persist_ends(struct cnode_worker *w, struct cnode_term reason,
                  bool is_clean);
/* It is to end, and could as well a little later: whoever starts it next, on
 * another node perhaps, is to find its state. True: that is being written. */
bool persist_end_must_wait(struct cnode_worker *w);
/* It is gone with the node, which had no time left: counted as lost if it has
 * something that should have been written. */
void persist_dropped(const struct cnode_worker *w);
/* Its extras go. */
void persist_forget(struct cnode_worker *w);

/* --- operators: what is kept of a worker is deleted, whether it is up or not.
 * One that is up is written again when it changes. `done` runs here when that
 * is durable or could not be; `here` NULL: the node has ended, only to free
 * `arg`.
 */
typedef void (*persist_done_fn)(struct node *here, void *arg, int rc);
/* 0; CNODE_UNSUPPORTED: this pool has no store; then it does not run. */
MUST_USE int persist_erase(struct pool *part, const struct worker_key *key,
                           persist_done_fn done, void *arg);

/* --- the node ends: `done` runs on the root's scheduler when all that was
 * handed to the stores is written, or cannot be. */
void persist_flush(struct pools *root, void (*done)(struct pools *root));

#endif
