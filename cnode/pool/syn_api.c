/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions of <cnode/behaviour.h> about syn. Names are looked up in place;
 * all else is asked by calls to cnode_syn (registry/syn.h).
 */
#include <cnode/behaviour.h>

#include "node/registered.h"
#include "pool/api.h"
#include "registry/syn.h"
#include "term/build.h"

enum { SERVICE_MS = 60000 }; /* it always answers */

static struct cnode_term service(struct cnode_worker *w)
{
    return cnode_make(w, "~a", "cnode_syn");
}

/* A request with its scope. */
static int ask(struct cnode_worker *w, struct cnode_term scope,
               struct cnode_term request, uint64_t ms, cnode_answer_fn fn,
               void *context)
{
    return cnode_type(scope) != CNODE_TYPE_ATOM || term_is_none(request)
               ? CNODE_EINVALID
               : cnode_call(w, service(w), ms, fn, context, "~t", request);
}

/* --- who has it */

int api_syn_lookup(struct cnode_worker *w, struct cnode_term scope,
                   struct cnode_term name, struct pid *pid,
                   struct cnode_term *meta)
{
    struct pools *pools = worker_pool(w)->pools;
    int rc;

    if (pools->syn == NULL || term_is_none(name)) {
        return CNODE_NOT_FOUND;
    }
    rc = syn_lookup(pools->syn, pools->node, term_atom(scope), name,
                    &pools->name_bytes, pid, meta);
    if (rc == CNODE_NO_SCOPE) {
        syn_wish(pools->syn, pools->node, scope);
        rc = CNODE_NOT_FOUND;
    }
    return rc;
}

int cnode_syn_lookup(struct cnode_worker *w, struct cnode_term scope,
                     struct cnode_term name, struct cnode_term *pid,
                     struct cnode_term *meta)
{
    struct pid found;
    int rc;

    if (api_run(w) == NULL || cnode_type(scope) != CNODE_TYPE_ATOM ||
        term_is_none(name)) {
        return CNODE_EINVALID;
    }
    rc = api_syn_lookup(w, scope, name, &found, meta);
    if (rc != 0) {
        return rc;
    }
    *pid = api_make_pid(w, found);
    return term_is_none(*pid) ? CNODE_NOMEM : 0;
}

/* At most SYN_LOOKUPS of them. */
static int lookup_some(struct cnode_worker *w, struct cnode_term scope,
                       const struct cnode_term names[], size_t count,
                       struct cnode_syn_found out[])
{
    struct pools *pools = worker_pool(w)->pools;
    struct syn_found found[SYN_LOOKUPS];
    int rc = syn_lookup_many(pools->syn, pools->node, term_atom(scope), names,
                             count, &pools->name_bytes, found);

    for (size_t i = 0; i < count && rc == 0; i++) {
        out[i] = (struct cnode_syn_found){.rc = found[i].rc};
        if (found[i].rc == 0) {
            out[i].meta = found[i].meta;
            out[i].pid = api_make_pid(w, found[i].pid);
            rc = term_is_none(out[i].pid) ? CNODE_NOMEM : 0;
        }
    }
    return rc;
}

static int lookup_all(struct cnode_worker *w, struct cnode_term scope,
                      const struct cnode_term names[], size_t count,
                      struct cnode_syn_found found[])
{
    int rc = 0;

    for (size_t at = 0; at < count && rc == 0; at += SYN_LOOKUPS) {
        size_t some = count - at < SYN_LOOKUPS ? count - at : SYN_LOOKUPS;
        rc = lookup_some(w, scope, names + at, some, found + at);
    }
    return rc;
}

int cnode_syn_lookup_many(struct cnode_worker *w, struct cnode_term scope,
                          const struct cnode_term names[], size_t count,
                          struct cnode_syn_found found[])
{
    struct pools *pools;
    int rc = CNODE_NO_SCOPE;

    if (api_run(w) == NULL || cnode_type(scope) != CNODE_TYPE_ATOM) {
        return CNODE_EINVALID;
    }
    for (size_t i = 0; i < count; i++) {
        if (term_is_none(names[i])) {
            return CNODE_EINVALID;
        }
        found[i] = (struct cnode_syn_found){.rc = CNODE_NOT_FOUND};
    }
    pools = worker_pool(w)->pools;
    if (pools->syn != NULL) {
        rc = lookup_all(w, scope, names, count, found);
        if (rc == CNODE_NO_SCOPE) {
            syn_wish(pools->syn, pools->node, scope);
        }
    }
    return rc == CNODE_NO_SCOPE ? 0 : rc;
}

int cnode_syn_whereis(struct cnode_worker *w, struct cnode_term scope,
                      struct cnode_term name, cnode_answer_fn fn, void *context)
{
    return ask(w, scope, cnode_make(w, "{lookup, ~t, ~t}", scope, name),
               SERVICE_MS, fn, context);
}

/* --- registered names and members of groups */

/* The worker itself: no pid is named then, and its end will be told. */
static bool is_self(struct cnode_worker *w, struct pid pid)
{
    return pid_equal(pid, node_pid(api_node(w), &w->process));
}

static int add(struct cnode_worker *w, const char *what,
               struct cnode_term scope, struct cnode_term name,
               struct cnode_term pid, struct cnode_term meta,
               cnode_answer_fn fn, void *context)
{
    struct pid full;
    int rc = api_pid(w, pid, &full);

    if (rc != 0) {
        return rc;
    }
    if (is_self(w, full)) {
        registered_mark(&w->process);
        return ask(w, scope,
                   cnode_make(w, "{~a, ~t, ~t, ~t}", what, scope, name, meta),
                   SERVICE_MS, fn, context);
    }
    return ask(
        w, scope,
        cnode_make(w, "{~a, ~t, ~t, ~t, ~t}", what, scope, name, meta, pid),
        SERVICE_MS, fn, context);
}

int cnode_syn_register(struct cnode_worker *w, struct cnode_term scope,
                       struct cnode_term name, struct cnode_term pid,
                       struct cnode_term meta, cnode_answer_fn fn,
                       void *context)
{
    return add(w, "register", scope, name, pid, meta, fn, context);
}

int cnode_syn_join(struct cnode_worker *w, struct cnode_term scope,
                   struct cnode_term group, struct cnode_term pid,
                   struct cnode_term meta, cnode_answer_fn fn, void *context)
{
    return add(w, "join", scope, group, pid, meta, fn, context);
}

int cnode_syn_unregister(struct cnode_worker *w, struct cnode_term scope,
                         struct cnode_term name, struct cnode_term pid,
                         cnode_answer_fn fn, void *context)
{
    struct pid full;
    int rc;

    if (term_is_atom(pid, A_undefined)) {
        return ask(w, scope, cnode_make(w, "{unregister, ~t, ~t}", scope, name),
                   SERVICE_MS, fn, context);
    }
    rc = api_pid(w, pid, &full);
    return rc != 0 ? rc
                   : ask(w, scope,
                         cnode_make(w, "{unregister, ~t, ~t, ~t}", scope, name,
                                    pid),
                         SERVICE_MS, fn, context);
}

int cnode_syn_leave(struct cnode_worker *w, struct cnode_term scope,
                    struct cnode_term group, struct cnode_term pid,
                    cnode_answer_fn fn, void *context)
{
    struct pid full;
    int rc = api_pid(w, pid, &full);

    return rc != 0
               ? rc
               : ask(w, scope,
                     cnode_make(w, "{leave, ~t, ~t, ~t}", scope, group, pid),
                     SERVICE_MS, fn, context);
}

/* --- reading */

int cnode_syn_count(struct cnode_worker *w, struct cnode_term scope,
                    struct cnode_term node, cnode_answer_fn fn, void *context)
{
    struct cnode_term request =
        term_is_atom(node, A_undefined)
            ? cnode_make(w, "{count, ~t}", scope)
            : cnode_make(w, "{count, ~t, ~t}", scope, node);

    return ask(w, scope, request, SERVICE_MS, fn, context);
}

int cnode_syn_member(struct cnode_worker *w, struct cnode_term scope,
                     struct cnode_term group, struct cnode_term pid,
                     cnode_answer_fn fn, void *context)
{
    return ask(w, scope,
               cnode_make(w, "{member, ~t, ~t, ~t}", scope, group, pid),
               SERVICE_MS, fn, context);
}

int cnode_syn_members(struct cnode_worker *w, struct cnode_term scope,
                      struct cnode_term group, cnode_answer_fn fn,
                      void *context)
{
    return ask(w, scope, cnode_make(w, "{members, ~t, ~t}", scope, group),
               SERVICE_MS, fn, context);
}

int cnode_syn_local_members(struct cnode_worker *w, struct cnode_term scope,
                            struct cnode_term group, cnode_answer_fn fn,
                            void *context)
{
    return ask(w, scope, cnode_make(w, "{local_members, ~t, ~t}", scope, group),
               SERVICE_MS, fn, context);
}

static const char *kind_name(enum cnode_syn_kind kind)
{
    return kind == CNODE_SYN_PG ? "pg" : "registry";
}

int cnode_syn_subcluster_nodes(struct cnode_worker *w, enum cnode_syn_kind kind,
                               struct cnode_term scope, cnode_answer_fn fn,
                               void *context)
{
    return ask(
        w, scope,
        cnode_make(w, "{subcluster_nodes, ~a, ~t}", kind_name(kind), scope),
        SERVICE_MS, fn, context);
}

int cnode_syn_dump(struct cnode_worker *w, enum cnode_syn_kind kind,
                   struct cnode_term scope, cnode_answer_fn fn, void *context)
{
    return ask(w, scope,
               cnode_make(w, "{dump, ~a, ~t}", kind_name(kind), scope),
               SERVICE_MS, fn, context);
}

int cnode_syn_add_scope(struct cnode_worker *w, struct cnode_term scope,
                        cnode_answer_fn fn, void *context)
{
    return ask(w, scope, cnode_make(w, "{add_scope, ~t}", scope), SERVICE_MS,
               fn, context);
}

/* --- messages to groups */

int cnode_syn_publish(struct cnode_worker *w, struct cnode_term scope,
                      struct cnode_term group, struct cnode_term message,
                      cnode_answer_fn fn, void *context)
{
    return ask(w, scope,
               cnode_make(w, "{publish, ~t, ~t, ~t}", scope, group, message),
               SERVICE_MS, fn, context);
}

int cnode_syn_local_publish(struct cnode_worker *w, struct cnode_term scope,
                            struct cnode_term group, struct cnode_term message,
                            cnode_answer_fn fn, void *context)
{
    return ask(
        w, scope,
        cnode_make(w, "{local_publish, ~t, ~t, ~t}", scope, group, message),
        SERVICE_MS, fn, context);
}

int cnode_syn_multi_call(struct cnode_worker *w, struct cnode_term scope,
                         struct cnode_term group, struct cnode_term message,
                         uint64_t timeout_ms, cnode_answer_fn fn, void *context)
{
    uint64_t ms = timeout_ms < CNODE_INFINITY - SERVICE_MS
                      ? timeout_ms + SERVICE_MS
                      : CNODE_INFINITY;

    return ask(w, scope,
               cnode_make(w, "{multi_call, ~t, ~t, ~t, ~u}", scope, group,
                          message, timeout_ms),
               ms, fn, context);
}
