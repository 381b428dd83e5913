/* SPDX-License-Identifier: Apache-2.0
 *
 * syn on a node in memory, a peer p1@there with the process <5> that plays a
 * BEAM, and a local process that asks cnode_syn. As many schedulers as a test
 * wants; time moves when it says so.
 */
#ifndef CNODE_SUPPORT_SYN_NODE_H
#define CNODE_SUPPORT_SYN_NODE_H

#include "registry/syn.h"
#include "support/node/fake_peer.h"
#include "support/node/recorder.h"

struct syn_node {
    struct node node;
    struct syn syn;
    struct fake_peer peer;
    struct pid theirs;     /* a process of the peer; 6 is its scope process */
    struct recorder local; /* on scheduler 0 */
    struct recorder other; /* on the last scheduler */
    uint32_t asked;
};

/* With scope s. */
void syn_node_open(struct syn_node *n, uint32_t schedulers);
void syn_node_close(struct syn_node *n);
/* The peer is connected: what it got. */
const char *syn_node_up(struct syn_node *n);
/* The same, and it is a member of s with no entries. */
void syn_node_meet(struct syn_node *n);
void syn_node_down(struct syn_node *n);
void syn_node_advance(struct syn_node *n, uint64_t ms);

/* The peer sends to a name here; or calls it: what it got then. */
void syn_node_say(struct syn_node *n, const char *to, const char *format, ...);
const char *syn_node_call(struct syn_node *n, const char *to,
                          const char *format, ...);
/* The peer sends to a pid here, or to an alias. */
void syn_node_tell(struct syn_node *n, struct pid to, const char *format, ...);
void syn_node_reply(struct syn_node *n, const struct ref *alias,
                    const char *format, ...);

/* A process here asks cnode_syn: its answers since, without tags. */
const char *syn_node_ask(struct syn_node *n, struct recorder *who,
                         const char *format, ...);
/* What came since. */
const char *syn_node_seen(struct recorder *who);

/* The reference of the last call that the peer got, and its process. */
struct ref syn_node_last_ref(struct syn_node *n);
struct pid syn_node_scope(struct syn_node *n, enum syn_kind kind);
struct syn_pair *syn_node_pair(struct syn_node *n, const char *scope);

#endif
