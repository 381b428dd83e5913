/* SPDX-License-Identifier: Apache-2.0
 *
 * See parcel.h. Behind the struct lie the bytes of a small message or of a term
 * and those of the alias; a message that goes out in fragments has a block.
 */
#include "node/parcel.h"

#include <string.h>

#include <cnode/error.h>

#include "base/block.h"
#include "base/mem.h"
#include "base/metric.h"
#include "node/node.h"
#include "term/build.h"

static void run(struct signal_task *task, void *owner);

/* Room for `bytes` and then the alias, both copied. */
static struct parcel *parcel_new(struct payload bytes, struct cnode_term alias)
{
    size_t alias_size = cnode_term_size(alias);
    bool is_large = bytes.size > CHANNEL_FRAGMENT_BYTES;
    size_t size = is_large ? 0 : bytes.size;
    struct parcel *parcel = mem_try(sizeof(*parcel) + size + alias_size);
    uint8_t *behind;

    if (parcel == NULL) {
        return NULL;
    }
    memset(parcel, 0, sizeof(*parcel));
    list_init(&parcel->node);
    behind = (uint8_t *)(parcel + 1);
    parcel->payload = (struct payload){.bytes = behind, .size = bytes.size};
    if (is_large) {
        parcel->payload.block = block_copy(bytes.bytes, bytes.size);
        if (parcel->payload.block == NULL) {
            mem_free(parcel);
            return NULL;
        }
        parcel->payload.bytes = parcel->payload.block->bytes;
    } else if (size > 0) {
        memcpy(behind, bytes.bytes, size);
    }
    if (alias_size > 0) {
        memcpy(behind + size, alias.at, alias_size);
        parcel->dest.alias = term_at(behind + size, alias_size);
    }
    return parcel;
}

struct parcel *parcel_of_message(struct pid from, const struct dest *dest,
                                 struct payload message)
{
    struct cnode_term alias =
        dest->kind == DEST_ALIAS ? dest->alias : TERM_NONE;
    struct parcel *parcel = parcel_new(message, alias);

    if (parcel != NULL) {
        alias = parcel->dest.alias;
        parcel->from = from;
        parcel->dest = *dest;
        parcel->dest.alias = alias;
    }
    return parcel;
}

struct parcel *parcel_of_signal(const struct signal *signal)
{
    struct payload term = {.bytes = signal->term.at,
                           .size = cnode_term_size(signal->term)};
    struct parcel *parcel = parcel_new(term, TERM_NONE);

    if (parcel != NULL) {
        parcel->is_signal = true;
        parcel->signal = *signal;
        if (term.size > 0) {
            parcel->signal.term =
                term_at(parcel->payload.bytes, parcel->payload.size);
        }
    }
    return parcel;
}

void parcel_free(struct parcel *parcel)
{
    block_unref(parcel->payload.block);
    mem_free(parcel);
}

size_t parcel_bytes(const struct parcel *parcel)
{
    return sizeof(*parcel) + parcel->payload.size;
}

/* Both ends of a tie have their answer when a connection is lost. What was sent
 * by a scheduler that does not know of the loss yet is of the old one. */
static bool is_outdated(struct node *node, const struct parcel *parcel,
                        atom_t name)
{
    const struct peer *peer = peers_find(&node->peers, name);

    return peer != NULL && remotes_has_news(peer, parcel->scheduler) &&
           parcel->signal.kind != SIGNAL_EXIT2 &&
           parcel->signal.kind != SIGNAL_ALIAS_EXIT &&
           parcel->signal.kind != SIGNAL_GROUP_LEADER;
}

static void send_signal(struct node *node, const struct parcel *parcel,
                        atom_t name)
{
    int rc;

    if (is_outdated(node, parcel, name)) {
        METRIC_INC(signals_dropped);
        return;
    }
    rc = route_signal(node, &parcel->signal, name);
    if (rc != 0) {
        parcel_lost(node, parcel, name, rc);
    }
}

/* {Tag, Reply}. There may be room for a small one where a large one is too much
 * (node/gen.c does the same on scheduler 0). */
static void send_reply(struct node *node, const struct parcel *parcel,
                       atom_t name)
{
    struct payload reply = parcel->payload;
    struct cnode_term parts[2];
    const struct peer *peer = peers_find(&node->peers, name);
    int rc;

    if (!peer_is_up(peer) && !peer_is_coming(peer)) {
        METRIC_INC(dead_letters);
        return;
    }
    rc = route_send(node, parcel->from, &parcel->dest, reply);
    if (rc == CNODE_OVERLOADED && reply.size > CHANNEL_FRAGMENT_BYTES &&
        term_get_tuple(term_at(reply.bytes, reply.size), 2, parts)) {
        term_format(node_scratch(node), "{~t, {error, overloaded}}", parts[0]);
        (void)route_send(node, parcel->from, &parcel->dest,
                         node_scratch_payload(node));
    }
}

void parcel_send(struct node *node, const struct parcel *parcel, atom_t name)
{
    if (parcel->is_signal) {
        send_signal(node, parcel, name);
    } else if (parcel->is_reply) {
        send_reply(node, parcel, name);
    } else {
        (void)route_send(node, parcel->from, &parcel->dest, parcel->payload);
    }
}

void parcel_lost(struct node *node, const struct parcel *parcel, atom_t name,
                 int rc)
{
    const struct signal *signal = &parcel->signal;
    struct signal answer = {.to = signal->from,
                            .from = signal->to,
                            .ref = signal->ref,
                            .id = signal->id,
                            .term = atom_term(A_noconnection)};

    if (!parcel->is_signal) {
        METRIC_INC(dead_letters);
        return;
    }
    answer.from.node = name;
    switch (signal->kind) {
    case SIGNAL_MONITOR:
        answer.kind = SIGNAL_DOWN;
        break;
    case SIGNAL_LINK:
        answer.kind = SIGNAL_EXIT;
        break;
    case SIGNAL_UNLINK:
        answer.kind = SIGNAL_UNLINK_ACK;
        answer.term = TERM_NONE;
        break;
    case SIGNAL_SPAWN_REQUEST:
        spawn_request_fail(
            node, signal, rc == CNODE_NOCONN ? A_noconnection : A_system_limit);
        return;
    default:
        return;
    }
    (void)route_signal(node, &answer, node->name);
}

/* --- crossing to scheduler 0 */

static void run(struct signal_task *task, void *owner)
{
    struct parcel *parcel = CONTAINER_OF(task, struct parcel, task);

    if (owner != NULL) {
        parcel_send(owner, parcel, task->signal.name);
    }
    block_unref(parcel->payload.block); /* the rest is the task's */
}

int parcel_cross(struct node *node, struct parcel *parcel, atom_t name)
{
    struct scheduler *to = &node->all[0]->scheduler;

    if (parcel == NULL) {
        return CNODE_NOMEM;
    }
    if (!parcel->is_signal && scheduler_is_full(to)) {
        METRIC_INC(door_overflow);
        parcel_free(parcel);
        return CNODE_OVERLOADED;
    }
    parcel->scheduler = node->index;
    parcel->task.run = run;
    parcel->task.signal.kind = SIGNAL_TASK;
    parcel->task.signal.name = name;
    parcel->task.signal.term =
        term_at(parcel->payload.bytes, parcel->payload.size);
    scheduler_post(to, &parcel->task.signal);
    return 0;
}
