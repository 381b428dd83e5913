/* SPDX-License-Identifier: Apache-2.0
 *
 * See link.h for the states.
 */
#include "node/link.h"

#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/metric.h"
#include "node/node.h"

struct pair {
    struct pid local, other;
};

static bool equal(const void *item, const void *key)
{
    const struct link *link = item;
    const struct pair *pair = key;

    return pid_equal(link->local, pair->local) &&
           pid_equal(link->other, pair->other);
}

static uint64_t hash(const struct pair *pair)
{
    return hash_bytes(pair, sizeof(*pair));
}

void links_init(struct links *links)
{
    map_init(&links->by_pair, equal);
    slab_init(&links->slab, sizeof(struct link));
    links->next_id = 1;
}

void links_fini(struct links *links)
{
    map_fini(&links->by_pair);
    slab_fini(&links->slab);
}

static struct link *find(struct node *node, struct pid local, struct pid other)
{
    struct pair pair = {local, other};

    return map_get(&node->links.by_pair, hash(&pair), &pair);
}

static struct link *add(struct node *node, struct process *local,
                        struct pid other)
{
    struct pair pair = {node_pid(node, local), other};
    struct relations *relations = relations_of(node, local);
    struct link *link = slab_alloc(&node->links.slab);

    *link = (struct link){
        .local = pair.local, .other = other, .serial = node->links.next_id++};
    list_push_back(&relations->links, &link->in_local);
    list_init(&link->in_remote);
    relations->link_count++;
    map_add(&node->links.by_pair, hash(&pair), link);
    return link;
}

static void discard(struct node *node, struct process *local, struct link *link)
{
    struct pair pair = {link->local, link->other};

    map_remove(&node->links.by_pair, hash(&pair), &pair);
    list_remove(&link->in_local);
    list_remove(&link->in_remote);
    if (pair.other.node != node->name) {
        remote_trim(node, pair.other.node);
    }
    slab_free(&node->links.slab, link);
    local->relations->link_count--;
    relations_trim(node, local);
}

static int tell(struct node *node, enum signal_kind kind, struct pid from,
                struct pid to, uint64_t id, struct cnode_term reason)
{
    struct signal signal = {
        .kind = kind, .from = from, .to = to, .id = id, .term = reason};

    return route_signal(node, &signal, to.node);
}

/* The exit signal noconnection for this very link, should the process make a
 * new one to the same pid before that arrives. */
static void lose(struct node *node, const struct link *link)
{
    (void)tell(node, SIGNAL_EXIT, link->other, link->local, link->serial,
               atom_term(A_noconnection));
}

/* So that it is found when the connection is lost. */
static void join_remote(struct node *node, struct link *link)
{
    if (link->other.node != node->name && list_is_empty(&link->in_remote)) {
        list_push_back(&remote_find_or_add(node, link->other.node)->links,
                       &link->in_remote);
    }
}

/* Counts that it refuses. */
static bool is_full(const struct process *local)
{
    if (local->relations == NULL ||
        local->relations->link_count < limits.links_per_process) {
        return false;
    }
    METRIC_INC(links_refused);
    return true;
}

/* --- ours */

int link_start(struct node *node, struct process *local, struct pid other)
{
    struct pid self = node_pid(node, local);
    struct link *link = find(node, self, other);

    if (pid_equal(self, other) || (link != NULL && link->waiting == 0)) {
        return 0;
    }
    if (link == NULL) {
        if (is_full(local)) {
            return CNODE_LIMIT;
        }
        link = add(node, local, other);
    } else {
        link->waiting = 0;
    }
    if (tell(node, SIGNAL_LINK, self, other, link->serial, TERM_NONE) != 0) {
        lose(node, link);
    } else {
        join_remote(node, link);
    }
    return 0;
}

void link_stop(struct node *node, struct process *local, struct pid other)
{
    struct pid self = node_pid(node, local);
    struct link *link = find(node, self, other);

    if (link == NULL || link->waiting != 0) {
        return;
    }
    link->waiting = node->links.next_id++;
    if (tell(node, SIGNAL_UNLINK, self, other, link->waiting, TERM_NONE) != 0) {
        discard(node, local, link); /* nobody there to acknowledge */
    }
}

void link_spawned(struct node *node, struct process *local, struct pid other,
                  bool is_lost)
{
    struct pid self = node_pid(node, local);
    struct link *link;

    if (is_full(local) || find(node, self, other) != NULL) {
        (void)tell(node, SIGNAL_EXIT, self, other, 0, atom_term(A_noproc));
        return;
    }
    link = add(node, local, other);
    if (is_lost) {
        lose(node, link);
    } else {
        join_remote(node, link);
    }
}

/* --- theirs */

void link_on_link(struct node *node, struct process *local,
                  const struct signal *signal)
{
    if (local != NULL && find(node, signal->to, signal->from) != NULL) {
        return;
    }
    if (local == NULL || is_full(local)) {
        (void)tell(node, SIGNAL_EXIT, signal->to, signal->from, 0,
                   atom_term(A_noproc));
        return;
    }
    join_remote(node, add(node, local, signal->from));
}

void link_on_unlink(struct node *node, struct process *local,
                    const struct signal *signal)
{
    struct link *link =
        local != NULL ? find(node, signal->to, signal->from) : NULL;

    if (link != NULL && link->waiting == 0) {
        discard(node, local, link);
    }
    if (signal->id != 0) {
        (void)tell(node, SIGNAL_UNLINK_ACK, signal->to, signal->from,
                   signal->id, TERM_NONE);
    }
}

void link_on_unlink_ack(struct node *node, struct process *local,
                        const struct signal *signal)
{
    struct link *link =
        local != NULL ? find(node, signal->to, signal->from) : NULL;

    if (link != NULL && link->waiting != 0 && link->waiting == signal->id) {
        discard(node, local, link);
    }
}

bool link_is_active(struct node *node, struct pid local, struct pid other)
{
    const struct link *link = find(node, local, other);

    return link != NULL && link->waiting == 0;
}

bool link_on_exit(struct node *node, struct process *local,
                  const struct signal *signal)
{
    struct link *link =
        local != NULL ? find(node, signal->to, signal->from) : NULL;
    bool was_active;

    if (link == NULL || (signal->id != 0 && signal->id != link->serial)) {
        return false;
    }
    was_active = link->waiting == 0;
    discard(node, local, link);
    return was_active;
}

/* --- ends */

void link_process_ends(struct node *node, struct process *process,
                       struct cnode_term reason)
{
    while (process->relations != NULL &&
           !list_is_empty(&process->relations->links)) {
        struct link *link =
            CONTAINER_OF(process->relations->links.next, struct link, in_local);

        if (link->waiting == 0) {
            (void)tell(node, SIGNAL_EXIT, link->local, link->other, 0, reason);
        }
        discard(node, process, link);
    }
}

void link_node_down(struct node *node, struct remote *remote)
{
    struct list *it;

    while ((it = list_pop(&remote->links)) != NULL) {
        struct link *link = CONTAINER_OF(it, struct link, in_remote);

        if (link->waiting != 0) {
            discard(node, node_find(node, link->local), link);
        } else {
            lose(node, link);
        }
    }
}
