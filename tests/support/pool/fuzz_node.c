/* SPDX-License-Identifier: Apache-2.0
 *
 * See fuzz_node.h.
 */
#include "support/pool/fuzz_node.h"

#include "base/limits.h"
#include "base/log.h"
#include "term/build.h"

static void on_ready(void *owner, int rc)
{
    (void)owner, (void)rc;
}

static void ignore_log(const char *line, size_t len, void *user)
{
    (void)line, (void)len, (void)user;
}

void fuzz_node_open(struct fuzz_node *f, const char *json)
{
    static const struct node_config node_config = {.name = "n@h"};
    static const struct node_events events = {.ready = on_ready};

    log_capture(ignore_log, NULL);
    limits.monitors_per_node = 1000;
    atom_init();
    CHECK(node_init(&f->node, &node_config, &events, NULL) == 0);
    f->node.creation = 1;
    CHECK(config_parse(&f->config, "fuzz.json", json) == 0);
    pool_settings_read(&f->settings, &f->config, NULL,
                       json_object_get(f->config.root, "pools"),
                       json_object_get(f->config.root, "services"), NULL);
    CHECK(f->config.error_count == 0);
    pools_init(&f->pools, &f->node);
}

void fuzz_node_start(struct fuzz_node *f)
{
    CHECK(pools_start(&f->pools, &f->settings) == 0);
    node_loop(&f->node)->is_stale = false;
}

void fuzz_node_settle(struct fuzz_node *f, uint64_t ms)
{
    struct loop *loop = node_loop(&f->node);

    for (int i = 0; i < 3; i++) {
        (void)wheel_advance(&loop->wheel, loop->now_ms);
        while (scheduler_turn(&f->node.scheduler)) {
        }
    }
    loop->now_ms += ms;
}

void fuzz_node_stop(struct fuzz_node *f)
{
    pools_stop(&f->pools, 1000, NULL, NULL);
    fuzz_node_settle(f, 10);
    pools_fini(&f->pools);
    pool_settings_fini(&f->settings);
    config_fini(&f->config);
    fuzz_node_settle(f, 10);
}

void fuzz_node_fini(struct fuzz_node *f)
{
    node_fini(&f->node);
}

void fuzz_node_put(const struct fuzz_node *f, struct buf *buf, unsigned how,
                   struct cnode_term term)
{
    struct pid caller = {.node = f->node.name, .id = 77, .creation = 1};

    switch (how % 3) {
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
