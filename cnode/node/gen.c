/* SPDX-License-Identifier: Apache-2.0
 *
 * See gen.h. A reply is {Tag, Reply}; it goes to the alias in the tag if there
 * is one (late replies then vanish at the caller), else to the pid of From.
 */
#include "node/gen.h"

#include <cnode/error.h>

#include "base/metric.h"
#include "node/node.h"
#include "term/build.h"

void gen_parse(struct cnode_term message, struct gen_message *out)
{
    struct cnode_term head, from[2];
    uint32_t arity;

    *out = (struct gen_message){.kind = GEN_INFO, .body = message};
    if (!cnode_get_tuple(message, &arity, &head)) {
        return;
    }
    if (arity == 3 && term_is_atom(head, A_gen_call)) {
        if (term_get_tuple(cnode_next(head), 2, from) &&
            term_type(from[0]) == CNODE_TYPE_PID) {
            out->kind = GEN_CALL;
            out->from = (struct gen_from){.pid = from[0], .tag = from[1]};
            out->body = cnode_next(from[1]); /* From ends where its tag ends */
        }
    } else if (arity == 2 && term_is_atom(head, A_gen_cast)) {
        out->kind = GEN_CAST;
        out->body = cnode_next(head);
    }
}

void gen_parse_multi_call(struct gen_message *message)
{
    struct cnode_term parts[4], from[2];

    if (message->kind == GEN_INFO && term_get_tuple(message->body, 4, parts) &&
        term_is_atom(parts[0], A_syn_multi_call) &&
        term_get_tuple(parts[2], 2, from) &&
        term_type(from[0]) == CNODE_TYPE_PID &&
        term_type(from[1]) == CNODE_TYPE_REF) {
        message->kind = GEN_CALL;
        message->from = (struct gen_from){
            .pid = from[0], .tag = from[1], .is_multi_call = true};
        message->body = parts[1];
    }
}

bool gen_alias(struct cnode_term tag, struct cnode_term *alias)
{
    struct cnode_term head, tail;

    if (!term_get_cons(tag, &head, &tail)) {
        return false;
    }
    if (term_type(head) == CNODE_TYPE_LIST) { /* [[alias | Ref] | Mon] */
        if (!term_get_cons(head, &head, &tail)) {
            return false;
        }
    }
    if (!term_is_atom(head, A_alias) || term_type(tail) != CNODE_TYPE_REF) {
        return false;
    }
    *alias = tail;
    return true;
}

struct buf *gen_reply_begin(struct node *node, const struct gen_from *from)
{
    struct buf *buf = node_scratch(node);

    if (from->is_multi_call) {
        term_put_tuple(buf, 3);
        term_put_atom(buf, A_syn_multi_call_reply);
    } else {
        term_put_tuple(buf, 2);
    }
    term_put_copy(buf, from->tag);
    return buf;
}

/* The node of the caller: the one its pid says, which need not be the one the
 * call came from. ATOM_NONE when we never met it. */
static atom_t caller_node(const struct gen_from *from)
{
    const char *text;
    size_t len;

    return term_get_node(from->pid, &text, &len) ? atom_find(text, len)
                                                 : ATOM_NONE;
}

static int reply_by_route(struct node *node, struct pid self, atom_t where,
                          const struct gen_from *from)
{
    struct dest dest = {.kind = DEST_ALIAS, .node = where};

    if (!gen_alias(from->tag, &dest.alias)) {
        dest.kind = DEST_PID;
        if (!term_get_pid(from->pid, &dest.pid)) {
            return CNODE_EINVALID;
        }
    }
    return route_send(node, self, &dest, node_scratch_payload(node));
}

static int reply_on_channel(struct node *node, struct pid self, atom_t where,
                            const struct gen_from *from)
{
    struct peer *peer = peers_find(&node->peers, where);
    struct payload reply = node_scratch_payload(node);
    struct cnode_term alias;
    struct channel *channel;
    struct buf *buf;

    if (peer_is_coming(peer)) { /* it waits for that, with what else does */
        return reply_by_route(node, self, where, from);
    }
    if (!peer_is_up(peer)) {
        METRIC_INC(dead_letters); /* replies never dial */
        return 0;
    }
    if (peer_is_congested(peer, reply.size)) {
        if (reply.size > CHANNEL_FRAGMENT_BYTES) {
            return CNODE_OVERLOADED; /* there may be room for a small one */
        }
        METRIC_INC(dead_letters);
        return 0;
    }
    channel = peer_channel(peer);
    buf = channel_begin(channel);
    if (gen_alias(from->tag, &alias)) {
        control_put_alias_send(buf, channel->flags, self, alias);
    } else {
        control_put_send_term(buf, channel->flags, self, from->pid);
    }
    return channel_end(channel, self, reply);
}

/* From another scheduler than that of the connections. */
static int reply_across(struct node *node, struct pid self, atom_t where,
                        const struct gen_from *from)
{
    struct payload reply = node_scratch_payload(node);
    struct dest dest = {.kind = DEST_ALIAS, .node = where};
    struct parcel *parcel;
    int rc;

    if (where == ATOM_NONE) {
        METRIC_INC(dead_letters);
        return 0;
    }
    if (!gen_alias(from->tag, &dest.alias)) {
        dest.kind = DEST_PID;
        if (!term_get_pid(from->pid, &dest.pid)) {
            return CNODE_EINVALID;
        }
    }
    parcel = parcel_of_message(self, &dest, reply);
    if (parcel != NULL) {
        parcel->is_reply = true;
    }
    rc = parcel_cross(node, parcel, where);
    if (rc == CNODE_OVERLOADED && reply.size <= CHANNEL_FRAGMENT_BYTES) {
        METRIC_INC(dead_letters);
        rc = 0;
    }
    return rc;
}

static int reply_remote(struct node *node, struct pid self, atom_t where,
                        const struct gen_from *from)
{
    return node->index == 0 ? reply_on_channel(node, self, where, from)
                            : reply_across(node, self, where, from);
}

/* When the reply itself cannot be sent the caller is told so. */
static int reply_error(struct node *node, struct pid self, atom_t where,
                       const struct gen_from *from, atom_t why)
{
    struct buf *buf = gen_reply_begin(node, from);

    term_put_tuple(buf, 2);
    term_put_atom(buf, A_error);
    term_put_atom(buf, why);
    return buf_error(buf) != 0 ? buf_error(buf)
                               : reply_remote(node, self, where, from);
}

int gen_reply_end(struct node *node, struct process *self,
                  const struct gen_from *from)
{
    struct pid pid = {.node = node->name, .creation = node->creation};
    int rc = buf_error(&node->scratch);
    atom_t where = caller_node(from);
    struct dest dest = {.kind = DEST_PID, .node = where};

    if (rc != 0) {
        return rc;
    }
    if (self != NULL) {
        pid = node_pid(node, self);
    }
    if (where != node->name) {
        rc = reply_remote(node, pid, where, from);
        return rc == CNODE_OVERLOADED
                   ? reply_error(node, pid, where, from, A_overloaded)
                   : rc;
    }
    if (gen_alias(from->tag, &dest.alias)) {
        dest.kind = DEST_ALIAS;
    } else if (!term_get_pid(from->pid, &dest.pid)) {
        return CNODE_EINVALID;
    }
    return route_send(node, pid, &dest, node_scratch_payload(node));
}

int gen_reply(struct node *node, struct process *self,
              const struct gen_from *from, const char *format, ...)
{
    struct buf *buf = gen_reply_begin(node, from);
    va_list args;

    va_start(args, format);
    term_vformat(buf, format, args);
    va_end(args);
    return gen_reply_end(node, self, from);
}
