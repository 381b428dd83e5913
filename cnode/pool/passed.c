/* SPDX-License-Identifier: Apache-2.0
 *
 * See passed.h. Nobody tells us that a call was answered: the monitor of
 * whoever called is gone then, and the next sweep sees that.
 */
#include "pool/passed.h"

#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/metric.h"
#include "node/node.h"

enum { SWEEP_MS = 1000, LATE_MS = 50 };

/* One who has calls of others. */
struct passed_to {
    struct passed *passed;
    struct list in_all;
    struct pid pid;
    struct ref ref;    /* our monitor */
    struct list calls; /* struct passed_call */
    struct timer late; /* it has ended: they are told then */
    struct cnode_kept *reason;
    bool is_down;
};

struct passed_call {
    struct list node;
    struct pid caller;
    struct ref ref; /* his monitor */
};

static void on_sweep(struct timer *timer);
static void on_late(struct timer *timer);

static bool has_pid(const void *item, const void *key)
{
    const struct pid *pid = key;

    return pid_equal(((const struct passed_to *)item)->pid, *pid);
}

static bool has_ref(const void *item, const void *key)
{
    return ref_equal(&((const struct passed_to *)item)->ref, key);
}

static uint64_t pid_hash(struct pid pid)
{
    return hash_u64(((uint64_t)pid.id << 32 | pid.serial) ^ (uint64_t)pid.node
                                                                << 16);
}

static uint64_t hash_of(const struct ref *ref)
{
    return hash_u64((uint64_t)ref->words[0] << 32 | ref->words[1]);
}

void passed_init(struct passed *passed, struct node *node,
                 struct process *process)
{
    *passed = (struct passed){.node = node, .process = process};
    map_init(&passed->by_pid, has_pid);
    map_init(&passed->by_ref, has_ref);
    list_init(&passed->all);
    timer_init(&passed->sweep, on_sweep);
}

static void call_free(struct passed *passed, struct passed_call *call)
{
    list_remove(&call->node);
    passed->count--;
    mem_free(call);
}

static void forget(struct passed_to *to)
{
    struct passed *passed = to->passed;

    loop_timer_stop(node_loop(passed->node), &to->late);
    list_remove(&to->in_all);
    (void)map_remove(&passed->by_ref, hash_of(&to->ref), &to->ref);
    if (!to->is_down) {
        (void)map_remove(&passed->by_pid, pid_hash(to->pid), &to->pid);
    }
    while (!list_is_empty(&to->calls)) {
        call_free(passed,
                  CONTAINER_OF(to->calls.next, struct passed_call, node));
    }
    cnode_term_free(to->reason);
    mem_free(to);
}

void passed_clear(struct passed *passed)
{
    while (!list_is_empty(&passed->all)) {
        forget(CONTAINER_OF(passed->all.next, struct passed_to, in_all));
    }
    loop_timer_stop(node_loop(passed->node), &passed->sweep);
    map_fini(&passed->by_pid);
    map_fini(&passed->by_ref);
    passed_init(passed, passed->node, passed->process);
}

/* --- one more */

static struct passed_to *to_open(struct passed *passed, struct pid pid)
{
    struct passed_to *to = map_get(&passed->by_pid, pid_hash(pid), &pid);
    const struct dest dest = dest_pid(pid);
    struct ref ref;

    if (to != NULL ||
        monitor_start(passed->node, passed->process, &dest, &ref) != 0) {
        return to;
    }
    to = mem_zalloc(sizeof(*to));
    *to = (struct passed_to){.passed = passed, .pid = pid, .ref = ref};
    list_init(&to->calls);
    timer_init(&to->late, on_late);
    list_push_back(&passed->all, &to->in_all);
    map_add(&passed->by_pid, pid_hash(pid), to);
    map_add(&passed->by_ref, hash_of(&ref), to);
    return to;
}

void passed_on(struct passed *passed, const struct gen_from *from,
               struct pid to_pid)
{
    struct cnode_term alias = from->tag;
    struct passed_call *call;
    struct passed_to *to;
    struct pid caller;
    struct ref ref;

    (void)gen_alias(from->tag, &alias);
    if (!term_get_pid(from->pid, &caller) || !term_get_ref(alias, &ref)) {
        return;
    }
    if (passed->count >= limits.passed_calls) {
        METRIC_INC(passed_unwatched);
        return;
    }
    to = to_open(passed, to_pid);
    if (to == NULL) {
        METRIC_INC(passed_unwatched);
        return;
    }
    call = mem_alloc(sizeof(*call));
    *call = (struct passed_call){.caller = caller, .ref = ref};
    list_push_back(&to->calls, &call->node);
    passed->count++;
    if (!timer_is_active(&passed->sweep)) {
        loop_timer_start(node_loop(passed->node), &passed->sweep, SWEEP_MS);
    }
}

/* --- its end */

bool passed_down(struct passed *passed, struct cnode_term message)
{
    struct cnode_term parts[5];
    struct passed_to *to;
    struct ref ref;

    if (!term_get_tuple(message, 5, parts) || !term_is_atom(parts[0], A_DOWN) ||
        !term_get_ref(parts[1], &ref)) {
        return false;
    }
    to = map_get(&passed->by_ref, hash_of(&ref), &ref);
    if (to == NULL) {
        return false;
    }
    (void)map_remove(&passed->by_pid, pid_hash(to->pid), &to->pid);
    to->is_down = true;
    to->reason = cnode_term_copy(parts[4]);
    loop_timer_start(node_loop(passed->node), &to->late, LATE_MS);
    return true;
}

static void on_late(struct timer *timer)
{
    struct passed_to *to = CONTAINER_OF(timer, struct passed_to, late);
    struct cnode_term reason =
        to->reason != NULL ? cnode_kept_term(to->reason) : atom_term(A_noproc);

    LIST_EACH(it, &to->calls) {
        struct passed_call *call = CONTAINER_OF(it, struct passed_call, node);

        (void)monitor_fire(to->passed->node, call->caller, &call->ref, reason);
    }
    forget(to);
}

/* --- answered */

static void sweep_one(struct passed_to *to)
{
    struct passed *passed = to->passed;
    struct list *next;

    for (struct list *it = to->calls.next; it != &to->calls; it = next) {
        struct passed_call *call = CONTAINER_OF(it, struct passed_call, node);

        next = it->next;
        if (!monitor_is_on(passed->node, call->caller, &call->ref)) {
            call_free(passed, call);
        }
    }
}

static void on_sweep(struct timer *timer)
{
    struct passed *passed = CONTAINER_OF(timer, struct passed, sweep);
    struct list *next;

    for (struct list *it = passed->all.next; it != &passed->all; it = next) {
        struct passed_to *to = CONTAINER_OF(it, struct passed_to, in_all);

        next = it->next;
        sweep_one(to);
        if (list_is_empty(&to->calls) && !to->is_down) {
            (void)monitor_stop(passed->node, passed->process, &to->ref);
            forget(to);
        }
    }
    if (!list_is_empty(&passed->all)) {
        loop_timer_start(node_loop(passed->node), timer, SWEEP_MS);
    }
}

/* --- of others */

struct caller {
    size_t size;
    char name[];
};

static void on_caller(struct node *home, void *arg)
{
    struct caller *caller = arg;
    atom_t name =
        home == NULL ? ATOM_NONE : atom_intern(caller->name, caller->size);

    if (name != ATOM_NONE && !peer_is_up(peers_find(&home->peers, name))) {
        (void)peers_auto_connect(&home->peers, name);
    }
    mem_free(caller);
}

static bool is_connected(const struct node *node, const char *name, size_t size)
{
    atom_t atom = atom_find(name, size);

    return atom == node->name ||
           (atom != ATOM_NONE && remote_is_up(remote_find(node, atom)));
}

void passed_here(struct node *node, const struct signal *signal,
                 const struct gen_message *gen)
{
    struct caller *caller;
    const char *name;
    size_t size;

    if (!term_get_node(gen->from.pid, &name, &size)) {
        return;
    }
    if (signal->from.node != ATOM_NONE) {
        const char *sender = atom_text(signal->from.node);

        if (strlen(sender) == size && memcmp(sender, name, size) == 0) {
            return;
        }
    }
    if (is_connected(node, name, size)) {
        return;
    }
    caller = mem_alloc(sizeof(*caller) + size);
    caller->size = size;
    memcpy(caller->name, name, size);
    if (node->index == 0) { /* before the answer */
        on_caller(node, caller);
    } else {
        node_post_task(node->all[0], on_caller, caller);
    }
}
