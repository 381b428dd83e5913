/* SPDX-License-Identifier: Apache-2.0
 *
 * {forget, Pool, Id}: what a store keeps of a worker is deleted. For a state
 * that is not what was written, which nobody could start with.
 */
#include <string.h>

#include <cnode/error.h>

#include "base/mem.h"
#include "manager/ask_query.h"
#include "pool/persist.h"
#include "pool/pools.h"

struct forget {
    struct ask_caller *caller;
    struct pool *part;
    int rc;
    size_t size;
    uint8_t id[];
};

static void answer(struct node *home, void *arg)
{
    struct forget *job = arg;

    if (home == NULL) {
        ask_caller_free(job->caller);
    } else if (job->rc == 0) {
        ask_caller_reply(job->caller, "ok");
    } else {
        ask_caller_reply(job->caller, "{error, ~a}", cnode_error_atom(job->rc));
    }
    mem_free(job);
}

static void on_erased(struct node *here, void *arg, int rc)
{
    struct forget *job = arg;

    job->rc = rc;
    if (here == NULL) {
        answer(NULL, job);
    } else {
        node_post_task(here->all[0], answer, job);
    }
}

/* In the part that owns the ref. */
static void erase(struct node *here, void *arg)
{
    struct forget *job = arg;
    struct worker_key key;
    int rc = CNODE_CANCELED;

    if (here != NULL) {
        rc = worker_key_make(&key, term_at(job->id, job->size),
                             &job->part->pools->key_bytes);
    }
    if (rc == 0) {
        rc = persist_erase(job->part, &key, on_erased, job);
    }
    if (rc != 0) {
        on_erased(here, job, rc);
    }
}

int ask_forget(const struct ask_query *query)
{
    struct pool *head = query->pool;
    struct cnode_term id = ask_id_of(head, query->args[0]);
    size_t size = cnode_term_size(id);
    struct ask_caller *caller;
    struct worker_key key;
    struct forget *job;
    int rc = worker_key_make(&key, id, &query->ask->pools->key_bytes);

    rc = rc == 0 ? ask_keep(query, &caller) : rc;
    if (rc != 0) {
        return rc;
    }
    job = mem_try(sizeof(*job) + size);
    if (job == NULL) {
        ask_caller_free(caller);
        return CNODE_NOMEM;
    }
    *job = (struct forget){.caller = caller, .size = size};
    memcpy(job->id, id.at, size);
    job->part = head->parts[pool_segment_index(head, &key) % head->part_count];
    node_post_task(job->part->node, erase, job);
    return 0;
}
