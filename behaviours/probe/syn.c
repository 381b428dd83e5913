/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows of the probe about syn, with syn's own results:
 *
 *     {syn, register, Scope, Name, Meta}  {syn, unregister, Scope, Name}
 *     {syn, join, Scope, Group, Meta}     {syn, leave, Scope, Group}
 *         of the probe itself, or of a pid that is one more last element;
 *         without one unregister is for whoever has the name
 *     {syn, lookup, Scope, Name}  {syn, lookup_many, Scope, [Name]}: at most
 * 100 {syn, count, Scope}  {syn, count, Scope, Node} {syn, member, Scope,
 * Group, Pid} {syn, members | local_members, Scope, Group} {syn, publish |
 * local_publish, Scope, Group, T} {syn, multi_call, Scope, Group, T, Ms} {syn,
 * dump | subcluster_nodes, registry | pg, Scope} {syn, add_scope, Scope}
 */
#include "probe/probe.h"

enum { LOOKUPS_MAX = 100 };

/* The arguments behind the name of a row, and the caller. */
struct ask {
    struct cnode_worker *w;
    struct cnode_term scope, a, b, c;
    struct cnode_from *from;
};

static bool has(struct cnode_term term)
{
    return term.at != NULL;
}

static struct cnode_term pid_or_self(const struct ask *ask,
                                     struct cnode_term pid)
{
    return has(pid) ? pid : cnode_self(ask->w);
}

static struct cnode_term or_undefined(const struct ask *ask,
                                      struct cnode_term term)
{
    return has(term) ? term : cnode_make(ask->w, "undefined");
}

static int register_name(const struct ask *ask)
{
    return cnode_syn_register(ask->w, ask->scope, ask->a,
                              pid_or_self(ask, ask->c), ask->b, probe_on_answer,
                              ask->from);
}

static int unregister_name(const struct ask *ask)
{
    return cnode_syn_unregister(ask->w, ask->scope, ask->a,
                                or_undefined(ask, ask->b), probe_on_answer,
                                ask->from);
}

static int join(const struct ask *ask)
{
    return cnode_syn_join(ask->w, ask->scope, ask->a, pid_or_self(ask, ask->c),
                          ask->b, probe_on_answer, ask->from);
}

static int leave(const struct ask *ask)
{
    return cnode_syn_leave(ask->w, ask->scope, ask->a, pid_or_self(ask, ask->b),
                           probe_on_answer, ask->from);
}

static int count(const struct ask *ask)
{
    return cnode_syn_count(ask->w, ask->scope, or_undefined(ask, ask->a),
                           probe_on_answer, ask->from);
}

static int member(const struct ask *ask)
{
    return cnode_syn_member(ask->w, ask->scope, ask->a, ask->b, probe_on_answer,
                            ask->from);
}

static int members(const struct ask *ask)
{
    return cnode_syn_members(ask->w, ask->scope, ask->a, probe_on_answer,
                             ask->from);
}

static int local_members(const struct ask *ask)
{
    return cnode_syn_local_members(ask->w, ask->scope, ask->a, probe_on_answer,
                                   ask->from);
}

static int publish(const struct ask *ask)
{
    return cnode_syn_publish(ask->w, ask->scope, ask->a, ask->b,
                             probe_on_answer, ask->from);
}

static int local_publish(const struct ask *ask)
{
    return cnode_syn_local_publish(ask->w, ask->scope, ask->a, ask->b,
                                   probe_on_answer, ask->from);
}

static int multi_call(const struct ask *ask)
{
    uint64_t ms;

    return cnode_get_uint(ask->c, &ms)
               ? cnode_syn_multi_call(ask->w, ask->scope, ask->a, ask->b, ms,
                                      probe_on_answer, ask->from)
               : CNODE_EINVALID;
}

/* These have the kind in front of the scope. */
static bool get_kind(const struct ask *ask, enum cnode_syn_kind *kind)
{
    *kind = cnode_is_atom(ask->scope, "pg") ? CNODE_SYN_PG : CNODE_SYN_REGISTRY;
    return *kind == CNODE_SYN_PG || cnode_is_atom(ask->scope, "registry");
}

static int dump(const struct ask *ask)
{
    enum cnode_syn_kind kind;

    return get_kind(ask, &kind) ? cnode_syn_dump(ask->w, kind, ask->a,
                                                 probe_on_answer, ask->from)
                                : CNODE_EINVALID;
}

static int subcluster_nodes(const struct ask *ask)
{
    enum cnode_syn_kind kind;

    return get_kind(ask, &kind)
               ? cnode_syn_subcluster_nodes(ask->w, kind, ask->a,
                                            probe_on_answer, ask->from)
               : CNODE_EINVALID;
}

static int add_scope(const struct ask *ask)
{
    return cnode_syn_add_scope(ask->w, ask->scope, probe_on_answer, ask->from);
}

/* At once when nobody has to be asked. */
static int lookup(struct cnode_worker *w, struct cnode_term scope,
                  struct cnode_term name)
{
    struct cnode_from *from;
    struct cnode_term pid, meta;
    int rc = cnode_syn_lookup(w, scope, name, &pid, &meta);

    if (rc == CNODE_NOT_FOUND) {
        return probe_answer(w, cnode_make(w, "undefined"));
    }
    if (rc == CNODE_ELSEWHERE) {
        from = cnode_from_keep(w);
        return probe_asked(
            w, from, cnode_syn_whereis(w, scope, name, probe_on_answer, from));
    }
    return rc != 0 ? rc : probe_answer(w, cnode_make(w, "{~t, ~t}", pid, meta));
}

/* [{Pid, Meta} | undefined | elsewhere] */
static struct cnode_term all_found(struct cnode_worker *w,
                                   const struct cnode_syn_found found[],
                                   size_t count)
{
    struct cnode_term all = cnode_make(w, "[]"), one;

    while (count-- > 0 && has(all)) {
        if (found[count].rc == 0) {
            one =
                cnode_make(w, "{~t, ~t}", found[count].pid, found[count].meta);
        } else {
            one =
                cnode_make(w, found[count].rc == CNODE_ELSEWHERE ? "elsewhere"
                                                                 : "undefined");
        }
        all = cnode_make(w, "[~t | ~t]", one, all);
    }
    return all;
}

static int lookup_many(struct cnode_worker *w, struct cnode_term scope,
                       struct cnode_term names)
{
    struct cnode_term all[LOOKUPS_MAX];
    struct cnode_syn_found found[LOOKUPS_MAX];
    struct cnode_list list;
    size_t count = 0;
    int rc;

    if (!cnode_list(names, &list)) {
        return CNODE_EINVALID;
    }
    while (count < LOOKUPS_MAX && cnode_list_next(&list, &all[count])) {
        count++;
    }
    rc = cnode_syn_lookup_many(w, scope, all, count, found);
    return rc != 0 ? rc : probe_answer(w, all_found(w, found, count));
}

/* How many arguments follow the name of a row. */
static const struct row {
    const char *name;
    uint32_t least, most;
    int (*run)(const struct ask *ask);
} rows[] = {
    {"register", 3, 4, register_name},
    {"unregister", 2, 3, unregister_name},
    {"join", 3, 4, join},
    {"leave", 2, 3, leave},
    {"count", 1, 2, count},
    {"member", 3, 3, member},
    {"members", 2, 2, members},
    {"local_members", 2, 2, local_members},
    {"publish", 3, 3, publish},
    {"local_publish", 3, 3, local_publish},
    {"multi_call", 4, 4, multi_call},
    {"dump", 2, 2, dump},
    {"subcluster_nodes", 2, 2, subcluster_nodes},
    {"add_scope", 1, 1, add_scope},
};

static bool is_lookup(const struct cnode_term *args, const char *name,
                      uint32_t count)
{
    return count == 2 && cnode_is_atom(args[0], name);
}

int probe_syn(struct cnode_worker *w, const struct cnode_term *args)
{
    struct ask ask = {
        .w = w, .scope = args[1], .a = args[2], .b = args[3], .c = args[4]};
    uint32_t count_of = 0;

    while (count_of < PROBE_ARGS - 1 && has(args[count_of + 1])) {
        count_of++;
    }
    if (is_lookup(args, "lookup", count_of)) {
        return lookup(w, args[1], args[2]);
    }
    if (is_lookup(args, "lookup_many", count_of)) {
        return lookup_many(w, args[1], args[2]);
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];

        if (cnode_is_atom(args[0], row->name) && count_of >= row->least &&
            count_of <= row->most) {
            ask.from = cnode_from_keep(w);
            return probe_asked(w, ask.from, row->run(&ask));
        }
    }
    return CNODE_EINVALID;
}
