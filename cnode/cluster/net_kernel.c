/* SPDX-License-Identifier: Apache-2.0
 *
 * See net_kernel.h. Every other call is answered with an error, so that nobody
 * waits for ever: calls to net_kernel have no time-out.
 */
#include "cluster/net_kernel.h"

#include <string.h>

#include <cnode/error.h>

#include "base/mem.h"
#include "node/gen.h"

/* Somebody waits for a connection. */
struct waiting_call {
    struct list node; /* net_kernel.waiting */
    atom_t name;
    struct gen_from from;
    uint8_t bytes[]; /* both terms */
};

static void on_message(struct process *process, const struct signal *signal);
static void on_exit_signal(struct process *process, struct cnode_term reason);

static const struct process_class class = {
    .name = "net_kernel", .message = on_message, .exit = on_exit_signal};

static int start(struct net_kernel *kernel, struct node *node)
{
    int rc = node_spawn(node, &kernel->process, &class);
    if (rc != 0) {
        return rc;
    }
    kernel->process.flags |= PROCESS_TRAP_EXIT;
    rc = names_register(node, A_net_kernel, &kernel->process);
    if (rc != 0) {
        node_exit(node, &kernel->process, atom_term(A_normal));
    }
    return rc;
}

int net_kernel_start(struct net_kernel *kernel, struct node *node)
{
    kernel->node = node;
    list_init(&kernel->waiting);
    return start(kernel, node);
}

/* --- connecting for processes of this node */

static void reply(struct net_kernel *kernel, const struct gen_from *from,
                  bool yes)
{
    (void)gen_reply(kernel->node, &kernel->process, from, "~A",
                    yes ? A_true : A_false);
}

static void wait(struct net_kernel *kernel, const struct gen_from *from,
                 atom_t name)
{
    size_t pid = cnode_term_size(from->pid);
    size_t tag = cnode_term_size(from->tag);
    struct waiting_call *call = mem_try(sizeof(*call) + pid + tag);

    if (call == NULL) {
        reply(kernel, from, false);
        return;
    }
    memcpy(call->bytes, from->pid.at, pid);
    memcpy(call->bytes + pid, from->tag.at, tag);
    call->from = *from;
    call->from.pid = term_at(call->bytes, pid);
    call->from.tag = term_at(call->bytes + pid, tag);
    call->name = name;
    list_push_back(&kernel->waiting, &call->node);
}

void net_kernel_connected(struct net_kernel *kernel, atom_t name, bool is_up)
{
    LIST_EACH(it, &kernel->waiting) {
        struct waiting_call *call = CONTAINER_OF(it, struct waiting_call, node);

        if (call->name == name) {
            list_remove(it);
            reply(kernel, &call->from, is_up);
            mem_free(call);
        }
    }
}

static void connect_node(struct net_kernel *kernel, const struct gen_from *from,
                         struct cnode_term term)
{
    const char *text;
    size_t len;
    atom_t name = ATOM_NONE;
    struct peer *peer;

    if (cnode_get_atom(term, &text, &len)) {
        name = atom_intern(text, len);
    }
    if (name == kernel->node->name) {
        reply(kernel, from, true);
        return;
    }
    peer = peers_connect(&kernel->node->peers, name);
    if (peer == NULL || peer_is_up(peer)) {
        reply(kernel, from, peer != NULL);
    } else {
        wait(kernel, from, name);
    }
}

static void disconnect_node(struct net_kernel *kernel,
                            const struct gen_from *from, struct cnode_term term)
{
    struct peers *peers = &kernel->node->peers;
    atom_t name = term_atom(term);
    bool was_up = peer_is_up(peers_find(peers, name));

    if (was_up) {
        kernel->leaving = name;
        peers_disconnect(peers, name, CNODE_STOPPED);
        kernel->leaving = ATOM_NONE;
    }
    reply(kernel, from, was_up);
}

/* False: not from here, or something else. */
static bool own_request(struct net_kernel *kernel,
                        const struct gen_message *message)
{
    struct cnode_term parts[3];
    struct pid caller;

    if (!term_get_pid(message->from.pid, &caller) ||
        caller.node != kernel->node->name) {
        return false;
    }
    if (term_get_tuple(message->body, 3, parts) &&
        term_is_atom(parts[0], A_connect)) {
        connect_node(kernel, &message->from, parts[2]);
        return true;
    }
    if (term_get_tuple(message->body, 2, parts) &&
        term_is_atom(parts[0], A_disconnect)) {
        disconnect_node(kernel, &message->from, parts[1]);
        return true;
    }
    return false;
}

/* --- for everybody */

static void on_message(struct process *process, const struct signal *signal)
{
    struct net_kernel *kernel =
        CONTAINER_OF(process, struct net_kernel, process);
    struct cnode_term parts[2];
    struct gen_message message;

    gen_parse(signal->term, &message);
    if (message.kind != GEN_CALL) {
        return; /* 'EXIT' messages, and what nobody waits for */
    }
    if (term_get_tuple(message.body, 2, parts) &&
        term_is_atom(parts[0], A_is_auth)) {
        (void)gen_reply(kernel->node, process, &message.from, "yes");
    } else if (!own_request(kernel, &message)) {
        (void)gen_reply(kernel->node, process, &message.from,
                        "{error, {unsupported, ~t}}", message.body);
    }
}

static void forget_all(struct net_kernel *kernel)
{
    struct list *it;

    while ((it = list_pop(&kernel->waiting)) != NULL) {
        mem_free(CONTAINER_OF(it, struct waiting_call, node));
    }
}

/* Killed: it starts again at once, as a kernel process must be there. */
static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    struct net_kernel *kernel =
        CONTAINER_OF(process, struct net_kernel, process);

    node_exit(kernel->node, process, reason); /* tells those who wait */
    forget_all(kernel);
    CHECK(start(kernel, kernel->node) == 0);
}

void net_kernel_stop(struct net_kernel *kernel)
{
    node_exit(kernel->node, &kernel->process, atom_term(A_shutdown));
    forget_all(kernel);
}
