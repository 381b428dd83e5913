/* SPDX-License-Identifier: Apache-2.0
 *
 * The messages of syn 3.3.0 and newer, read and written (their protocol version
 * is the atom '3.0'). Pure.
 *
 *     to syn_registry_S or syn_pg_S on each node of the scope
 *       {'3.0', discover, ScopePid}
 *       {'3.0', ack_sync, ScopePid, [{Name, Pid, Meta, Time}]}
 *       {'3.0', sync_register | sync_join, Name, Pid, Meta, Time, Reason}
 *       {'3.0', sync_unregister | sync_leave, Name, Pid, Meta, Reason}
 *     calls, to the node that has the process
 *       {'3.0', register_or_update_on_node | join_or_update_on_node,
 *               Requester, Name, Pid, MetaOrFun}
 *       {'3.0', unregister_on_node | leave_on_node, Requester, Name, Pid}
 *       {'3.0', subcluster_nodes}
 *
 * Real syn crashes at pids that are no pids, times that are no integers and
 * lists that are not proper: what is written here never has them, and what is
 * read is refused when it has.
 */
#ifndef CNODE_REGISTRY_SYN_WIRE_H
#define CNODE_REGISTRY_SYN_WIRE_H

#include "registry/syn_table.h"

enum syn_what {
    SYN_DISCOVER,
    SYN_ACK_SYNC,
    SYN_ADD,    /* sync_register, sync_join */
    SYN_REMOVE, /* sync_unregister, sync_leave */
};

struct syn_message {
    enum syn_what what;
    struct pid peer;        /* SYN_DISCOVER, SYN_ACK_SYNC: the scope process */
    struct cnode_term list; /* SYN_ACK_SYNC */
    struct syn_claim claim; /* SYN_ADD; SYN_REMOVE without time */
    struct cnode_term reason;
};

enum syn_ask { SYN_ASK_ADD, SYN_ASK_REMOVE, SYN_ASK_NODES };

struct syn_request {
    enum syn_ask ask;
    atom_t requester;       /* ATOM_NONE: a node we do not know */
    struct syn_claim claim; /* without time; SYN_ASK_REMOVE without meta */
};

/* 0; CNODE_UNHANDLED: none of them (unknown version, shape or arity);
 * CNODE_EINVALID: one of them, with a term in it that cannot be. Of an ack_sync
 * the list is not looked into. */
MUST_USE int syn_message_parse(enum syn_kind kind, struct cnode_term term,
                               struct syn_message *message);
MUST_USE int syn_request_parse(enum syn_kind kind, struct cnode_term term,
                               struct syn_request *request);
/* One {Name, Pid, Meta, Time} of an ack_sync. */
MUST_USE bool syn_claim_parse(struct cnode_term term, struct syn_claim *claim);

void syn_put_discover(struct buf *buf, struct pid self);
/* Head of an ack_sync; `count` entries by syn_put_claim() and a term_put_nil()
 * follow. 0 entries: the list is []. The count may be set later, at the place
 * that is returned: 4 bytes, big endian (only if it is not 0). */
size_t syn_put_ack_sync(struct buf *buf, struct pid self, uint32_t count);
void syn_put_claim(struct buf *buf, const struct syn_claim *claim);
void syn_put_add(struct buf *buf, enum syn_kind kind,
                 const struct syn_claim *claim, struct cnode_term reason);
void syn_put_remove(struct buf *buf, enum syn_kind kind,
                    const struct syn_claim *claim, struct cnode_term reason);
void syn_put_request(struct buf *buf, enum syn_kind kind,
                     const struct syn_request *request);

/* The process of a scope, and the tables of ETS that answers name:
 * syn_registry_S, syn_registry_by_name_S, syn_registry_by_pid_S; for groups
 * with pg. CNODE_LIMIT: no room for atoms, or S is too long for them (255
 * characters). CNODE_EINVALID: S has characters above 255, which no BEAM could
 * have. */
struct syn_names {
    atom_t process, by_name, by_pid;
};
MUST_USE int syn_names_make(struct syn_names *names, enum syn_kind kind,
                            atom_t scope);

/* Erlang's order of pids, that decides between claims of the same time: by
 * serial, then id, then the text of the node, then creation. */
int syn_pid_compare(struct pid a, struct pid b);

#endif
