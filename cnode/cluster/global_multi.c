/* SPDX-License-Identifier: Apache-2.0
 *
 * One request to the servers of several nodes, and the answers, as
 * gen_server:multi_call/3 does it: a monitor and a call each. Who is known and
 * not connected yet is waited for; who is not there does not answer, and does
 * not count.
 */
#include "base/mem.h"
#include "cluster/global_parts.h"
#include "cluster/global_server.h"

static void close_asks(struct global *g, struct global_multi *multi)
{
    for (uint32_t i = 0; i < multi->count; i++) {
        if (multi->asks[i].is_waiting) {
            g->events->demonitor(g->owner, multi->role, &multi->asks[i].ref);
        }
    }
    multi->count = multi->waiting = 0;
}

void multi_fini(struct global *g, struct global_multi *multi)
{
    close_asks(g, multi);
    mem_free(multi->asks);
    multi->asks = NULL;
    multi->cap = 0;
}

static void ask(struct global *g, struct global_multi *multi,
                struct global_ask *one, struct cnode_term request)
{
    struct dest to = dest_name(A_global_name_server, one->node);
    struct pid self = g->pids[multi->role];
    const struct global_peer *peer = global_peer_find(g, one->node);
    struct buf *out = global_begin(g);

    if (one->node == g->node) {
        one->answer = server_change(g, self, request) == A_false ? ANSWER_FALSE
                                                                 : ANSWER_TRUE;
        return;
    }
    if (peer == NULL || (!peer->is_up && !peer->is_known) ||
        g->events->monitor(g->owner, multi->role, &to, &one->ref) != 0) {
        return;
    }
    one->is_waiting = true;
    multi->waiting++;
    term_format(out, "{'$gen_call', {~p, ~r}, ~t}", self, &one->ref, request);
    if (buf_error(out) == 0) {
        g->events->send(g->owner, multi->role, &to,
                        term_at(buf_data(out), buf_size(out)));
    }
}

void multi_start(struct global *g, struct global_multi *multi,
                 const struct global_nodes *nodes, struct cnode_term request)
{
    close_asks(g, multi);
    if (multi->cap < nodes->count) {
        multi->cap = nodes->count;
        multi->asks =
            mem_realloc(multi->asks, multi->cap * sizeof(*multi->asks));
    }
    for (uint32_t i = 0; i < nodes->count; i++) {
        struct global_ask *one = &multi->asks[multi->count++];

        *one = (struct global_ask){.node = nodes->items[i]};
        ask(g, multi, one, request);
    }
}

static struct global_ask *find(const struct global_multi *multi,
                               const struct ref *ref)
{
    for (uint32_t i = 0; i < multi->count; i++) {
        if (multi->asks[i].is_waiting && ref_equal(&multi->asks[i].ref, ref)) {
            return &multi->asks[i];
        }
    }
    return NULL;
}

bool multi_message(struct global *g, struct global_multi *multi,
                   struct cnode_term message)
{
    struct cnode_term reply = TERM_NONE;
    struct global_ask *one;
    struct ref ref;

    if (!term_match(message, "{~r, ~t}", &ref, &reply) &&
        !term_match(message, "{'DOWN', ~r, process, _, _}", &ref)) {
        return false;
    }
    one = find(multi, &ref);
    if (one == NULL) {
        return false; /* it came too late */
    }
    one->is_waiting = false;
    multi->waiting--;
    if (term_is_none(reply)) {
        return true;
    }
    g->events->demonitor(g->owner, multi->role, &ref);
    one->answer = term_is_atom(reply, A_true)    ? ANSWER_TRUE
                  : term_is_atom(reply, A_false) ? ANSWER_FALSE
                                                 : ANSWER_OTHER;
    return true;
}

bool multi_all_true(const struct global_multi *multi)
{
    for (uint32_t i = 0; i < multi->count; i++) {
        if (multi->asks[i].answer == ANSWER_FALSE) {
            return false;
        }
    }
    return true;
}

void multi_put_true(const struct global_multi *multi,
                    struct global_nodes *nodes)
{
    for (uint32_t i = 0; i < multi->count; i++) {
        if (multi->asks[i].answer == ANSWER_TRUE) {
            global_nodes_add(nodes, multi->asks[i].node);
        }
    }
}
