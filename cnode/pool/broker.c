/* SPDX-License-Identifier: Apache-2.0
 *
 * See broker.h.
 */
#include "pool/broker.h"

#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "node/node.h"
#include "pool/absent.h"
#include "pool/parts.h"
#include "pool/place.h"
#include "pool/placing.h"
#include "pool/pool_config_keys.h"
#include "pool/pools.h"
#include "registry/syn_local.h"
#include "term/build.h"

static void on_message(struct process *process, const struct signal *signal);
static void on_exit_signal(struct process *process, struct cnode_term reason);
static void on_look(struct timer *timer);

static const struct process_class broker_class = {
    .name = "cnode_pools", .message = on_message, .exit = on_exit_signal};

/* --- its life */

/* A pool of other nodes, that somebody here has asked for. */
struct foreign {
    atom_t pool;
    struct pool_config config;
    struct place *place;
    struct absents absents;
};

static bool has_pool(const void *item, const void *key)
{
    return ((const struct foreign *)item)->pool == *(const atom_t *)key;
}

/* Of a scope of ours: those who look at it do it at the next turn. */
static void on_groups(void *owner, atom_t scope)
{
    struct broker *broker = owner;

    if (scope == A_ClusterManager && !broker->is_over) {
        LIST_EACH(it, &broker->places) {
            CONTAINER_OF(it, struct place, in_broker)->is_stale = true;
        }
        if (!timer_is_active(&broker->look)) {
            loop_timer_start(node_loop(broker->node), &broker->look, 0);
        }
    }
}

static void on_look(struct timer *timer)
{
    struct broker *broker = CONTAINER_OF(timer, struct broker, look);

    LIST_EACH(it, &broker->places) {
        struct place *place = CONTAINER_OF(it, struct place, in_broker);

        if (place->is_stale) {
            place_changed(place);
        }
    }
}

static int spawn(struct broker *broker)
{
    int rc = node_spawn(broker->node, &broker->process, &broker_class);

    if (rc != 0) {
        broker->process.flags |= PROCESS_DEAD;
        return rc;
    }
    rc = names_register(broker->node, A_cnode_pools, &broker->process);
    if (rc != 0) {
        node_exit(broker->node, &broker->process, atom_term(A_normal));
    }
    return rc;
}

int broker_start(struct broker *broker, struct pools *pools)
{
    *broker = (struct broker){.node = pools->node, .pools = pools};
    list_init(&broker->places);
    map_init(&broker->foreign, has_pool);
    placing_calls_init(&broker->by_ref);
    passed_init(&broker->passed, pools->node, &broker->process);
    timer_init(&broker->look, on_look);
    broker->candidates =
        mem_alloc(PLACEMENT_CANDIDATES_MAX * sizeof(*broker->candidates));
    broker->is_started = true;
    pools->syn->groups_changed = on_groups;
    pools->syn->groups_owner = broker;
    return spawn(broker);
}

/* Killed: whoever waits is told; it starts again under its name. */
static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    struct broker *broker = CONTAINER_OF(process, struct broker, process);

    placing_give_up_all(broker, reason);
    passed_clear(&broker->passed);
    node_exit(broker->node, process, reason);
    CHECK(spawn(broker) == 0);
}

void broker_stop(struct broker *broker)
{
    if (!broker->is_started || broker->is_over) {
        return;
    }
    broker->is_over = true;
    loop_timer_stop(node_loop(broker->node), &broker->look);
    placing_give_up_all(broker, atom_term(A_shutdown));
    passed_clear(&broker->passed);
    if ((broker->process.flags & PROCESS_DEAD) == 0) {
        node_exit(broker->node, &broker->process, atom_term(A_shutdown));
    }
}

void broker_fini(struct broker *broker)
{
    struct foreign *foreign;

    if (!broker->is_started) {
        return;
    }
    broker->is_over = true;
    broker->pools->syn->groups_changed = NULL;
    loop_timer_stop(node_loop(broker->node), &broker->look);
    placing_drop_all(broker);
    passed_clear(&broker->passed);
    MAP_EACH(foreign, &broker->foreign) {
        absents_fini(&foreign->absents);
        place_free(foreign->place);
        mem_free(foreign);
    }
    map_fini(&broker->foreign);
    map_fini(&broker->by_ref);
    mem_free(broker->candidates);
    broker->is_started = false;
}

/* --- pools of other nodes */

static int open_scopes(struct broker *broker, atom_t pool, atom_t registry)
{
    struct syn *syn = broker->pools->syn;
    int rc = registry == ATOM_NONE ? CNODE_LIMIT
                                   : syn_local_open(syn, A_ClusterManager);

    if (rc == 0) {
        rc = syn_local_open(syn, pool);
    }
    return rc == 0 ? syn_local_open(syn, registry) : rc;
}

static atom_t module_of(atom_t pool)
{
    atom_t module;
    struct buf buf;

    buf_init(&buf, 0);
    buf_printf(&buf, "%s.Worker", atom_text(pool));
    module = atom_intern((const char *)buf_data(&buf), buf_size(&buf));
    buf_fini(&buf);
    return module;
}

static int foreign_new(struct broker *broker, atom_t pool, struct foreign **out)
{
    struct foreign *foreign = mem_zalloc(sizeof(*foreign));
    int rc;

    foreign->pool = pool;
    foreign->config = pool_config_defaults;
    foreign->config.name = pool;
    foreign->config.worker.module = module_of(pool);
    foreign->place = place_new(broker, &foreign->config, NULL);
    rc = open_scopes(broker, pool, foreign->place->registry);
    if (rc != 0 || foreign->config.worker.module == ATOM_NONE) {
        place_free(foreign->place);
        mem_free(foreign);
        return rc != 0 ? rc : CNODE_LIMIT;
    }
    absents_init(&foreign->absents, broker->node, &broker->process, NULL,
                 foreign->place);
    foreign->place->since_ms = loop_now_ms(node_loop(broker->node));
    place_changed(foreign->place);
    map_add(&broker->foreign, hash_u64(pool), foreign);
    *out = foreign;
    return 0;
}

static int find_foreign(struct broker *broker, struct cnode_term name,
                        struct foreign **out)
{
    atom_t pool = term_atom(name);
    const char *text;
    size_t len;

    *out = pool == ATOM_NONE ? NULL
                             : map_get(&broker->foreign, hash_u64(pool), &pool);
    if (*out != NULL) {
        return 0;
    }
    if (!cnode_get_atom(name, &text, &len)) {
        return CNODE_EINVALID;
    }
    if (broker->foreign.count >= limits.foreign_pools) {
        METRIC_INC(placements_refused);
        return CNODE_LIMIT;
    }
    pool = atom_intern(text, len);
    return pool == ATOM_NONE ? CNODE_LIMIT : foreign_new(broker, pool, out);
}

/* --- messages for them */

struct routed {
    struct foreign *foreign;
    struct worker_key key;
    struct signal message; /* the inner one */
    struct gen_message gen;
    uint64_t id; /* PART_REQUEST: it wants {ok, Pid} */
};

static void refuse(struct broker *broker, const struct gen_message *gen,
                   const char *format, struct cnode_term reason)
{
    if (gen->kind == GEN_CALL) {
        (void)gen_reply(broker->node, &broker->process, &gen->from, format,
                        reason);
    } else {
        METRIC_INC(dead_letters);
    }
}

static void refuse_error(struct broker *broker, const struct gen_message *gen,
                         int rc)
{
    if (gen->kind == GEN_CALL) {
        (void)gen_reply(broker->node, &broker->process, &gen->from,
                        "{error, ~a}", cnode_error_atom(rc));
    } else {
        METRIC_INC(dead_letters);
    }
}

void broker_pass_on(struct broker *broker, struct pid pid,
                    const struct signal *signal)
{
    const struct dest dest = dest_pid(pid);
    struct payload payload = {.bytes = signal->term.at,
                              .size = cnode_term_size(signal->term)};
    struct gen_message gen;
    int rc = route_send(broker->node, node_pid(broker->node, &broker->process),
                        &dest, payload);

    gen_parse(signal->term, &gen);
    if (rc != 0) {
        refuse(broker, &gen, "{error, overloaded}", TERM_NONE);
    } else if (gen.kind == GEN_CALL) {
        passed_on(&broker->passed, &gen.from, pid);
    }
}

static void go_to(struct broker *broker, const struct routed *routed,
                  struct pid pid)
{
    if (routed->id == PART_REQUEST) {
        (void)gen_reply(broker->node, &broker->process, &routed->gen.from,
                        "{ok, ~p}", pid);
    } else {
        broker_pass_on(broker, pid, &routed->message);
    }
}

/* What its worker is to be started for. False: it must not be. */
static bool read_start(struct routed *routed, struct absent_start *start)
{
    struct envelope envelope;
    struct cnode_term parts[4];

    *start = (struct absent_start){.args = term_nil(),
                                   .context = atom_term(A_undefined)};
    if (term_get_tuple(routed->gen.body, 4, parts) &&
        term_is_atom(parts[0], A_cnode_start)) {
        routed->id = PART_REQUEST;
        start->args = parts[2];
        start->context = parts[3];
        return true;
    }
    if (!envelope_parse(routed->gen.body, &envelope) || !envelope.spawn) {
        return false;
    }
    start->context = envelope.context;
    start->is_sticky = envelope_is_sticky(&envelope, &start->at_least);
    return true;
}

static void route(struct broker *broker, struct routed *routed)
{
    struct absents *absents = &routed->foreign->absents;
    struct absent_start start;
    bool may_start = read_start(routed, &start);
    struct pid pid;

    if (absent_take(absents, &routed->key, &routed->message, routed->id)) {
        return;
    }
    if (place_lookup(routed->foreign->place, &routed->key, &pid)) {
        go_to(broker, routed, pid);
    } else if (may_start) {
        absent_place(absents, &routed->key, &start, &routed->message,
                     routed->id);
    } else {
        refuse(broker, &routed->gen, "{nack, not_registered}", TERM_NONE);
    }
}

/* The message to the pool, as its worker is to get it. */
static void put_inner(struct buf *buf, const struct gen_message *gen,
                      struct cnode_term body)
{
    if (gen->kind == GEN_CALL) {
        term_format(buf, "{~A, {~t, ~t}, ~t}", A_gen_call, gen->from.pid,
                    gen->from.tag, body);
    } else {
        term_format(buf, "{~A, ~t}", A_gen_cast, body);
    }
}

/* {cnode_pool, Pool, Id, Body} */
static void on_routed(struct broker *broker, const struct signal *signal,
                      const struct gen_message *gen,
                      const struct cnode_term parts[4])
{
    struct routed routed = {.message = *signal};
    struct buf buf;
    int rc;

    buf_init(&buf, 0);
    put_inner(&buf, gen, parts[3]);
    rc = buf_error(&buf);
    if (rc == 0) {
        rc = find_foreign(broker, parts[1], &routed.foreign);
    }
    if (rc == 0) {
        rc = worker_key_make(&routed.key, parts[2], &broker->pools->key_bytes);
    }
    if (rc == 0) {
        routed.message.term = term_at(buf_data(&buf), buf_size(&buf));
        gen_parse(routed.message.term, &routed.gen);
        route(broker, &routed);
    } else {
        refuse_error(broker, gen, rc);
    }
    buf_fini(&buf);
}

static void on_whereis(struct broker *broker, const struct gen_message *gen,
                       const struct cnode_term parts[3])
{
    struct foreign *foreign;
    struct worker_key key;
    struct pid pid;

    if (find_foreign(broker, parts[1], &foreign) == 0 &&
        worker_key_make(&key, parts[2], &broker->pools->key_bytes) == 0 &&
        place_lookup(foreign->place, &key, &pid)) {
        (void)gen_reply(broker->node, &broker->process, &gen->from, "~p", pid);
    } else {
        (void)gen_reply(broker->node, &broker->process, &gen->from,
                        "undefined");
    }
}

static void on_message(struct process *process, const struct signal *signal)
{
    struct broker *broker = CONTAINER_OF(process, struct broker, process);
    struct cnode_term parts[4];
    struct gen_message gen;

    if (placing_message(broker, signal->term) ||
        passed_down(&broker->passed, signal->term)) {
        return;
    }
    gen_parse(signal->term, &gen);
    if (gen.kind != GEN_INFO && term_get_tuple(gen.body, 4, parts) &&
        term_is_atom(parts[0], A_cnode_pool) &&
        signal->from.node == broker->node->name) {
        on_routed(broker, signal, &gen, parts);
        return;
    }
    if (gen.kind == GEN_CALL && term_get_tuple(gen.body, 3, parts) &&
        term_is_atom(parts[0], A_whereis)) {
        on_whereis(broker, &gen, parts);
        return;
    }
    refuse(broker, &gen, "{error, {unknown_request, ~t}}", gen.body);
}
