/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions of <cnode/behaviour.h> about the node and its cluster: names,
 * other nodes, groups. What lives on scheduler 0 is asked by calls, as any
 * process would do.
 */
#include <cnode/behaviour.h>

#include "pool/api.h"
#include "term/build.h"

enum { SERVICE_MS = 60000 }; /* those that are asked always answer */

/* --- names */

static int name_of(struct cnode_worker *w, struct cnode_term term, atom_t *name)
{
    int rc = api_run(w) == NULL ? CNODE_EINVALID : api_atom(term, name);

    return rc == 0 && *name == A_undefined ? CNODE_EINVALID : rc;
}

int cnode_register(struct cnode_worker *w, struct cnode_term term)
{
    atom_t name;
    int rc = name_of(w, term, &name);

    return rc != 0 ? rc : names_register(api_node(w), name, &w->process);
}

int cnode_unregister(struct cnode_worker *w, struct cnode_term term)
{
    atom_t name;
    int rc = name_of(w, term, &name);

    return rc != 0 ? rc : names_unregister(api_node(w), name);
}

struct cnode_term cnode_whereis(struct cnode_worker *w, struct cnode_term term)
{
    atom_t name = term_atom(term);
    struct pid pid;

    if (name == ATOM_NONE || !names_whereis(api_node(w), name, &pid)) {
        return atom_term(A_undefined);
    }
    return api_make_pid(w, pid);
}

/* --- nodes */

static bool is_wanted(const struct remote *remote, enum cnode_nodes which)
{
    return remote_is_up(remote) &&
           (which == CNODE_NODES_CONNECTED ||
            remote->is_hidden == (which == CNODE_NODES_HIDDEN));
}

struct cnode_term cnode_nodes(struct cnode_worker *w, enum cnode_nodes which)
{
    const struct map *remotes = &api_node(w)->remotes.by_name;
    struct run *run = api_run(w);
    const struct remote *remote;
    struct cnode_term list;
    uint32_t count = 0;
    struct buf buf;

    if (run == NULL) {
        return TERM_NONE;
    }
    buf_init(&buf, 0);
    MAP_EACH(remote, remotes) {
        count += is_wanted(remote, which);
    }
    term_put_list(&buf, count);
    MAP_EACH(remote, remotes) {
        if (is_wanted(remote, which)) {
            term_put_atom(&buf, remote->name);
        }
    }
    term_put_nil(&buf);
    list = run_keep(run, api_term(&buf));
    buf_fini(&buf);
    return list;
}

static struct cnode_term service(struct cnode_worker *w, const char *name)
{
    return cnode_make(w, "~a", name);
}

int cnode_connect(struct cnode_worker *w, struct cnode_term node,
                  cnode_answer_fn fn, void *context)
{
    return cnode_type(node) != CNODE_TYPE_ATOM
               ? CNODE_EINVALID
               : cnode_call(w, service(w, "net_kernel"), SERVICE_MS, fn,
                            context, "{connect, normal, ~t}", node);
}

int cnode_disconnect(struct cnode_worker *w, struct cnode_term node,
                     cnode_answer_fn fn, void *context)
{
    return cnode_type(node) != CNODE_TYPE_ATOM
               ? CNODE_EINVALID
               : cnode_call(w, service(w, "net_kernel"), SERVICE_MS, fn,
                            context, "{disconnect, ~t}", node);
}

/* --- groups of pg */

static int ask_pg(struct cnode_worker *w, const char *what,
                  struct cnode_term scope, struct cnode_term group,
                  cnode_answer_fn fn, void *context)
{
    return cnode_type(scope) != CNODE_TYPE_ATOM || term_is_none(group)
               ? CNODE_EINVALID
               : cnode_call(w, service(w, "cnode_pg"), SERVICE_MS, fn, context,
                            "{~a, ~t, ~t}", what, scope, group);
}

int cnode_pg_join(struct cnode_worker *w, struct cnode_term scope,
                  struct cnode_term group, cnode_answer_fn fn, void *context)
{
    return ask_pg(w, "join", scope, group, fn, context);
}

int cnode_pg_leave(struct cnode_worker *w, struct cnode_term scope,
                   struct cnode_term group, cnode_answer_fn fn, void *context)
{
    return ask_pg(w, "leave", scope, group, fn, context);
}

int cnode_pg_members(struct cnode_worker *w, struct cnode_term scope,
                     struct cnode_term group, cnode_answer_fn fn, void *context)
{
    return ask_pg(w, "members", scope, group, fn, context);
}

int cnode_pg_local_members(struct cnode_worker *w, struct cnode_term scope,
                           struct cnode_term group, cnode_answer_fn fn,
                           void *context)
{
    return ask_pg(w, "local_members", scope, group, fn, context);
}

/* --- names of global */

static int ask_global(struct cnode_worker *w, const char *what,
                      struct cnode_term name, cnode_answer_fn fn, void *context)
{
    return term_is_none(name)
               ? CNODE_EINVALID
               : cnode_call(w, service(w, "cnode_global"), SERVICE_MS, fn,
                            context, "{~a, ~t}", what, name);
}

int cnode_global_register(struct cnode_worker *w, struct cnode_term name,
                          cnode_answer_fn fn, void *context)
{
    return ask_global(w, "register_name", name, fn, context);
}

int cnode_global_unregister(struct cnode_worker *w, struct cnode_term name,
                            cnode_answer_fn fn, void *context)
{
    return ask_global(w, "unregister_name", name, fn, context);
}

int cnode_global_whereis(struct cnode_worker *w, struct cnode_term name,
                         cnode_answer_fn fn, void *context)
{
    return ask_global(w, "whereis_name", name, fn, context);
}
