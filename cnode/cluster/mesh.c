/* SPDX-License-Identifier: Apache-2.0
 *
 * See mesh.h. The names that a peer lists are texts until we dial: they become
 * atoms no sooner, and there are at most limits.mesh_nodes of them.
 */
#include "cluster/mesh.h"

#include <string.h>

#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "dist/handshake.h"

struct mesh_node {
    bool is_up, is_asked, is_dialled;
    bool is_left;       /* on purpose */
    uint32_t failures;  /* in a row */
    uint64_t again_ms;  /* not dialled before */
    uint64_t listed_ms; /* somebody saw it */
    uint64_t asked_ms;
    size_t len;
    char name[]; /* NUL terminated */
};

struct name {
    const char *text;
    size_t len;
};

static bool equal(const void *item, const void *key)
{
    const struct mesh_node *node = item;
    const struct name *name = key;

    return node->len == name->len &&
           memcmp(node->name, name->text, name->len) == 0;
}

void mesh_init(struct mesh *mesh, const char *self, bool asks,
               const struct mesh_events *events, void *owner)
{
    *mesh = (struct mesh){
        .self = self, .asks = asks, .events = events, .owner = owner};
    map_init(&mesh->nodes, equal);
}

void mesh_fini(struct mesh *mesh)
{
    struct mesh_node *node;

    MAP_EACH(node, &mesh->nodes) {
        mem_free(node);
    }
    map_fini(&mesh->nodes);
}

static struct mesh_node *find(const struct mesh *mesh, const char *text,
                              size_t len)
{
    struct name name = {.text = text, .len = len};

    return map_get(&mesh->nodes, hash_bytes(text, len), &name);
}

static struct mesh_node *add(struct mesh *mesh, const char *text, size_t len)
{
    struct mesh_node *node = mem_zalloc(sizeof(*node) + len + 1);

    node->len = len;
    memcpy(node->name, text, len);
    map_add(&mesh->nodes, hash_bytes(text, len), node);
    return node;
}

/* --- asking */

static void ask(struct mesh *mesh, struct mesh_node *node, uint64_t now_ms)
{
    node->asked_ms = now_ms;
    if (mesh->asks && !node->is_asked) {
        node->is_asked = mesh->events->ask(mesh->owner, node->name) == 0;
    }
}

void mesh_nodeup(struct mesh *mesh, const char *name, uint64_t now_ms)
{
    size_t len = strlen(name);
    struct mesh_node *node = find(mesh, name, len);

    if (node == NULL) {
        node = add(mesh, name, len);
    }
    if (mesh->up_count == 0 || mesh->next_ask_ms > now_ms + MESH_SOON_MS) {
        mesh->next_ask_ms = now_ms + MESH_SOON_MS;
    }
    mesh->up_count += !node->is_up;
    node->is_up = true;
    node->is_dialled = node->is_left = false;
    node->failures = 0;
    ask(mesh, node, now_ms);
}

static void try_later(struct mesh_node *node, uint64_t now_ms)
{
    uint64_t delay = MESH_AGAIN_FIRST_MS;

    for (uint32_t i = 0; i < node->failures && delay < MESH_AGAIN_MOST_MS;
         i++) {
        delay *= 2;
    }
    node->again_ms =
        now_ms + (delay < MESH_AGAIN_MOST_MS ? delay : MESH_AGAIN_MOST_MS);
    node->failures++;
}

void mesh_nodedown(struct mesh *mesh, const char *name, bool is_left,
                   uint64_t now_ms)
{
    struct mesh_node *node = find(mesh, name, strlen(name));

    if (node == NULL) {
        return;
    }
    node->is_dialled = false; /* it may have come up as a hidden one */
    if (node->is_up) {
        mesh->up_count--;
        node->is_up = false;
        node->is_left = is_left;
        node->listed_ms = now_ms;
        try_later(node, now_ms);
    }
}

void mesh_dial_failed(struct mesh *mesh, const char *name, uint64_t now_ms)
{
    struct mesh_node *node = find(mesh, name, strlen(name));

    if (node != NULL && node->is_dialled) {
        node->is_dialled = false;
        try_later(node, now_ms);
    }
}

/* --- dialling */

static bool may_dial(const struct mesh_node *node, uint64_t now_ms)
{
    return !node->is_up && !node->is_dialled && !node->is_left &&
           now_ms >= node->again_ms;
}

static void dial(struct mesh *mesh, struct mesh_node *node, uint64_t now_ms)
{
    node->is_dialled = true;
    if (mesh->events->dial(mesh->owner, node->name) != 0 && node->is_dialled) {
        node->is_dialled = false;
        try_later(node, now_ms);
    }
}

static void listed(struct mesh *mesh, const char *text, size_t len,
                   uint64_t now_ms)
{
    char name[NODE_NAME_MAX + 1];
    struct mesh_node *node;

    if (len > NODE_NAME_MAX || len == 0 || memchr(text, 0, len) != NULL) {
        return;
    }
    memcpy(name, text, len);
    name[len] = 0;
    if (!node_name_is_valid(name) || strcmp(name, mesh->self) == 0) {
        return;
    }
    node = find(mesh, text, len);
    if (node == NULL && mesh->nodes.count >= limits.mesh_nodes) {
        METRIC_INC(mesh_refused);
        return;
    }
    if (node == NULL) {
        node = add(mesh, text, len);
    }
    node->listed_ms = now_ms;
    if (may_dial(node, now_ms)) {
        dial(mesh, node, now_ms);
    }
}

void mesh_answer(struct mesh *mesh, const char *name, struct cnode_term nodes,
                 uint64_t now_ms)
{
    struct mesh_node *node = find(mesh, name, strlen(name));
    struct cnode_list list;
    struct cnode_term element;
    const char *text;
    size_t len;

    if (node != NULL) {
        node->is_asked = false;
    }
    if (!cnode_list(nodes, &list)) {
        return;
    }
    while (cnode_list_next(&list, &element)) {
        if (cnode_get_atom(element, &text, &len)) {
            listed(mesh, text, len, now_ms);
        }
    }
}

/* --- time */

/* The first who may be dialled; nobody is there who could tell more. */
static struct mesh_node *next_lost(const struct mesh *mesh)
{
    struct mesh_node *node, *next = NULL;

    MAP_EACH(node, &mesh->nodes) {
        if (may_dial(node, UINT64_MAX) &&
            (next == NULL || node->again_ms < next->again_ms)) {
            next = node;
        }
    }
    return next;
}

uint64_t mesh_deadline(const struct mesh *mesh)
{
    const struct mesh_node *lost;

    if (mesh->up_count > 0) {
        return mesh->next_ask_ms;
    }
    lost = next_lost(mesh);
    return lost == NULL ? UINT64_MAX : lost->again_ms;
}

static struct mesh_node *oldest(const struct mesh *mesh, uint64_t now_ms)
{
    struct mesh_node *node;

    MAP_EACH(node, &mesh->nodes) {
        if (!node->is_up && !node->is_dialled && !node->is_asked &&
            now_ms - node->listed_ms > MESH_FORGET_MS) {
            return node;
        }
    }
    return NULL;
}

static void forget_old(struct mesh *mesh, uint64_t now_ms)
{
    struct mesh_node *old;

    while ((old = oldest(mesh, now_ms)) != NULL) {
        struct name name = {.text = old->name, .len = old->len};

        map_remove(&mesh->nodes, hash_bytes(old->name, old->len), &name);
        mem_free(old);
    }
}

static void ask_next(struct mesh *mesh, uint64_t now_ms)
{
    struct mesh_node *node, *next = NULL;

    mesh->next_ask_ms = now_ms + MESH_ASK_MS;
    MAP_EACH(node, &mesh->nodes) {
        if (node->is_up && (next == NULL || node->asked_ms < next->asked_ms)) {
            next = node;
        }
    }
    if (next != NULL) {
        ask(mesh, next, now_ms);
    }
}

void mesh_tick(struct mesh *mesh, uint64_t now_ms)
{
    struct mesh_node *lost;

    if (now_ms < mesh_deadline(mesh)) {
        return;
    }
    forget_old(mesh, now_ms);
    if (mesh->up_count > 0) {
        ask_next(mesh, now_ms);
        return;
    }
    lost = next_lost(mesh);
    if (lost != NULL && now_ms >= lost->again_ms) {
        dial(mesh, lost, now_ms);
    }
}
