/* SPDX-License-Identifier: Apache-2.0
 *
 * See placing.h. A call is monitor, alias and tag by one reference, which ends
 * with the answer: one that comes too late arrives nowhere.
 */
#include "pool/placing.h"

#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "node/node.h"
#include "pool/broker.h"
#include "pool/place.h"
#include "pool/pools.h"
#include "term/build.h"

struct placing {
    struct place *place;
    placed_fn done;
    void *arg;
    struct place_order order; /* its terms lie in `what` */
    struct cnode_kept *what;  /* {Id, Args, Context} */
    struct cnode_term id;
    struct cnode_kept *refused; /* why the last one did not take it */
    atom_t tried[PLACING_TRIES];
    unsigned tries, arbiters;
    /* --- the call under way */
    enum { ASKS_NOBODY, ASKS_ARBITER, ASKS_POOL, ASKS_SUPERVISOR } asks;
    struct ref ref;
    struct timer timer;
    bool has_waited;
};

static void start(struct placing *p);
static void choose(struct placing *p);
static void on_timer(struct timer *timer);

/* --- found by ref and by key */

static bool has_key(const void *item, const void *key)
{
    const struct worker_key *mine = &((const struct placing *)item)->order.key;
    const struct worker_key *other = key;

    return mine->hash == other->hash && mine->size == other->size &&
           memcmp(mine->bytes, other->bytes, other->size) == 0;
}

static bool has_ref(const void *item, const void *key)
{
    return ref_equal(&((const struct placing *)item)->ref, key);
}

static uint64_t hash_of(const struct ref *ref)
{
    return hash_u64((uint64_t)ref->words[0] << 32 | ref->words[1]);
}

void placing_map_init(struct map *by_key)
{
    map_init(by_key, has_key);
}

void placing_calls_init(struct map *by_ref)
{
    map_init(by_ref, has_ref);
}

static struct broker *broker_of(const struct placing *p)
{
    return p->place->broker;
}

/* --- its beginning and end */

static void placing_free(struct placing *p)
{
    cnode_term_free(p->what);
    cnode_term_free(p->refused);
    mem_free(p);
}

static void finish(struct placing *p, const struct place_result *result)
{
    struct broker *broker = broker_of(p);
    placed_fn done = p->done;
    void *arg = p->arg;

    loop_timer_stop(node_loop(broker->node), &p->timer);
    (void)map_remove(&p->place->by_key, p->order.key.hash, &p->order.key);
    broker->placing--;
    done(arg, result);
    placing_free(p);
}

static void fail(struct placing *p, struct cnode_term reason)
{
    METRIC_INC(placements_failed);
    finish(p,
           &(struct place_result){.outcome = PLACED_NOWHERE, .reason = reason});
}

/* Nobody is left to be asked. */
static void fail_with_last(struct placing *p)
{
    fail(p, p->refused != NULL ? cnode_kept_term(p->refused)
                               : atom_term(A_unavailable));
}

static void placed_at(struct placing *p, struct pid pid)
{
    if (pid.node != broker_of(p)->node->name) {
        METRIC_INC(placements_elsewhere);
    }
    finish(p, &(struct place_result){.outcome = PLACED_AT, .pid = pid});
}

static int keep(struct placing *p, const struct place_order *order)
{
    struct cnode_term parts[3];
    struct buf buf;

    buf_init(&buf, 0);
    term_format(&buf, "{~t, ~t, ~t}",
                term_at(order->key.bytes, order->key.size), order->args,
                order->context);
    if (buf_error(&buf) == 0) {
        p->what = cnode_term_copy(term_at(buf_data(&buf), buf_size(&buf)));
    }
    buf_fini(&buf);
    if (p->what == NULL) {
        return CNODE_NOMEM;
    }
    CHECK(term_get_tuple(cnode_kept_term(p->what), 3, parts));
    p->id = parts[0];
    p->order.key.bytes = parts[0].at;
    p->order.args = parts[1];
    p->order.context = parts[2];
    return 0;
}

static void refuse(placed_fn done, void *arg, atom_t reason)
{
    done(arg, &(struct place_result){.outcome = PLACED_NOWHERE,
                                     .reason = atom_term(reason)});
}

void placing_begin(struct place *place, const struct place_order *order,
                   placed_fn done, void *arg)
{
    struct broker *broker = place->broker;
    struct placing *p;

    if (broker->is_over) {
        refuse(done, arg, A_shutdown);
        return;
    }
    if (broker->placing >= limits.placements ||
        map_get(&place->by_key, order->key.hash, &order->key) != NULL) {
        METRIC_INC(placements_refused);
        refuse(done, arg, A_overloaded);
        return;
    }
    p = mem_zalloc(sizeof(*p));
    *p = (struct placing){
        .place = place, .done = done, .arg = arg, .order = *order};
    timer_init(&p->timer, on_timer);
    if (keep(p, order) != 0) {
        mem_free(p);
        refuse(done, arg, A_system_limit);
        return;
    }
    METRIC_INC(placements);
    broker->placing++;
    map_add(&place->by_key, order->key.hash, p);
    start(p);
}

/* --- calls */

/* No answer is awaited any more. */
static void forget_call(struct placing *p)
{
    struct broker *broker = broker_of(p);

    if (p->asks != ASKS_ARBITER) {
        hosts_answered(&p->place->hosts, p->tried[p->tries - 1]);
    }
    p->asks = ASKS_NOBODY;
    loop_timer_stop(node_loop(broker->node), &p->timer);
    (void)map_remove(&broker->by_ref, hash_of(&p->ref), &p->ref);
}

/* Nor heard. */
static void stop_call(struct placing *p)
{
    struct broker *broker = broker_of(p);

    (void)monitor_stop(broker->node, &broker->process, &p->ref);
    forget_call(p);
}

static void put_ref(struct buf *buf, const struct placing *p)
{
    term_format(buf, "{~A, ~A, ~t}", A_ref, p->place->module, p->id);
}

/* As AdvancedPool does; with one more module, by which a C node knows one. */
static void put_start(struct buf *buf, const struct placing *p)
{
    term_put_tuple(buf, 2);
    term_put_atom(buf, A_start_child);
    term_put_tuple(buf, 5);
    term_put_tuple(buf, 3);
    term_put_atom(buf, A_WorkerServer);
    term_put_atom(buf, A_start_link);
    term_put_list(buf, 3);
    put_ref(buf, p);
    term_format(buf, "[~t]", p->order.args);
    term_put_copy(buf, p->order.context);
    term_put_nil(buf);
    term_format(buf, "permanent");
    term_format(buf, "5000");
    term_format(buf, "worker");
    term_format(buf, "[~A, ~A]", A_WorkerServer, A_cnode);
}

static void put_new_supervisor(struct buf *buf, const struct placing *p)
{
    term_put_tuple(buf, 2);
    term_put_atom(buf, A_start_child);
    term_put_map(buf, 3);
    term_put_atom(buf, A_id);
    put_ref(buf, p);
    term_format(buf, "start");
    term_format(buf, "{~A, ~A, [~A, ~t, []]}", A_WorkerSupervisor, A_start_link,
                p->place->pool, p->order.context);
    term_format(buf, "type");
    term_put_atom(buf, A_supervisor);
}

static void put_arbiter(struct buf *buf, const struct placing *p)
{
    const struct place_order *order = &p->order;

    term_put_tuple(buf, 7);
    term_format(buf, "~A", A_cnode_place);
    term_format(buf, "~t", p->id);
    term_format(buf, "~t", order->args);
    term_format(buf, "~t", order->context);
    if (order->is_sticky) {
        term_format(buf, "~f", order->at_least);
    } else {
        term_put_atom(buf, A_false);
    }
    term_put_atom(buf, order->wanted_by);
    term_put_atom(buf, order->is_fixed ? A_true : A_false);
}

static int send_call(struct placing *p, const struct dest *dest, int what)
{
    struct broker *broker = broker_of(p);
    struct node *node = broker->node;
    struct pid self = node_pid(node, &broker->process);
    struct buf *buf = node_scratch(node);
    int rc;

    term_put_tuple(buf, 3);
    term_put_atom(buf, A_gen_call);
    term_format(buf, "{~p, [alias | ~r]}", self, &p->ref);
    if (what == ASKS_ARBITER) {
        put_arbiter(buf, p);
    } else if (what == ASKS_POOL) {
        put_new_supervisor(buf, p);
    } else {
        put_start(buf, p);
    }
    rc = buf_error(buf);
    if (rc == 0) {
        rc = route_send(node, self, dest, node_scratch_payload(node));
    }
    return rc;
}

/* False: it could not be asked. */
static bool ask(struct placing *p, struct pid pid, int what)
{
    struct broker *broker = broker_of(p);
    struct dest dest = dest_pid(pid);
    int rc = alias_start_monitor(broker->node, &broker->process, &dest,
                                 ALIAS_REPLY_DEMONITOR, &p->ref);

    if (rc != 0) {
        return false;
    }
    rc = send_call(p, &dest, what);
    if (rc != 0) {
        (void)monitor_stop(broker->node, &broker->process, &p->ref);
        return false;
    }
    p->asks = what;
    if (what != ASKS_ARBITER) {
        hosts_sent(&p->place->hosts, p->tried[p->tries - 1]);
    }
    map_add(&broker->by_ref, hash_of(&p->ref), p);
    loop_timer_start(node_loop(broker->node), &p->timer,
                     what == ASKS_ARBITER ? ARBITER_MS : PLACING_MS);
    return true;
}

/* --- whom to ask */

static bool is_younger(const struct placing *p, uint64_t ms)
{
    const struct place *place = p->place;

    return place->head == NULL &&
           loop_now_ms(node_loop(place->broker->node)) < place->since_ms + ms;
}

static void wait(struct placing *p)
{
    p->has_waited = true;
    loop_timer_start(node_loop(broker_of(p)->node), &p->timer, PLACE_LOOK_MS);
}

/* Somebody else was faster. */
static bool has_appeared(struct placing *p)
{
    struct pid pid;

    if (!p->has_waited || !place_lookup(p->place, &p->order.key, &pid)) {
        return false;
    }
    placed_at(p, pid);
    return true;
}

static void start(struct placing *p)
{
    struct pid arbiter;

    if (has_appeared(p)) {
        return;
    }
    if (is_younger(p, PLACE_YOUNG_MS)) {
        wait(p);
        return;
    }
    if (!p->order.is_arbited && p->arbiters < PLACING_TRIES &&
        place_arbiter(p->place, &p->order.key, &arbiter)) {
        p->arbiters++;
        if (ask(p, arbiter, ASKS_ARBITER)) {
            return;
        }
    }
    choose(p);
}

static void next(struct placing *p)
{
    p->has_waited = true;
    if (has_appeared(p)) {
        return;
    }
    if (p->tries < PLACING_TRIES) {
        choose(p);
    } else {
        fail_with_last(p);
    }
}

static void ask_host(struct placing *p, const struct host *host)
{
    struct host_supervisors found;
    bool is_asked;
    int index;

    p->tried[p->tries++] = host->node;
    host_read_supervisors(host, broker_of(p)->pools->syn, p->place->pool,
                          &found);
    index = placement_supervisor(&found.window, found.workers, found.count,
                                 p->order.key.hash);
    if (index < 0 && found.count == HOST_SUPERVISORS_MAX) {
        index = (int)(p->order.key.hash % found.count);
    }
    is_asked = index >= 0 ? ask(p, found.pids[index], ASKS_SUPERVISOR)
                          : ask(p, host->pool, ASKS_POOL);
    if (!is_asked) {
        next(p);
    }
}

/* The node that somebody else has chosen, locked or not. */
static bool choose_fixed(struct placing *p)
{
    struct host *host;

    if (!p->order.is_fixed || p->tries > 0) {
        return false;
    }
    if (p->order.wanted_by == broker_of(p)->node->name) {
        finish(p, &(struct place_result){.outcome = PLACED_HERE});
        return true;
    }
    host = hosts_find(&p->place->hosts, p->order.wanted_by);
    if (host == NULL) {
        return false;
    }
    ask_host(p, host);
    return true;
}

static void choose(struct placing *p)
{
    const struct place_wish wish = {.seed = p->order.key.hash,
                                    .wanted_by = p->order.wanted_by,
                                    .is_sticky = p->order.is_sticky,
                                    .at_least = p->order.at_least,
                                    .tried = p->tried,
                                    .tries = p->tries};
    struct host *host;

    if (choose_fixed(p)) {
        return;
    }
    switch (place_choose(p->place, &wish, &host)) {
    case PLACE_HOST:
        ask_host(p, host);
        return;
    case PLACE_SELF:
        finish(p, &(struct place_result){.outcome = PLACED_HERE});
        return;
    case PLACE_NOBODY:
        break;
    }
    if (is_younger(p, PLACE_NEW_MS)) {
        wait(p);
    } else {
        fail_with_last(p);
    }
}

/* --- answered */

/* Reasons of a node that has started nothing: another one may take it. */
static bool is_turned_away(struct cnode_term reason)
{
    return term_is_atom(reason, A_unavailable) ||
           term_is_atom(reason, A_overloaded) ||
           term_is_atom(reason, A_shutdown) ||
           term_is_atom(reason, A_max_children);
}

static void on_error(struct placing *p, int asked, struct cnode_term reason)
{
    struct cnode_term parts[2];
    struct pid pid;

    if (term_get_tuple(reason, 2, parts) &&
        term_is_atom(parts[0], A_already_started) &&
        term_get_pid(parts[1], &pid)) {
        placed_at(p, pid);
    } else if (asked != ASKS_ARBITER && is_turned_away(reason)) {
        cnode_term_free(p->refused);
        p->refused = cnode_term_copy(reason);
        next(p);
    } else {
        fail(p, reason);
    }
}

static void on_pid(struct placing *p, int asked, struct pid pid)
{
    if (asked != ASKS_POOL) {
        placed_at(p, pid);
    } else if (!ask(p, pid, ASKS_SUPERVISOR)) {
        next(p);
    }
}

static void fail_with(struct placing *p, struct cnode_term answer)
{
    struct buf buf;

    buf_init(&buf, 0);
    term_format(&buf, "{bad_return_value, ~t}", answer);
    fail(p, buf_error(&buf) == 0 ? term_at(buf_data(&buf), buf_size(&buf))
                                 : atom_term(A_system_limit));
    buf_fini(&buf);
}

static void on_answer(struct placing *p, struct cnode_term answer)
{
    struct cnode_term head, second;
    uint32_t arity;
    struct pid pid;
    int asked = p->asks;

    forget_call(p);
    if (cnode_get_tuple(answer, &arity, &head) && arity >= 2 && arity <= 3) {
        second = cnode_next(head);
        if (term_is_atom(head, A_ok) && term_get_pid(second, &pid)) {
            on_pid(p, asked, pid);
            return;
        }
        if (term_is_atom(head, A_error) && arity == 2) {
            on_error(p, asked, second);
            return;
        }
    }
    fail_with(p, answer);
}

static void on_timer(struct timer *timer)
{
    struct placing *p = CONTAINER_OF(timer, struct placing, timer);

    if (p->asks == ASKS_NOBODY) {
        start(p);
    } else {
        stop_call(p);
        fail(p, atom_term(A_timeout));
    }
}

static void on_down(struct placing *p)
{
    bool was_arbiter = p->asks == ASKS_ARBITER;

    forget_call(p);
    if (was_arbiter) {
        wait(p); /* there is another one in a moment */
    } else {
        next(p);
    }
}

static struct placing *find_call(struct broker *broker, struct cnode_term term)
{
    struct ref ref;

    return term_get_ref(term, &ref)
               ? map_get(&broker->by_ref, hash_of(&ref), &ref)
               : NULL;
}

bool placing_message(struct broker *broker, struct cnode_term message)
{
    struct cnode_term parts[5], alias;
    struct placing *p;

    if (term_get_tuple(message, 2, parts) && gen_alias(parts[0], &alias)) {
        p = find_call(broker, alias);
        if (p != NULL) {
            on_answer(p, parts[1]);
        }
        return true;
    }
    if (term_get_tuple(message, 5, parts) && term_is_atom(parts[0], A_DOWN)) {
        p = find_call(broker, parts[1]);
        if (p != NULL) {
            on_down(p);
        }
        return p != NULL;
    }
    return false;
}

/* --- given up */

static struct placing *any(struct broker *broker)
{
    LIST_EACH(it, &broker->places) {
        uint32_t at = 0;
        struct placing *p =
            map_next(&CONTAINER_OF(it, struct place, in_broker)->by_key, &at);

        if (p != NULL) {
            return p;
        }
    }
    return NULL;
}

void placing_give_up_all(struct broker *broker, struct cnode_term reason)
{
    struct placing *p;

    while ((p = any(broker)) != NULL) {
        if (p->asks != ASKS_NOBODY) {
            stop_call(p);
        }
        fail(p, reason);
    }
}

void placing_drop_all(struct broker *broker)
{
    struct placing *p;

    while ((p = any(broker)) != NULL) {
        loop_timer_stop(node_loop(broker->node), &p->timer);
        (void)map_remove(&p->place->by_key, p->order.key.hash, &p->order.key);
        p->done(p->arg, NULL);
        placing_free(p);
    }
}
