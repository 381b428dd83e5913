/* SPDX-License-Identifier: Apache-2.0
 *
 * See net_kernel.h. Every other call is answered with an error, so that nobody
 * waits for ever: calls to net_kernel have no time-out.
 */
#include "cluster/net_kernel.h"

#include "node/gen.h"

static void on_message(struct process *process, const struct signal *signal);
static void on_exit_signal(struct process *process, struct cnode_term reason);

static const struct process_class class = {
    .name = "net_kernel", .message = on_message, .exit = on_exit_signal};

int net_kernel_start(struct net_kernel *kernel, struct node *node)
{
    int rc;

    kernel->node = node;
    rc = node_spawn(node, &kernel->process, &class);
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
    } else {
        (void)gen_reply(kernel->node, process, &message.from,
                        "{error, {unsupported, ~t}}", message.body);
    }
}

/* Killed: it starts again at once, as a kernel process must be there. */
static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    struct net_kernel *kernel =
        CONTAINER_OF(process, struct net_kernel, process);

    node_exit(kernel->node, process, reason);
    CHECK(net_kernel_start(kernel, kernel->node) == 0);
}

void net_kernel_stop(struct net_kernel *kernel)
{
    node_exit(kernel->node, &kernel->process, atom_term(A_shutdown));
}
