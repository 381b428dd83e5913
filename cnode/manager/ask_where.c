/* SPDX-License-Identifier: Apache-2.0
 *
 * Where is a worker, and does it live? The part that owns the ref looks; nobody
 * is woken or started for it. One that the registry has on another node is
 * found as well.
 */
#include <string.h>

#include <cnode/error.h>

#include "base/mem.h"
#include "manager/ask_query.h"
#include "pool/known.h"
#include "pool/pools.h"
#include "term/build.h"

struct look {
    struct ask_caller *caller;
    struct pool *part;
    bool is_alive; /* that was the question: true or false */
    bool is_found;
    struct pid pid;
    size_t size;
    uint8_t id[];
};

/* --- in its part */

static void look(struct look *look)
{
    struct pool *part = look->part;
    struct cnode_worker *w;
    struct worker_key key;
    struct segment *segment;

    if (worker_key_make(&key, term_at(look->id, look->size),
                        &part->pools->key_bytes) != 0) {
        return; /* no memory, or no id of any worker */
    }
    segment = pool_segment(part, pool_segment_index(part, &key));
    w = worker_table_get(&segment->table, &key);
    if (w == NULL) {
        look->is_found = known_elsewhere(part, &key, &look->pid);
    } else if (worker_is_up(w)) {
        look->is_found = true;
        look->pid = node_pid(part->node, &w->process);
    }
}

static void answer(struct node *home, void *arg)
{
    struct look *look = arg;

    if (home == NULL) {
        ask_caller_free(look->caller);
    } else if (look->is_alive) {
        ask_caller_reply(look->caller, "{ok, ~a}",
                         look->is_found ? "true" : "false");
    } else if (look->is_found) {
        ask_caller_reply(look->caller, "{ok, ~p}", look->pid);
    } else {
        ask_caller_reply(look->caller, "{ok, undefined}");
    }
    mem_free(look);
}

static void look_there(struct node *here, void *arg)
{
    struct look *job = arg;

    if (here == NULL) {
        answer(NULL, job);
        return;
    }
    look(job);
    node_post_task(here->all[0], answer, job);
}

/* --- the question */

struct cnode_term ask_id_of(const struct pool *pool, struct cnode_term term)
{
    struct cnode_term parts[3];

    return term_get_tuple(term, 3, parts) && term_is_atom(parts[0], A_ref) &&
                   term_is_atom(parts[1], pool->config->worker.module)
               ? parts[2]
               : term;
}

static int ask_part(const struct ask_query *query, struct cnode_term id,
                    bool is_alive)
{
    struct ask *ask = query->ask;
    size_t size = cnode_term_size(id);
    struct ask_caller *caller;
    struct worker_key key;
    struct look *look;
    int rc = worker_key_make(&key, id, &ask->pools->key_bytes);

    rc = rc == 0 ? ask_keep(query, &caller) : rc;
    if (rc != 0) {
        return rc;
    }
    look = mem_try(sizeof(*look) + size);
    if (look == NULL) {
        ask_caller_free(caller);
        return CNODE_NOMEM;
    }
    *look = (struct look){.caller = caller, .is_alive = is_alive, .size = size};
    memcpy(look->id, id.at, size);
    look->part = query->pool->parts[pool_segment_index(query->pool, &key) %
                                    query->pool->part_count];
    node_post_task(look->part->node, look_there, look);
    return 0;
}

/* The one worker of a service has its name. */
static int ask_name(const struct ask_query *query, bool is_alive)
{
    struct pid pid;
    bool is_found =
        names_whereis(query->ask->node, query->pool->config->name, &pid);

    if (is_alive) {
        return ask_reply(query, "{ok, ~a}", is_found ? "true" : "false");
    }
    return is_found ? ask_reply(query, "{ok, ~p}", pid)
                    : ask_reply(query, "{ok, undefined}");
}

static int where(const struct ask_query *query, bool is_alive)
{
    if (query->pool->config->is_service) {
        return ask_name(query, is_alive);
    }
    return query->arg_count == 0
               ? CNODE_EINVALID
               : ask_part(query, ask_id_of(query->pool, query->args[0]),
                          is_alive);
}

int ask_whereis(const struct ask_query *query)
{
    return where(query, false);
}

int ask_alive(const struct ask_query *query)
{
    return where(query, true);
}
