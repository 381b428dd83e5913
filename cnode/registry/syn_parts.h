/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of a scope share; only they include it. See syn_scope.h.
 *
 *     syn_scope.c     what comes in, and who is a member
 *     syn_remote.c    a member's messages in order: purge, merge, changes
 *     syn_claim.c     what a claim of a member does to the table; conflicts
 *     syn_rival.c     claims that the table has no place for
 *     syn_out.c       what members are told, in order behind a snapshot
 *     syn_request.c   processes of this node: as their owner
 *     syn_answer.c    what other owners answered
 *     syn_derived.c   names that the table does not have
 */
#ifndef CNODE_REGISTRY_SYN_PARTS_H
#define CNODE_REGISTRY_SYN_PARTS_H

#include "registry/syn_scope.h"

enum {
    SYN_SLICE = 1000, /* entries done at once */
    SYN_ASK_FIRST =
        3, /* ticks until a node is asked again, doubled each time */
    SYN_ASK_MOST = 60,
};

/* What is done with what a member said. */
enum syn_in {
    SYN_IN_QUIET, /* at once */
    SYN_IN_PURGE, /* its entries of an earlier life go first */
    SYN_IN_MERGE, /* its ack_sync goes into the table */
    SYN_IN_SWEEP, /* and what that did not list goes out */
};

/* What a member gets to hear. */
enum syn_out {
    SYN_OUT_NOTHING,
    SYN_OUT_SNAPSHOT, /* being made; changes wait behind it */
    SYN_OUT_CHANGES,
};

/* A message that waits. */
struct syn_held {
    struct list in_queue;
    struct block *block;
    struct cnode_term term; /* in the block */
};

/* Another node. Freed when it is not connected and has no entry any more. */
struct syn_remote {
    struct syn_owner owner; /* first: its entries in the table */
    atom_t node;
    bool is_connected;
    uint32_t ask_in, ask_step; /* ticks; 0: it will not be asked */

    /* its scope process, while it is a member (else PID_NONE) */
    struct pid pid;
    struct ref monitor;
    int64_t answered;  /* the latest time in an answer to us */
    bool has_listed;   /* its ack_sync came */
    bool is_awaited;   /* it was asked for one since */
    bool is_ordered;   /* no change overtakes its ack_sync: not of syn 3.3.0 */
    bool is_overtaken; /* its list may be older than what came before it */

    enum syn_in in;
    struct list in_jobs;
    struct list held;
    struct list rivals;     /* struct syn_rival.in_remote, oldest first */
    struct block *list;     /* MERGE: has the rest of the ack_sync; or NULL */
    struct cnode_term next; /* its next entry */
    uint32_t left;
    struct syn_walk walk; /* SWEEP */

    enum syn_out out;
};

static inline bool syn_remote_is_member(const struct syn_remote *remote)
{
    return !pid_is_none(remote->pid);
}

/* --- syn_remote.c */

struct syn_remote *syn_remote_find(const struct syn_scope *scope, atom_t node);
struct syn_remote *syn_remote_open(struct syn_scope *scope, atom_t node);
void syn_remote_free(struct syn_scope *scope, struct syn_remote *remote);
/* Whose entry it is; it is not ours. */
struct syn_remote *syn_remote_of(const struct syn_entry *entry);
/* It may say that about one of its processes. */
bool syn_remote_owns(const struct syn_remote *remote, struct pid pid);
/* It becomes a member with that scope process. CNODE_LIMIT, CNODE_NOCONN. */
MUST_USE int syn_remote_join(struct syn_scope *scope, struct syn_remote *remote,
                             struct pid pid);
/* It is a member no more. The remote may be freed. */
void syn_remote_leave(struct syn_scope *scope, struct syn_remote *remote,
                      bool has_monitor);
void syn_remote_ask(struct syn_scope *scope, struct syn_remote *remote);
void syn_remote_ask_in(struct syn_scope *scope, struct syn_remote *remote,
                       uint32_t ticks);
/* Its ack_sync or change, done now or behind what waits. */
MUST_USE int syn_remote_hear(struct syn_scope *scope, struct syn_remote *remote,
                             const struct syn_message *message,
                             struct cnode_term term);
/* A message of its (made here) takes its place behind what waits. False:
 * nothing waits. */
bool syn_remote_hold(struct syn_scope *scope, struct syn_remote *remote,
                     struct cnode_term term);
bool syn_remote_work(struct syn_scope *scope);

/* --- syn_claim.c */

/* Who has it, now: what is to be purged is purged first. */
struct syn_entry *syn_claim_holder(struct syn_scope *scope,
                                   struct cnode_term name, struct pid pid);
/* A member says so; or an error of syn_table_put(). */
MUST_USE int syn_claim_take(struct syn_scope *scope, struct syn_remote *remote,
                            const struct syn_claim *claim);
void syn_claim_withdraw(struct syn_scope *scope, struct syn_remote *remote,
                        const struct syn_claim *claim);
/* Removed; a rival of it takes its place. */
void syn_claim_drop(struct syn_scope *scope, struct syn_entry *entry);
/* As a claim whose terms lie in it. */
struct syn_claim syn_claim_of(const struct syn_entry *entry);

/* --- syn_rival.c: a claim of a member on a name that somebody else has here.
 * Real syn forgets it, and with it a process that is registered elsewhere, when
 * the other one goes. */

struct syn_rival {
    struct syn_rival *next; /* of the same name */
    struct syn_remote *remote;
    struct list in_remote;
    uint64_t hash;
    struct pid pid;
    int64_t time;
    uint32_t round;
    uint32_t name_bytes, meta_bytes; /* behind the struct */
    bool is_judged;                  /* somebody decides about it and ours */
};

void syn_rival_init(struct syn_scope *scope);
struct syn_rival *syn_rival_find(struct syn_scope *scope,
                                 struct cnode_term name,
                                 const struct syn_remote *remote);
/* The one that comes next; NULL. */
struct syn_rival *syn_rival_best(struct syn_scope *scope,
                                 struct cnode_term name);
/* In the place of an older one of that node. CNODE_LIMIT, CNODE_NOMEM,
 * CNODE_TOO_LARGE: there is none then. */
MUST_USE int syn_rival_put(struct syn_scope *scope, struct syn_remote *remote,
                           const struct syn_claim *claim, uint32_t round,
                           bool is_judged);
/* It was said in that round of its node's lists. */
void syn_rival_set_round(struct syn_rival *rival, uint32_t round);
void syn_rival_drop(struct syn_scope *scope, struct syn_rival *rival);
struct syn_claim syn_rival_claim(const struct syn_rival *rival);

/* --- syn_out.c */

/* Sends scope->out to all members but the node `except`. */
void syn_out_tell(struct syn_scope *scope, atom_t except);
/* All our entries to one member, then all changes. */
void syn_out_list(struct syn_scope *scope, struct syn_remote *remote);
void syn_out_stop(struct syn_scope *scope, struct syn_remote *remote);
bool syn_out_work(struct syn_scope *scope);
void syn_out_fini(struct syn_scope *scope);

/* --- syn_request.c */

/* Its process has ended, and not all of its entries are removed yet. */
bool syn_request_has_ended(struct syn_scope *scope,
                           const struct syn_entry *entry);
void syn_request_drop_ended(struct syn_scope *scope, struct syn_entry *entry);
bool syn_request_work(struct syn_scope *scope);
void syn_request_fini(struct syn_scope *scope);

/* --- syn_derived.c */

/* A member has the name, which nobody had before. */
void syn_derived_claimed(struct syn_scope *scope, struct cnode_term name);
/* A snapshot begins with them. True: it has all. */
void syn_derived_begin(struct syn_scope *scope);
bool syn_derived_make(struct syn_scope *scope);

/* --- a queue of messages, counted in scope->held_bytes */

/* A block: taken over; NULL is CNODE_NOMEM. CNODE_LIMIT. */
MUST_USE int syn_held_put(struct syn_scope *scope, struct list *queue,
                          struct block *block, struct cnode_term term);
/* The first one; the block is the caller's. False: there is none. */
bool syn_held_take(struct syn_scope *scope, struct list *queue,
                   struct block **block, struct cnode_term *term);
void syn_held_drop(struct syn_scope *scope, struct list *queue);

#endif
