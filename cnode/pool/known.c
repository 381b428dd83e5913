/* SPDX-License-Identifier: Apache-2.0
 *
 * See known.h: what a worker has to do with it. What the registry asks is in
 * known_source.c.
 */
#include "pool/known.h"

#include <string.h>

#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "node/node.h"
#include "pool/dispatch.h"
#include "pool/known_source.h"
#include "pool/parts.h"
#include "pool/pools.h"
#include "registry/syn.h"
#include "term/build.h"

enum {
    LOOK_EVERY = 256,
    MOST_UNDER_WAY = 20000, /* starts that scheduler 0 has not told yet */
    /* of limits.send_queue_bytes, that may wait for a member */
    QUEUE_SHARE = 4,
    /* One that takes nothing for so long is not waited for. */
    MOST_WAITS = 5000 / KNOWN_WAIT_MS,
};

static void pace(struct known *known);
static void on_timer(struct timer *timer);

/* --- its life */

struct known *known_new(struct pool *head)
{
    struct syn *syn = head->pools->syn;
    struct known *known;

    if (syn == NULL || head->config->top.registry != REGISTRY_SYN) {
        return NULL;
    }
    known = mem_zalloc(sizeof(*known));
    known->head = head;
    known->syn = syn;
    timer_init(&known->timer, on_timer);
    return known;
}

void known_free(struct known *known)
{
    if (known != NULL) {
        loop_timer_stop(node_loop(known->syn->node), &known->timer);
        cnode_term_free(known->meta);
        mem_free(known);
    }
}

static int make_meta(struct known *known)
{
    struct buf buf;

    buf_init(&buf, 0);
    term_format(&buf, "[{node, ~A}]", known->syn->node->name);
    if (buf_error(&buf) == 0) {
        known->meta = cnode_term_copy(term_at(buf_data(&buf), buf_size(&buf)));
    }
    buf_fini(&buf);
    return known->meta == NULL ? CNODE_NOMEM : 0;
}

int known_open(struct known *known)
{
    const char *name = atom_text(known->head->config->name);
    struct syn_pair *pair = NULL;
    struct buf buf;
    atom_t scope;
    int rc = make_meta(known);

    if (rc != 0) {
        return rc;
    }
    buf_init(&buf, 0);
    buf_printf(&buf, "%s.Registry", name);
    scope = atom_intern((const char *)buf_data(&buf), buf_size(&buf));
    buf_fini(&buf);
    rc = scope == ATOM_NONE ? CNODE_LIMIT
                            : syn_open(known->syn, atom_term(scope), &pair);
    if (rc == 0) {
        known->registry = &pair->kinds[SYN_REGISTRY];
        syn_scope_use(&known->registry->scope, &known_source, known);
    }
    return rc;
}

/* --- the time of a worker, and its name */

static inline struct known *known_of(const struct cnode_worker *w)
{
    return worker_pool(w)->known;
}

void known_init(struct cnode_worker *w)
{
    if (known_of(w) != NULL) {
        *known_time(worker_pool(w), w) = 0;
    }
}

void known_put_name(struct buf *buf, const struct pool *pool,
                    struct cnode_term id)
{
    term_format(buf, "{~A, {~A, ~A, ~t}}", A_worker, A_ref,
                pool->config->worker.module, id);
}

void known_put_worker(struct buf *buf, const struct cnode_worker *w)
{
    term_put_tuple(buf, 2);
    term_put_atom(buf, A_worker);
    worker_put_ref(buf, w);
}

static struct cnode_term term_of(struct buf *buf)
{
    return term_at(buf_data(buf), buf_size(buf));
}

/* --- news for the registry */

struct news {
    struct known *known;
    struct pid pid;
    int64_t time; /* 0: it ends */
    size_t name_bytes, reason_bytes;
    uint8_t bytes[];
};

static void on_contested(struct node *home, void *arg)
{
    struct news *news = arg;
    struct known *known = news->known;

    if (home != NULL && !known->syn->is_over) {
        syn_scope_fetch(&known->registry->scope,
                        term_at(news->bytes, news->name_bytes), NULL, NULL);
    }
    mem_free(news);
}

static struct news *news_new(struct known *known, const struct syn_claim *claim,
                             struct cnode_term reason)
{
    size_t name = cnode_term_size(claim->name);
    size_t more = term_is_none(reason) ? 0 : cnode_term_size(reason);
    struct news *news = mem_try(sizeof(*news) + name + more);

    if (news == NULL) { /* no memory for a long reason must not hide it */
        more = 0;
        news = mem_alloc(sizeof(*news) + name);
    }
    *news = (struct news){.known = known,
                          .pid = claim->pid,
                          .time = claim->time,
                          .name_bytes = name,
                          .reason_bytes = more};
    CHECK(claim->name.at != NULL);
    memcpy(news->bytes, claim->name.at, name);
    if (more > 0) {
        memcpy(news->bytes + name, reason.at, more);
    }
    return news;
}

static bool is_over(const struct known *known)
{
    return known->syn->is_over || known->syn->node->is_leaving;
}

/* On scheduler 0. */
static void tell(struct known *known, const struct syn_claim *claim,
                 struct cnode_term reason)
{
    struct syn_scope *scope = &known->registry->scope;

    if (is_over(known)) {
        return; /* the loss of the connection says it all in a moment */
    }
    if (claim->time == 0) {
        syn_scope_left(scope, claim, reason);
    } else if (syn_scope_started(scope, claim)) {
        node_post_task(known->syn->node, on_contested,
                       news_new(known, claim, TERM_NONE));
    }
    pace(known);
}

static void on_news(struct node *home, void *arg)
{
    struct news *news = arg;
    struct known *known = news->known;
    struct syn_claim claim = {.name = term_at(news->bytes, news->name_bytes),
                              .pid = news->pid,
                              .time = news->time};

    if (home != NULL) {
        claim.meta = cnode_kept_term(known->meta);
        atomic_fetch_sub_explicit(&known->under_way, 1, memory_order_relaxed);
        tell(known, &claim,
             news->reason_bytes > 0
                 ? term_at(news->bytes + news->name_bytes, news->reason_bytes)
                 : atom_term(A_system_limit));
    }
    mem_free(news);
}

static void post(struct cnode_worker *w, int64_t time, struct cnode_term reason)
{
    struct pool *pool = worker_pool(w);
    struct known *known = pool->known;
    struct buf *name = &pool->pools->worker_name;
    struct syn_claim claim = {.pid = node_pid(pool->node, &w->process),
                              .meta = cnode_kept_term(known->meta),
                              .time = time};

    buf_clear(name);
    known_put_worker(name, w);
    CHECK(buf_error(name) == 0); /* small; without memory for it we end */
    claim.name = term_of(name);
    if (pool->node->index == 0) {
        tell(known, &claim, reason);
        return;
    }
    atomic_fetch_add_explicit(&known->under_way, 1, memory_order_relaxed);
    node_post_task(pool->node->all[0], on_news,
                   news_new(known, &claim, reason));
}

void known_started(struct cnode_worker *w)
{
    struct known *known = known_of(w);
    int64_t *time;

    if (known == NULL) {
        return;
    }
    time = known_time(worker_pool(w), w);
    *time = syn_scope_time(&known->registry->scope);
    atomic_fetch_add_explicit(&known->count, 1, memory_order_relaxed);
    post(w, *time, TERM_NONE);
}

void known_ended(struct cnode_worker *w, struct cnode_term reason)
{
    struct known *known = known_of(w);

    if (known != NULL && known_give_up(w)) {
        if (!worker_pool(w)->pools->is_stopping) {
            post(w, 0, reason);
        }
    }
}

bool known_give_up(struct cnode_worker *w)
{
    struct pool *pool = worker_pool(w);
    int64_t *time = known_time(pool, w);

    if (*time == 0) {
        return false;
    }
    *time = 0;
    atomic_fetch_sub_explicit(&pool->known->count, 1, memory_order_relaxed);
    return true;
}

/* --- somebody else has the name */

static bool has_other(struct pool *pool, struct cnode_term name,
                      struct pid *pid)
{
    const struct syn_entry *entry = syn_table_lookup(
        &pool->known->registry->scope.table, name, &pool->pools->name_bytes);

    if (entry == NULL || syn_is_dead_here(pool->node, entry->pid)) {
        return false;
    }
    *pid = entry->pid;
    return true;
}

bool known_elsewhere(struct pool *pool, const struct worker_key *key,
                     struct pid *pid)
{
    struct buf *name = &pool->pools->worker_name;

    if (pool->known == NULL) {
        return false;
    }
    buf_clear(name);
    known_put_name(name, pool, term_at(key->bytes, key->size));
    return buf_error(name) == 0 && has_other(pool, term_of(name), pid);
}

bool known_has_other(const struct cnode_worker *w, struct pid *pid)
{
    struct pool *pool = worker_pool(w);
    struct buf *name = &pool->pools->worker_name;

    if (pool->known == NULL) {
        return false;
    }
    buf_clear(name);
    known_put_worker(name, w);
    return buf_error(name) == 0 && has_other(pool, term_of(name), pid);
}

/* From us, as a peer takes no signal of a third node from us. */
void known_pass_on(struct pool *pool, struct pid pid,
                   const struct signal *signal)
{
    const struct dest dest = dest_pid(pid);
    int rc =
        route_send(pool->node, node_pid(pool->node, &pool->process), &dest,
                   (struct payload){.bytes = signal->term.at,
                                    .size = cnode_term_size(signal->term)});

    if (rc != 0) {
        dispatch_refuse(pool, signal, atom_term(A_overloaded));
    } else {
        parts_passed(pool, signal, pid);
    }
}

bool known_has_lost(const struct cnode_worker *w, struct cnode_term reason)
{
    struct cnode_term parts[3];

    return known_of(w) != NULL && term_get_tuple(reason, 3, parts) &&
           term_is_atom(parts[0], A_syn_resolve_kill);
}

/* --- pace */

/* What waits for the member that is furthest behind. */
static size_t longest_queue(const struct known *known)
{
    const struct syn_scope *scope = &known->registry->scope;
    const struct peer *peer;
    size_t most = 0;

    MAP_EACH(peer, &known->syn->node->peers.by_name) {
        if (peer_is_up(peer) && peer->broken == 0 &&
            peer->link.channel->queued_bytes > most &&
            syn_scope_owner(scope, peer->name) != NULL) {
            most = peer->link.channel->queued_bytes;
        }
    }
    return most;
}

static void set_behind(struct known *known, bool is_behind)
{
    atomic_store_explicit(&known->is_behind, is_behind, memory_order_relaxed);
}

/* Something was told; now and then that is looked at. */
static void pace(struct known *known)
{
    if (++known->told % LOOK_EVERY != 0 || timer_is_active(&known->timer) ||
        longest_queue(known) <= limits.send_queue_bytes / QUEUE_SHARE) {
        return;
    }
    known->waits = 0;
    METRIC_INC(syn_starts_paced);
    set_behind(known, true);
    loop_timer_start(node_loop(known->syn->node), &known->timer, KNOWN_WAIT_MS);
}

static void on_timer(struct timer *timer)
{
    struct known *known = CONTAINER_OF(timer, struct known, timer);

    if (longest_queue(known) <= limits.send_queue_bytes / QUEUE_SHARE / 2) {
        set_behind(known, false);
        return;
    }
    if (++known->waits == MOST_WAITS) {
        set_behind(known, false); /* it will lose its connection instead */
    }
    loop_timer_start(node_loop(known->syn->node), timer, KNOWN_WAIT_MS);
}

bool known_must_wait(const struct pool *pool)
{
    const struct known *known = pool->known;

    return known != NULL && !pool->pools->is_stopping &&
           (atomic_load_explicit(&known->is_behind, memory_order_relaxed) ||
            atomic_load_explicit(&known->under_way, memory_order_relaxed) >
                MOST_UNDER_WAY);
}
