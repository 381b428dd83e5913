/* SPDX-License-Identifier: Apache-2.0
 *
 * See receive.h. A control message becomes a signal for a local process and is
 * dispatched at once.
 */
#include "node/receive.h"

#include <cnode/error.h>

#include "base/metric.h"
#include "node/gen.h"
#include "node/node.h"
#include "term/validate.h"

/* Both ends of a signal: `from` must be of the peer, `to` of this node, be it
 * an earlier one. An answer in the name of a third node would end the
 * connection. */
static bool read_ends(const struct node *node, const struct peer *peer,
                      const struct control *control, struct signal *signal)
{
    if (!term_get_pid(control->from, &signal->from) ||
        signal->from.node != peer->name) {
        return false;
    }
    if (term_type(control->to) == CNODE_TYPE_ATOM) {
        signal->name = term_atom(control->to);
        return control->kind != CONTROL_LINK; /* there is no link to a name */
    }
    return (term_get_pid(control->to, &signal->to) &&
            signal->to.node == node->name) ||
           control->kind == CONTROL_DEMONITOR; /* the reference says which */
}

/* An alias of ours. */
static bool to_alias(const struct node *node, const struct control *control,
                     struct signal *signal)
{
    if (!term_get_ref(control->ref, &signal->ref) ||
        signal->ref.node != node->name) {
        return false;
    }
    signal->to = alias_home(node, &signal->ref);
    return true;
}

static void receive_message(struct node *node, const struct control *control)
{
    struct signal signal = {.kind = SIGNAL_MESSAGE, .term = control->payload};

    if (!term_is_none(control->from)) {
        (void)term_get_pid(control->from, &signal.from);
    }
    switch (control->kind) {
    case CONTROL_SEND:
        if (term_get_pid(control->to, &signal.to) &&
            signal.to.node == node->name &&
            signal.to.creation == node->creation) {
            door_dispatch(node, &signal);
            return;
        }
        break;
    case CONTROL_REG_SEND:
        if (names_receiver(node, term_atom(control->to), &signal.to)) {
            door_dispatch(node, &signal);
            return;
        }
        break;
    default:
        if (to_alias(node, control, &signal)) {
            signal.kind = SIGNAL_ALIAS;
            door_dispatch(node, &signal);
            return;
        }
        break;
    }
    METRIC_INC(dead_letters);
}

static void refuse_monitor(struct peer *peer, const struct control *control)
{
    struct channel *channel = peer_channel(peer);
    struct cnode_term noproc = atom_term(A_noproc);
    struct payload reason = {0};
    bool follows = control_put_monitor_exit(
        channel_begin(channel), channel->flags, control->to, control->from,
        control->ref, noproc);

    if (follows) {
        reason.bytes = noproc.at;
        reason.size = cnode_term_size(noproc);
    }
    (void)route_finish(peer, channel, PID_NONE, reason);
}

/* Which scheduler has the monitor. A name may have been of another one when the
 * monitor was made: the signal then goes from one to the next. */
static void find_monitored(const struct node *node, struct signal *signal)
{
    if (signal->to.node != node->name) {
        signal->id = node->count - 1;
        if (!names_whereis(node, signal->name, &signal->to)) {
            signal->to = node_any_pid(node, 0);
        }
    }
}

static void receive_signal(struct node *node, struct peer *peer,
                           enum signal_kind kind, const struct control *control)
{
    struct signal signal = {
        .kind = kind, .id = control->id, .term = control->reason};

    if (!read_ends(node, peer, control, &signal) ||
        (!term_is_none(control->ref) &&
         (!term_get_ref(control->ref, &signal.ref) ||
          signal.ref.node != peer->name))) {
        METRIC_INC(signals_dropped);
        return;
    }
    if (kind == SIGNAL_LINK || kind == SIGNAL_MONITOR) {
        signal.id = peer->connection;
    }
    if (kind == SIGNAL_MONITOR && term_type(control->to) == CNODE_TYPE_ATOM) {
        if (signal.name == ATOM_NONE) {
            refuse_monitor(peer, control); /* a name we do not even know */
            return;
        }
        if (!names_whereis(node, signal.name, &signal.to)) {
            signal.to = node_any_pid(node, 0);
        }
    }
    if (kind == SIGNAL_DEMONITOR) {
        find_monitored(node, &signal);
    }
    door_dispatch(node, &signal);
}

/* exit/2 to a pid, or since OTP 28 to a name or an alias. */
static void receive_exit2(struct node *node, struct peer *peer,
                          const struct control *control)
{
    struct signal signal = {.kind = SIGNAL_EXIT2, .term = control->reason};

    if (term_is_none(control->ref) &&
        term_type(control->to) == CNODE_TYPE_PID) {
        receive_signal(node, peer, SIGNAL_EXIT2, control);
        return;
    }
    if (!term_get_pid(control->from, &signal.from) ||
        signal.from.node != peer->name) {
        METRIC_INC(signals_dropped);
        return;
    }
    if (!term_is_none(control->ref)) {
        signal.kind = SIGNAL_ALIAS_EXIT;
        if (!to_alias(node, control, &signal)) {
            METRIC_INC(dead_letters);
            return;
        }
    } else {
        if (!names_whereis(node, term_atom(control->to), &signal.to)) {
            METRIC_INC(dead_letters);
            return;
        }
    }
    door_dispatch(node, &signal);
}

/* The watcher is ours: `to`; the watched is the peer's, a pid or a name. */
static void receive_down(struct node *node, struct peer *peer,
                         const struct control *control)
{
    struct signal signal = {.kind = SIGNAL_DOWN,
                            .from = {.node = peer->name},
                            .term = control->reason};

    if (!term_get_pid(control->to, &signal.to) ||
        !term_get_ref(control->ref, &signal.ref) ||
        signal.ref.node != node->name) {
        METRIC_INC(signals_dropped);
        return;
    }
    door_dispatch(node, &signal);
}

/* The leader may be of any node. */
static void receive_group_leader(struct node *node,
                                 const struct control *control)
{
    struct signal signal = {.kind = SIGNAL_GROUP_LEADER};

    if (!term_get_pid(control->from, &signal.from) ||
        pid_is_none(signal.from) || !term_get_pid(control->to, &signal.to) ||
        signal.to.node != node->name) {
        METRIC_INC(signals_dropped);
        return;
    }
    door_dispatch(node, &signal);
}

/* The one who asked is ours: `to`. */
static void receive_spawn_reply(struct node *node, struct peer *peer,
                                const struct control *control)
{
    struct signal signal = {.kind = SIGNAL_SPAWN_REPLY, .id = control->flags};

    if (!term_get_pid(control->to, &signal.to) ||
        signal.to.node != node->name ||
        !term_get_ref(control->ref, &signal.ref) ||
        (term_get_pid(control->result, &signal.from) &&
         signal.from.node != peer->name)) {
        METRIC_INC(signals_dropped);
        return;
    }
    if (pid_is_none(signal.from)) {
        signal.name = term_atom(control->result);
        signal.name = signal.name != ATOM_NONE ? signal.name : A_error;
    }
    door_dispatch(node, &signal);
}

static void refuse_spawn(struct peer *peer, const struct control *control)
{
    struct channel *channel = peer_channel(peer);

    control_put_spawn_reply(channel_begin(channel), control->ref, control->from,
                            0, PID_NONE, A_notsup);
    (void)route_finish(peer, channel, PID_NONE, (struct payload){0});
}

static const enum signal_kind signal_of[CONTROL_KIND_COUNT] = {
    [CONTROL_LINK] = SIGNAL_LINK,
    [CONTROL_EXIT] = SIGNAL_EXIT,
    [CONTROL_UNLINK_OLD] = SIGNAL_UNLINK,
    [CONTROL_UNLINK] = SIGNAL_UNLINK,
    [CONTROL_UNLINK_ACK] = SIGNAL_UNLINK_ACK,
    [CONTROL_MONITOR] = SIGNAL_MONITOR,
    [CONTROL_DEMONITOR] = SIGNAL_DEMONITOR,
};

void receive_control(struct node *node, struct peer *peer,
                     const struct control *control)
{
    switch (control->kind) {
    case CONTROL_SEND:
    case CONTROL_REG_SEND:
    case CONTROL_ALIAS_SEND:
        node->incoming = control->whole;
        receive_message(node, control);
        node->incoming = NULL;
        return;
    case CONTROL_MONITOR_EXIT:
        receive_down(node, peer, control);
        return;
    case CONTROL_EXIT2:
        receive_exit2(node, peer, control);
        return;
    case CONTROL_SPAWN_REQUEST:
        spawn_on_control(node, peer, control);
        return;
    case CONTROL_SPAWN_REPLY:
        receive_spawn_reply(node, peer, control);
        return;
    case CONTROL_GROUP_LEADER:
        receive_group_leader(node, control);
        return;
    default:
        receive_signal(node, peer, signal_of[control->kind], control);
        return;
    }
}

/* The first elements of {'$gen_call', From, Request}, and of what sys sends,
 * may be read although the whole was over a limit. */
static void refuse_call(struct node *node, const uint8_t *start, size_t size)
{
    const uint8_t *at = start + 2;
    struct cnode_term tag, from[2];
    struct gen_from caller;
    size_t tag_size, from_size;

    if (size < 2 || start[0] != 104 || start[1] != 3 ||
        term_validate(at, size - 2, 1, &tag_size) != 0 ||
        term_validate(at + tag_size, size - 2 - tag_size, 16, &from_size) !=
            0) {
        return;
    }
    tag = term_at(at, tag_size);
    if ((term_is_atom(tag, A_gen_call) || term_is_atom(tag, A_system)) &&
        term_get_tuple(term_at(at + tag_size, from_size), 2, from) &&
        cnode_type(from[0]) == CNODE_TYPE_PID) {
        caller = (struct gen_from){.pid = from[0], .tag = from[1]};
        (void)gen_reply(node, NULL, &caller, "{error, too_large}");
    }
}

void receive_over_limit(struct node *node, struct peer *peer,
                        const struct control *control, const uint8_t *start,
                        size_t size)
{
    struct control shorter = *control;

    switch (control->kind) {
    case CONTROL_SEND:
    case CONTROL_REG_SEND:
        refuse_call(node, start, size);
        return;
    case CONTROL_EXIT:
    case CONTROL_EXIT2:
    case CONTROL_MONITOR_EXIT: /* what happened counts, whatever the reason */
        shorter.reason = atom_term(A_too_large);
        receive_control(node, peer, &shorter);
        return;
    case CONTROL_SPAWN_REQUEST:
        refuse_spawn(peer, control);
        return;
    default:
        return;
    }
}
