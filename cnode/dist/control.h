/* SPDX-License-Identifier: Apache-2.0
 *
 * Control messages (erts "Distribution Protocol", 4.4): tuples of the wire to
 * one normalised struct, and back. Variants with trace tokens and OTP 28's
 * ALTACT_SIG_SEND become the plain kind. Pure.
 */
#ifndef CNODE_DIST_CONTROL_H
#define CNODE_DIST_CONTROL_H

#include "term/build.h"
#include "term/view.h"

enum control_kind {
    CONTROL_LINK,       /* from, to: a pid, or any term */
    CONTROL_SEND,       /* from (none, or any term), to: pid; payload */
    CONTROL_REG_SEND,   /* from, to: atom; payload */
    CONTROL_ALIAS_SEND, /* from (any term), ref: the alias; payload */
    CONTROL_EXIT,       /* from, to, reason */
    CONTROL_EXIT2, /* from, to, reason; sent to an alias (37): ref, no to */
    CONTROL_UNLINK_OLD,    /* from, to: op 4 of OTP 25 without UNLINK_ID */
    CONTROL_UNLINK,        /* id, from, to */
    CONTROL_UNLINK_ACK,    /* id, from, to */
    CONTROL_GROUP_LEADER,  /* from: the leader, to: the member */
    CONTROL_MONITOR,       /* from, to: pid or atom, ref */
    CONTROL_DEMONITOR,     /* from, to: pid or atom, ref */
    CONTROL_MONITOR_EXIT,  /* from: pid or atom, to, ref, reason */
    CONTROL_SPAWN_REQUEST, /* ref: request id, from, leader, mfa, opts; payload:
                              the argument list */
    CONTROL_SPAWN_REPLY,   /* ref: request id, to, flags, result: pid or atom */
    CONTROL_KIND_COUNT
};

/* Terms are views into the frame, shape-checked (a field said to be a pid is
 * one); node names inside may still be unknown. */
struct control {
    enum control_kind kind;
    bool has_payload; /* on the wire: a second term follows the tuple */
    bool is_priority; /* ALTACT_SIG_SEND with the priority bit */
    uint64_t id;      /* unlink */
    uint32_t flags;   /* spawn reply */
    struct cnode_term from, to, ref, leader, mfa, opts, result;
    struct cnode_term reason;  /* from the tuple or from the payload */
    struct cnode_term payload; /* message, reason or arguments */
    /* What a message put together from fragments lies in; whoever gets it may
     * take the bytes over (block_from_buf). NULL: they are the channel's. */
    struct buf *whole;
};

/* Reads a validated tuple. `payload` is left empty and `reason` too if it comes
 * as payload: control_set_payload() puts it in place. 0; CNODE_PROTOCOL for
 * what is no control tuple or has a field of the wrong type; CNODE_UNHANDLED
 * for an operation we do not know (to be skipped: the frame says where it
 * ends). */
MUST_USE int control_decode(struct cnode_term tuple, struct control *control);
void control_set_payload(struct control *control, struct cnode_term payload);

const char *control_name(enum control_kind kind); /* for logs */

/* --- writing: appends the tuple only; `peer` is what the peer understands
 * (negotiated flags). Each says whether a payload must follow. */

/* To a pid. Payload: the message. */
void control_put_send(struct buf *buf, uint64_t peer, struct pid from,
                      struct pid to);
/* To a pid known only by its bytes (the From of a call). Payload: message. */
void control_put_send_term(struct buf *buf, uint64_t peer, struct pid from,
                           struct cnode_term to);
/* To a registered name. Payload: the message. */
void control_put_reg_send(struct buf *buf, struct pid from, atom_t name);
/* To an alias (a reference of the peer). Payload: the message. */
void control_put_alias_send(struct buf *buf, uint64_t peer, struct pid from,
                            struct cnode_term alias);
/* An exit signal to one. The peer must know ALTACT_SIG. Payload: the reason. */
void control_put_alias_exit(struct buf *buf, struct pid from,
                            const struct ref *alias);
void control_put_link(struct buf *buf, struct pid from, struct pid to);
void control_put_unlink(struct buf *buf, uint64_t id, struct pid from,
                        struct pid to);
void control_put_unlink_ack(struct buf *buf, uint64_t id, struct pid from,
                            struct cnode_term to);
/* `to_name` is used when `to` is none. No payload. */
void control_put_monitor(struct buf *buf, struct pid from, struct pid to,
                         atom_t to_name, const struct ref *ref);
void control_put_demonitor(struct buf *buf, struct pid from, struct pid to,
                           atom_t to_name, const struct ref *ref);

/* The rest carries a reason: as payload with EXIT_PAYLOAD, else in the tuple
 * (`reason`). Returns true when the payload (the reason) must follow. */
MUST_USE bool control_put_exit(struct buf *buf, uint64_t peer, struct pid from,
                               struct cnode_term to, struct cnode_term reason);
MUST_USE bool control_put_exit2(struct buf *buf, uint64_t peer, struct pid from,
                                struct cnode_term to, struct cnode_term reason);
/* `watched`: the pid or the name, exactly as it was monitored. */
MUST_USE bool control_put_monitor_exit(struct buf *buf, uint64_t peer,
                                       struct cnode_term watched,
                                       struct cnode_term to,
                                       struct cnode_term ref,
                                       struct cnode_term reason);
void control_put_group_leader(struct buf *buf, struct pid leader,
                              struct pid member);
/* Payload: the argument list. */
void control_put_spawn_request(struct buf *buf, const struct ref *request,
                               struct pid from, struct pid leader,
                               struct cnode_term mfa, struct cnode_term opts);
/* result: a pid of ours, or an error atom. No payload. */
void control_put_spawn_reply(struct buf *buf, struct cnode_term request,
                             struct cnode_term to, uint32_t flags,
                             struct pid pid, atom_t error);

#endif
