/* SPDX-License-Identifier: Apache-2.0
 *
 * This program as a node: its name and creation, its schedulers, names, peers,
 * and the life of its processes. The layers above register for events.
 *
 * A struct node is the node as ONE of its schedulers sees it: there is one for
 * each, and a function with a node runs on the thread of that one. Number 0's
 * has the peers and all connections. None ever touches what belongs to another:
 * they meet at the door (node/door.h), and read names (node/names.h).
 */
#ifndef CNODE_NODE_NODE_H
#define CNODE_NODE_NODE_H

#include "node/alias.h"
#include "node/door.h"
#include "node/leader.h"
#include "node/link.h"
#include "node/monitor.h"
#include "node/names.h"
#include "node/peers.h"
#include "node/relations.h"
#include "node/remote.h"
#include "node/route.h"
#include "node/spawn.h"
#include "node/spawn_request.h"
#include "runtime/scheduler.h"

enum link_profile {
    LINK_PROFILE_LATENCY,
    LINK_PROFILE_THROUGHPUT,
    LINK_PROFILE_OFF
};

/* Does a send to a node that is not connected dial it? As the BEAM's kernel
 * parameter dist_auto_connect. */
enum auto_connect {
    AUTO_CONNECT_ALWAYS,
    AUTO_CONNECT_ONCE, /* not any more after a connection to it was lost */
    AUTO_CONNECT_NEVER
};

struct node_address {
    char host[NODE_NAME_MAX + 1];
    uint16_t port;
};

/* Read once at start; the strings live as long as the node. */
struct node_config {
    const char *name; /* full name */
    const char *cookie;
    /* NULL, or gives another cookie for some nodes (NULL: the default). */
    const char *(*cookie_for)(void *owner, const char *name);
    /* NULL: every node may connect, and be dialled. */
    bool (*is_allowed)(void *owner, const char *name);
    /* NULL, or knows where some nodes listen (false: not this one). */
    bool (*address_for)(void *owner, const char *name,
                        struct node_address *address);
    bool hidden;
    const struct tls_context *tls; /* NULL: plain TCP */
    const char *listen_host;       /* "0.0.0.0" by default */
    uint16_t listen_port;          /* 0: any */
    uint16_t epmd_port;
    bool without_epmd;
    bool start_epmd;
    uint16_t peer_port; /* not 0: where every other node listens */
    enum auto_connect auto_connect;
    uint64_t setup_ms;    /* net_setuptime: 7000 */
    uint64_t ticktime_ms; /* net_ticktime: 60000 */
    uint64_t busy_poll_ns;
    uint64_t callback_budget_ns, callback_limit_ns; /* 0: off */
    enum link_profile link_profile;
    uint32_t schedulers; /* 1..SCHEDULERS_MAX; 0: one */
};

struct node_events {
    /* Listening and registered: name, port and creation are final. Or the start
     * failed (rc negative): the node closes by itself. */
    void (*ready)(void *owner, int rc);
    void (*nodeup)(void *owner, struct peer *peer);
    void (*nodedown)(void *owner, struct peer *peer);
    /* A dial came to nothing; join nodes are tried again. May be NULL. */
    void (*dial_failed)(void *owner, atom_t name, int reason);
    /* All sockets are closed; the loop may end. */
    void (*closed)(void *owner);
};

/* Whether processes began in that module, and as supervisors. Set by the pool
 * layer; on scheduler 0. */
typedef bool (*node_module_fn)(void *owner, atom_t module, bool *is_supervisor);

/* A message for a local process that is gone: true when it was taken care of
 * (a restarted worker's old pid). Set by the pool layer. */
typedef bool (*node_forward_fn)(void *owner, const struct signal *signal);

/* A message for a local process whose mailbox is full; callers are answered by
 * the node. True: it was counted. Set by the pool layer. */
typedef bool (*node_overflow_fn)(void *owner, const struct signal *signal);

/* A process marked by node/registered.h has ended. Set by the registry layer;
 * on scheduler 0, at the top level. */
typedef void (*node_ended_fn)(void *owner, struct pid pid,
                              struct cnode_term reason);

enum { SCHEDULERS_MAX = 1 << PID_SCHEDULER_BITS };

struct node {
    uint32_t index;    /* of this scheduler */
    uint32_t count;    /* of schedulers */
    struct node **all; /* as each of them sees the node; of number 0 */

    struct node_config config;
    atom_t name;
    uint32_t creation; /* 0 until registered */
    const struct node_events *events;
    void *owner;

    struct scheduler scheduler; /* cluster services live on number 0 */
    struct names names;         /* the table is that of number 0 */
    struct remotes remotes;
    struct monitors monitors;
    struct links links;
    struct aliases aliases;
    struct slab relations_slab;
    struct list spawn_handlers; /* struct spawn_handler.in_node */
    struct spawn_requests spawn_requests;
    uint64_t next_ref;
    struct buf scratch;          /* one message being written: node_scratch() */
    struct block *scratch_block; /* its bytes, when they were many */
    struct buf idents;           /* pids and refs of one control message */

    node_forward_fn forward;
    node_overflow_fn overflow;
    void *forward_owner;
    node_module_fn has_module;
    void *module_owner;
    node_ended_fn ended;
    void *ended_owner;

    /* number 0 only */
    struct peers peers;
    struct leaders leaders;
    struct epmd_client *epmd;
    struct timer start; /* without epmd: ready follows */
    struct watchdog *watchdog;
    struct buf *incoming; /* the fragmented message being handled, or NULL */
    bool is_registered;   /* `ready` has run */
    bool is_leaving, is_closing, is_closed; /* `closed` has run */
};

/* --- the node itself */

MUST_USE int node_init(struct node *node, const struct node_config *config,
                       const struct node_events *events, void *owner);
/* What epmd says, to all schedulers: before events->ready. */
void node_become(struct node *node, uint32_t creation);
/* Listens and registers; events->ready follows. */
MUST_USE int node_open(struct node *node);
/* Runs the loop until events->closed has run. The other schedulers' threads run
 * from the end of events->ready until node_close(): before and after that their
 * nodes are the caller's. */
void node_run(struct node *node);
/* Announces the end: epmd forgets the name, nobody new is let in, and what ends
 * from now on is told to peers by the closed connection alone (noconnection).
 * Connections stay until node_close(), so that workers may still send. */
void node_leave(struct node *node);
/* Leaves: peers see the connection closed, epmd forgets the name. */
void node_close(struct node *node);
void node_fini(struct node *node);

uint16_t node_port(const struct node *node);

/* A limit of the node divided among its schedulers. */
static inline uint64_t node_share(const struct node *node, uint64_t limit)
{
    return (limit + node->count - 1) / node->count;
}

/* For node/peers: the last connection is gone. */
void node_peers_closed(struct node *node);

/* --- processes. `process` is the caller's memory. */

MUST_USE int node_spawn(struct node *node, struct process *process,
                        const struct process_class *class);

/* The process ends with `reason`: names are freed, links and monitors told, its
 * slot given back, PROCESS_DEAD set. The memory stays the caller's, who may
 * free it at once. Must not be called from within a callback of another
 * process. */
void node_exit(struct node *node, struct process *process,
               struct cnode_term reason);

static inline struct pid node_pid(const struct node *node,
                                  const struct process *process)
{
    return (struct pid){.node = node->name,
                        .id = process->slot,
                        .serial = process->serial,
                        .creation = node->creation};
}

/* One that only gets the messages which this node routes to it. To all else,
 * signals and those who list processes, there is nothing at its pid. */
MUST_USE int node_spawn_hidden(struct node *node, struct process *process,
                               const struct process_class *class);

/* The live process of this scheduler with that pid, or NULL (also for a stale
 * creation, and a hidden one). */
struct process *node_find(const struct node *node, struct pid pid);

/* The node as the scheduler of a pid of this node sees it. For a number that no
 * scheduler has: this one, which does not find the process. */
static inline struct node *node_of_pid(struct node *node, struct pid pid)
{
    uint32_t index = pid.serial & PID_SCHEDULER_MASK;

    return index < node->count ? node->all[index] : node;
}

/* The pid is of this scheduler, alive or not. */
static inline bool node_owns(const struct node *node, struct pid pid)
{
    uint32_t index = pid.serial & PID_SCHEDULER_MASK;

    return pid.node == node->name &&
           (index == node->index || index >= node->count);
}

/* A pid of a scheduler that no process has: for signals to the scheduler. */
static inline struct pid node_any_pid(const struct node *node, uint32_t index)
{
    return (struct pid){
        .node = node->name, .serial = index, .creation = node->creation};
}

/* A reference nobody else has: 3 words, the first below 2^18. */
struct ref node_make_ref(struct node *node);
/* The node as the scheduler that made a reference of this node sees it. */
static inline struct node *node_of_ref(struct node *node, const struct ref *ref)
{
    uint32_t index = ref->words[2] & PID_SCHEDULER_MASK;

    return index < node->count ? node->all[index] : node;
}

/* For node/door: a message that reached nobody (scheduler_events). */
void node_undelivered(struct node *node, const struct signal *signal,
                      int reason);

/* A message that is being handled, to be held on to: its bytes are taken over
 * where that is possible, so that a huge one is not copied; *term then lies in
 * the block. For the last reader of the message. NULL: out of memory. */
MUST_USE struct block *node_keep(struct node *node, struct cnode_term *term);

/* The buffer for one outgoing message, emptied. Use and send before anything
 * else is called. */
struct buf *node_scratch(struct node *node);
/* Its bytes as a payload (a large one becomes a block, which is unreffed by the
 * next node_scratch()). */
struct payload node_scratch_payload(struct node *node);

static inline struct loop *node_loop(struct node *node)
{
    return &node->scheduler.loop;
}

#endif
