/* SPDX-License-Identifier: Apache-2.0
 *
 * See place.h.
 */
#include "pool/place.h"

#include <cnode/error.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/node.h"
#include "pool/broker.h"
#include "pool/placing.h"
#include "pool/pools.h"
#include "pool/standing.h"
#include "registry/syn_local.h"
#include "term/build.h"

/* --- its life */

static atom_t registry_of(atom_t pool)
{
    atom_t scope;
    struct buf buf;

    buf_init(&buf, 0);
    buf_printf(&buf, "%s.Registry", atom_text(pool));
    scope = atom_intern((const char *)buf_data(&buf), buf_size(&buf));
    buf_fini(&buf);
    return scope;
}

struct place *place_new(struct broker *broker, const struct pool_config *config,
                        struct pool *head)
{
    struct place *place = mem_zalloc(sizeof(*place));

    place->broker = broker;
    place->pool = config->name;
    place->module = config->worker.module;
    place->registry = registry_of(config->name);
    place->config = config;
    place->head = head;
    place->is_stale = true;
    placing_map_init(&place->by_key);
    list_push_back(&broker->places, &place->in_broker);
    return place;
}

void place_free(struct place *place)
{
    if (place != NULL) {
        list_remove(&place->in_broker);
        map_fini(&place->by_key);
        hosts_fini(&place->hosts);
        mem_free(place);
    }
}

static void put_member(struct place *place, struct cnode_term group,
                       struct cnode_term meta)
{
    struct pools *pools = place->broker->pools;
    int rc = syn_local_put(pools->syn, SYN_GROUPS, A_ClusterManager, group,
                           node_pid(pools->node, &place->head->process), meta);

    if (rc != 0) {
        LOG_WARN("placement_not_told", F_STR("pool", atom_text(place->pool)),
                 F_ERR(rc));
    }
}

void place_opened(struct place *place)
{
    const struct pool_config *config = place->config;
    struct cnode_term parts[2];
    struct buf buf;

    if (config->top.stand_alone || place->broker->is_over) {
        return;
    }
    buf_init(&buf, 0);
    term_format(&buf, "{{~A, ~A}, {~u, ~u}}", A_cnode_pools, place->pool,
                config->here.priority, config->here.weight);
    if (buf_error(&buf) == 0) {
        CHECK(
            term_get_tuple(term_at(buf_data(&buf), buf_size(&buf)), 2, parts));
        put_member(place, parts[0], parts[1]);
    }
    buf_fini(&buf);
}

void place_changed(struct place *place)
{
    struct broker *broker = place->broker;

    place->is_stale = false;
    hosts_read(&place->hosts, broker->pools->syn, place->pool);
    atomic_store_explicit(&place->is_shared, place->hosts.listed > 0,
                          memory_order_relaxed);
    atomic_store_explicit(&place->has_arbiters, place->hosts.arbiters > 0,
                          memory_order_relaxed);
}

/* --- who has a ref, who decides */

bool place_lookup(struct place *place, const struct worker_key *key,
                  struct pid *pid)
{
    struct pools *pools = place->broker->pools;
    struct cnode_term meta;
    struct buf name;
    int rc = CNODE_NOT_FOUND;

    buf_init(&name, 0);
    term_format(&name, "{~A, {~A, ~A, ~t}}", A_worker, A_ref, place->module,
                term_at(key->bytes, key->size));
    if (buf_error(&name) == 0) {
        rc = syn_lookup(pools->syn, pools->node, place->registry,
                        term_at(buf_data(&name), buf_size(&name)),
                        &pools->name_bytes, pid, &meta);
    }
    buf_fini(&name);
    return rc == 0;
}

static uint64_t vote(uint64_t seed, atom_t node)
{
    const char *name = atom_text(node);

    return placement_mix(seed ^ placement_mix(hash_stable(name, strlen(name))));
}

bool place_arbiter(struct place *place, const struct worker_key *key,
                   struct pid *pid)
{
    uint64_t most = 0;
    bool found = false;

    if (place->is_stale) {
        place_changed(place);
    }
    if (place->head != NULL && !place->config->top.stand_alone) {
        most = vote(key->hash, place->broker->node->name);
    }
    for (uint32_t i = 0; i < place->hosts.count; i++) {
        const struct host *host = &place->hosts.all[i];

        if (!pid_is_none(host->arbiter) && vote(key->hash, host->node) > most) {
            most = vote(key->hash, host->node);
            *pid = host->arbiter;
            found = true;
        }
    }
    return found;
}

/* --- choosing a node */

static void put_self(const struct place *place, struct placement_candidate *c)
{
    const struct pool_config *config = place->config;
    const struct pool_window *target = &config->worker.target;
    const char *name = atom_text(place->broker->node->name);

    *c = (struct placement_candidate){
        .node = place->broker->node->name,
        .name_hash = hash_stable(name, strlen(name)),
        .is_online =
            standing_takes(place->head->standing) && !config->top.stand_alone,
        .workers = roll_workers(place->head->roll),
        .window = {target->low, target->target, target->high},
        .priority = config->here.priority,
        .weight = config->here.weight,
    };
    c->has_health = standing_health(place->head->standing, &c->health);
}

static bool was_tried(const struct place_wish *wish, atom_t node)
{
    for (unsigned i = 0; i < wish->tries; i++) {
        if (wish->tried[i] == node) {
            return true;
        }
    }
    return false;
}

static size_t list_candidates(struct place *place,
                              const struct place_wish *wish,
                              struct placement_candidate *out)
{
    size_t count = 0;

    if (place->is_stale) {
        place_changed(place);
    }
    if (place->head != NULL) {
        put_self(place, &out[count++]);
    }
    for (uint32_t i = 0; i < place->hosts.count; i++) {
        host_put_candidate(&place->hosts.all[i], &out[count++]);
    }
    for (size_t i = 0; i < count; i++) {
        out[i].is_online = out[i].is_online && !was_tried(wish, out[i].node);
        out[i].is_self = out[i].node == wish->wanted_by;
    }
    return count;
}

static enum placement_strategy strategy_of(const struct pool_config *config)
{
    static const enum placement_strategy strategies[] = {
        [STRATEGY_LEAST_LOADED] = PLACEMENT_LEAST_LOADED,
        [STRATEGY_ROUND_ROBIN] = PLACEMENT_ROUND_ROBIN,
        [STRATEGY_WEIGHTED] = PLACEMENT_WEIGHTED,
        [STRATEGY_RANDOM] = PLACEMENT_RANDOM,
        [STRATEGY_HEALTH] = PLACEMENT_HEALTH,
        [STRATEGY_STICKY] = PLACEMENT_STICKY,
        [STRATEGY_HASH] = PLACEMENT_HASH,
    };

    return strategies[config->cluster.strategy];
}

static struct placement_request request_of(const struct pool_config *config,
                                           const struct place_wish *wish)
{
    const bool is_ours = config->worker.sticky >= 0;

    return (struct placement_request){
        .seed = wish->seed,
        .is_sticky = wish->is_sticky || is_ours,
        .at_least = wish->is_sticky && wish->at_least >= 0 ? wish->at_least
                    : is_ours ? config->worker.sticky
                              : config->here.health_target.low};
}

enum place_choice place_choose(struct place *place,
                               const struct place_wish *wish,
                               struct host **host)
{
    const struct pool_config *config = place->config;
    const struct pool_window *nodes = &config->cluster.node_target;
    const struct placement_rules rules = {
        .strategy = strategy_of(config),
        .node_target = {nodes->low, nodes->target, nodes->high},
        .pool = hash_stable(atom_text(place->pool),
                            strlen(atom_text(place->pool)))};
    const struct placement_request request = request_of(config, wish);
    struct placement_candidate *candidates = place->broker->candidates;
    size_t count = list_candidates(place, wish, candidates);
    int index =
        placement_choose(&rules, &request, candidates, count, &place->state);

    if (index < 0) {
        return PLACE_NOBODY;
    }
    *host = hosts_find(&place->hosts, (atom_t)candidates[index].node);
    return *host == NULL ? PLACE_SELF : PLACE_HOST;
}
