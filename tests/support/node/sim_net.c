/* SPDX-License-Identifier: Apache-2.0
 *
 * See sim_net.h.
 */
#include "support/node/sim_net.h"

#include <stdio.h>
#include <string.h>

#include <cnode/error.h>

#include "base/mem.h"
#include "support/random.h"
#include "term/build.h"

enum item_kind { ITEM_MESSAGE, ITEM_MONITOR, ITEM_DOWN };

struct item {
    struct list node;
    enum item_kind kind;
    struct pid from;
    struct dest to;
    struct ref ref;
    atom_t reason;
    struct buf bytes;
};

void sim_init(struct sim_net *net, unsigned count, uint64_t seed)
{
    char name[16];

    *net = (struct sim_net){.count = count, .random = seed};
    list_init(&net->processes);
    list_init(&net->monitors);
    for (unsigned i = 0; i < count; i++) {
        int len = snprintf(name, sizeof(name), "n%u@sim", i + 1);

        net->nodes[i] =
            (struct sim_node){.name = atom_intern(name, (size_t)len),
                              .creation = 10,
                              .is_up = true};
        for (unsigned j = 0; j < count; j++) {
            list_init(&net->queues[i][j]);
        }
    }
}

static void item_free(struct item *item)
{
    buf_fini(&item->bytes);
    mem_free(item);
}

/* What the loss of a link itself caused stays. */
static void clear(struct sim_net *net, unsigned from, unsigned to)
{
    LIST_EACH(it, &net->queues[from][to]) {
        struct item *item = CONTAINER_OF(it, struct item, node);

        if (item->kind != ITEM_DOWN || item->reason != A_noconnection) {
            list_remove(&item->node);
            item_free(item);
        }
    }
}

static void clear_all(struct list *queue)
{
    struct list *it;

    while ((it = list_pop(queue)) != NULL) {
        item_free(CONTAINER_OF(it, struct item, node));
    }
}

void sim_fini(struct sim_net *net)
{
    struct list *it;

    for (unsigned i = 0; i < net->count; i++) {
        for (unsigned j = 0; j < net->count; j++) {
            clear_all(&net->queues[i][j]);
        }
    }
    while ((it = list_pop(&net->monitors)) != NULL) {
        mem_free(CONTAINER_OF(it, struct sim_monitor, in_net));
    }
}

unsigned sim_node_of(const struct sim_net *net, atom_t name)
{
    unsigned i = 0;

    while (i < net->count && net->nodes[i].name != name) {
        i++;
    }
    return i;
}

static bool is_linked(const struct sim_net *net, unsigned from, unsigned to)
{
    return from < net->count && to < net->count &&
           (from == to ? net->nodes[from].is_up : net->links[from][to]);
}

static struct item *push(struct sim_net *net, unsigned from, unsigned to,
                         enum item_kind kind)
{
    struct item *item = mem_zalloc(sizeof(*item));

    item->kind = kind;
    buf_init(&item->bytes, 0);
    list_push_back(&net->queues[from][to], &item->node);
    return item;
}

/* --- processes */

void sim_spawn(struct sim_process *process, struct sim_net *net, unsigned node,
               atom_t name,
               void (*message)(struct sim_process *self, struct pid from,
                               struct cnode_term message),
               void *owner)
{
    struct sim_node *n = &net->nodes[node];

    *process = (struct sim_process){.net = net,
                                    .node = node,
                                    .name = name,
                                    .message = message,
                                    .owner = owner,
                                    .is_alive = true};
    process->pid = (struct pid){
        .node = n->name, .id = ++n->next_id, .creation = n->creation};
    list_push_back(&net->processes, &process->in_net);
}

static struct sim_process *find(const struct sim_net *net, unsigned node,
                                const struct dest *to)
{
    LIST_EACH(it, &net->processes) {
        struct sim_process *process =
            CONTAINER_OF(it, struct sim_process, in_net);

        if (process->node == node &&
            (to->kind == DEST_NAME ? process->name == to->name
                                   : pid_equal(process->pid, to->pid))) {
            return process;
        }
    }
    return NULL;
}

bool sim_is_alive(const struct sim_net *net, struct pid pid)
{
    struct dest dest = dest_pid(pid);

    return find(net, sim_node_of(net, pid.node), &dest) != NULL;
}

/* --- messages and monitors */

int sim_send(struct sim_net *net, struct pid from, const struct dest *to,
             struct cnode_term message)
{
    unsigned a = sim_node_of(net, from.node);
    unsigned b = sim_node_of(net, to->node);
    struct item *item;

    if (!is_linked(net, a, b)) {
        return CNODE_NOCONN;
    }
    item = push(net, a, b, ITEM_MESSAGE);
    item->from = from;
    item->to = *to;
    term_put_copy(&item->bytes, message);
    return 0;
}

static struct sim_monitor *find_monitor(const struct sim_net *net,
                                        const struct ref *ref)
{
    LIST_EACH(it, &net->monitors) {
        struct sim_monitor *monitor =
            CONTAINER_OF(it, struct sim_monitor, in_net);

        if (ref_equal(&monitor->ref, ref)) {
            return monitor;
        }
    }
    return NULL;
}

/* The end of a monitor is on its way to the watcher, from node `from`. With
 * noconnection it comes before everything of the next connection. */
static void push_down(struct sim_net *net, unsigned from,
                      const struct sim_monitor *monitor, atom_t reason)
{
    unsigned to = sim_node_of(net, monitor->watcher.node);
    struct item *item;

    if (reason == A_noconnection || is_linked(net, from, to)) {
        item = push(net, from, to, ITEM_DOWN);
        item->ref = monitor->ref;
        item->reason = reason;
    }
}

void sim_monitor_later(struct sim_net *net, struct pid watcher,
                       const struct dest *target, struct ref *ref)
{
    struct sim_monitor *monitor = mem_zalloc(sizeof(*monitor));

    *ref = (struct ref){.node = watcher.node,
                        .creation = watcher.creation,
                        .len = 3,
                        .words = {++net->next_ref}};
    *monitor = (struct sim_monitor){
        .ref = *ref, .watcher = watcher, .target = *target};
    list_push_back(&net->monitors, &monitor->in_net);
}

void sim_monitor_go(struct sim_net *net, const struct ref *ref)
{
    struct sim_monitor *monitor = find_monitor(net, ref);
    unsigned a, b;

    if (monitor == NULL) {
        return;
    }
    a = sim_node_of(net, monitor->watcher.node);
    b = sim_node_of(net, monitor->target.node);
    if (is_linked(net, a, b)) {
        push(net, a, b, ITEM_MONITOR)->ref = *ref;
    } else {
        push_down(net, b < net->count ? b : a, monitor, A_noconnection);
    }
}

void sim_monitor(struct sim_net *net, struct pid watcher,
                 const struct dest *target, struct ref *ref)
{
    sim_monitor_later(net, watcher, target, ref);
    sim_monitor_go(net, ref);
}

void sim_demonitor(struct sim_net *net, const struct ref *ref)
{
    struct sim_monitor *monitor = find_monitor(net, ref);

    if (monitor != NULL) {
        list_remove(&monitor->in_net);
        mem_free(monitor);
    }
}

static bool is_target(const struct sim_monitor *monitor,
                      const struct sim_process *process)
{
    return monitor->target.kind == DEST_PID
               ? pid_equal(monitor->target.pid, process->pid)
               : monitor->target.node == process->pid.node &&
                     monitor->target.name == process->name;
}

void sim_exit(struct sim_process *process, atom_t reason)
{
    struct sim_net *net = process->net;

    if (!process->is_alive) {
        return;
    }
    process->is_alive = false;
    list_remove(&process->in_net);
    LIST_EACH(it, &net->monitors) {
        struct sim_monitor *monitor =
            CONTAINER_OF(it, struct sim_monitor, in_net);

        if (is_target(monitor, process)) {
            push_down(net, process->node, monitor, reason);
        }
    }
}

/* --- links */

void sim_connect(struct sim_net *net, unsigned a, unsigned b)
{
    if (a == b || net->links[a][b] || !net->nodes[a].is_up ||
        !net->nodes[b].is_up) {
        return;
    }
    net->links[a][b] = net->links[b][a] = true;
    net->nodeup(net, a, b);
    net->nodeup(net, b, a);
}

/* Monitors from a to b are lost; their DOWN is a local thing. */
static void lose(struct sim_net *net, unsigned a, unsigned b)
{
    LIST_EACH(it, &net->monitors) {
        struct sim_monitor *monitor =
            CONTAINER_OF(it, struct sim_monitor, in_net);

        if (monitor->watcher.node == net->nodes[a].name &&
            monitor->target.node == net->nodes[b].name) {
            push_down(net, b, monitor, A_noconnection);
        }
    }
    net->nodedown(net, a, b);
}

void sim_cut(struct sim_net *net, unsigned a, unsigned b)
{
    if (!net->links[a][b]) {
        return;
    }
    net->links[a][b] = net->links[b][a] = false;
    clear(net, a, b);
    clear(net, b, a);
    lose(net, a, b);
    lose(net, b, a);
}

void sim_node_down(struct sim_net *net, unsigned node)
{
    for (unsigned i = 0; i < net->count; i++) {
        sim_cut(net, node, i);
    }
    net->nodes[node].is_up = false;
    for (unsigned i = 0; i < net->count; i++) {
        clear_all(&net->queues[i][node]);
    }
    LIST_EACH(it, &net->monitors) {
        struct sim_monitor *monitor =
            CONTAINER_OF(it, struct sim_monitor, in_net);

        if (monitor->watcher.node == net->nodes[node].name) {
            list_remove(&monitor->in_net);
            mem_free(monitor);
        }
    }
}

void sim_node_up(struct sim_net *net, unsigned node)
{
    net->nodes[node].is_up = true;
    net->nodes[node].creation++;
    net->nodes[node].next_id = 0;
}

/* --- delivery */

static void deliver_down(struct sim_net *net, const struct item *item)
{
    struct sim_monitor *monitor = find_monitor(net, &item->ref);
    struct sim_process *watcher;
    struct dest to;
    struct buf buf;

    if (monitor == NULL) {
        return;
    }
    to = dest_pid(monitor->watcher);
    watcher = find(net, sim_node_of(net, to.node), &to);
    buf_init(&buf, 0);
    if (monitor->target.kind == DEST_PID) {
        term_format(&buf, "{'DOWN', ~r, process, ~p, ~A}", &monitor->ref,
                    monitor->target.pid, item->reason);
    } else {
        term_format(&buf, "{'DOWN', ~r, process, {~A, ~A}, ~A}", &monitor->ref,
                    monitor->target.name, monitor->target.node, item->reason);
    }
    list_remove(&monitor->in_net);
    mem_free(monitor);
    if (watcher != NULL) {
        watcher->message(watcher, PID_NONE,
                         term_at(buf_data(&buf), buf_size(&buf)));
    }
    buf_fini(&buf);
}

static void deliver(struct sim_net *net, unsigned to, const struct item *item)
{
    struct sim_process *process;
    struct sim_monitor *monitor;
    struct cnode_term message;

    switch (item->kind) {
    case ITEM_MESSAGE:
        process = find(net, to, &item->to);
        if (process != NULL) {
            message = term_at(buf_data(&item->bytes), buf_size(&item->bytes));
            if (net->watch != NULL) {
                net->watch(net, item->from, process, message);
            }
            process->message(process, item->from, message);
        }
        return;
    case ITEM_MONITOR:
        monitor = find_monitor(net, &item->ref);
        if (monitor != NULL && find(net, to, &monitor->target) == NULL) {
            push_down(net, to, monitor, A_noproc);
        }
        return;
    case ITEM_DOWN:
        deliver_down(net, item);
        return;
    }
}

bool sim_step(struct sim_net *net)
{
    struct list *full[SIM_NODES * SIM_NODES];
    unsigned to[SIM_NODES * SIM_NODES];
    unsigned n = 0, i;
    struct item *item;

    for (unsigned a = 0; a < net->count; a++) {
        for (unsigned b = 0; b < net->count; b++) {
            if (!list_is_empty(&net->queues[a][b])) {
                full[n] = &net->queues[a][b];
                to[n++] = b;
            }
        }
    }
    if (n == 0) {
        return false;
    }
    i = random_below(&net->random, n);
    item = CONTAINER_OF(list_pop(full[i]), struct item, node);
    deliver(net, to[i], item);
    item_free(item);
    return true;
}

void sim_settle(struct sim_net *net)
{
    while (sim_step(net)) {
    }
}
