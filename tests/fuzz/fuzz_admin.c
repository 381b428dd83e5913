/* SPDX-License-Identifier: Apache-2.0
 *
 * Any request to cnode_admin, of a node with a few workers and a dead letter.
 * The input is one term; its answer, if there is one, must be one as well.
 */
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "manager/ask.h"
#include "node/node.h"
#include "pool/pools.h"
#include "term/build.h"
#include "term/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct node node;
static struct pools pools;
static struct pool_settings settings;
static struct config config;
static struct ask ask;

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
    CHECK(ask_start(&ask, &node, &pools, NULL) == 0);
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

static void tell(const char *format, struct cnode_term term)
{
    struct pid caller = {.node = node.name, .id = 77, .creation = 1};
    struct signal signal = {.kind = SIGNAL_MESSAGE};
    struct buf buf;

    buf_init(&buf, 0);
    term_format(&buf, format, caller, term);
    signal.to = node_pid(&node, term_is_none(term) ? &pools.pools[0]->process
                                                   : &ask.process);
    signal.term = term_at(buf_data(&buf), buf_size(&buf));
    CHECK(buf_error(&buf) != 0 ||
          scheduler_deliver(&node.scheduler, &signal) == 0);
    buf_fini(&buf);
    settle();
}

/* A worker, and one who is not there. */
static void fill(void)
{
    tell("{'$gen_call', {~p, [alias | 1]}, {msg_envelope, nil, call, "
         "{ref, 'P.Worker', 1}, {settings, nil, true, nil, nil, nil, 5000}, "
         "{s, ping, nil, nil}}}",
         TERM_NONE);
    tell(
        "{'$gen_cast', {msg_envelope, ~p, cast, {ref, 'P.Worker', 2}, nil, x}}",
        TERM_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t used;

    if (size < 1 || term_validate(data, size, 100, &used) != 0) {
        return 0;
    }
    open_pools();
    settle();
    fill();
    tell("{'$gen_call', {~p, [alias | 1]}, ~t}", term_at(data, used));
    tell("{'$gen_cast', {~p, ~t}}", term_at(data, used));
    CHECK(ask.under_way == 0);
    ask_stop(&ask);
    pools_stop(&pools, 1000, NULL, NULL);
    settle();
    pools_fini(&pools);
    pool_settings_fini(&settings);
    config_fini(&config);
    settle();
    node_fini(&node);
    ask_fini(&ask);
    return 0;
}
