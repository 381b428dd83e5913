/* SPDX-License-Identifier: Apache-2.0
 *
 * See pools.h.
 */
#include "pool/pools.h"

#include <cnode/error.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/node.h"
#include "pool/envelope.h"
#include "pool/judge.h"
#include "pool/known.h"
#include "pool/lost.h"
#include "pool/parts.h"
#include "pool/persist.h"
#include "pool/spawned.h"

static bool forward(void *owner, const struct signal *signal);
static bool overflow(void *owner, const struct signal *signal);
static bool has_module(void *owner, atom_t module, bool *is_supervisor);
static void on_deadline(struct timer *timer);

static void init_one(struct pools *pools, struct node *node, struct pools *root,
                     struct pools *all)
{
    *pools = (struct pools){.node = node, .all = all, .root = root};
    run_init(&pools->run);
    ended_init(&pools->ended);
    dead_letters_init(&pools->dead_letters,
                      (uint32_t)node_share(node, limits.dead_letters));
    buf_init(&pools->key_bytes, 0);
    buf_init(&pools->name_bytes, 0);
    buf_init(&pools->worker_name, 0);
    buf_init(&pools->dumped, 0);
    timer_init(&pools->deadline, on_deadline);
    node->forward = forward;
    node->overflow = overflow;
    node->forward_owner = pools;
    node->has_module = has_module;
    node->module_owner = pools;
}

/* Of scheduler 0 or another one. */
static struct pools *pools_of(struct pools *root, uint32_t scheduler)
{
    return scheduler == 0 ? root : &root->all[scheduler];
}

void pools_init(struct pools *pools, struct node *node)
{
    struct pools *all = mem_zalloc(node->count * sizeof(*all));

    init_one(pools, node, pools, all);
    for (uint32_t i = 1; i < node->count; i++) {
        init_one(&all[i], node->all[i], pools, all);
    }
}

void pools_use_syn(struct pools *pools, struct syn *syn)
{
    for (uint32_t i = 0; i < pools->node->count; i++) {
        pools_of(pools, i)->syn = syn;
    }
    judge_init(pools);
}

void pools_use_stores(struct pools *pools, struct stores *stores)
{
    pools->stores = stores;
}

/* Its parts, from scheduler `home` on. */
static struct pool *add_pool(struct pools *root, size_t index,
                             const struct pool_config *config, uint32_t home,
                             uint32_t part_count)
{
    uint32_t schedulers = root->node->count;
    struct pool *head = NULL;

    for (uint32_t i = 0; i < part_count; i++) {
        struct pools *pools = pools_of(root, (home + i) % schedulers);
        struct pool *pool = pool_new(pools, config, head, i, part_count);

        pools->pools[index] = pool;
        head = i == 0 ? pool : head;
    }
    return head;
}

static int start_pool(struct pool *pool)
{
    int rc = 0;

    if (pool->known != NULL) {
        rc = known_open(pool->known);
    }
    for (uint32_t i = 1; i < pool->part_count && rc == 0; i++) {
        rc = parts_spawn(pool->parts[i]);
    }
    if (rc == 0) {
        rc = pool_open(pool);
    }
    if (rc != 0) {
        LOG_ERROR("pool_not_started",
                  F_STR("pool", atom_text(pool->config->name)), F_ERR(rc));
    }
    return rc;
}

/* Services: whoever comes when the node is ready finds their names. */
static void start_due(struct pools *pools)
{
    for (size_t i = 0; i < pools->count; i++) {
        if (pools->pools[i] != NULL && pools->pools[i]->state == POOL_UP) {
            pool_start_due(pools->pools[i]);
        }
    }
}

int pools_start(struct pools *pools, const struct pool_settings *settings)
{
    uint32_t schedulers = pools->node->count;
    uint32_t services = 0;
    int rc = 0;

    pools->settings = settings;
    if (pools->syn != NULL) {
        rc = broker_start(&pools->broker, pools);
    }
    for (uint32_t i = 0; i < schedulers; i++) {
        struct pools *one = pools_of(pools, i);

        one->pools = mem_zalloc((settings->count + 1) * sizeof(struct pool *));
        one->count = settings->count;
        one->spawn_handler = spawned_handler(one);
        node_add_spawn_handler(one->node, &one->spawn_handler);
    }
    for (size_t i = 0; i < settings->count && rc == 0; i++) {
        const struct pool_config *config = &settings->pools[i];
        uint64_t segments = config->supervisors.segments;
        uint32_t parts =
            segments < schedulers ? (uint32_t)segments : schedulers;

        rc = start_pool(
            config->is_service
                ? add_pool(pools, i, config, services++ % schedulers, 1)
                : add_pool(pools, i, config, 0, parts));
    }
    for (uint32_t i = 0; i < schedulers; i++) {
        if (rc == 0) {
            start_due(pools_of(pools, i));
        }
        pools_of(pools, i)->is_running = true;
    }
    return rc;
}

/* What about.c says that its processes began with. */
static bool has_module(void *owner, atom_t module, bool *is_supervisor)
{
    const struct pool_settings *settings =
        ((const struct pools *)owner)->settings;

    for (size_t i = 0; settings != NULL && i < settings->count; i++) {
        const struct pool_config *config = &settings->pools[i];

        if (module != ATOM_NONE &&
            (config->worker.module == module || config->name == module)) {
            *is_supervisor = config->worker.module != module;
            return true;
        }
    }
    *is_supervisor = true;
    return module == A_WorkerSupervisor;
}

int pools_add(struct pools *pools, struct pool_config *config,
              struct pool **out)
{
    struct pool *pool = pool_new(pools, config, NULL, 0, 1);
    int rc = pool_open(pool);

    pool->own_config = config;
    if (rc != 0) { /* nothing of it runs yet */
        pool_free(pool);
        return rc;
    }
    pools->pools =
        mem_realloc(pools->pools, (pools->count + 1) * sizeof(struct pool *));
    pools->pools[pools->count++] = pool;
    *out = pool;
    return 0;
}

struct pool *pools_find(const struct pools *pools, atom_t name)
{
    for (uint32_t k = 0; k < pools->node->count; k++) {
        const struct pools *one = k == 0 ? pools : &pools->all[k];

        for (size_t i = 0; i < one->count; i++) {
            struct pool *pool = one->pools[i];

            if (pool != NULL && pool->part == 0 && pool->config->name == name) {
                return pool;
            }
        }
    }
    return NULL;
}

/* --- envelopes for workers that ended */

/* Another node has passed the call on to a worker whose end it does not know
 * yet: nobody watches that. */
static bool is_passed_on(const struct signal *signal,
                         const struct gen_message *gen)
{
    struct pid caller;

    return !pid_is_none(signal->from) && term_get_pid(gen->from.pid, &caller) &&
           !pid_equal(signal->from, caller);
}

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
    if (gen.kind == GEN_CALL && !is_passed_on(signal, &gen)) {
        return false;
    }
    if (!envelope_parse(gen.body, &envelope) || !envelope.has_ref ||
        !term_is_atom(envelope.module, pool->config->worker.module) ||
        worker_key_make(&key, envelope.id, &pools->key_bytes) != 0 ||
        worker_table_hash(&key) != entry->worker_hash) {
        lost_because(pool, &gen, "noproc");
        return true;
    }
    pool_send_again(pool, signal);
    return true;
}

/* The mailbox of a worker is full. */
static bool overflow(void *owner, const struct signal *signal)
{
    struct pools *pools = owner;
    struct process *process = node_find(pools->node, signal->to);
    struct gen_message gen;

    if (process == NULL || process->class->message != worker_on_message) {
        return false;
    }
    gen_parse(signal->term, &gen);
    lost_because(
        worker_pool(CONTAINER_OF(process, struct cnode_worker, process)), &gen,
        "overloaded");
    return true;
}

/* --- the end */

/* All workers have ended, and their states are where they belong. */
static void on_flushed(struct pools *root)
{
    if (!root->is_over) {
        loop_timer_stop(node_loop(root->node), &root->deadline);
        on_deadline(&root->deadline);
    }
}

static void on_scheduler_stopped(struct pools *root)
{
    if (--root->stopping == 0 && !root->is_over) {
        persist_flush(root, on_flushed);
    }
}

static void do_stopped(struct node *here, void *arg)
{
    if (here != NULL) {
        on_scheduler_stopped(arg);
    }
}

/* Those whose heads are here. */
static bool all_are_down(const struct pools *pools)
{
    for (size_t i = 0; i < pools->count; i++) {
        const struct pool *pool = pools->pools[i];

        if (pool != NULL && pool->part == 0 && pool->state != POOL_DOWN) {
            return false;
        }
    }
    return true;
}

void pools_on_closed(struct pools *pools)
{
    if (pools->is_stopping && all_are_down(pools)) {
        node_post_task(pools->node->all[0], do_stopped, pools->root);
    }
}

static void do_stop(struct node *here, void *arg)
{
    struct pools *pools = arg;

    if (here == NULL) {
        return;
    }
    pools->is_stopping = true;
    for (size_t i = 0; i < pools->count; i++) {
        if (pools->pools[i] != NULL && pools->pools[i]->part == 0) {
            pool_stop(pools->pools[i], atom_term(A_shutdown), false);
        }
    }
    if (all_are_down(pools)) {
        node_post_task(here->all[0], do_stopped, pools->root);
    }
}

void pools_stop(struct pools *pools, uint64_t timeout_ms,
                void (*on_stopped)(void *owner), void *owner)
{
    pools->on_stopped = on_stopped;
    pools->owner = owner;
    pools->stopping = pools->node->count;
    broker_stop(&pools->broker);
    loop_timer_start(node_loop(pools->node), &pools->deadline, timeout_ms);
    do_stop(pools->node, pools);
    for (uint32_t i = 1; i < pools->node->count; i++) {
        node_post_task(pools->node->all[i], do_stop, &pools->all[i]);
    }
}

static void do_over(struct node *here, void *arg)
{
    struct pools *pools = arg;

    if (here != NULL) {
        pools->is_over = true;
    }
}

static void on_deadline(struct timer *timer)
{
    struct pools *pools = CONTAINER_OF(timer, struct pools, deadline);
    void (*on_stopped)(void *owner) = pools->on_stopped;

    pools->is_over = true;
    for (uint32_t i = 1; i < pools->node->count; i++) {
        node_post_task(pools->node->all[i], do_over, &pools->all[i]);
    }
    pools->on_stopped = NULL;
    if (on_stopped != NULL) {
        on_stopped(pools->owner);
    }
}

static void free_pools(struct pools *pools, bool heads)
{
    for (size_t i = 0; i < pools->count; i++) {
        struct pool *pool = pools->pools[i];

        if (pool != NULL && (pool->part == 0) == heads) {
            pools->pools[i] = NULL;
            pool_free(pool);
        }
    }
}

static void fini_one(struct pools *pools)
{
    pools->node->forward = NULL;
    pools->node->overflow = NULL;
    pools->node->has_module = NULL;
    mem_free(pools->pools);
    run_fini(&pools->run);
    ended_fini(&pools->ended);
    dead_letters_fini(&pools->dead_letters);
    buf_fini(&pools->key_bytes);
    buf_fini(&pools->name_bytes);
    buf_fini(&pools->worker_name);
    buf_fini(&pools->dumped);
}

void pools_fini(struct pools *pools)
{
    struct pools *all = pools->all;

    loop_timer_stop(node_loop(pools->node), &pools->deadline);
    broker_fini(&pools->broker);
    for (int heads = 0; heads < 2; heads++) {
        for (uint32_t i = 0; i < pools->node->count; i++) {
            free_pools(pools_of(pools, i), heads != 0);
        }
    }
    for (uint32_t i = 0; i < pools->node->count; i++) {
        fini_one(pools_of(pools, i));
    }
    mem_free(all);
}
