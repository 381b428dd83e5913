/* SPDX-License-Identifier: Apache-2.0
 *
 * See global_resolve.h.
 */
#include "cluster/global_resolve.h"

#include "cluster/global_parts.h"
#include "term/build.h"
#include "term/tag.h"

/* Ends it, as exit(Pid, kill). */
static void kill_process(struct node *node, struct pid self, struct pid pid)
{
    struct signal signal = {.kind = SIGNAL_EXIT2,
                            .from = self,
                            .to = pid,
                            .term = atom_term(A_kill)};

    (void)route_signal(node, &signal, pid.node);
}

static void notify(struct node *node, struct pid self, struct pid to,
                   struct cnode_term name)
{
    struct dest dest = dest_pid(to);

    term_format(node_scratch(node), "{global_name_conflict, ~t}", name);
    (void)route_send(node, self, &dest, node_scratch_payload(node));
}

static void notify_of(struct node *node, struct pid self, struct pid to,
                      struct cnode_term name, struct pid other)
{
    struct dest dest = dest_pid(to);

    term_format(node_scratch(node), "{global_name_conflict, ~t, ~p}", name,
                other);
    (void)route_send(node, self, &dest, node_scratch_payload(node));
}

/* The name of the function; ATOM_NONE: no fun global:F/3. */
static atom_t function_of(struct cnode_term method)
{
    struct cnode_term module = term_behind(method, 1), function, arity;
    int64_t n;

    if (term_tag(method) != TAG_EXPORT || !term_is_atom(module, A_global)) {
        return ATOM_NONE;
    }
    function = cnode_next(module);
    arity = cnode_next(function);
    return cnode_get_int(arity, &n) && n == 3 ? term_atom(function) : ATOM_NONE;
}

bool global_resolve(struct node *node, struct pid self,
                    struct cnode_term method, struct cnode_term name,
                    struct pid a, struct pid b, struct pid *winner)
{
    struct pid least = global_node_is_less(a.node, b.node) ? a : b;
    struct pid greatest = pid_equal(least, a) ? b : a;

    switch (function_of(method)) {
    case A_random_exit_name:
        kill_process(node, self, greatest);
        *winner = least;
        return true;
    case A_random_notify_name:
        notify(node, self, greatest, name);
        *winner = least;
        return true;
    case A_notify_all_name:
        notify_of(node, self, a, name, b);
        notify_of(node, self, b, name, a);
        *winner = PID_NONE;
        return true;
    default:
        return false;
    }
}
