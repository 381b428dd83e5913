/* SPDX-License-Identifier: Apache-2.0
 *
 * See dest.h.
 */
#include "node/dest.h"

#include <cnode/error.h>

static int intern(struct cnode_term term, atom_t *atom)
{
    const char *text;
    size_t len;

    if (!cnode_get_atom(term, &text, &len)) {
        return CNODE_EINVALID;
    }
    *atom = atom_intern(text, len);
    return *atom == ATOM_NONE ? CNODE_LIMIT : 0;
}

static int node_of(struct cnode_term term, atom_t *node)
{
    const char *text;
    size_t len;

    if (!term_get_node(term, &text, &len)) {
        return CNODE_EINVALID;
    }
    *node = atom_intern(text, len);
    return *node == ATOM_NONE ? CNODE_LIMIT : 0;
}

int dest_parse(struct cnode_term term, atom_t self, struct dest *dest)
{
    struct cnode_term parts[2];
    int rc;

    *dest = (struct dest){.kind = DEST_NAME, .node = self};
    switch (cnode_type(term)) {
    case CNODE_TYPE_PID:
        dest->kind = DEST_PID;
        rc = node_of(term, &dest->node);
        return rc != 0                          ? rc
               : term_get_pid(term, &dest->pid) ? 0
                                                : CNODE_EINVALID;
    case CNODE_TYPE_REF:
        dest->kind = DEST_ALIAS;
        dest->alias = term;
        return node_of(term, &dest->node);
    case CNODE_TYPE_ATOM:
        return intern(term, &dest->name);
    case CNODE_TYPE_TUPLE:
        if (!term_get_tuple(term, 2, parts)) {
            return CNODE_EINVALID;
        }
        rc = intern(parts[0], &dest->name);
        return rc != 0 ? rc : intern(parts[1], &dest->node);
    default:
        return CNODE_EINVALID;
    }
}
