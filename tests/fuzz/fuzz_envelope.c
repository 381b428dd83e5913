/* SPDX-License-Identifier: Apache-2.0
 *
 * Any message to a pool supervisor, a worker supervisor, a segment, a service
 * and a worker, through the real dispatch. The first byte says to whom and how;
 * the rest is one term.
 */
#include "support/pool/fuzz_node.h"
#include "term/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fuzz_node f;

static struct process *receiver(uint8_t choice)
{
    struct pool *pool = f.pools.pools[0];
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
        return &f.pools.pools[1]->gate;
    default:
        return &f.pools.pools[1]->process;
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
    fuzz_node_open(&f, "{\"pools\": {\"P\": {\"behaviour\": \"kv\", "
                       "\"supervisors\": {\"segments\": 2}}}, \"services\": "
                       "{\"s\": {\"behaviour\": \"counter\"}}}");
    fuzz_node_start(&f);
    buf_init(&buf, 0);
    fuzz_node_put(&f, &buf, data[0] / 6, term_at(data + 1, used));
    for (int i = 0; i < 2; i++) { /* again, now that there may be a worker */
        signal.to = node_pid(&f.node, receiver(data[0]));
        signal.term = term_at(buf_data(&buf), buf_size(&buf));
        CHECK(scheduler_deliver(&f.node.scheduler, &signal) == 0);
        fuzz_node_settle(&f, 10);
    }
    buf_fini(&buf);
    fuzz_node_stop(&f);
    fuzz_node_fini(&f);
    return 0;
}
