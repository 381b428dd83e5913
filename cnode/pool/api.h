/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files with the functions of <cnode/behaviour.h> share. A function
 * may be called from a callback of its worker only: a plugin's mistake is an
 * error code, never more.
 */
#ifndef CNODE_POOL_API_H
#define CNODE_POOL_API_H

#include "node/node.h"
#include "pool/pools.h"

/* The run of the worker's callback; NULL when none of its callbacks runs. */
static inline struct run *api_run(struct cnode_worker *w)
{
    struct run *run = run_of(w);

    return run->worker == w ? run : NULL;
}

static inline struct node *api_node(const struct cnode_worker *w)
{
    return worker_pool(w)->node;
}

static inline struct cnode_term api_term(const struct buf *buf)
{
    return term_at(buf_data(buf), buf_size(buf));
}

/* Callers tend to overlook what a send returns: so a term that was refused is
 * in the log. Gives rc. */
int api_rc(struct cnode_worker *w, const char *what, const char *format,
           int rc);

/* The words of a reference of this node, and back. */
static inline struct cnode_ref api_ref(const struct ref *ref)
{
    return (struct cnode_ref){{ref->words[0], ref->words[1], ref->words[2]}};
}

static inline struct ref api_full_ref(const struct cnode_worker *w,
                                      struct cnode_ref ref)
{
    const struct node *node = api_node(w);

    return (struct ref){
        .node = node->name,
        .creation = node->creation,
        .len = 3,
        .words = {ref.words[0], ref.words[1], ref.words[2]},
    };
}

/* Who `term` means, as dest_parse() or {via, syn, {Scope, Name}}.
 * CNODE_UNSUPPORTED: {via, Module, Name} of another module, which is logged.
 * CNODE_ELSEWHERE: a name that only another scheduler knows: api_send() sends
 * there, and a monitor on *dest serves a call. */
MUST_USE int api_dest(struct cnode_worker *w, struct cnode_term term,
                      struct dest *dest);

/* A message as `term` meant, of which api_dest() made *dest and `rc`. To nobody
 * is no error. */
MUST_USE int api_send(struct cnode_worker *w, struct cnode_term term,
                      const struct dest *dest, int rc, struct payload message);

/* Who has a name of syn. CNODE_NOT_FOUND, CNODE_ELSEWHERE. `meta` lives as long
 * as the callback.
 */
MUST_USE int api_syn_lookup(struct cnode_worker *w, struct cnode_term scope,
                            struct cnode_term name, struct pid *pid,
                            struct cnode_term *meta);

/* The pid of a term that the behaviour chose; its node is interned.
 * CNODE_EINVALID: it is none; CNODE_LIMIT. */
MUST_USE int api_pid(struct cnode_worker *w, struct cnode_term term,
                     struct pid *pid);

/* A pid as a term that lives as long as the callback. */
struct cnode_term api_make_pid(struct cnode_worker *w, struct pid pid);

/* The atom of a term that the behaviour chose, interned. CNODE_EINVALID: it is
 * none; CNODE_LIMIT. */
MUST_USE int api_atom(struct cnode_term term, atom_t *atom);

#endif
