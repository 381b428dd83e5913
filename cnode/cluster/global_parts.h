/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of global share; only they include it. See global.h.
 */
#ifndef CNODE_CLUSTER_GLOBAL_PARTS_H
#define CNODE_CLUSTER_GLOBAL_PARTS_H

#include "cluster/global.h"
#include "term/build.h"

/* --- a node as global sees it */

enum session_wait {
    WAIT_BOTH,
    WAIT_EXCHANGE, /* our lock is set */
    WAIT_LOCK,     /* his names are here */
    WAIT_RESOLVER, /* both: clashes are being resolved */
};

/* Becoming one with another node, from nodeup to `resolved`. */
struct global_session {
    int64_t my_tag;
    struct cnode_kept *his_tag; /* NULL before his init_connect */
    int64_t version;            /* spoken with him */
    enum session_wait wait;
    struct cnode_kept *lock_id;
    struct cnode_kept *names; /* his */
    struct global_resolver *resolver;
    struct buf ops; /* for us, from our resolver: elements of a list */
    uint32_t op_count;
    bool has_ops;
    struct cnode_kept *resolved; /* his message, when it is first */
    /* the locker's part */
    bool is_candidate; /* his locker is known */
    struct pid his_locker;
    bool wants_lock; /* his locker has locked and waits for us */
};

struct global_peer {
    atom_t node;
    bool is_up;
    bool is_known;                  /* of our part of the cluster */
    bool is_pending;                /* in a session, and we have heard of it */
    bool is_removing;               /* dropped; its nodedown is no news */
    bool is_synced;                 /* with us, as it says or as we know */
    uint64_t synced_ms;             /* since it said so */
    uint64_t up_ms;                 /* is_up: since when */
    int64_t version;                /* when known or pending; 0: not told */
    struct global_session *session; /* NULL: none */
    struct cnode_kept *early;       /* init_connect without a session */
    uint32_t dials_left;            /* to tell it that we are in sync */
    bool is_wanted;                 /* to be told when it is up */
    uint64_t dial_ms;               /* is_wanted and not up */
    bool is_dialled;
};

struct global_peer *global_peer_find(const struct global *g, atom_t node);
struct global_peer *global_peer_open(struct global *g, atom_t node);
/* Ourselves, or of our part of the cluster. */
bool global_is_known(const struct global *g, atom_t node);
/* Forgets one that is nothing to us any more. */
void global_peer_trim(struct global *g, struct global_peer *peer);

/* A node name in a message; ATOM_NONE: none, or there are too many atoms. */
atom_t global_node_name(struct cnode_term term);
/* A pid in a message, of whatever node: of a name that one learns before that
 * node itself. False: no pid, or there are too many atoms. */
MUST_USE bool global_pid(struct cnode_term term, struct pid *pid);

/* To the server of a node: what is in g->out. */
void global_send(struct global *g, enum global_role from, atom_t node);
struct buf *global_begin(struct global *g); /* g->out, emptied */

/* --- lists of nodes */

void global_nodes_clear(struct global_nodes *nodes);
void global_nodes_fini(struct global_nodes *nodes);
void global_nodes_add(struct global_nodes *nodes, atom_t node);
void global_nodes_add_known(struct global *g, struct global_nodes *nodes);
bool global_nodes_have(const struct global_nodes *nodes, atom_t node);
void global_nodes_remove(struct global_nodes *nodes, atom_t node);
/* By text: the boss is the greatest. */
bool global_node_is_less(atom_t a, atom_t b);
atom_t global_nodes_boss(const struct global_nodes *nodes);

/* --- names and locks (global_store.c) */

bool global_store_set_lock(struct global *g, const struct global_lock_id *id,
                           struct pid pid);
void global_store_del_lock(struct global *g, const struct global_lock_id *id,
                           struct pid pid);
void global_store_register(struct global *g, struct cnode_term name,
                           struct pid pid, struct cnode_term method,
                           atom_t ext_node, struct pid by);
void global_store_unregister(struct global *g, struct cnode_term name);

/* Inserts and deletes as agreed under the lock `lock_id`. */
struct global_change {
    struct cnode_term ops; /* elements, one behind the other */
    uint32_t count;
    struct cnode_term names_ext, lock_id;
    atom_t stranger; /* who says it, if not known: but not of its own names */
};

void global_store_apply(struct global *g, const struct global_change *change);
bool global_store_down(struct global *g, const struct ref *ref);
/* What processes of that node have: names; names and locks. */
void global_store_drop_names(struct global *g, atom_t node);
void global_store_drop_node(struct global *g, atom_t node);

/* --- asking many (global_multi.c) */

struct global_ask {
    atom_t node;
    struct ref ref;
    bool is_waiting;
    enum { ANSWER_NONE, ANSWER_TRUE, ANSWER_FALSE, ANSWER_OTHER } answer;
};

void multi_fini(struct global *g, struct global_multi *multi);
/* Asks all of them, us included; `request` is copied. When all have answered,
 * or are not there, multi_done() of the role: never before this returns... */
void multi_start(struct global *g, struct global_multi *multi,
                 const struct global_nodes *nodes, struct cnode_term request);
/* True: it was an answer to it. */
bool multi_message(struct global *g, struct global_multi *multi,
                   struct cnode_term message);
static inline bool multi_is_done(const struct global_multi *multi)
{
    return multi->waiting == 0;
}
/* No `false` among the answers; those who are not there do not count. */
bool multi_all_true(const struct global_multi *multi);
void multi_put_true(const struct global_multi *multi,
                    struct global_nodes *nodes);

/* --- the locker */

void locker_init(struct global *g);
void locker_fini(struct global *g);
/* His locker is known: a session that may be locked for. */
void locker_add(struct global *g, struct global_peer *peer);
/* A lock_set of that session. */
void locker_hear(struct global *g, struct global_peer *peer, struct pid pid,
                 bool is_set);
/* From somebody whose session we do not have: it is refused. */
void locker_refuse(struct global *g, struct pid pid);
/* The session ends. */
void locker_cancel(struct global *g, struct global_peer *peer);
/* Goes on as far as it can. */
void locker_run(struct global *g);
/* What the server does when both parts are locked. */
void server_lock_is_set(struct global *g, struct global_peer *peer,
                        struct cnode_term lock_id);

/* --- the registrar */

void registrar_init(struct global *g);
void registrar_fini(struct global *g);
void registrar_run(struct global *g);

/* --- the resolver */

struct global_resolver;
void resolver_free(struct global_resolver *resolver);
/* His names against ours. server_resolver_done() follows, perhaps at once. */
void resolver_start(struct global *g, struct global_peer *peer);
void server_resolver_done(struct global *g, struct global_peer *peer,
                          const struct buf *ops, uint32_t op_count,
                          const struct buf *resolved, uint32_t resolved_count);

/* --- chance */

uint32_t global_random(struct global *g, uint32_t below);
/* As global:random_sleep/1: up to 1/4 s, doubling up to 8 s. */
uint64_t global_sleep_ms(struct global *g, uint32_t times);

#endif
