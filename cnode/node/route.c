/* SPDX-License-Identifier: Apache-2.0
 *
 * See route.h. A signal for another node is written on its channel, one for
 * this node is queued, and acted on when its turn comes. (What comes from peers
 * is in receive.c.)
 */
#include "node/route.h"

#include <cnode/error.h>

#include "base/metric.h"
#include "dist/flags.h"
#include "node/gen.h"
#include "node/node.h"
#include "term/validate.h"

/* --- out */

static int send_local(struct node *node, struct pid from,
                      const struct dest *dest, struct payload message)
{
    struct signal signal = {.kind = SIGNAL_MESSAGE,
                            .from = from,
                            .to = dest->pid,
                            .term = term_at(message.bytes, message.size)};

    if (dest->kind == DEST_NAME) {
        if (!names_receiver(node, dest->name, &signal.to)) {
            METRIC_INC(dead_letters);
            return 0;
        }
    } else if (dest->kind == DEST_ALIAS) {
        signal.kind = SIGNAL_ALIAS;
        (void)term_get_ref(dest->alias, &signal.ref);
        signal.to = alias_home(node, &signal.ref);
    } else if (signal.to.creation != node->creation) {
        METRIC_INC(dead_letters);
        return 0;
    }
    return door_deliver(node, &signal);
}

static int send_remote(struct peer *peer, struct pid from,
                       const struct dest *dest, struct payload message)
{
    struct channel *channel;
    struct buf *buf;

    if (peer_is_congested(peer, message.size)) {
        return CNODE_OVERLOADED;
    }
    channel = peer_channel(peer);
    buf = channel_begin(channel);
    switch (dest->kind) {
    case DEST_PID:
        control_put_send(buf, channel->flags, from, dest->pid);
        break;
    case DEST_NAME:
        control_put_reg_send(buf, from, dest->name);
        break;
    case DEST_ALIAS:
        control_put_alias_send(buf, channel->flags, from, dest->alias);
        break;
    }
    return channel_end(channel, from, message);
}

int route_send(struct node *node, struct pid from, const struct dest *dest,
               struct payload message)
{
    struct peer *peer;

    if (dest->node == node->name) {
        return send_local(node, from, dest, message);
    }
    if (node->index != 0) {
        return parcel_cross(node, parcel_of_message(from, dest, message),
                            dest->node);
    }
    peer = peers_auto_connect(&node->peers, dest->node);
    if (peer == NULL) {
        METRIC_INC(dead_letters);
        return CNODE_NOCONN;
    }
    if (!peer_is_up(peer)) {
        return backlog_add_message(&peer->backlog, from, dest, message);
    }
    return send_remote(peer, from, dest, message);
}

/* The identifiers of a signal as terms, which is how control_put_* that echo a
 * peer's own bytes want them. */
struct idents {
    struct buf buf;
    struct cnode_term watched, to, ref;
};

static void idents_put(struct idents *ids, struct node *node,
                       const struct signal *signal)
{
    size_t to, ref, end;

    ids->buf = node->idents;
    buf_clear(&ids->buf);
    if (signal->name != ATOM_NONE) {
        term_put_atom(&ids->buf, signal->name);
    } else {
        term_put_pid(&ids->buf, signal->from);
    }
    to = buf_size(&ids->buf);
    term_put_pid(&ids->buf, signal->to);
    ref = buf_size(&ids->buf);
    if (signal->ref.len > 0) {
        term_put_ref(&ids->buf, &signal->ref);
    }
    end = buf_size(&ids->buf);
    ids->watched = term_at(buf_data(&ids->buf), to);
    ids->to = term_at(buf_data(&ids->buf) + to, ref - to);
    ids->ref = term_at(buf_data(&ids->buf) + ref, end - ref);
    node->idents = ids->buf;
}

static struct payload reason_payload(bool follows, struct cnode_term reason)
{
    return follows ? (struct payload){.bytes = reason.at,
                                      .size = cnode_term_size(reason)}
                   : (struct payload){0};
}

/* Control tuples that echo nothing of a peer's; false: another kind. */
static bool put_own_signal(struct buf *buf, const struct signal *s)
{
    switch (s->kind) {
    case SIGNAL_LINK:
        control_put_link(buf, s->from, s->to);
        return true;
    case SIGNAL_UNLINK:
        control_put_unlink(buf, s->id, s->from, s->to);
        return true;
    case SIGNAL_MONITOR:
        control_put_monitor(buf, s->from, s->to, s->name, &s->ref);
        return true;
    case SIGNAL_DEMONITOR:
        control_put_demonitor(buf, s->from, s->to, s->name, &s->ref);
        return true;
    case SIGNAL_GROUP_LEADER:
        control_put_group_leader(buf, s->from, s->to);
        return true;
    default:
        return false;
    }
}

/* The others; true when the signal's term follows as payload. */
static bool put_echo(struct node *node, struct channel *channel,
                     struct buf *buf, const struct signal *s)
{
    struct idents ids;

    if (s->kind == SIGNAL_ALIAS_EXIT) {
        control_put_alias_exit(buf, s->from, &s->ref);
        return true;
    }
    idents_put(&ids, node, s);
    if (buf_error(&node->idents) != 0) {
        buf->error = buf_error(&node->idents);
        return false;
    }
    switch (s->kind) {
    case SIGNAL_UNLINK_ACK:
        control_put_unlink_ack(buf, s->id, s->from, ids.to);
        return false;
    case SIGNAL_SPAWN_REPLY:
        control_put_spawn_reply(buf, ids.ref, ids.to, (uint32_t)s->id, s->from,
                                s->name);
        return false;
    case SIGNAL_EXIT:
        return control_put_exit(buf, channel->flags, s->from, ids.to, s->term);
    case SIGNAL_EXIT2:
        return control_put_exit2(buf, channel->flags, s->from, ids.to, s->term);
    case SIGNAL_DOWN:
        return control_put_monitor_exit(buf, channel->flags, ids.watched,
                                        ids.to, ids.ref, s->term);
    default:
        CHECK(s->kind == SIGNAL_DOWN); /* messages go through route_send */
        return false;
    }
}

static bool dials(enum signal_kind kind)
{
    return kind == SIGNAL_MONITOR || kind == SIGNAL_LINK ||
           kind == SIGNAL_EXIT2 || kind == SIGNAL_ALIAS_EXIT ||
           kind == SIGNAL_SPAWN_REQUEST;
}

/* By way of scheduler 0. No memory for a long reason: as in signal_local(). */
static int signal_across(struct node *node, const struct signal *signal,
                         atom_t where)
{
    struct signal shorter = *signal;
    int rc = parcel_cross(node, parcel_of_signal(signal), where);

    if (rc == CNODE_NOMEM && signal->kind != SIGNAL_SPAWN_REQUEST &&
        !term_is_none(signal->term)) {
        shorter.term = atom_term(A_system_limit);
        rc = parcel_cross(node, parcel_of_signal(&shorter), where);
    }
    return rc;
}

/* What the peer must not be sent: a BEAM drops the connection for the exit of a
 * link to its earlier incarnation; who lacks the flags knows no monitors, and
 * the loss of the connection is all that it will ever tell, nor exits of
 * aliases, which a BEAM does not send either then. */
static bool is_unwelcome(const struct peer *peer, const struct signal *signal)
{
    const uint64_t monitors = DIST_DIST_MONITOR | DIST_DIST_MONITOR_NAME;

    switch (signal->kind) {
    case SIGNAL_EXIT:
        return signal->to.creation != peer->creation;
    case SIGNAL_MONITOR:
    case SIGNAL_DEMONITOR:
        return (peer->link.channel->flags & monitors) != monitors;
    case SIGNAL_ALIAS_EXIT:
        return (peer->link.channel->flags & DIST_ALTACT_SIG) == 0;
    case SIGNAL_SPAWN_REQUEST:
        return (peer->link.channel->flags & DIST_SPAWN) == 0;
    default:
        return false;
    }
}

int route_finish(struct peer *peer, struct channel *channel, struct pid from,
                 struct payload reason)
{
    int rc = channel_end(channel, from, reason);

    if (rc != 0) {
        peer_break(peer, rc);
    }
    return rc;
}

static int send_signal(struct node *node, struct peer *peer,
                       const struct signal *signal)
{
    struct channel *channel = peer_channel(peer);
    struct buf *buf = channel_begin(channel);
    bool follows =
        !put_own_signal(buf, signal) && put_echo(node, channel, buf, signal);

    return route_finish(peer, channel, signal->from,
                        reason_payload(follows, signal->term));
}

static int send_spawn_request(struct node *node, struct peer *peer,
                              const struct signal *signal)
{
    struct cnode_term parts[SPAWN_TERMS];
    struct channel *channel;
    struct pid leader;
    int rc;

    CHECK(term_get_tuple(signal->term, SPAWN_TERMS, parts));
    if (!term_get_pid(parts[SPAWN_LEADER], &leader) &&
        leader_holds(node, peer, signal, &leader, &rc)) {
        return rc;
    }
    channel = peer_channel(peer);
    control_put_spawn_request(channel_begin(channel), &signal->ref,
                              signal->from, leader, parts[SPAWN_MFA],
                              parts[SPAWN_OPTS]);
    return route_finish(peer, channel, signal->from,
                        reason_payload(true, parts[SPAWN_ARGS]));
}

/* No memory for a long reason must not be the end of an exit or a DOWN. */
static int signal_local(struct node *node, const struct signal *signal)
{
    int rc = door_deliver(node, signal);

    if (rc == CNODE_NOMEM && !term_is_none(signal->term)) {
        struct signal shorter = *signal;

        shorter.term = atom_term(A_system_limit);
        rc = door_deliver(node, &shorter);
    }
    return rc;
}

static bool tells_an_end(enum signal_kind kind)
{
    return kind == SIGNAL_EXIT || kind == SIGNAL_DOWN;
}

int route_signal(struct node *node, const struct signal *signal, atom_t where)
{
    struct peer *peer;

    if (where == node->name) {
        return signal_local(node, signal);
    }
    if (node->index != 0) {
        return signal_across(node, signal, where);
    }
    peer = dials(signal->kind) ? peers_auto_connect(&node->peers, where)
                               : peers_find(&node->peers, where);
    if (peer == NULL) {
        return CNODE_NOCONN;
    }
    if (!peer_is_up(peer)) { /* what undoes one that waits follows it */
        return dials(signal->kind) || !backlog_is_empty(&peer->backlog)
                   ? backlog_add_signal(&peer->backlog, signal)
                   : CNODE_NOCONN;
    }
    if (is_unwelcome(peer, signal)) {
        METRIC_INC(signals_dropped);
        if (signal->kind == SIGNAL_SPAWN_REQUEST) {
            spawn_request_fail(node, signal, A_notsup);
        }
        return 0;
    }
    if (node->is_leaving && tells_an_end(signal->kind)) {
        return 0; /* noconnection says it in a moment */
    }
    return signal->kind == SIGNAL_SPAWN_REQUEST
               ? send_spawn_request(node, peer, signal)
               : send_signal(node, peer, signal);
}

/* --- signals for local processes */

static void exit_signal(struct node *node, struct process *process,
                        const struct signal *signal)
{
    bool kills =
        signal->kind != SIGNAL_EXIT && term_is_atom(signal->term, A_kill);
    struct signal message = {
        .kind = SIGNAL_EXIT, .to = signal->to, .from = signal->from};
    struct buf buf;

    if (kills) {
        process->class->exit(process, atom_term(A_killed));
        return;
    }
    if ((process->flags & PROCESS_TRAP_EXIT) == 0) {
        if (!term_is_atom(signal->term, A_normal) ||
            (signal->kind == SIGNAL_EXIT2 && /* exit(self(), normal) */
             pid_equal(signal->from, signal->to))) {
            process->class->exit(process, signal->term);
        }
        return;
    }
    buf_init(&buf, 0);
    term_format(&buf, "{'EXIT', ~p, ~t}", signal->from, signal->term);
    if (buf_error(&buf) != 0) { /* no memory for a long reason */
        buf_clear(&buf);
        term_format(&buf, "{'EXIT', ~p, system_limit}", signal->from);
    }
    if (buf_error(&buf) == 0) {
        message.term = term_at(buf_data(&buf), buf_size(&buf));
        scheduler_become_message(&node->scheduler, &message);
    }
    buf_fini(&buf);
}

static void through_alias(struct node *node, const struct signal *signal)
{
    struct signal own = *signal;

    if (!alias_resolve(node, &own)) {
        METRIC_INC(dead_letters);
    } else if (signal->kind == SIGNAL_ALIAS_EXIT) {
        exit_signal(node, node_find(node, own.to), &own);
    } else {
        own.kind = SIGNAL_MESSAGE;
        scheduler_become_message(&node->scheduler, &own);
    }
}

/* A link or monitor of a connection that is down by now, as it waited in a
 * queue: the peer has forgotten it. */
static bool is_outdated(const struct node *node, const struct signal *signal)
{
    const struct remote *remote;

    if (signal->from.node == node->name ||
        (signal->kind != SIGNAL_LINK && signal->kind != SIGNAL_MONITOR)) {
        return false;
    }
    remote = remote_find(node, signal->from.node);
    return !remote_is_up(remote) || remote->connection != signal->id;
}

void route_local(struct node *node, const struct signal *signal)
{
    struct process *process = node_find(node, signal->to);

    if (is_outdated(node, signal)) {
        METRIC_INC(signals_dropped);
        return;
    }
    switch (signal->kind) {
    case SIGNAL_LINK:
        link_on_link(node, process, signal);
        return;
    case SIGNAL_UNLINK:
        link_on_unlink(node, process, signal);
        return;
    case SIGNAL_UNLINK_ACK:
        link_on_unlink_ack(node, process, signal);
        return;
    case SIGNAL_MONITOR:
        monitor_on_monitor(node, process, signal);
        return;
    case SIGNAL_DEMONITOR:
        monitor_on_demonitor(node, signal);
        return;
    case SIGNAL_DOWN:
        monitor_on_down(node, signal);
        return;
    case SIGNAL_EXIT:
        if (link_on_exit(node, process, signal)) {
            exit_signal(node, process, signal);
        }
        return;
    case SIGNAL_EXIT2:
        if (process != NULL) {
            exit_signal(node, process, signal);
        }
        return;
    case SIGNAL_GROUP_LEADER:
        if (process != NULL) {
            group_leader_set(node, process, signal->from);
        }
        return;
    case SIGNAL_SPAWN_REQUEST:
        spawn_on_signal(node, signal);
        return;
    case SIGNAL_SPAWN_REPLY:
        spawn_on_reply(node, process, signal);
        return;
    case SIGNAL_ALIAS:
    case SIGNAL_ALIAS_EXIT:
        through_alias(node, signal);
        return;
    case SIGNAL_MESSAGE:
    case SIGNAL_TASK:
        break; /* the scheduler does those itself */
    }
}
