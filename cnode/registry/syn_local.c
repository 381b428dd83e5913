/* SPDX-License-Identifier: Apache-2.0
 *
 * See syn_local.h. The requests are those which a scope gets from everybody
 * else, made here with this node as requester.
 */
#include "registry/syn_local.h"

#include <cnode/error.h>

#include "node/registered.h"

int syn_local_open(struct syn *syn, atom_t scope)
{
    struct syn_pair *pair;

    return syn_open(syn, atom_term(scope), &pair);
}

static int result_of(struct cnode_term answer)
{
    struct cnode_term parts[2];

    if (!term_get_tuple(answer, 2, parts)) {
        return CNODE_EINVALID;
    }
    if (!term_is_atom(parts[0], A_error)) {
        return 0; /* ok, noop */
    }
    return term_is_atom(parts[1], A_taken)       ? CNODE_EXISTS
           : term_is_atom(parts[1], A_not_alive) ? CNODE_NOPROC
                                                 : CNODE_LIMIT;
}

int syn_local_put(struct syn *syn, enum syn_kind kind, atom_t scope,
                  struct cnode_term name, struct pid pid,
                  struct cnode_term meta)
{
    struct syn_request request = {
        .ask = SYN_ASK_ADD,
        .requester = syn->node->name,
        .claim = {.name = name, .pid = pid, .meta = meta}};
    struct syn_pair *pair;
    int rc = syn_open(syn, atom_term(scope), &pair);

    if (rc != 0) {
        return rc;
    }
    return result_of(syn_process_request(
        &pair->kinds[kind], &request, registered_find(syn->node, pid), false));
}

void syn_local_remove(struct syn *syn, enum syn_kind kind, atom_t scope,
                      struct cnode_term name, struct pid pid)
{
    struct syn_request request = {.ask = SYN_ASK_REMOVE,
                                  .requester = syn->node->name,
                                  .claim = {.name = name, .pid = pid}};
    struct syn_pair *pair;

    if (syn_open(syn, atom_term(scope), &pair) == 0) {
        (void)syn_process_request(&pair->kinds[kind], &request, true, false);
    }
}

void syn_local_members(struct syn *syn, atom_t scope, struct cnode_term name,
                       syn_member_fn each, void *arg)
{
    const struct syn_entry *entry = NULL;
    const struct syn_group *group;
    struct syn_pair *pair;

    if (syn_open(syn, atom_term(scope), &pair) != 0) {
        return;
    }
    group = syn_table_group(&pair->kinds[SYN_GROUPS].scope.table, name);
    if (group == NULL) {
        return;
    }
    while ((entry = syn_group_next(group, entry, false)) != NULL) {
        each(arg, entry->pid, syn_entry_meta(entry));
    }
}

void syn_local_listen(struct syn *syn, syn_told_fn told, void *owner)
{
    syn->told = told;
    syn->told_owner = owner;
}
