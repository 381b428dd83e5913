/* SPDX-License-Identifier: Apache-2.0
 *
 * One scope of syn, registry or groups, as its process on this node plays it:
 * who is a member, what they say about their processes, what we say about ours,
 * and who wins when two nodes have one name. Pure: terms and a time in,
 * messages, monitors and kills out; single-threaded (look-ups from other
 * threads go to the table).
 *
 * It behaves as syn's newest source: one complete ack_sync, in order with all
 * that follows; what it does not list is gone; the loser's node announces it;
 * of equal times the greater pid stays.
 *
 * Life of another member:
 *
 *     nobody --discover, ack_sync--> member --DOWN, nodedown--> purged: nobody
 *
 * Long work (an ack_sync of a million entries in or out, the purge of a node)
 * is done in slices by syn_scope_work(). What comes from that member meanwhile
 * waits behind it, what goes to those who wait for a snapshot too; reading
 * calls and all other members go on.
 *
 *     out   the first discover starts a snapshot; whoever asks while it is made
 *           shares it; then the changes made since its start follow, in order
 *     in    purge of an earlier life, then merge, then sweep of what it did not
 *           list, then what came after it
 */
#ifndef CNODE_REGISTRY_SYN_SCOPE_H
#define CNODE_REGISTRY_SYN_SCOPE_H

#include "base/block.h"
#include "registry/syn_source.h"
#include "registry/syn_wire.h"

/* Two claims on one name; `theirs` is of another node, `ours` of this one. */
struct syn_conflict {
    struct syn_claim theirs, ours;
};

enum syn_verdict {
    SYN_BY_RULE, /* the later time, then the greater pid; the loser is killed */
    SYN_LATER,   /* somebody else decides: syn_scope_decide() follows */
};

/* None of them calls the scope from inside. */
struct syn_scope_events {
    /* To the process of this scope on a connected node; in order, from another
     * process than this one (a snapshot that its scope process sends itself is
     * how syn 3.3.0 is known). Nothing comes back: when that node is too far
     * behind, its connection is ended and it is down. A block: a reference is
     * taken over. */
    void (*send)(void *owner, atom_t node, struct cnode_term message);
    void (*send_block)(void *owner, atom_t node, struct block *message);
    /* syn_scope_message() gets its 'DOWN'. CNODE_LIMIT, CNODE_NOCONN. */
    int (*monitor)(void *owner, struct pid pid, struct ref *ref);
    void (*demonitor)(void *owner, const struct ref *ref);
    /* exit(Pid, Reason) by the scope's process; later, not from inside. */
    void (*kill)(void *owner, struct pid pid, struct cnode_term reason);
    enum syn_verdict (*judge)(void *owner, const struct syn_conflict *conflict);
    /* Takes the bytes of a message that is being handled: *term then lies in
     * the block. NULL: no memory. */
    struct block *(*keep)(void *owner, struct cnode_term *term);
    /* syn_scope_work() is to be called, soon but not from inside. */
    void (*wake)(void *owner);
    int64_t (*now)(void *owner); /* CLOCK_REALTIME, nanoseconds */
    retire_fn retire;            /* base/shared_map.h */
    /* Who is in the groups has changed; may be NULL. Only to take note. */
    void (*changed)(void *owner);
};

struct syn_scope {
    enum syn_kind kind;
    atom_t scope;
    struct syn_names names;
    struct pid self;
    const struct syn_scope_events *events;
    void *owner;
    /* Set by the owner for a hidden node: nobody tells it of a scope that is
     * started later, so it goes on asking. */
    bool is_hidden;
    uint32_t slice; /* entries done at once */
    uint32_t asks;  /* nodes to ask (again) later: syn_scope_tick() */
    struct syn_table table;
    struct map remotes; /* struct syn_remote by node */
    struct map rivals;  /* struct syn_rival, the first of each name */
    size_t rival_bytes; /* at most limits.syn_held_bytes */
    struct list jobs;   /* struct syn_remote.in_jobs: purge, merge */
    struct list ended;  /* struct syn_ended: have many names */
    size_t held_bytes;  /* at most limits.syn_held_bytes */
    const struct syn_source *source; /* NULL: all our names are in the table */
    void *source_owner;
    struct syn_snapshot { /* our entries, for those who asked */
        bool is_made;     /* just now */
        bool has_derived; /* those of the source, which come first */
        bool is_awaited;  /* the next slice of them */
        uint32_t number;
        uint64_t source_at;
        uint32_t count;
        size_t count_at;
        struct buf buf;
        struct syn_walk walk;
        struct list changes; /* made since it began, struct syn_held */
    } snapshot;
    _Atomic int64_t last_time; /* ours are strictly increasing */
    struct buf out, reason, scratch;
};

/* CNODE_LIMIT, CNODE_EINVALID: as syn_names_make(). */
MUST_USE int syn_scope_init(struct syn_scope *scope, enum syn_kind kind,
                            atom_t name, struct pid self,
                            const struct syn_scope_events *events, void *owner);
void syn_scope_fini(struct syn_scope *scope); /* tells nobody */
/* The process was killed and starts again under another pid. Its monitors are
 * gone; it knows no other member any more (nobody is told: the DOWN of the old
 * pid does that), keeps what is ours, as syn does, and asks all nodes that are
 * connected; once more when they have answered, as real syn forgets a node
 * whose new process it hears of before the end of the old one. */
void syn_scope_restart(struct syn_scope *scope, struct pid self);

/* --- the cluster */

/* A node is connected: does it have the scope? */
void syn_scope_nodeup(struct syn_scope *scope, atom_t node);
/* It is lost: as the DOWN of its scope process, should that not have come yet.
 */
void syn_scope_nodedown(struct syn_scope *scope, atom_t node);
/* A message to the process that is no call, from the process `from` (PID_NONE:
 * unknown). 0, or CNODE_UNHANDLED (none of syn's), CNODE_EINVALID (ignored: of
 * a node that may not say that, or malformed), CNODE_LIMIT, CNODE_NOMEM,
 * CNODE_TOO_LARGE (ignored: no room). What is wrong with one entry of an
 * ack_sync is counted here (syn_ignored, syn_refused). */
int syn_scope_message(struct syn_scope *scope, struct pid from,
                      struct cnode_term message);
/* A slice of what takes long. True: there is more, call it again. */
bool syn_scope_work(struct syn_scope *scope);
/* To be called every SYN_TICK_MS while scope->asks is not 0. */
enum { SYN_TICK_MS = 1000 };
void syn_scope_tick(struct syn_scope *scope);

/* --- processes of this node: as their owner. `request` came from a BEAM, or
 * was made here with our own node as requester. */

/* Appends exactly the answer that syn would give. `is_alive`: its pid is that
 * of a living process of this node. The requester is left out of the broadcast,
 * since it stores the answer; unless `is_late`: it may have given up. */
void syn_scope_request(struct syn_scope *scope,
                       const struct syn_request *request, bool is_alive,
                       bool is_late, struct buf *answer);
/* A process of this node ended. Unknown ones are fine. */
void syn_scope_ended(struct syn_scope *scope, struct pid pid,
                     struct cnode_term reason);
/* SYN_LATER: whose claim stays. `theirs` or `ours` (nobody is killed), or
 * neither of them: the name is free; or whom the rule says, as SYN_BY_RULE.
 * What has changed meanwhile wins over it. */
enum syn_decision {
    SYN_KEEP_THEIRS,
    SYN_KEEP_OURS,
    SYN_KEEP_NONE,
    SYN_KEEP_BY_RULE
};
void syn_scope_decide(struct syn_scope *scope, struct cnode_term name,
                      struct pid theirs, struct pid ours,
                      enum syn_decision decision);

/* --- names of a source (syn_source.h); registry only */

/* Once, before anything comes. It lives as long as the scope. */
void syn_scope_use(struct syn_scope *scope, const struct syn_source *source,
                   void *owner);
/* Any thread: the time of a claim that is made now, later than all before. */
int64_t syn_scope_time(struct syn_scope *scope);
/* One more has its name, or one has it no more: all members are told. True:
 * somebody else has it too, and it is to be fetched; not from inside. */
bool syn_scope_started(struct syn_scope *scope, const struct syn_claim *claim);
void syn_scope_left(struct syn_scope *scope, const struct syn_claim *claim,
                    struct cnode_term reason);
/* The name is one of the source, whether somebody has it or not. */
bool syn_scope_derives(const struct syn_scope *scope, struct cnode_term name);
/* And who has it by the source. */
void syn_scope_peek(struct syn_scope *scope, struct cnode_term name,
                    syn_found_fn done, void *arg);
/* The table does not have the name; the source may. */
bool syn_scope_may_derive(struct syn_scope *scope, struct cnode_term name);
/* Then it is moved into the table if the source has it; `done` (may be NULL)
 * follows, perhaps at once; `is_over`: only to free `arg`. */
void syn_scope_fetch(struct syn_scope *scope, struct cnode_term name,
                     void (*done)(void *arg, bool is_over), void *arg);
/* How many the source has. */
uint64_t syn_scope_derived(const struct syn_scope *scope);

/* --- processes of other nodes: what their owner answered to a request that was
 * sent to it. Changes the table, and appends what syn's API returns:
 * ok | {error, Reason}. */
void syn_scope_answered(struct syn_scope *scope,
                        const struct syn_request *request,
                        struct cnode_term answer, struct buf *result);

/* --- reading */

/* Whose entries are those of a node: this one or a member. NULL: no member. */
const struct syn_owner *syn_scope_owner(const struct syn_scope *scope,
                                        atom_t node);
/* Appends all entries of the table, of all nodes, each {Name, Pid, Meta}. */
void syn_scope_put_all(const struct syn_scope *scope, struct buf *buf);
/* The members' nodes, without this one. */
void syn_scope_put_nodes(const struct syn_scope *scope, struct buf *buf);

#endif
