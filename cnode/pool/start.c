/* SPDX-License-Identifier: Apache-2.0
 *
 * See start.h.
 */
#include "pool/start.h"

#include <cnode/error.h>

#include "node/node.h"
#include "pool/absent.h"
#include "pool/dispatch.h"
#include "pool/known.h"
#include "pool/parts.h"
#include "pool/place.h"
#include "pool/pools.h"
#include "pool/run.h"
#include "pool/waiting.h"
#include "term/build.h"

struct request {
    enum { REQUEST_NONE, REQUEST_START, REQUEST_WHEREIS } kind;
    const struct gen_message *gen;
    const struct signal *signal;
    struct cnode_term id;
    struct absent_start start;
};

static void reply(struct pool *pool, const struct request *request,
                  const char *format, struct cnode_term term)
{
    (void)gen_reply(pool->node, &pool->process, &request->gen->from, format,
                    term);
}

static void reply_pid(struct pool *pool, const struct request *request,
                      const char *format, struct pid pid)
{
    (void)gen_reply(pool->node, &pool->process, &request->gen->from, format,
                    pid);
}

/* --- reading */

static bool read_place(struct request *request,
                       const struct cnode_term parts[7])
{
    struct absent_start *start = &request->start;
    bool is_sticky = cnode_get_float(parts[4], &start->at_least);

    request->kind = REQUEST_START;
    start->args = parts[2];
    start->context = parts[3];
    start->is_sticky = is_sticky;
    start->wanted_by = term_atom(parts[5]);
    start->is_arbited = true;
    return (is_sticky || term_is_atom(parts[4], A_false)) &&
           start->wanted_by != ATOM_NONE &&
           cnode_get_bool(parts[6], &start->is_fixed);
}

static bool read_request(struct request *request)
{
    struct cnode_term head, body = request->gen->body, parts[7];
    uint32_t arity;

    if (!cnode_get_tuple(body, &arity, &head) || arity < 2 || arity > 7 ||
        !term_get_tuple(body, arity, parts)) {
        return false;
    }
    request->id = parts[1];
    if (arity == 4 && term_is_atom(head, A_cnode_start)) {
        request->kind = REQUEST_START;
        request->start.args = parts[2];
        request->start.context = parts[3];
        return true;
    }
    if (arity == 2 && term_is_atom(head, A_cnode_whereis)) {
        request->kind = REQUEST_WHEREIS;
        return true;
    }
    return arity == 7 && term_is_atom(head, A_cnode_place) &&
           read_place(request, parts);
}

/* --- answering, on the part that owns the ref */

static void reply_started(struct pool *pool, struct cnode_worker *w,
                          const struct request *request)
{
    if (worker_is_up(w)) {
        reply_pid(pool, request, "{ok, ~p}", node_pid(pool->node, &w->process));
    } else {
        waiting_push_starter(w, request->signal);
    }
}

static void start_here(struct segment *segment, const struct worker_key *key,
                       const struct request *request)
{
    struct pool *pool = segment->pool;
    const struct segment_start start = {.face = roll_choose_face(pool->roll),
                                        .in_background = known_must_wait(pool),
                                        .args = request->start.args,
                                        .context = request->start.context};
    struct cnode_worker *w;

    if (segment_start_worker(segment, key, &start, &w) == 0) {
        reply_started(pool, w, request);
    } else {
        reply(pool, request, "{error, ~t}", run_reason(&pool->pools->run));
    }
}

static void start_somewhere(struct segment *segment,
                            const struct worker_key *key,
                            const struct request *request)
{
    struct pool *pool = segment->pool;
    struct cnode_worker *w = worker_table_get(&segment->table, key);
    struct pid other;

    if (dispatch_is_placing(pool, key, request->signal, PART_REQUEST)) {
        return;
    }
    if (w != NULL) {
        reply_started(pool, w, request);
    } else if (known_elsewhere(pool, key, &other)) {
        reply_pid(pool, request, "{ok, ~p}", other);
    } else if (place_is_shared(pool->place)) {
        absent_place(&pool->absents, key, &request->start, request->signal,
                     PART_REQUEST);
    } else if (dispatch_starts_here(pool)) {
        start_here(segment, key, request);
    } else {
        reply(pool, request, "{error, unavailable}", TERM_NONE);
    }
}

static void tell_where(struct segment *segment, const struct worker_key *key,
                       const struct request *request)
{
    struct pool *pool = segment->pool;
    struct cnode_worker *w = worker_table_get(&segment->table, key);
    struct pid pid;

    if (w != NULL && worker_is_up(w)) {
        reply_pid(pool, request, "~p", node_pid(pool->node, &w->process));
    } else if (w == NULL && known_elsewhere(pool, key, &pid)) {
        reply_pid(pool, request, "~p", pid);
    } else {
        reply(pool, request, "undefined", TERM_NONE);
    }
}

bool start_request(struct pool *pool, const struct signal *signal,
                   const struct gen_message *gen)
{
    struct request request = {.gen = gen, .signal = signal};
    struct segment *segment;
    struct worker_key key;
    uint32_t index;
    int rc;

    if (!read_request(&request)) {
        return false;
    }
    rc = worker_key_make(&key, request.id, &pool->pools->key_bytes);
    if (rc != 0) {
        (void)gen_reply(pool->node, &pool->process, &gen->from, "{error, ~a}",
                        cnode_error_atom(rc));
        return true;
    }
    index = pool_segment_index(pool, &key);
    segment = pool_segment(pool, index);
    if (segment == NULL) {
        parts_pass_on(pool, index % pool->part_count, signal, PART_ENVELOPE);
    } else if (request.kind == REQUEST_START) {
        start_somewhere(segment, &key, &request);
    } else {
        tell_where(segment, &key, &request);
    }
    return true;
}
