/* SPDX-License-Identifier: Apache-2.0
 *
 * The names of the other part against ours, one after the other. Who has a new
 * name here: it is inserted. Who is in both parts with two processes: the
 * lesser of the two nodes has the method of our process decide, on that
 * process's node; the other one waits for what comes of it.
 */
#include <cnode/error.h>

#include "base/mem.h"
#include "cluster/global_server.h"

struct global_resolver {
    struct cnode_list list;                  /* what is left of session.names */
    struct cnode_term name, method, method2; /* of a clash; ours is a copy */
    struct cnode_kept *kept;
    struct pid pid, pid2;
    uint64_t serial;          /* of a clash; 0: none */
    bool is_asking;           /* events->resolve() has not returned */
    struct buf ops, resolved; /* for us, for him: elements of a list */
    uint32_t op_count, resolved_count;
};

void resolver_free(struct global_resolver *resolver)
{
    if (resolver != NULL) {
        cnode_term_free(resolver->kept);
        buf_fini(&resolver->ops);
        buf_fini(&resolver->resolved);
        mem_free(resolver);
    }
}

static void op_for_us(struct global_resolver *r, bool is_insert, struct pid pid,
                      struct cnode_term method)
{
    r->op_count++;
    if (is_insert) {
        term_format(&r->ops, "{insert, {~t, ~p, ~t}}", r->name, pid, method);
    } else {
        term_format(&r->ops, "{delete, ~t}", r->name);
    }
}

static void op_for_him(struct global_resolver *r, bool is_insert,
                       struct pid pid, struct cnode_term method)
{
    r->resolved_count++;
    if (is_insert) {
        term_format(&r->resolved, "{insert, {~t, ~p, ~t}}", r->name, pid,
                    method);
    } else {
        term_format(&r->resolved, "{delete, ~t}", r->name);
    }
}

/* True: the method was asked, and its answer goes on later. */
static bool clash(struct global *g, struct global_peer *peer,
                  const struct global_name *ours)
{
    struct global_resolver *r = peer->session->resolver;
    struct global_clash what = {.session = peer->node,
                                .name = r->name,
                                .pid = r->pid,
                                .pid2 = ours->pid};

    if (!global_node_is_less(g->node, peer->node)) {
        return false;
    }
    cnode_term_free(r->kept);
    r->kept = cnode_term_copy(cnode_kept_term(ours->method));
    if (r->kept == NULL) {
        return false; /* both keep theirs */
    }
    r->pid2 = ours->pid;
    r->method2 = what.method = cnode_kept_term(r->kept);
    r->serial = what.serial = ++g->next_serial;
    r->is_asking = true;
    g->events->resolve(g->owner, &what);
    r->is_asking = false;
    return r->serial != 0;
}

/* One of his names. True: it is a clash that takes time. */
static bool take(struct global *g, struct global_peer *peer,
                 struct cnode_term item)
{
    struct global_resolver *r = peer->session->resolver;
    const struct global_name *ours;
    struct cnode_term parts[3];

    if (!term_get_tuple(item, 3, parts) || !global_pid(parts[1], &r->pid)) {
        return false;
    }
    r->name = parts[0];
    r->method = parts[2];
    ours = global_names_find(&g->names, r->name);
    if (ours == NULL) {
        op_for_us(r, true, r->pid, r->method);
        return false;
    }
    return !pid_equal(ours->pid, r->pid) && clash(g, peer, ours);
}

/* Until a clash, or the end; then the session may be gone. */
static void go_on(struct global *g, struct global_peer *peer)
{
    struct global_resolver *r = peer->session->resolver;
    struct cnode_term item;

    while (cnode_list_next(&r->list, &item)) {
        if (take(g, peer, item)) {
            return;
        }
    }
    peer->session->resolver = NULL;
    server_resolver_done(g, peer, &r->ops, r->op_count, &r->resolved,
                         r->resolved_count);
    resolver_free(r);
}

void resolver_start(struct global *g, struct global_peer *peer)
{
    struct global_resolver *r = mem_zalloc(sizeof(*r));

    peer->session->resolver = r;
    buf_init(&r->ops, 0);
    buf_init(&r->resolved, 0);
    CHECK(cnode_list(cnode_kept_term(peer->session->names), &r->list));
    go_on(g, peer);
}

static void settle(struct global_resolver *r, struct cnode_term result)
{
    struct pid winner = r->pid; /* also when the method could not be asked */
    bool has_winner = term_is_none(result) || term_get_pid(result, &winner);

    if (has_winner && pid_equal(winner, r->pid)) {
        op_for_us(r, true, r->pid, r->method);
    } else if (has_winner && pid_equal(winner, r->pid2)) {
        op_for_him(r, true, r->pid2, r->method2);
    } else { /* none */
        op_for_us(r, false, PID_NONE, TERM_NONE);
        op_for_him(r, false, PID_NONE, TERM_NONE);
    }
}

void global_resolved(struct global *g, atom_t session, uint64_t serial,
                     struct cnode_term result, uint64_t now_ms)
{
    struct global_peer *peer = global_peer_find(g, session);
    struct global_resolver *r;

    g->now_ms = now_ms;
    if (peer == NULL || peer->session == NULL) {
        return;
    }
    r = peer->session->resolver;
    if (r == NULL || r->serial != serial) {
        return;
    }
    r->serial = 0;
    settle(r, result);
    if (!r->is_asking) {
        go_on(g, peer);
        global_tick(g, now_ms);
    }
}
