/* SPDX-License-Identifier: Apache-2.0
 *
 * See persist_save.h: states whose worker has ended, and which the store did
 * not take. They are tried again, and whoever starts that worker gets its state
 * from here. limits.store_bytes bounds them; above that the state is lost, and
 * the log says so.
 */
#include <string.h>

#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "node/node.h"
#include "pool/persist_save.h"
#include "pool/pools.h"

enum { RETRY_MS = 1000 };

static uint64_t hash_of(const struct buf *key)
{
    return hash_bytes(buf_data(key), buf_size(key));
}

static bool equal(const void *item, const void *key)
{
    const struct save *save = item;
    const struct buf *wanted = key;

    return buf_size(&save->op.key) == buf_size(wanted) &&
           memcmp(buf_data(&save->op.key), buf_data(wanted),
                  buf_size(wanted)) == 0;
}

static uint64_t bytes_of(const struct save *save)
{
    return sizeof(*save) + buf_size(&save->op.key) + buf_size(&save->op.value);
}

static void drop(struct save *save)
{
    save->task.run = NULL;
    store_op_fini(&save->op);
    signal_free(&save->task.signal);
}

void persist_lost_init(struct persist *persist)
{
    map_init(&persist->lost, equal);
}

void persist_lost_fini(struct persist *persist)
{
    struct save *save;

    uint64_t count = persist->lost.count + persist->dropped;

    if (count > 0) {
        METRIC_ADD(states_lost, count);
        LOG_ERROR("states_lost",
                  F_STR("pool", atom_text(persist->pool->config->name)),
                  F_UINT("workers", count));
    }
    MAP_EACH(save, &persist->lost) {
        drop(save);
    }
    map_fini(&persist->lost);
}

const struct buf *persist_lost_find(const struct persist *persist,
                                    const struct buf *key)
{
    const struct save *save = map_get(&persist->lost, hash_of(key), key);

    return save != NULL ? &save->op.value : NULL;
}

static struct save *take(struct persist *persist, const struct buf *key)
{
    struct save *save = map_remove(&persist->lost, hash_of(key), key);

    if (save != NULL) {
        persist->lost_bytes -= bytes_of(save);
    }
    return save;
}

void persist_lost_remove(struct persist *persist, const struct buf *key)
{
    struct save *save = take(persist, key);

    if (save != NULL) {
        drop(save);
    }
}

/* A worker of that ref may be up again: then it has that state or a newer one,
 * and is to be written. */
static bool is_up_again(const struct save *save)
{
    struct pool *pool = save->persist->pool;
    const struct buf *at = &save->op.key;
    size_t name = strlen((const char *)buf_data(at)) + 1;
    struct cnode_term ref = term_at(buf_data(at) + name, buf_size(at) - name);
    struct cnode_term parts[3];
    struct cnode_worker *w;
    struct worker_key key;
    struct segment *segment;

    if (!term_get_tuple(ref, 3, parts) ||
        worker_key_make(&key, parts[2], &pool->pools->key_bytes) != 0) {
        return false;
    }
    segment = pool_segment(pool, pool_segment_index(pool, &key));
    w = segment != NULL ? worker_table_get(&segment->table, &key) : NULL;
    if (w == NULL || !worker_is_up(w) || w == save->persist->ending) {
        return false;
    }
    persist_is_unsaved(w);
    return true;
}

void persist_lost_add(struct save *failed)
{
    struct persist *persist = failed->persist;
    struct save *save;

    if (is_up_again(failed)) {
        return;
    }
    persist_lost_remove(persist, &failed->op.key); /* an older one */
    if (persist->lost_bytes + bytes_of(failed) > limits.store_bytes) {
        METRIC_INC(states_lost);
        LOG_ERROR("state_lost",
                  F_STR("pool", atom_text(persist->pool->config->name)),
                  F_ERR(CNODE_OVERLOADED));
        return;
    }
    save = persist_save_new(persist, STORE_PUT);
    save->op.key = failed->op.key; /* taken over */
    save->op.value = failed->op.value;
    buf_init(&failed->op.key, 0);
    buf_init(&failed->op.value, 0);
    map_add(&persist->lost, hash_of(&save->op.key), save);
    persist->lost_bytes += bytes_of(save);
    if (!timer_is_active(&persist->retry)) {
        loop_timer_start(node_loop(persist->pool->node), &persist->retry,
                         RETRY_MS);
    }
}

void persist_lost_retry(struct persist *persist, unsigned most)
{
    while (most-- > 0 && persist->lost.count > 0) {
        uint32_t at = 0;
        struct save *save = map_next(&persist->lost, &at);

        (void)take(persist, &save->op.key);
        if (persist_submit(save) != 0) {
            persist_lost_add(save);
            drop(save);
            return;
        }
    }
}
