/* SPDX-License-Identifier: Apache-2.0
 *
 * See app_tree.h. Supervisors are taken first, so that a large pool does not
 * hide the others. Texts are unique: a name, or a label and the pid.
 */
#include "cluster/app_tree.h"

#include <string.h>

#include <cnode/cnode.h>

#include "base/mem.h"
#include "node/process_info.h"
#include "term/build.h"
#include "term/text.h"
#include "term/utf8.h"

enum { LABEL_CHARS = 40 };

void app_tree_init(struct app_tree *tree)
{
    *tree = (struct app_tree){0};
    buf_init(&tree->labels, 0);
}

void app_tree_fini(struct app_tree *tree)
{
    mem_free(tree->nodes);
    buf_fini(&tree->labels);
}

/* --- gathering */

static void put_text(struct app_tree *tree, const struct node *here,
                     const struct process *process)
{
    atom_t name = names_of(here, process);
    size_t start = buf_size(&tree->labels);
    struct buf label;

    if (name != ATOM_NONE) {
        buf_printf(&tree->labels, "%s", atom_text(name));
        buf_put_u8(&tree->labels, 0);
        return;
    }
    buf_init(&label, 0);
    if (process->class->put_label != NULL) {
        process->class->put_label(process, &label);
        if (buf_error(&label) == 0) {
            term_print(&tree->labels,
                       term_at(buf_data(&label), buf_size(&label)),
                       LABEL_CHARS);
        }
    }
    if (utf8_count(buf_data(&tree->labels) + start,
                   buf_size(&tree->labels) - start) < 0) {
        buf_truncate(&tree->labels, start); /* cut within a character */
    }
    buf_printf(&tree->labels, " <0.%u.%u>", process->slot, process->serial);
    buf_put_u8(&tree->labels, 0);
    buf_fini(&label);
}

static void add(struct app_tree *tree, const struct node *here,
                const struct process *process,
                const struct process_about *about)
{
    uint32_t above = about->ancestor_count;
    struct app_node *node;

    if (tree->count == tree->cap) {
        tree->cap = tree->cap == 0 ? 64 : 2 * tree->cap;
        tree->nodes =
            mem_realloc(tree->nodes, tree->cap * sizeof(*tree->nodes));
    }
    node = &tree->nodes[tree->count++];
    *node = (struct app_node){.pid = node_pid(here, process),
                              .label = buf_size(&tree->labels)};
    node->root = node->pid;
    if (above > 0) {
        node->parent = about->ancestors[0].pid;
        node->root = about->ancestors[above - 1].pid;
    } else {
        node->app = about->module;
    }
    put_text(tree, here, process);
}

static void add_some(struct app_tree *tree, struct node *here, bool supervisors)
{
    const struct process *process;
    uint32_t at = 0;

    while (tree->count < APP_TREE_MOST && at < APP_TREE_SLOTS_MOST &&
           (process = process_table_next(&here->scheduler.table, &at)) !=
               NULL) {
        struct process_about about = process_about(process);

        if (about.is_supervisor == supervisors &&
            (supervisors || about.ancestor_count > 0)) {
            add(tree, here, process, &about);
        }
    }
}

void app_tree_visit(struct app_tree *tree, struct node *here)
{
    add_some(tree, here, true);
    add_some(tree, here, false);
}

/* --- as terms */

static const char *text_of(const struct app_tree *tree,
                           const struct app_node *node)
{
    return (const char *)buf_data(&tree->labels) + node->label;
}

static void put_chars(struct buf *buf, const char *text)
{
    term_put_chars(buf, text, strlen(text));
}

void app_tree_put_list(const struct app_tree *tree, struct buf *buf)
{
    size_t start = term_open_list(buf);
    uint32_t count = 0;

    for (uint32_t i = 0; i < tree->count; i++) {
        const struct app_node *root = &tree->nodes[i];

        if (root->app == ATOM_NONE) {
            continue;
        }
        term_put_tuple(buf, 3);
        term_put_pid(buf, root->pid);
        term_put_atom(buf, root->app);
        term_put_tuple(buf, 3);
        term_put_atom(buf, root->app);
        put_chars(buf, "workers in C");
        put_chars(buf, CNODE_VERSION);
        count++;
    }
    term_close_list(buf, start, count);
}

static const struct app_node *find(const struct app_tree *tree, struct pid pid)
{
    for (uint32_t i = 0; i < tree->count; i++) {
        if (pid_equal(tree->nodes[i].pid, pid)) {
            return &tree->nodes[i];
        }
    }
    return NULL;
}

static void put_processes(const struct app_tree *tree, struct pid root,
                          struct buf *buf)
{
    size_t start = term_open_list(buf);
    uint32_t count = 0;

    for (uint32_t i = 0; i < tree->count; i++) {
        if (pid_equal(tree->nodes[i].root, root)) {
            term_put_tuple(buf, 2);
            term_put_pid(buf, tree->nodes[i].pid);
            put_chars(buf, text_of(tree, &tree->nodes[i]));
            count++;
        }
    }
    term_close_list(buf, start, count);
}

static void put_edges(const struct app_tree *tree, struct pid root,
                      struct buf *buf)
{
    size_t start = term_open_list(buf);
    uint32_t count = 0;

    for (uint32_t i = 0; i < tree->count; i++) {
        const struct app_node *node = &tree->nodes[i];
        const struct app_node *parent;

        if (!pid_equal(node->root, root) || pid_is_none(node->parent)) {
            continue;
        }
        parent = find(tree, node->parent);
        if (parent != NULL) {
            term_put_tuple(buf, 2);
            put_chars(buf, text_of(tree, parent));
            put_chars(buf, text_of(tree, node));
            count++;
        }
    }
    term_close_list(buf, start, count);
}

void app_tree_put(const struct app_tree *tree, atom_t app, struct buf *buf)
{
    const struct app_node *root = NULL;

    for (uint32_t i = 0; i < tree->count && root == NULL; i++) {
        if (tree->nodes[i].app == app) {
            root = &tree->nodes[i];
        }
    }
    if (root == NULL) {
        term_format(buf, "{[], [], [], []}");
        return;
    }
    term_put_tuple(buf, 4);
    put_chars(buf, text_of(tree, root));
    put_processes(tree, root->pid, buf);
    put_edges(tree, root->pid, buf);
    term_put_nil(buf);
}
