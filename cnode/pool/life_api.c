/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of <cnode/behaviour.h> that is about the life of the worker itself:
 * whether it may be put aside, how it does, what it costs.
 */
#include <cnode/behaviour.h>

#include "pool/api.h"
#include "pool/pool.h"
#include "pool/record.h"
#include "pool/run.h"

int cnode_wait(struct cnode_worker *w)
{
    struct run *run = api_run(w);

    if (run == NULL || !run->may_wait) {
        return CNODE_EINVALID;
    }
    run->waits = true;
    return 0;
}

int cnode_count_error(struct cnode_worker *w)
{
    if (api_run(w) == NULL) {
        return CNODE_EINVALID;
    }
    record_of(w)->errors++;
    standing_count(worker_pool(w)->standing, STANDING_ERROR);
    return 0;
}

int cnode_count_warning(struct cnode_worker *w)
{
    if (api_run(w) == NULL) {
        return CNODE_EINVALID;
    }
    record_of(w)->warnings++;
    standing_count(worker_pool(w)->standing, STANDING_WARNING);
    return 0;
}

int cnode_memory(struct cnode_worker *w, uint64_t bytes)
{
    struct record *record;

    if (api_run(w) == NULL) {
        return CNODE_EINVALID;
    }
    record = record_of(w);
    roll_add_bytes(worker_pool(w)->roll, (int64_t)(bytes - record->memory));
    record->memory = bytes;
    offload_look(worker_pool(w));
    return 0;
}
