/* SPDX-License-Identifier: Apache-2.0
 *
 * A full member of OTP's global (protocol version 8, OTP 25 and newer): global
 * names and locks, and how two parts of a cluster become one. Pure: messages
 * and times in, messages, monitors and dials out.
 *
 * Three processes, as at OTP's:
 *
 *     server     global_name_server: talks to the other ones, holds the names
 *                and the locks that are set on this node    global_server.c
 *                                                           global_store.c
 *     locker     sets the lock `global` on the own part of the cluster and
 *                agrees with the locker of the other part   global_locker.c
 *     registrar  registers names for processes of this node global_registrar.c
 *
 * How A meets B (both sides do the same; ! is a message between servers):
 *
 *     nodeup          ! init_connect, then init_connect_ack: a session, with a
 *                     tag of either side on every message
 *     lockers         ! lock_set: both have locked their part with one lock id
 *     both locked     ! exchange: all names
 *     clashes         the lesser node resolves them           global_resolver.c
 *     resolved        ! resolved: what to insert and delete, whom A knows
 *     done            B and whom it knows are known; ! new_nodes to whom A knew
 *                     before; ! in_sync to whom B knew; unlocked
 *
 * OTP prevents overlapping partitions: who loses a node tells all others, who
 * then drop it too. We do what we are told, and pass it on, but tell nobody
 * ourselves: the other end does. So when our connection to A is lost, all drop
 * us; they never drop A for it, and no connection between two others is lost
 * because of this node.
 */
#ifndef CNODE_CLUSTER_GLOBAL_H
#define CNODE_CLUSTER_GLOBAL_H

#include "cluster/global_locks.h"
#include "cluster/global_names.h"
#include "node/dest.h"
#include "node/gen.h"

enum { GLOBAL_VERSION = 8 };

enum global_role {
    GLOBAL_SERVER,
    GLOBAL_LOCKER,
    GLOBAL_REGISTRAR,
    GLOBAL_ROLES
};

/* Two processes have one name: what the method of the second makes of it. */
struct global_clash {
    atom_t session; /* with that node */
    uint64_t serial;
    struct cnode_term name, method;
    struct pid pid, pid2; /* theirs; ours, whose node is to decide */
};

struct global_events {
    /* A message of one of the three to a process of a node that is connected,
     * or dialled because of a monitor(). It is not lost while the connection is
     * there; never dials. */
    void (*send)(void *owner, enum global_role from, const struct dest *to,
                 struct cnode_term message);
    void (*reply)(void *owner, const struct gen_from *from,
                  struct cnode_term reply);
    /* global_message() gets the 'DOWN'. Dials. Not 0: there will be none. */
    int (*monitor)(void *owner, enum global_role who, const struct dest *target,
                   struct ref *ref);
    void (*demonitor)(void *owner, enum global_role who, const struct ref *ref);
    /* global_nodeup() or global_dial_failed() follows, perhaps at once. */
    void (*dial)(void *owner, atom_t node);
    /* global_nodedown() follows, not at once. */
    void (*disconnect)(void *owner, atom_t node);
    /* global_resolved() follows, perhaps at once. */
    void (*resolve)(void *owner, const struct global_clash *clash);
    /* The end of a request: yes, no or ok. */
    void (*done)(void *owner, uint64_t request, atom_t result);
};

struct global_nodes {
    atom_t *items;
    uint32_t count, cap;
};

/* One request to the servers of several nodes, as gen_server:multi_call/3. */
struct global_multi {
    enum global_role role;
    struct global_ask *asks;
    uint32_t count, cap, waiting;
    bool is_open;
};

enum locker_state {
    LOCKER_IDLE,
    LOCKER_FIRST,       /* locking the greatest node */
    LOCKER_SECOND,      /* ourselves and him */
    LOCKER_KNOWN,       /* all whom we know */
    LOCKER_UNDO,        /* unlocking: somebody said no */
    LOCKER_WAIT_HIM,    /* our part is locked, his not yet */
    LOCKER_WAIT_CANCEL, /* both are; the servers are at work */
    LOCKER_RELEASE,     /* unlocking all but the greatest node */
    LOCKER_RELEASE_LAST,
};

struct global_locker {
    enum locker_state state;
    struct global_multi multi;
    struct global_nodes targets, held;
    atom_t him;    /* whose session it is about; none when it ended */
    bool is_asked; /* his locker was first */
    bool just_synced;
    struct buf id;   /* of the lock */
    uint64_t due_ms; /* LOCKER_IDLE: time to choose somebody */
};

enum registrar_state {
    REGISTRAR_IDLE,
    REGISTRAR_SLEEP, /* somebody has the lock */
    REGISTRAR_BOSS,  /* locking the greatest node */
    REGISTRAR_ALL,
    REGISTRAR_UNDO,
    REGISTRAR_CHANGE, /* telling all */
    REGISTRAR_RELEASE,
    REGISTRAR_RELEASE_LAST,
};

struct global_registrar {
    enum registrar_state state;
    struct global_multi multi;
    struct global_nodes targets, held;
    struct list requests; /* struct global_request; the first is at work */
    uint32_t request_count, tries;
    atom_t result;
    uint64_t due_ms; /* REGISTRAR_SLEEP */
};

struct global {
    atom_t node;
    struct pid pids[GLOBAL_ROLES];
    const struct global_events *events;
    void *owner;

    struct map peers; /* struct global_peer by node */
    struct global_names names;
    struct global_locks locks;
    struct global_locker locker;
    struct global_registrar registrar;
    struct list lost; /* struct global_loss: lost connections we heard of */
    uint32_t lost_count;

    uint64_t now_ms;
    uint64_t random;
    int64_t next_tag;
    uint64_t next_serial;
    struct buf out;
};

/* `random` seeds what is left to chance: who is tried first, how long to wait.
 */
void global_init(struct global *g, atom_t node,
                 const struct pid pids[GLOBAL_ROLES], uint64_t random,
                 const struct global_events *events, void *owner);
void global_fini(struct global *g); /* tells nobody */

/* --- the cluster: visible nodes. Each takes the time. */

void global_nodeup(struct global *g, atom_t node, uint64_t now_ms);
void global_nodedown(struct global *g, atom_t node, uint64_t now_ms);
void global_dial_failed(struct global *g, atom_t node, uint64_t now_ms);
/* A message to one of the three, `from` PID_NONE when unknown. 0; or
 * CNODE_UNHANDLED, CNODE_EINVALID: ignored. A call is always answered. */
int global_message(struct global *g, enum global_role role, struct pid from,
                   struct cnode_term message, uint64_t now_ms);
/* A pid, the atom none, or what else the method gave; TERM_NONE: it could not
 * be asked. */
void global_resolved(struct global *g, atom_t session, uint64_t serial,
                     struct cnode_term result, uint64_t now_ms);

uint64_t global_deadline(const struct global *g); /* UINT64_MAX: none */
void global_tick(struct global *g, uint64_t now_ms);

/* --- for processes of this node */

enum global_op { GLOBAL_REGISTER, GLOBAL_RE_REGISTER, GLOBAL_UNREGISTER };

/* events->done(request) follows, perhaps at once. CNODE_OVERLOADED,
 * CNODE_TOO_LARGE, CNODE_NOMEM. */
MUST_USE int global_request(struct global *g, enum global_op op,
                            struct cnode_term name, struct pid pid,
                            uint64_t request, uint64_t now_ms);
/* PID_NONE: undefined. */
struct pid global_whereis(struct global *g, struct cnode_term name);

#endif
