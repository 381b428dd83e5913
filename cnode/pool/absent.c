/* SPDX-License-Identifier: Apache-2.0
 *
 * See absent.h. The place is on scheduler 0, refs are where they belong: tasks
 * go there and back, and the absent one lives until the second has come.
 */
#include "pool/absent.h"

#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/timer.h"
#include "node/node.h"
#include "pool/broker.h"
#include "pool/dispatch.h"
#include "pool/known.h"
#include "pool/parts.h"
#include "pool/place.h"
#include "pool/placing.h"
#include "pool/pools.h"
#include "pool/waiting.h"
#include "term/build.h"

enum {
    LINGER_MS = 200,
    FOREIGN_MAILBOX = 10000, /* as worker.mailbox_limit */
};

struct absent {
    struct absents *owner;
    struct worker_id *id; /* owned */
    uint64_t hash;
    struct mailbox mail; /* envelopes, and start_child calls; see is_start() */
    struct pid pid;      /* placed there; PID_NONE: it waits */
    struct timer linger;
};

static void on_linger(struct timer *timer);

static struct worker_key key_of(const struct absent *absent)
{
    struct worker_key key = {.hash = absent->hash,
                             .bytes = absent->id->bytes,
                             .size = absent->id->size};
    struct cnode_term id = term_at(key.bytes, key.size);

    key.is_integer = cnode_get_int(id, &key.integer);
    return key;
}

static bool equal(const void *item, const void *key)
{
    const struct absent *absent = item;
    const struct worker_key *other = key;

    return absent->hash == other->hash && absent->id->size == other->size &&
           memcmp(absent->id->bytes, other->bytes, other->size) == 0;
}

void absents_init(struct absents *absents, struct node *node,
                  struct process *process, struct pool *part,
                  struct place *place)
{
    *absents = (struct absents){
        .node = node, .process = process, .part = part, .place = place};
    map_init(&absents->by_key, equal);
}

static void absent_free(struct absent *absent)
{
    struct absents *owner = absent->owner;
    struct worker_key key = key_of(absent);

    loop_timer_stop(node_loop(owner->node), &absent->linger);
    (void)map_remove(&owner->by_key, absent->hash, &key);
    (void)mailbox_clear(&absent->mail);
    mem_free(absent->id);
    mem_free(absent);
}

void absents_fini(struct absents *absents)
{
    struct absent *absent;
    uint32_t at = 0;

    while ((absent = map_next(&absents->by_key, &at)) != NULL) {
        absent_free(absent);
        at = 0;
    }
    map_fini(&absents->by_key);
}

/* --- one message. A start_child call keeps its face in signal->id. */

static bool is_start(const struct signal *signal)
{
    return (signal->id & 0xff) == PART_REQUEST;
}

static void refuse(struct absents *owner, const struct signal *signal,
                   struct cnode_term reason)
{
    struct gen_message gen;

    if (owner->part != NULL) {
        dispatch_refuse(owner->part, signal, reason);
        return;
    }
    gen_parse(signal->term, &gen);
    if (gen.kind == GEN_CALL) {
        (void)gen_reply(owner->node, owner->process, &gen.from, "{error, ~t}",
                        reason);
    } else {
        METRIC_INC(dead_letters);
    }
}

static void pass_on(struct absents *owner, const struct signal *signal,
                    struct pid pid)
{
    struct gen_message gen;

    if (is_start(signal)) {
        gen_parse(signal->term, &gen);
        (void)gen_reply(owner->node, owner->process, &gen.from, "{ok, ~p}",
                        pid);
    } else if (owner->part != NULL) {
        known_pass_on(owner->part, pid, signal);
    } else {
        broker_pass_on(owner->place->broker, pid, signal);
    }
}

static uint64_t mailbox_limit(const struct absents *owner)
{
    return owner->part != NULL
               ? pool_config_now(&owner->part->config->worker.mailbox_limit)
               : FOREIGN_MAILBOX;
}

static void hold(struct absent *absent, const struct signal *signal,
                 uint64_t id)
{
    struct signal *copy = NULL;

    if (absent->mail.count < mailbox_limit(absent->owner)) {
        copy = signal_copy(signal);
    }
    if (copy == NULL) {
        METRIC_INC(buffer_overflow);
        refuse(absent->owner, signal, atom_term(A_overloaded));
        return;
    }
    copy->id = id;
    signal_waits(copy, loop_now_ms(node_loop(absent->owner->node)));
    mailbox_push(&absent->mail, copy);
}

/* --- placed here */

/* Its worker, which may be there by now; NULL: nobody gets one. */
static struct cnode_worker *start_here(struct absent *absent,
                                       const struct place_order *order,
                                       struct segment *segment,
                                       struct cnode_term *reason)
{
    struct pool *part = absent->owner->part;
    struct worker_key key = key_of(absent);
    struct cnode_worker *w = worker_table_get(&segment->table, &key);
    const struct segment_start start = {.face = roll_choose_face(part->roll),
                                        .in_background = true,
                                        .args = order->args,
                                        .context = order->context};

    if (w == NULL && segment_start_worker(segment, &key, &start, &w) != 0) {
        *reason = run_reason(&part->pools->run);
        return NULL;
    }
    return w;
}

/* To the process itself: nothing of it has been handled, as its refs came here
 * all the while. */
static void deliver_here(struct absents *owner, struct cnode_worker *w,
                         struct signal *signal)
{
    if (!worker_is_up(w)) {
        if (is_start(signal)) {
            waiting_push_starter(w, signal);
        } else {
            signal->id = SIGNAL_BY_REF;
            waiting_push(w, signal);
        }
        return;
    }
    if (is_start(signal)) {
        pass_on(owner, signal, node_pid(owner->node, &w->process));
        return;
    }
    signal->id = SIGNAL_BY_REF;
    signal->to = node_pid(owner->node, &w->process);
    if (scheduler_deliver(&owner->node->scheduler, signal) != 0) {
        refuse(owner, signal, atom_term(A_overloaded));
    }
}

static void place_here(struct absent *absent, const struct place_order *order)
{
    struct absents *owner = absent->owner;
    struct worker_key key = key_of(absent);
    struct segment *segment =
        pool_segment(owner->part, pool_segment_index(owner->part, &key));
    struct cnode_term reason = atom_term(A_shutdown);
    struct cnode_worker *w = NULL;
    struct signal *signal;

    if (owner->part->state == POOL_UP && segment->state == SEGMENT_UP) {
        w = start_here(absent, order, segment, &reason);
    }
    while ((signal = mailbox_pop(&absent->mail)) != NULL) {
        if (w != NULL) {
            deliver_here(owner, w, signal);
        } else {
            refuse(owner, signal, reason);
        }
        signal_free(signal);
    }
    absent_free(absent);
}

/* --- or there, or nowhere */

static bool is_known(struct absent *absent, struct pid *pid)
{
    struct absents *owner = absent->owner;
    struct worker_key key = key_of(absent);

    return owner->part != NULL ? known_elsewhere(owner->part, &key, pid)
                               : place_lookup(owner->place, &key, pid);
}

static void place_there(struct absent *absent, struct pid pid)
{
    struct signal *signal;
    struct pid known;

    while ((signal = mailbox_pop(&absent->mail)) != NULL) {
        pass_on(absent->owner, signal, pid);
        signal_free(signal);
    }
    if (is_known(absent, &known)) {
        absent_free(absent);
        return;
    }
    absent->pid = pid;
    loop_timer_start(node_loop(absent->owner->node), &absent->linger,
                     LINGER_MS);
}

static void on_linger(struct timer *timer)
{
    absent_free(CONTAINER_OF(timer, struct absent, linger));
}

static void place_nowhere(struct absent *absent, struct cnode_term reason)
{
    struct signal *signal;
    struct pid pid;

    if (is_known(absent, &pid)) {
        place_there(absent, pid);
        return;
    }
    while ((signal = mailbox_pop(&absent->mail)) != NULL) {
        refuse(absent->owner, signal, reason);
        signal_free(signal);
    }
    absent_free(absent);
}

/* --- to scheduler 0 and back */

struct errand {
    struct absent *absent;
    struct place *place;
    struct place_order order; /* its terms lie in `terms` */
    struct cnode_kept *terms; /* {Id, Args, Context} */
    struct place_result result;
    struct cnode_kept *reason;
};

static void errand_free(struct errand *errand)
{
    if (errand == NULL) {
        return;
    }
    cnode_term_free(errand->terms);
    cnode_term_free(errand->reason);
    mem_free(errand);
}

/* Its arbiter has started it in our own pool. */
static bool is_ours(const struct absent *absent, struct pid pid)
{
    return absent->owner->part != NULL && pid.node == absent->owner->node->name;
}

static void on_back(struct node *here, void *arg)
{
    struct errand *errand = arg;

    if (here != NULL) {
        switch (errand->result.outcome) {
        case PLACED_HERE:
            place_here(errand->absent, &errand->order);
            break;
        case PLACED_AT:
            if (is_ours(errand->absent, errand->result.pid)) {
                place_here(errand->absent, &errand->order);
            } else {
                place_there(errand->absent, errand->result.pid);
            }
            break;
        case PLACED_NOWHERE:
            place_nowhere(errand->absent, errand->reason != NULL
                                              ? cnode_kept_term(errand->reason)
                                              : atom_term(A_system_limit));
            break;
        }
    }
    errand_free(errand);
}

static void on_placed(void *arg, const struct place_result *result)
{
    struct errand *errand = arg;

    if (result == NULL) {
        errand_free(errand);
        return;
    }
    errand->result = *result;
    if (result->outcome == PLACED_NOWHERE) {
        errand->reason = cnode_term_copy(result->reason);
    }
    node_post_task(errand->absent->owner->node, on_back, errand);
}

static void on_errand(struct node *home, void *arg)
{
    struct errand *errand = arg;

    if (home == NULL) {
        errand_free(errand);
        return;
    }
    placing_begin(errand->place, &errand->order, on_placed, errand);
}

/* NULL: no memory. */
static struct errand *errand_new(const struct absents *absents,
                                 const struct worker_key *key,
                                 const struct absent_start *start)
{
    struct errand *errand = mem_zalloc(sizeof(*errand));
    struct cnode_term parts[3];
    struct buf buf;

    buf_init(&buf, 0);
    term_format(&buf, "{~t, ~t, ~t}", term_at(key->bytes, key->size),
                start->args, start->context);
    if (buf_error(&buf) == 0) {
        errand->terms =
            cnode_term_copy(term_at(buf_data(&buf), buf_size(&buf)));
    }
    buf_fini(&buf);
    if (errand->terms == NULL) {
        mem_free(errand);
        return NULL;
    }
    CHECK(term_get_tuple(cnode_kept_term(errand->terms), 3, parts));
    errand->place = absents->place;
    errand->order = (struct place_order){
        .key = *key,
        .args = parts[1],
        .context = parts[2],
        .is_sticky = start->is_sticky,
        .at_least = start->at_least,
        .wanted_by = start->wanted_by != ATOM_NONE ? start->wanted_by
                                                   : absents->node->name,
        .is_fixed = start->is_fixed,
        .is_arbited = start->is_arbited};
    errand->order.key.bytes = parts[0].at;
    return errand;
}

static struct absent *absent_new(struct absents *absents,
                                 const struct worker_key *key)
{
    struct worker_id *id = worker_id_copy(key);
    struct absent *absent;

    if (id == NULL) {
        return NULL;
    }
    absent = mem_zalloc(sizeof(*absent));
    *absent = (struct absent){
        .owner = absents, .id = id, .hash = key->hash, .pid = PID_NONE};
    timer_init(&absent->linger, on_linger);
    map_add(&absents->by_key, key->hash, absent);
    return absent;
}

void absent_place(struct absents *absents, const struct worker_key *key,
                  const struct absent_start *start, const struct signal *signal,
                  uint64_t id)
{
    struct errand *errand;
    struct absent *absent;

    if (absents->by_key.count >= limits.placements) {
        METRIC_INC(placements_refused);
        refuse(absents, signal, atom_term(A_overloaded));
        return;
    }
    errand = errand_new(absents, key, start);
    absent = errand != NULL ? absent_new(absents, key) : NULL;
    if (absent == NULL) {
        errand_free(errand);
        refuse(absents, signal, atom_term(A_system_limit));
        return;
    }
    errand->absent = absent;
    hold(absent, signal, id);
    node_post_task(absents->node->all[0], on_errand, errand);
}

/* --- more for the same ref */

bool absent_take(struct absents *absents, const struct worker_key *key,
                 const struct signal *signal, uint64_t id)
{
    struct absent *absent = map_get(&absents->by_key, key->hash, key);

    if (absent == NULL) {
        return false;
    }
    if (!pid_is_none(absent->pid)) {
        struct signal copy = *signal;

        copy.id = id;
        pass_on(absents, &copy, absent->pid);
        return true;
    }
    hold(absent, signal, id);
    return true;
}
