/* SPDX-License-Identifier: Apache-2.0
 *
 * See ask.h. One row of a table and one function for each request.
 */
#include "manager/ask.h"

#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "manager/ask_query.h"
#include "pool/pools.h"
#include "term/build.h"

static void on_message(struct process *process, const struct signal *signal);
static void on_exit_signal(struct process *process, struct cnode_term reason);

static const struct process_class class = {
    .name = "cnode_admin", .message = on_message, .exit = on_exit_signal};

/* clang-format off */
static const struct ask_row rows[] = {
    {"status",   ASK_NODE, 0, 0, ask_status},
    {"counters", ASK_NODE, 0, 0, ask_counters},
    {"peers",    ASK_NODE, 0, 0, ask_peers},
    {"pools",    ASK_NODE, 0, 0, ask_pools},
    {"pool",     ASK_POOL, 0, 0, ask_pool},
    {"count",    ASK_ANY,  0, 0, ask_count},
    {"workers",  ASK_ANY,  0, 1, ask_workers},
    {"whereis",  ASK_ANY,  0, 1, ask_whereis},
    {"alive",    ASK_ANY,  0, 1, ask_alive},
    {"health",   ASK_NODE, 0, 1, ask_health},
    {"health_text", ASK_NODE, 0, 1, ask_health_text},
    {"forget",   ASK_POOL, 1, 1, ask_forget},
    {"get",      ASK_POOL, 0, 0, ask_get},
    {"set",      ASK_POOL, 2, 2, ask_set},
    {"dead_letters", ASK_NODE, 0, 1, ask_dead_letters},
    {"lock",     ASK_MAYBE_POOL, 0, 0, ask_lock},
    {"release",  ASK_MAYBE_POOL, 0, 0, ask_release},
    {"online",   ASK_MAYBE_POOL, 0, 0, ask_online},
    {"offline",  ASK_MAYBE_POOL, 0, 0, ask_offline},
    {"add_worker_supervisor",    ASK_POOL, 0, 0, ask_add_supervisor},
    {"remove_worker_supervisor", ASK_POOL, 1, 1, ask_remove_supervisor},
};
/* clang-format on */

/* --- its life */

static int start_process(struct ask *ask)
{
    int rc = node_spawn(ask->node, &ask->process, &class);

    if (rc != 0) {
        ask->process.flags |= PROCESS_DEAD;
        return rc;
    }
    rc = names_register(ask->node, A_cnode_admin, &ask->process);
    if (rc != 0) {
        node_exit(ask->node, &ask->process, atom_term(A_normal));
    }
    return rc;
}

/* Kept, since a struct pools may grow while others read it. */
static void gather_heads(struct ask *ask)
{
    const struct pool_settings *settings = ask->pools->settings;

    ask->heads = mem_zalloc((settings->count + 1) * sizeof(*ask->heads));
    for (size_t i = 0; i < settings->count; i++) {
        struct pool *head = pools_find(ask->pools, settings->pools[i].name);

        if (head != NULL) {
            ask->heads[ask->head_count++] = head;
        }
    }
}

int ask_start(struct ask *ask, struct node *node, struct pools *pools,
              struct manager *manager)
{
    *ask = (struct ask){.node = node,
                        .pools = pools,
                        .manager = manager,
                        .start_ms = loop_now_ms(node_loop(node))};
    gather_heads(ask);
    return start_process(ask);
}

void ask_stop(struct ask *ask)
{
    if (ask->node != NULL && (ask->process.flags & PROCESS_DEAD) == 0) {
        node_exit(ask->node, &ask->process, atom_term(A_shutdown));
    }
}

void ask_fini(struct ask *ask)
{
    mem_free(ask->heads);
}

/* Killed: who waits for an answer gets it all the same. */
static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    struct ask *ask = CONTAINER_OF(process, struct ask, process);

    node_exit(ask->node, process, reason);
    CHECK(start_process(ask) == 0);
}

/* --- requests */

static void refuse(const struct ask_query *query, int rc,
                   struct cnode_term request)
{
    switch (rc) {
    case CNODE_NOT_FOUND:
        (void)ask_reply(query, "{error, {unknown_request, ~t}}", request);
        break;
    case CNODE_EINVALID:
        (void)ask_reply(query, "{error, {bad_request, ~t}}", request);
        break;
    default:
        (void)ask_reply(query, "{error, ~a}", cnode_error_atom(rc));
        break;
    }
}

static int run(struct ask_query *query)
{
    const struct ask_row *row = query->row;
    const struct pool *pool = query->pool;

    if (query->has_pool &&
        (pool == NULL || (pool->config->is_service && row->about != ASK_ANY))) {
        return ask_reply(query, "{error, unknown_pool}");
    }
    return row->run(query);
}

static void on_message(struct process *process, const struct signal *signal)
{
    struct ask *ask = CONTAINER_OF(process, struct ask, process);
    struct ask_query query = {.ask = ask};
    struct gen_message gen;
    int rc;

    gen_parse(signal->term, &gen);
    if (gen.kind != GEN_CALL) {
        METRIC_INC(dead_letters);
        return;
    }
    query.from = gen.from;
    rc = ask_query_parse(&query, gen.body, rows, ARRAY_LEN(rows));
    rc = rc == 0 ? run(&query) : rc;
    if (rc != 0) {
        refuse(&query, rc, gen.body);
    }
}
