/* SPDX-License-Identifier: Apache-2.0
 *
 * Any message to a pool supervisor, a worker supervisor, a segment, a service
 * and a worker, through the real dispatch. The first byte says to whom and how;
 * the rest is one term.
 */
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "node/node.h"
#include "pool/pools.h"
#include "term/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct node node;
static struct pools pools;
static struct pool_settings settings;
static struct config config;

static void on_ready(void *owner, int rc)
{
    (void)owner, (void)rc;
}

static void ignore_log(const char *line, size_t len, void *user)
{
    (void)line, (void)len, (void)user;
}

static void open_pools(void)
{
    static const struct node_config node_config = {.name = "n@h"};
    static const struct node_events events = {.ready = on_ready};
    static const char json[] =
        "{\"pools\": {\"P\": {\"behaviour\": \"kv\", \"supervisors\": "
        "{\"segments\": 2}}}, \"services\": {\"s\": {\"behaviour\": "
        "\"counter\"}}}";

    log_capture(ignore_log, NULL);
    limits.monitors_per_node = 1000;
    atom_init();
    CHECK(node_init(&node, &node_config, &events, NULL) == 0);
    node.creation = 1;
    CHECK(config_parse(&config, "fuzz.json", json) == 0);
    pool_settings_read(&settings, &config, NULL,
                       json_object_get(config.root, "pools"),
                       json_object_get(config.root, "services"),
                       json_object_get(config.root, "spawn"));
    CHECK(config.error_count == 0);
    pools_init(&pools, &node);
    CHECK(pools_start(&pools, &settings) == 0);
    node_loop(&node)->is_stale = false;
}

static void settle(void)
{
    struct loop *loop = node_loop(&node);

    for (int i = 0; i < 3; i++) {
        (void)wheel_advance(&loop->wheel, loop->now_ms);
        while (scheduler_turn(&node.scheduler)) {
        }
    }
    loop->now_ms += 10;
}

static struct process *receiver(uint8_t choice)
{
    struct pool *pool = pools.pools[0];
    uint32_t at = 0;
    struct cnode_worker *w;

    switch (choice % 6) {
    case 0:
        return &pool->process;
    case 1:
        return &pool->faces[0]->process;
    case 2:
        return &pool->segments[0].process;
    case 3:
        w = worker_table_next(&pool->segments[1].table, &at);
        return w != NULL && worker_is_up(w) ? &w->process : &pool->process;
    case 4:
        return &pools.pools[1]->gate;
    default:
        return &pools.pools[1]->process;
    }
}

/* The term as it is, as a call or as a cast. */
static void put_message(struct buf *buf, uint8_t choice, struct cnode_term term)
{
    struct pid caller = {.node = node.name, .id = 77, .creation = 1};

    switch (choice / 6 % 3) {
    case 0:
        term_put_copy(buf, term);
        return;
    case 1:
        term_format(buf, "{'$gen_call', {~p, [alias | 1]}, ~t}", caller, term);
        return;
    default:
        term_format(buf, "{'$gen_cast', ~t}", term);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct signal signal = {.kind = SIGNAL_MESSAGE};
    struct buf buf;
    size_t used;

    if (size < 2 || term_validate(data + 1, size - 1, 100, &used) != 0) {
        return 0;
    }
    open_pools();
    buf_init(&buf, 0);
    put_message(&buf, data[0], term_at(data + 1, used));
    for (int i = 0; i < 2; i++) { /* again, now that there may be a worker */
        signal.to = node_pid(&node, receiver(data[0]));
        signal.term = term_at(buf_data(&buf), buf_size(&buf));
        CHECK(scheduler_deliver(&node.scheduler, &signal) == 0);
        settle();
    }
    buf_fini(&buf);
    pools_stop(&pools, 1000, NULL, NULL);
    settle();
    pools_fini(&pools);
    pool_settings_fini(&settings);
    config_fini(&config);
    settle();
    node_fini(&node);
    return 0;
}
