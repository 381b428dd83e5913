/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing the state of one worker; for persist*.c. In its run, unless the
 * comment says otherwise.
 */
#ifndef CNODE_POOL_PERSIST_SAVE_H
#define CNODE_POOL_PERSIST_SAVE_H

#include "pool/persist.h"
#include "runtime/signal.h"

/* One write, from the submission to its end: a task that comes back to the
 * scheduler. */
struct save {
    struct signal_task task; /* first */
    struct store_op op;
    struct persist *persist;
    struct list node;  /* persist.under_way */
    uint64_t since_ms; /* when it was submitted */
    struct pid pid;    /* of the worker whose state it is */
    struct held held;
    bool is_asked; /* by cnode_persist() and the like: tell the worker */
    struct ref ref;
    persist_done_fn done; /* NULL, or who else is told */
    void *done_arg;
};

/* The hash in the tail has its lowest bit for this: a message was handled
 * since. */
enum { TAIL_CHANGED = 1 };
uint64_t *persist_tail(const struct cnode_worker *w);

/* The key of a worker in its store: the pool's name, 0, its ref. */
void persist_put_key(struct buf *buf, const struct cnode_worker *w);

/* Dumps it, and hands what has changed to the store. Takes the answers: they
 * leave when this state and all before it are written. `ref`, if not NULL, is
 * answered to the worker then. */
void persist_write(struct cnode_worker *w, struct held *held,
                   const struct ref *ref);
/* Deletes what is kept of it; `ref` as above. */
void persist_delete(struct cnode_worker *w, const struct ref *ref);

/* persist_write() outside of a run. */
void persist_write_later(struct cnode_worker *w);

/* Whoever waits for writes that take too long is told so; the writes go on. */
void persist_answer_late(struct persist *persist);

/* Its newest write failed: it is tried again. */
void persist_is_unsaved(struct cnode_worker *w);

/* --- states of workers that have ended, which could not be written */

void persist_lost_init(struct persist *persist);
void persist_lost_fini(struct persist *persist);
/* The bytes of one, or NULL. */
const struct buf *persist_lost_find(const struct persist *persist,
                                    const struct buf *key);
/* Somebody else has it now. */
void persist_lost_remove(struct persist *persist, const struct buf *key);
/* Takes over what a failed write holds. */
void persist_lost_add(struct save *failed);
/* Tries up to `most` again. */
void persist_lost_retry(struct persist *persist, unsigned most);

/* For persist_lost.c: submits one without a worker. 0 or CNODE_OVERLOADED. */
MUST_USE int persist_submit(struct save *save);
struct save *persist_save_new(struct persist *persist, enum store_kind kind);

#endif
