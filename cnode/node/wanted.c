/* SPDX-License-Identifier: Apache-2.0
 *
 * See wanted.h.
 */
#include "node/wanted.h"

#include "node/node.h"

static bool is_alive(struct node *node, struct cnode_term to)
{
    struct pid pid;

    return term_get_pid(to, &pid) && node_find(node, pid) != NULL;
}

static bool has_link(struct node *node, const struct control *control)
{
    struct pid from, to;

    return term_get_pid(control->from, &from) &&
           term_get_pid(control->to, &to) && link_is_active(node, to, from);
}

static bool has_alias(struct node *node, const struct control *control)
{
    struct ref ref;

    return term_get_ref(control->ref, &ref) && ref.node == node->name &&
           alias_is_active(node, &ref);
}

bool node_wants(struct node *node, const struct control *control)
{
    struct pid pid;

    switch (control->kind) {
    case CONTROL_SEND:
        return is_alive(node, control->to);
    case CONTROL_REG_SEND:
        return names_receiver(node, term_atom(control->to), &pid);
    case CONTROL_ALIAS_SEND:
        return has_alias(node, control);
    case CONTROL_EXIT:
        return has_link(node, control);
    case CONTROL_EXIT2:
        return term_is_none(control->ref) ? is_alive(node, control->to)
                                          : has_alias(node, control);
    default:
        return true;
    }
}
