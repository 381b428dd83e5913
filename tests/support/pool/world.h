/* SPDX-License-Identifier: Apache-2.0
 *
 * Pools of a node in memory, on virtual time, and a caller on a peer without a
 * socket. Requests are Erlang text; so are the replies. The node has as many
 * schedulers as CNODE_TEST_SCHEDULERS says, one by default.
 */
#ifndef CNODE_SUPPORT_WORLD_H
#define CNODE_SUPPORT_WORLD_H

#include "pool/pools.h"
#include "registry/syn.h"
#include "storage/stores.h"
#include "support/node/fake_peer.h"
#include "support/pool/script.h"

struct world {
    struct node node;
    struct pools pools;
    struct syn syn; /* after world_use_syn() */
    bool has_syn;
    struct config config;
    struct pool_settings settings;
    struct fake_peer peer;
    struct pid caller; /* on the peer */
    uint32_t calls;
    struct buf text;
};

/* Opens the pools and services of a configuration with single quotes for double
 * ones. The behaviour "script" is known (script.h). Time stands still. */
void world_open(struct world *world, const char *json);
/* In two steps: nothing has run yet after the first. */
void world_prepare(struct world *world, const char *json);
void world_begin(struct world *world);
/* Scope s of syn, of which the peer is a member. */
void world_use_syn(struct world *world);
/* world_open(), and the workers of pool 'P' are in its scope P.Registry, of
 * which the peer is a member. */
void world_open_in_syn(struct world *world, const char *json);
/* What the next world opened has as its stores, which it closes; then none. */
void world_use_stores(struct stores *stores);
/* The peer goes, then the pools, then the node. */
void world_close(struct world *world);

/* One turn: due timers, then until there is nothing to do. */
void world_turn(struct world *world, uint64_t ms);
/* Time goes on by so many milliseconds, at least one turn. */
void world_advance(struct world *world, uint64_t ms);

/* GenServer.call to a name or a pid, without a monitor: the reply, "" when
 * there is none (yet), or "exit: Reason" when a monitor fired. */
const char *world_call(struct world *world, const char *name,
                       const char *request);
const char *world_call_pid(struct world *world, struct pid pid,
                           const char *request);
/* The same as BEAM callers do it: monitor, call; the monitor stays. */
const char *world_monitored_call(struct world *world, const char *name,
                                 const char *request);
/* AdvancedPool's envelope around a call to worker `id` of pool 'P', with
 * `spawn?` true. */
const char *world_ask(struct world *world, const char *id, const char *call);

/* '$gen_cast' and plain messages. */
void world_cast(struct world *world, const char *name, const char *request);
void world_cast_pid(struct world *world, struct pid pid, const char *request);
void world_send_pid(struct world *world, struct pid pid, const char *message);

/* Calls and messages with a format of term/build.h: the reply, or what it got.
 */
const char *world_callf(struct world *world, struct pid pid, const char *format,
                        ...);
const char *world_sendf(struct world *world, struct pid pid, const char *format,
                        ...);

/* A control message of the peer, with a payload (NULL: none), which is freed.
 */
void world_feed(struct world *world, struct buf *payload, const char *control,
                ...);

/* An exit signal, and a monitor on a pid. */
void world_exit(struct world *world, struct pid pid, const char *reason);
void world_monitor(struct world *world, struct pid pid);

/* What the caller got since the last call or look: one line each, replies as
 * their text, DOWNs as "down: Reason". */
const char *world_got(struct world *world);

/* The text of an envelope: format it into the next call. Valid until then. */
const char *world_envelope(const char *id, const char *spawn, const char *call);

/* The worker of an integer id of pool 'P', or NULL. Its pid. */
struct cnode_worker *world_worker(struct world *world, int64_t id);
struct pid world_pid(struct world *world, int64_t id);
struct pool *world_pool(struct world *world); /* 'P', or the first: its head */
struct segment *world_segment(struct world *world, uint32_t index); /* of it */
uint32_t world_workers(struct world *world); /* of it, on all schedulers */
uint32_t world_schedulers(void);
struct pid world_pid_of(struct world *world, const struct process *process);

#endif
