/* SPDX-License-Identifier: Apache-2.0
 *
 * The supervision trees of the node as observer draws them, from what the
 * processes say of their ancestors. Gathered from scheduler to scheduler, at
 * most APP_TREE_MOST processes of the first slots of each: a picture of more
 * helps nobody.
 */
#ifndef CNODE_CLUSTER_APP_TREE_H
#define CNODE_CLUSTER_APP_TREE_H

#include "node/node.h"

enum { APP_TREE_MOST = 1000, APP_TREE_SLOTS_MOST = 50000 };

struct app_node {
    struct pid pid, parent; /* parent: PID_NONE for a root */
    struct pid root;
    atom_t app;   /* roots: the application's name */
    size_t label; /* offset of its text, NUL terminated */
};

struct app_tree {
    struct app_node *nodes;
    uint32_t count, cap;
    struct buf labels;
};

void app_tree_init(struct app_tree *tree);
void app_tree_fini(struct app_tree *tree);

/* Adds the processes of a scheduler, on its thread. */
void app_tree_visit(struct app_tree *tree, struct node *here);

/* [{Root, Name, {Name, Text, Version}}] */
void app_tree_put_list(const struct app_tree *tree, struct buf *buf);
/* {Root, [{Pid, Text}], [{Parent, Child}], []}; four empty lists when there is
 * no such application. */
void app_tree_put(const struct app_tree *tree, atom_t app, struct buf *buf);

#endif
