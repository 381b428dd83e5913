/* SPDX-License-Identifier: Apache-2.0
 *
 * Any message to the managers of an AdvancedPool cluster, and anything that
 * another node may write into syn for a pool or worker supervisor of this one.
 * The first byte says which; the rest is one term. The managers answer on, and
 * the pool is never anything but online.
 */
#include "base/limits.h"
#include "base/log.h"
#include "manager/manager.h"
#include "node/node.h"
#include "term/build.h"
#include "term/validate.h"

enum { KINDS = 7 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct node node;
static struct pools pools;
static struct syn syn;
static struct manager manager;
static struct pool_settings settings;
static struct manager_config manager_config;
static struct config config;

static void on_ready(void *owner, int rc)
{
    (void)owner, (void)rc;
}

static void ignore_log(const char *line, size_t len, void *user)
{
    (void)line, (void)len, (void)user;
}

static void read_config(void)
{
    static const char json[] =
        "{\"pools\": {\"P\": {\"behaviour\": \"kv\", \"supervisors\": "
        "{\"segments\": 2}}}, \"cluster\": {\"manager\": true, \"nodes\": "
        "{\"ghost@h\": {\"P\": {}, \"Q\": {}}}}}";

    CHECK(config_parse(&config, "fuzz.json", json) == 0);
    pool_settings_read(&settings, &config, NULL,
                       json_object_get(config.root, "pools"), NULL, NULL);
    manager_config_read(&manager_config, &config,
                        json_object_get(config.root, "cluster"));
    CHECK(config.error_count == 0);
}

static void open_all(void)
{
    static const struct node_config node_config = {.name = "n@h"};
    static const struct node_events events = {.ready = on_ready};
    static const struct syn_config syn_config;

    log_capture(ignore_log, NULL);
    limits.monitors_per_node = 1000;
    limits.report_subscribers = 10;
    atom_init();
    CHECK(node_init(&node, &node_config, &events, NULL) == 0);
    node.creation = 1;
    read_config();
    pools_init(&pools, &node);
    CHECK(syn_start(&syn, &node, &syn_config) == 0);
    pools_use_syn(&pools, &syn);
    CHECK(pools_start(&pools, &settings) == 0);
    CHECK(manager_start(&manager, &pools, &syn, &manager_config) == 0);
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
    loop->now_ms += 100;
}

/* The term as it is, as a call or as a cast. */
static void put_message(struct buf *buf, uint8_t choice, struct cnode_term term)
{
    struct pid caller = {.node = node.name, .id = 77, .creation = 1};

    switch (choice / KINDS % 3) {
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

static void say(const struct agent *agent, uint8_t choice,
                struct cnode_term term)
{
    struct signal signal = {.kind = SIGNAL_MESSAGE, .to = agent_pid(agent)};
    struct buf buf;

    signal.from = (struct pid){.node = node.name, .creation = 1};
    buf_init(&buf, 0);
    put_message(&buf, choice, term);
    signal.term = term_at(buf_data(&buf), buf_size(&buf));
    CHECK(scheduler_deliver(&node.scheduler, &signal) == 0);
    buf_fini(&buf);
}

static void write_entry(struct pid pid, struct cnode_term meta, bool is_added)
{
    struct syn_request request = {.ask =
                                      is_added ? SYN_ASK_ADD : SYN_ASK_REMOVE,
                                  .claim = {.pid = pid, .meta = meta}};

    membership_told(&manager.membership, SYN_GROUPS, A_ClusterManager,
                    &request);
}

static void act(uint8_t choice, struct cnode_term term)
{
    struct pool *pool = manager.membership.members[0].pool;

    switch (choice % KINDS) {
    case 0:
        say(&manager.node_manager.server, choice, term);
        break;
    case 1:
        say(&manager.node_manager.supervisor, choice, term);
        break;
    case 2:
        say(&manager.cluster_manager.server, choice, term);
        break;
    case 3:
        say(&manager.cluster_manager.task, choice, term);
        break;
    case 4:
        write_entry(pool_pid(pool), term, true);
        break;
    case 5:
        write_entry(pool_pid(pool), term, false);
        break;
    default:
        write_entry(node_pid(&node, &pool->faces[0]->process), term, true);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct service_status status;
    size_t len;

    if (pools.node == NULL) {
        open_all();
    }
    if (size < 1 || term_validate(data + 1, size - 1, 200, &len) != 0) {
        return 0;
    }
    act(data[0], term_at(data + 1, len));
    settle();
    membership_status(&manager.membership.members[0], &status);
    CHECK(status.state == STATUS_ONLINE);
    CHECK(manager.node_manager.server.is_up);
    CHECK(manager.cluster_manager.server.is_up);
    return 0;
}
