/* SPDX-License-Identifier: Apache-2.0
 *
 * The one callback of a behaviour that runs now on a scheduler, and what it has
 * asked for: so that workers need no room for it.
 */
#ifndef CNODE_POOL_RUN_H
#define CNODE_POOL_RUN_H

#include "base/buf.h"
#include "node/gen.h"
#include "pool/held.h"
#include "pool/worker.h"
#include "runtime/watchdog.h"

struct node;

struct run {
    struct cnode_worker *worker; /* NULL: no callback runs */

    /* the message being handled */
    struct gen_message gen; /* GEN_INFO in init, load and terminate */
    bool by_ref;            /* see SIGNAL_BY_REF */
    bool is_safe; /* a call whose caller wants no exit; settings.safe */
    struct cnode_term message; /* the inner message of an envelope, or all */
    struct cnode_term call;    /* what the behaviour gets of it */
    struct cnode_term context, options; /* of the envelope, or undefined */

    /* what the callback did */
    bool is_answered; /* or its From was kept */
    bool holds;       /* answers wait in `held`: persist.h */
    struct held held;
    bool may_stop, is_stopping;
    bool may_wait, waits;    /* terminate: it lives on for now */
    enum worker_after after; /* when it stops */
    struct buf reason;       /* why it stops, or did not start: one term */

    /* terms for the callback, made when it asks for them */
    struct buf self, id, ref;
    struct run_chunk *chunks; /* others: see run_keep() */
    struct buf made;          /* one of them, while it is written */
};

void run_init(struct run *run);
void run_fini(struct run *run);

/* A callback of `w` is about to run. The context is undefined. */
void run_begin(struct run *run, struct cnode_worker *w);
void run_end(struct run *run);

/* A copy that lives as long as the callback. TERM_NONE: not enough memory. */
struct cnode_term run_keep(struct run *run, struct cnode_term term);

/* The run of the worker's scheduler. */
struct run *run_of(const struct cnode_worker *w);

/* Answers the call being handled. 0; CNODE_EINVALID when there is none or it
 * was answered before; or what is wrong with the format. */
int run_reply(struct run *run, const char *format, ...);
int run_vreply(struct run *run, const char *format, va_list args);
/* Answers a call that was kept for later. */
int run_vreply_to(struct run *run, const struct gen_from *from, bool by_ref,
                  const char *format, va_list args);

/* The worker stops when the callback has returned; the first reason counts. */
int run_stop(struct run *run, enum worker_after after, const char *format, ...);
int run_vstop(struct run *run, enum worker_after after, const char *format,
              va_list args);
/* What a callback returned: a negative error becomes a reason {error, Atom}. */
void run_result(struct run *run, int rc);
struct cnode_term run_reason(const struct run *run);

/* A callback that runs inside another one's turn, or in none: the watchdog is
 * told whose it is, and afterwards again what ran before. */
struct run_watch {
    struct watch *watch;
    const char *what; /* NULL: nothing ran before */
    uint64_t pid;
};
struct run_watch run_watch_pause(struct node *node);
void run_watch_resume(struct run_watch *before);
struct run_watch run_watch_begin(struct cnode_worker *w); /* pause, begin */
void run_watch_end(struct run_watch *before);             /* end, resume */

#endif
