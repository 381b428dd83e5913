/* SPDX-License-Identifier: Apache-2.0
 *
 * Any message to the managers of an AdvancedPool cluster, and anything that
 * another node may write into syn for a pool or worker supervisor of this one.
 * The first byte says which; the rest is one term. The managers answer on, and
 * the pool is never anything but online.
 */
#include "base/limits.h"
#include "manager/manager.h"
#include "support/pool/fuzz_node.h"
#include "term/build.h"
#include "term/validate.h"

enum { KINDS = 7 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fuzz_node f;
static struct syn syn;
static struct manager manager;
static struct manager_config manager_config;

static void open_all(void)
{
    static const struct syn_config syn_config;

    limits.report_subscribers = 10;
    fuzz_node_open(&f, "{\"pools\": {\"P\": {\"behaviour\": \"kv\", "
                       "\"supervisors\": {\"segments\": 2}}}, \"cluster\": "
                       "{\"manager\": true, \"nodes\": {\"ghost@h\": "
                       "{\"P\": {}, \"Q\": {}}}}}");
    manager_config_read(&manager_config, &f.config,
                        json_object_get(f.config.root, "cluster"));
    CHECK(f.config.error_count == 0);
    CHECK(syn_start(&syn, &f.node, &syn_config) == 0);
    pools_use_syn(&f.pools, &syn);
    fuzz_node_start(&f);
    CHECK(manager_start(&manager, &f.pools, &syn, &manager_config) == 0);
}

static void say(const struct agent *agent, uint8_t choice,
                struct cnode_term term)
{
    struct signal signal = {.kind = SIGNAL_MESSAGE, .to = agent_pid(agent)};
    struct buf buf;

    signal.from = (struct pid){.node = f.node.name, .creation = 1};
    buf_init(&buf, 0);
    fuzz_node_put(&f, &buf, choice / KINDS, term);
    signal.term = term_at(buf_data(&buf), buf_size(&buf));
    CHECK(scheduler_deliver(&f.node.scheduler, &signal) == 0);
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
        write_entry(node_pid(&f.node, &pool->faces[0]->process), term, true);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct service_status status;
    size_t len;

    if (f.pools.node == NULL) {
        open_all();
    }
    if (size < 1 || term_validate(data + 1, size - 1, 200, &len) != 0) {
        return 0;
    }
    act(data[0], term_at(data + 1, len));
    fuzz_node_settle(&f, 100);
    membership_status(&manager.membership.members[0], &status);
    CHECK(status.state == STATUS_ONLINE);
    CHECK(manager.node_manager.server.is_up);
    CHECK(manager.cluster_manager.server.is_up);
    return 0;
}
