/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions of <cnode/behaviour.h> by which a worker is tied to other
 * processes: references, monitors, aliases, links, exit signals.
 */
#include <string.h>

#include <cnode/behaviour.h>

#include "pool/api.h"
#include "pool/spawned.h"
#include "term/build.h"

int api_pid(struct cnode_worker *w, struct cnode_term term, struct pid *pid)
{
    struct dest dest;
    int rc;

    if (api_run(w) == NULL || cnode_type(term) != CNODE_TYPE_PID) {
        return CNODE_EINVALID;
    }
    rc = dest_parse(term, api_node(w)->name, &dest);
    *pid = dest.pid;
    return rc;
}

/* --- references */

bool cnode_is_ref(struct cnode_worker *w, struct cnode_term term,
                  struct cnode_ref ref)
{
    struct ref full = api_full_ref(w, ref);
    struct ref other;

    return term_get_ref(term, &other) && ref_equal(&other, &full);
}

struct cnode_term cnode_ref_value(struct cnode_worker *w, struct cnode_ref ref)
{
    struct run *run = api_run(w);
    struct ref full = api_full_ref(w, ref);
    struct cnode_term term;
    struct buf buf;

    if (run == NULL) {
        return TERM_NONE;
    }
    buf_init(&buf, 0);
    term_put_ref(&buf, &full);
    term = run_keep(run, api_term(&buf));
    buf_fini(&buf);
    return term;
}

bool cnode_get_ref(struct cnode_worker *w, struct cnode_term term,
                   struct cnode_ref *ref)
{
    const struct node *node = api_node(w);
    struct ref full;

    if (!term_get_ref(term, &full) || full.node != node->name ||
        full.creation != node->creation || full.len != 3) {
        return false;
    }
    *ref = api_ref(&full);
    return true;
}

/* --- monitors */

/* With an alias when `kind` is not NULL. */
static int watch(struct cnode_worker *w, struct cnode_term term,
                 const enum cnode_alias *kind, struct cnode_ref *ref)
{
    struct node *node = api_node(w);
    struct dest dest;
    struct ref full;
    int rc;

    if (api_run(w) == NULL) {
        return CNODE_EINVALID;
    }
    rc = api_dest(w, term, &dest);
    if (rc == 0) {
        rc = kind == NULL
                 ? monitor_start(node, &w->process, &dest, &full)
                 : alias_start_monitor(node, &w->process, &dest,
                                       (enum alias_kind) * kind, &full);
    }
    if (rc == 0) {
        *ref = api_ref(&full);
    }
    return rc;
}

int cnode_monitor(struct cnode_worker *w, struct cnode_term term,
                  struct cnode_ref *ref)
{
    return watch(w, term, NULL, ref);
}

static bool is_down_of(struct cnode_term message, const struct ref *ref)
{
    struct cnode_term parts[5];
    struct ref other;

    return term_get_tuple(message, 5, parts) &&
           term_is_atom(parts[0], A_DOWN) && term_get_ref(parts[1], &other) &&
           ref_equal(&other, ref);
}

/* The DOWN may wait in the mailbox already. */
static void drop_down(struct cnode_worker *w, const struct ref *ref)
{
    struct mailbox *box = &w->process.mailbox;

    for (uint32_t left = box->count; left > 0; left--) {
        struct signal *signal = mailbox_pop(box);

        if (is_down_of(signal->term, ref)) {
            signal_free(signal);
        } else {
            mailbox_push(box, signal);
        }
    }
}

int cnode_demonitor(struct cnode_worker *w, struct cnode_ref ref)
{
    struct ref full = api_full_ref(w, ref);

    if (api_run(w) == NULL) {
        return CNODE_EINVALID;
    }
    if (monitor_stop(api_node(w), &w->process, &full) != 0) {
        drop_down(w, &full);
    }
    return 0;
}

/* --- aliases */

static bool is_alias_kind(enum cnode_alias kind)
{
    _Static_assert((int)CNODE_ALIAS_EXPLICIT == (int)ALIAS_EXPLICIT &&
                       (int)CNODE_ALIAS_REPLY == (int)ALIAS_REPLY &&
                       (int)CNODE_ALIAS_DEMONITOR == (int)ALIAS_DEMONITOR &&
                       (int)CNODE_ALIAS_REPLY_DEMONITOR ==
                           (int)ALIAS_REPLY_DEMONITOR,
                   "the public kinds are the node's");
    return (unsigned)kind <= CNODE_ALIAS_REPLY_DEMONITOR;
}

int cnode_alias(struct cnode_worker *w, enum cnode_alias kind,
                struct cnode_ref *ref)
{
    struct ref full;
    int rc;

    if (api_run(w) == NULL || (unsigned)kind > CNODE_ALIAS_REPLY) {
        return CNODE_EINVALID;
    }
    rc = alias_start(api_node(w), &w->process, (enum alias_kind)kind, &full);
    if (rc == 0) {
        *ref = api_ref(&full);
    }
    return rc;
}

int cnode_monitor_alias(struct cnode_worker *w, struct cnode_term dest,
                        enum cnode_alias kind, struct cnode_ref *ref)
{
    return is_alias_kind(kind) ? watch(w, dest, &kind, ref) : CNODE_EINVALID;
}

int cnode_unalias(struct cnode_worker *w, struct cnode_ref ref)
{
    struct ref full = api_full_ref(w, ref);

    if (api_run(w) == NULL) {
        return CNODE_EINVALID;
    }
    return alias_stop(api_node(w), &w->process, &full) ? 0 : CNODE_NOT_FOUND;
}

/* --- spawning */

int cnode_spawn(struct cnode_worker *w, const char *behaviour,
                struct cnode_term name, struct cnode_term args,
                struct cnode_term *pid)
{
    struct pools *pools = worker_pool(w)->pools;
    const struct cnode_behaviour *known;
    struct pid leader = group_leader_of(&w->process); /* inherited */
    struct cnode_worker *child;
    atom_t atom = A_undefined;
    int rc = api_run(w) == NULL || term_is_none(args) ? CNODE_EINVALID : 0;

    if (rc == 0 && !term_is_none(name)) {
        rc = api_atom(name, &atom);
    }
    if (rc != 0) {
        return rc;
    }
    known = spawned_behaviour(pools, behaviour);
    if (known == NULL) {
        return CNODE_NOT_FOUND;
    }
    rc = spawned_new(pools, known, atom == A_undefined ? ATOM_NONE : atom, args,
                     &child);
    if (rc == 0) {
        if (!pid_is_none(leader)) {
            group_leader_set(api_node(w), &child->process, leader);
        }
        spawned_go(child);
        *pid = api_make_pid(w, node_pid(api_node(w), &child->process));
    }
    return rc;
}

/* --- links and exit signals */

int cnode_link(struct cnode_worker *w, struct cnode_term term)
{
    struct pid pid;
    int rc = api_pid(w, term, &pid);

    return rc != 0 ? rc : link_start(api_node(w), &w->process, pid);
}

int cnode_unlink(struct cnode_worker *w, struct cnode_term term)
{
    struct pid pid;
    int rc = api_pid(w, term, &pid);

    if (rc == 0) {
        link_stop(api_node(w), &w->process, pid);
    }
    return rc;
}

/* exit/2 takes no names. */
static int exit_target(struct cnode_worker *w, struct cnode_term term,
                       struct signal *signal)
{
    struct dest dest;
    int rc;

    if (cnode_type(term) != CNODE_TYPE_REF || api_run(w) == NULL) {
        signal->kind = SIGNAL_EXIT2;
        return api_pid(w, term, &signal->to);
    }
    rc = dest_parse(term, api_node(w)->name, &dest);
    if (rc == 0) {
        (void)term_get_ref(term, &signal->ref);
        signal->kind = SIGNAL_ALIAS_EXIT;
        signal->to = alias_home(api_node(w), &signal->ref);
        signal->to.node = dest.node;
    }
    return rc;
}

int cnode_exit(struct cnode_worker *w, struct cnode_term term,
               const char *reason, ...)
{
    struct node *node = api_node(w);
    struct signal signal = {.from = node_pid(node, &w->process)};
    int rc = exit_target(w, term, &signal);
    struct buf buf;
    va_list args;

    buf_init(&buf, 0);
    va_start(args, reason);
    term_vformat(&buf, reason, args);
    va_end(args);
    if (rc == 0) {
        rc = buf_error(&buf);
    }
    if (rc == 0) {
        signal.term = api_term(&buf);
        (void)route_signal(node, &signal, signal.to.node); /* or nobody */
    }
    buf_fini(&buf);
    return api_rc(w, "cnode_exit", reason, rc);
}

bool cnode_trap_exit(struct cnode_worker *w, bool trap)
{
    bool old = (w->process.flags & PROCESS_TRAP_EXIT) != 0;

    if (api_run(w) == NULL || trap == old) {
        return old;
    }
    w->process.flags ^= PROCESS_TRAP_EXIT;
    return old;
}

/* --- group leaders */

struct cnode_term cnode_group_leader(struct cnode_worker *w)
{
    struct pid pid = group_leader_of(&w->process);

    if (pid_is_none(pid)) {
        return atom_term(A_undefined);
    }
    return api_make_pid(w, pid);
}

int cnode_group_leader_set(struct cnode_worker *w, struct cnode_term leader,
                           struct cnode_term member)
{
    struct node *node = api_node(w);
    struct signal signal = {.kind = SIGNAL_GROUP_LEADER};
    int rc = api_pid(w, leader, &signal.from);

    if (rc == 0) {
        rc = api_pid(w, member, &signal.to);
    }
    if (rc != 0) {
        return rc;
    }
    if (pid_equal(signal.to, node_pid(node, &w->process))) {
        group_leader_set(node, &w->process, signal.from);
        return 0;
    }
    (void)route_signal(node, &signal, signal.to.node);
    return 0;
}
