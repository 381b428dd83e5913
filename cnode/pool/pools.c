/* SPDX-License-Identifier: Apache-2.0
 *
 * See pools.h.
 */
#include "pool/pools.h"

#include <cnode/error.h>

#include "base/log.h"
#include "base/mem.h"
#include "node/node.h"
#include "pool/envelope.h"

static bool forward(void *owner, const struct signal *signal);
static void on_deadline(struct timer *timer);

void pools_init(struct pools *pools, struct node *node)
{
    *pools = (struct pools){.node = node};
    run_init(&pools->run);
    ended_init(&pools->ended);
    buf_init(&pools->key_bytes, 0);
    timer_init(&pools->deadline, on_deadline);
    node->forward = forward;
    node->forward_owner = pools;
}

int pools_start(struct pools *pools, const struct pool_settings *settings)
{
    int rc = 0;

    pools->pools = mem_zalloc((settings->count + 1) * sizeof(struct pool *));
    for (size_t i = 0; i < settings->count && rc == 0; i++) {
        struct pool *pool = pool_new(pools, &settings->pools[i]);

        pools->pools[pools->count++] = pool;
        if (pool->config->top.registry == REGISTRY_SYN) {
            LOG_INFO("registry_not_available",
                     F_STR("pool", atom_text(pool->config->name)),
                     F_STR("registry", "syn"), F_STR("used", "none"));
        }
        rc = pool_open(pool);
        if (rc != 0) {
            LOG_ERROR("pool_not_started",
                      F_STR("pool", atom_text(pool->config->name)), F_ERR(rc));
        }
    }
    return rc;
}

struct pool *pools_find(const struct pools *pools, atom_t name)
{
    for (size_t i = 0; i < pools->count; i++) {
        if (pools->pools[i]->config->name == name) {
            return pools->pools[i];
        }
    }
    return NULL;
}

/* --- envelopes for workers that ended */

/* What was cast to the pid of a worker a short while after its end goes to its
 * ref. Callers who watch the pid learn of its end themselves. */
static bool forward(void *owner, const struct signal *signal)
{
    struct pools *pools = owner;
    const struct ended_entry *entry;
    struct gen_message gen;
    struct envelope envelope;
    struct worker_key key;
    struct pool *pool;

    entry = ended_find(&pools->ended, signal->to.id, signal->to.serial,
                       loop_now_ms(node_loop(pools->node)));
    if (entry == NULL) {
        return false;
    }
    pool = entry->pool;
    gen_parse(signal->term, &gen);
    if (gen.kind == GEN_CALL || !envelope_parse(gen.body, &envelope) ||
        !envelope.has_ref ||
        !term_is_atom(envelope.module, pool->config->worker.module) ||
        worker_key_make(&key, envelope.id, &pools->key_bytes) != 0 ||
        worker_table_hash(&key) != entry->worker_hash) {
        return false;
    }
    pool_send_again(pool, signal);
    return true;
}

/* --- the end */

static bool all_are_down(const struct pools *pools)
{
    for (size_t i = 0; i < pools->count; i++) {
        if (pools->pools[i]->state != POOL_DOWN) {
            return false;
        }
    }
    return true;
}

void pools_stop(struct pools *pools, uint64_t timeout_ms,
                void (*on_stopped)(void *owner), void *owner)
{
    pools->is_stopping = true;
    pools->on_stopped = on_stopped;
    pools->owner = owner;
    for (size_t i = 0; i < pools->count; i++) {
        pool_stop(pools->pools[i], atom_term(A_shutdown), false);
    }
    loop_timer_start(node_loop(pools->node), &pools->deadline,
                     all_are_down(pools) ? 0 : timeout_ms);
}

void pools_on_closed(struct pools *pools)
{
    if (pools->is_stopping && all_are_down(pools)) {
        loop_timer_stop(node_loop(pools->node), &pools->deadline);
        on_deadline(&pools->deadline);
    }
}

static void on_deadline(struct timer *timer)
{
    struct pools *pools = CONTAINER_OF(timer, struct pools, deadline);
    void (*on_stopped)(void *owner) = pools->on_stopped;

    pools->is_over = true;
    pools->on_stopped = NULL;
    if (on_stopped != NULL) {
        on_stopped(pools->owner);
    }
}

void pools_fini(struct pools *pools)
{
    pools->node->forward = NULL;
    loop_timer_stop(node_loop(pools->node), &pools->deadline);
    for (size_t i = 0; i < pools->count; i++) {
        pool_free(pools->pools[i]);
    }
    mem_free(pools->pools);
    run_fini(&pools->run);
    ended_fini(&pools->ended);
    buf_fini(&pools->key_bytes);
}
