/* SPDX-License-Identifier: Apache-2.0
 *
 * See service.h.
 */
#include "pool/service.h"

#include <cnode/error.h>

#include "base/metric.h"
#include "node/gen.h"
#include "node/node.h"
#include "pool/dispatch.h"
#include "pool/pools.h"

static int own_key(struct pool *pool, struct worker_key *key)
{
    return worker_key_make(key, atom_term(pool->config->name),
                           &pool->pools->key_bytes);
}

/* Whoever calls by name watches the worker itself, and learns of its end that
 * way: so a call that was on its way to it is not repeated. */
static void on_message(struct process *process, const struct signal *signal)
{
    struct pool *pool = CONTAINER_OF(process, struct pool, gate);
    struct segment *segment = &pool->segments[0];
    struct cnode_worker *w = NULL;
    struct gen_message gen;
    struct worker_key key;
    bool is_awaited;

    if (segment->state != SEGMENT_UP) {
        segment_hold(segment, signal);
        return;
    }
    if (own_key(pool, &key) == 0) {
        w = worker_table_get(&segment->table, &key);
    }
    if (w == NULL) { /* ended for good */
        dispatch_refuse(pool, signal, atom_term(A_noproc));
        return;
    }
    gen_parse(signal->term, &gen);
    is_awaited = gen.kind == GEN_CALL || signal_is_system(signal);
    dispatch_to_worker(w, signal, is_awaited ? SIGNAL_BY_PID : SIGNAL_BY_NAME);
}

static const struct process_class gate_class = {
    .name = "service", .is_router = true, .message = on_message};

int service_open_gate(struct pool *pool)
{
    int rc = node_spawn_hidden(pool->node, &pool->gate, &gate_class);

    if (rc == 0) {
        names_set_router(pool->node, pool->config->name, &pool->gate);
    }
    return rc;
}

void service_close_gate(struct pool *pool)
{
    if (pool->gate.class != NULL && (pool->gate.flags & PROCESS_DEAD) == 0) {
        node_exit(pool->node, &pool->gate, atom_term(A_shutdown));
    }
}

int service_start(struct pool *pool)
{
    struct segment_start start = {.face = roll_choose_face(pool->roll),
                                  .in_background = true,
                                  .args = term_nil(),
                                  .context = atom_term(A_undefined)};
    struct cnode_worker *w;
    struct worker_key key;
    int rc = own_key(pool, &key);

    return rc != 0 ? rc
                   : segment_start_worker(&pool->segments[0], &key, &start, &w);
}
