/* SPDX-License-Identifier: Apache-2.0
 *
 * See remote.h.
 */
#include "node/remote.h"

#include "base/hash.h"
#include "base/mem.h"
#include "node/node.h"

static bool equal(const void *item, const void *key)
{
    const struct remote *remote = item;

    return remote->name == *(const atom_t *)key;
}

void remotes_init(struct remotes *remotes)
{
    map_init(&remotes->by_name, equal);
}

void remotes_fini(struct remotes *remotes)
{
    struct remote *remote;

    MAP_EACH(remote, &remotes->by_name) {
        mem_free(remote);
    }
    map_fini(&remotes->by_name);
}

struct remote *remote_find(const struct node *node, atom_t name)
{
    return map_get(&node->remotes.by_name, hash_u64(name), &name);
}

struct remote *remote_find_or_add(struct node *node, atom_t name)
{
    struct remote *remote = remote_find(node, name);

    if (remote == NULL) {
        remote = mem_zalloc(sizeof(*remote));
        remote->name = name;
        list_init(&remote->watchers);
        list_init(&remote->watched);
        list_init(&remote->links);
        list_init(&remote->spawns);
        map_add(&node->remotes.by_name, hash_u64(name), remote);
    }
    return remote;
}

void remote_trim(struct node *node, atom_t name)
{
    struct remote *remote = remote_find(node, name);

    if (remote != NULL && remote->connection == 0 &&
        list_is_empty(&remote->watchers) && list_is_empty(&remote->watched) &&
        list_is_empty(&remote->links) && list_is_empty(&remote->spawns)) {
        map_remove(&node->remotes.by_name, hash_u64(name), &name);
        mem_free(remote);
    }
}

/* --- what scheduler 0 tells */

struct news {
    atom_t name;
    uint64_t connection;
    bool is_hidden;
    uint32_t scheduler; /* of a confirmation: who */
};

static void tell(struct node *to, void (*run)(struct node *here, void *arg),
                 const struct news *news)
{
    struct news *copy = mem_alloc(sizeof(*copy));

    *copy = *news;
    node_post_task(to, run, copy);
}

static void nodeup(struct node *node, const struct news *news)
{
    struct remote *remote = remote_find_or_add(node, news->name);

    remote->connection = news->connection;
    remote->is_hidden = news->is_hidden;
}

static void run_nodeup(struct node *here, void *arg)
{
    if (here != NULL) {
        nodeup(here, arg);
    }
    mem_free(arg);
}

void remotes_nodeup(struct node *node, struct peer *peer)
{
    struct news news = {.name = peer->name,
                        .connection = peer->connection,
                        .is_hidden = peer->is_hidden};

    nodeup(node, &news);
    for (uint32_t i = 1; i < node->count; i++) {
        tell(node->all[i], run_nodeup, &news);
    }
}

static void nodedown(struct node *node, atom_t name)
{
    struct remote *remote = remote_find(node, name);

    if (remote == NULL) {
        return;
    }
    spawn_node_down(node, remote);
    link_node_down(node, remote); /* links first, as on a BEAM */
    monitor_node_down(node, remote);
    remote->connection = 0; /* kept it from being freed on the way */
    remote_trim(node, name);
}

static void run_confirmation(struct node *here, void *arg)
{
    const struct news *news = arg;

    if (here != NULL) {
        peers_news_confirmed(&here->peers, news->name, news->scheduler);
    }
    mem_free(arg);
}

static void run_nodedown(struct node *here, void *arg)
{
    struct news *news = arg;

    if (here != NULL) {
        nodedown(here, news->name);
        news->scheduler = here->index;
        tell(here->all[0], run_confirmation, news);
    }
    mem_free(arg);
}

void remotes_nodedown(struct node *node, struct peer *peer)
{
    struct news news = {.name = peer->name};

    nodedown(node, peer->name);
    for (uint32_t i = 1; i < node->count; i++) {
        peer->news[i]++;
        tell(node->all[i], run_nodedown, &news);
    }
}

bool remotes_has_news(const struct peer *peer, uint32_t scheduler)
{
    return peer->news[scheduler] > 0;
}

bool remotes_has_any_news(const struct peer *peer)
{
    for (uint32_t i = 1; i < peer->peers->node->count; i++) {
        if (peer->news[i] > 0) {
            return true;
        }
    }
    return false;
}
