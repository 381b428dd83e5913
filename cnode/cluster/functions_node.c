/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of functions.def about the node: names, peers, modules.
 */
#include <string.h>

#include <cnode/error.h>

#include "cluster/functions_run.h"
#include "term/build.h"

int function_true(struct function_run *run)
{
    term_put_atom(run->out, A_true);
    return 0;
}

int function_empty_list(struct function_run *run)
{
    term_put_nil(run->out);
    return 0;
}

/* Processes that are traced now. */
int function_zero(struct function_run *run)
{
    term_put_int(run->out, 0);
    return 0;
}

/* --- nodes */

int function_localhost(struct function_run *run)
{
    const char *name = atom_text(run->node->name);
    const char *host = strchr(name, '@');

    CHECK(host != NULL);
    term_put_chars(run->out, host + 1, strlen(host + 1));
    return 0;
}

int function_node(struct function_run *run)
{
    term_put_atom(run->out, run->node->name);
    return 0;
}

enum { NODES_VISIBLE = 1, NODES_HIDDEN = 2, NODES_THIS = 4, NODES_KNOWN = 8 };

static int put_nodes(struct function_run *run, unsigned which)
{
    size_t start = term_open_list(run->out);
    uint32_t count = 0;
    struct peer *peer;

    if ((which & NODES_THIS) != 0) {
        term_put_atom(run->out, run->node->name);
        count++;
    }
    MAP_EACH(peer, &run->node->peers.by_name) {
        bool is_up = peer_is_up(peer);

        if ((which & NODES_KNOWN) != 0 ||
            (is_up && !peer->is_hidden && (which & NODES_VISIBLE) != 0) ||
            (is_up && peer->is_hidden && (which & NODES_HIDDEN) != 0)) {
            term_put_atom(run->out, peer->name);
            count++;
        }
    }
    term_close_list(run->out, start, count);
    return 0;
}

int function_nodes(struct function_run *run)
{
    return put_nodes(run, NODES_VISIBLE);
}

static unsigned nodes_kind(struct cnode_term kind)
{
    static const struct {
        const char *name;
        unsigned which;
    } kinds[] = {
        {"visible", NODES_VISIBLE},
        {"hidden", NODES_HIDDEN},
        {"connected", NODES_VISIBLE | NODES_HIDDEN},
        {"this", NODES_THIS},
        {"known", NODES_THIS | NODES_KNOWN},
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (cnode_is_atom(kind, kinds[i].name)) {
            return kinds[i].which;
        }
    }
    return 0;
}

int function_nodes_of(struct function_run *run)
{
    struct cnode_term kind = run->args[0];
    struct cnode_list list;
    unsigned which = 0;

    if (!cnode_list(kind, &list)) {
        which = nodes_kind(kind);
        return which == 0 ? CNODE_EINVALID : put_nodes(run, which);
    }
    while (cnode_list_next(&list, &kind)) {
        if (nodes_kind(kind) == 0) {
            return CNODE_EINVALID;
        }
        which |= nodes_kind(kind);
    }
    return put_nodes(run, which);
}

/* --- names */

int function_whereis(struct function_run *run)
{
    struct pid pid;

    if (cnode_type(run->args[0]) != CNODE_TYPE_ATOM) {
        return CNODE_EINVALID;
    }
    if (names_whereis(run->node, term_atom(run->args[0]), &pid)) {
        term_put_pid(run->out, pid);
    } else {
        term_put_atom(run->out, A_undefined);
    }
    return 0;
}

int function_registered(struct function_run *run)
{
    size_t start = term_open_list(run->out);
    uint32_t count = 0;
    atom_t at = 0, name;

    while ((name = names_next(run->node, &at)) != ATOM_NONE) {
        term_put_atom(run->out, name);
        count++;
    }
    term_close_list(run->out, start, count);
    return 0;
}

/* --- modules */

int function_exported(struct function_run *run)
{
    uint64_t arity;

    if (cnode_type(run->args[0]) != CNODE_TYPE_ATOM ||
        cnode_type(run->args[1]) != CNODE_TYPE_ATOM ||
        !cnode_get_uint(run->args[2], &arity)) {
        return CNODE_EINVALID;
    }
    term_put_atom(run->out, functions_has(run->functions, run->args[0],
                                          run->args[1], arity)
                                ? A_true
                                : A_false);
    return 0;
}

int function_ensure_loaded(struct function_run *run)
{
    if (cnode_type(run->args[0]) != CNODE_TYPE_ATOM) {
        return CNODE_EINVALID;
    }
    if (functions_has_module(run->functions, run->args[0], NULL)) {
        term_format(run->out, "{module, ~t}", run->args[0]);
    } else {
        term_format(run->out, "{error, nofile}");
    }
    return 0;
}

int function_all_loaded(struct function_run *run)
{
    size_t start = term_open_list(run->out);
    const char *last = "";
    uint32_t count = 0;

    for (size_t i = 0; i < function_count; i++) {
        if (function_table[i].place != FUNCTION_REX &&
            strcmp(function_table[i].module, last) != 0) { /* in a row */
            last = function_table[i].module;
            term_format(run->out, "{~a, preloaded}", last);
            count++;
        }
    }
    term_close_list(run->out, start, count);
    return 0;
}
