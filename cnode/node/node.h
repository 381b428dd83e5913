/* SPDX-License-Identifier: Apache-2.0
 *
 * This program as a node: its name and creation, its schedulers, names, peers,
 * and the life of its processes. The layers above register for events.
 */
#ifndef CNODE_NODE_NODE_H
#define CNODE_NODE_NODE_H

#include "node/alias.h"
#include "node/leader.h"
#include "node/link.h"
#include "node/monitor.h"
#include "node/names.h"
#include "node/peers.h"
#include "node/relations.h"
#include "node/route.h"
#include "node/spawn.h"
#include "node/spawn_request.h"
#include "runtime/scheduler.h"

enum link_profile {
    LINK_PROFILE_LATENCY,
    LINK_PROFILE_THROUGHPUT,
    LINK_PROFILE_OFF
};

/* Read once at start; the strings live as long as the node. */
struct node_config {
    const char *name; /* full name */
    const char *cookie;
    /* NULL, or gives another cookie for some nodes (NULL: the default). */
    const char *(*cookie_for)(void *owner, const char *name);
    bool hidden;
    const char *listen_host; /* "0.0.0.0" by default */
    uint16_t listen_port;    /* 0: any */
    uint16_t epmd_port;
    bool start_epmd;
    uint64_t setup_ms;    /* net_setuptime: 7000 */
    uint64_t ticktime_ms; /* net_ticktime: 60000 */
    uint64_t busy_poll_ns;
    uint64_t callback_budget_ns, callback_limit_ns; /* 0: off */
    enum link_profile link_profile;
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

/* A message for a local process that is gone: true when it was taken care of
 * (a restarted worker's old pid). Set by the pool layer. */
typedef bool (*node_forward_fn)(void *owner, const struct signal *signal);

struct node {
    struct node_config config;
    atom_t name;
    uint32_t creation; /* 0 until registered */
    const struct node_events *events;
    void *owner;

    struct scheduler scheduler; /* number 0; cluster services live here */
    struct watchdog *watchdog;
    struct names names;
    struct peers peers;
    struct monitors monitors;
    struct links links;
    struct aliases aliases;
    struct slab relations_slab;
    struct list spawn_handlers; /* struct spawn_handler.in_node */
    struct spawn_requests spawn_requests;
    struct leaders leaders;
    struct epmd_client *epmd;
    uint64_t next_ref;
    struct buf scratch;          /* one message being written: node_scratch() */
    struct block *scratch_block; /* its bytes, when they were many */
    struct buf idents;           /* pids and refs of one control message */

    node_forward_fn forward;
    void *forward_owner;
    bool is_registered;                     /* `ready` has run */
    bool is_leaving, is_closing, is_closed; /* `closed` has run */
};

/* --- the node itself */

MUST_USE int node_init(struct node *node, const struct node_config *config,
                       const struct node_events *events, void *owner);
/* Listens and registers; events->ready follows. */
MUST_USE int node_open(struct node *node);
/* Runs the loop until events->closed has run. */
void node_run(struct node *node);
/* Announces the end: epmd forgets the name, nobody new is let in, and what ends
 * from now on is told to peers by the closed connection alone (noconnection).
 * Connections stay until node_close(), so that workers may still send. */
void node_leave(struct node *node);
/* Leaves: peers see the connection closed, epmd forgets the name. */
void node_close(struct node *node);
void node_fini(struct node *node);

uint16_t node_port(const struct node *node);

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

/* The live local process with that pid, or NULL (also for a stale creation). */
struct process *node_find(const struct node *node, struct pid pid);

/* A reference nobody else has: 3 words, the first below 2^18. */
struct ref node_make_ref(struct node *node);

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
