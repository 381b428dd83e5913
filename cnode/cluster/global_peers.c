/* SPDX-License-Identifier: Apache-2.0
 *
 * The nodes that global deals with, and lists of them. See global_parts.h.
 */
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "cluster/global_parts.h"

enum { ATOMS_SHARE = 2 }; /* of limits.atoms, for nodes that others name */

struct global_peer *global_peer_find(const struct global *g, atom_t node)
{
    return map_get(&g->peers, hash_u64(node), &node);
}

struct global_peer *global_peer_open(struct global *g, atom_t node)
{
    struct global_peer *peer = global_peer_find(g, node);

    if (peer == NULL) {
        peer = mem_zalloc(sizeof(*peer));
        peer->node = node;
        map_add(&g->peers, hash_u64(node), peer);
    }
    return peer;
}

bool global_is_known(const struct global *g, atom_t node)
{
    const struct global_peer *peer = global_peer_find(g, node);

    return node == g->node || (peer != NULL && peer->is_known);
}

void global_peer_trim(struct global *g, struct global_peer *peer)
{
    atom_t node = peer->node;

    if (peer->is_up || peer->is_known || peer->is_wanted ||
        peer->session != NULL) {
        return;
    }
    map_remove(&g->peers, hash_u64(node), &node);
    cnode_term_free(peer->early);
    mem_free(peer);
}

/* Atoms are for ever: those that only others name take a half of them. */
static atom_t intern(const char *text, size_t len)
{
    if (memchr(text, '@', len) == NULL) {
        return ATOM_NONE;
    }
    if (atom_count() >= limits.atoms / ATOMS_SHARE) {
        METRIC_INC(atoms_refused);
        return ATOM_NONE;
    }
    return atom_intern(text, len);
}

atom_t global_node_name(struct cnode_term term)
{
    const char *text;
    size_t len;
    atom_t atom = term_atom(term);

    if (atom == ATOM_NONE && cnode_get_atom(term, &text, &len)) {
        atom = intern(text, len);
    }
    return atom;
}

bool global_pid(struct cnode_term term, struct pid *pid)
{
    const char *text;
    size_t len;

    if (!term_get_pid(term, pid)) {
        return false;
    }
    if (pid->node == ATOM_NONE && term_get_node(term, &text, &len)) {
        pid->node = intern(text, len);
    }
    return pid->node != ATOM_NONE;
}

struct buf *global_begin(struct global *g)
{
    buf_clear(&g->out);
    return &g->out;
}

void global_send(struct global *g, enum global_role from, atom_t node)
{
    struct dest to = dest_name(A_global_name_server, node);
    const struct global_peer *peer = global_peer_find(g, node);

    if (peer != NULL && peer->is_up && buf_error(&g->out) == 0) {
        g->events->send(g->owner, from, &to,
                        term_at(buf_data(&g->out), buf_size(&g->out)));
    }
}

/* --- lists of nodes */

void global_nodes_clear(struct global_nodes *nodes)
{
    nodes->count = 0;
}

void global_nodes_fini(struct global_nodes *nodes)
{
    mem_free(nodes->items);
    *nodes = (struct global_nodes){0};
}

bool global_nodes_have(const struct global_nodes *nodes, atom_t node)
{
    for (uint32_t i = 0; i < nodes->count; i++) {
        if (nodes->items[i] == node) {
            return true;
        }
    }
    return false;
}

void global_nodes_add(struct global_nodes *nodes, atom_t node)
{
    if (global_nodes_have(nodes, node)) {
        return;
    }
    if (nodes->count == nodes->cap) {
        nodes->cap = nodes->cap == 0 ? 8 : 2 * nodes->cap;
        nodes->items =
            mem_realloc(nodes->items, nodes->cap * sizeof(*nodes->items));
    }
    nodes->items[nodes->count++] = node;
}

void global_nodes_add_known(struct global *g, struct global_nodes *nodes)
{
    const struct global_peer *peer;

    MAP_EACH(peer, &g->peers) {
        if (peer->is_known) {
            global_nodes_add(nodes, peer->node);
        }
    }
}

void global_nodes_remove(struct global_nodes *nodes, atom_t node)
{
    for (uint32_t i = 0; i < nodes->count; i++) {
        if (nodes->items[i] == node) {
            nodes->items[i] = nodes->items[--nodes->count];
            return;
        }
    }
}

bool global_node_is_less(atom_t a, atom_t b)
{
    size_t len = atom_len(a) < atom_len(b) ? atom_len(a) : atom_len(b);
    int order = memcmp(atom_text(a), atom_text(b), len);

    return order != 0 ? order < 0 : atom_len(a) < atom_len(b);
}

atom_t global_nodes_boss(const struct global_nodes *nodes)
{
    atom_t boss = ATOM_NONE;

    for (uint32_t i = 0; i < nodes->count; i++) {
        if (boss == ATOM_NONE || global_node_is_less(boss, nodes->items[i])) {
            boss = nodes->items[i];
        }
    }
    return boss;
}

/* --- chance: splitmix64 */

uint32_t global_random(struct global *g, uint32_t below)
{
    uint64_t z = g->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ (z >> 31)) % below);
}

uint64_t global_sleep_ms(struct global *g, uint32_t times)
{
    uint32_t most = times > 5 ? 8000 : (1000u << times) / 8;

    return 1 + global_random(g, most);
}
