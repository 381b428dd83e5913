/* SPDX-License-Identifier: Apache-2.0
 *
 * See dispatch.h.
 */
#include "pool/dispatch.h"

#include <cnode/error.h>

#include "base/metric.h"
#include "node/node.h"
#include "pool/absent.h"
#include "pool/known.h"
#include "pool/lost.h"
#include "pool/parts.h"
#include "pool/place.h"
#include "pool/pools.h"
#include "pool/run.h"
#include "pool/segment.h"
#include "pool/standing.h"
#include "pool/waiting.h"
#include "term/build.h"

/* Why a message is lost, of what its caller would be answered: the Reason of
 * {error, Reason}, or all of it. */
static void lose(struct pool *pool, const struct gen_message *gen,
                 struct cnode_term answer)
{
    struct cnode_term parts[2];

    lost_message(pool, gen,
                 term_get_tuple(answer, 2, parts) &&
                         term_is_atom(parts[0], A_error)
                     ? parts[1]
                     : answer);
}

/* Answers a call; anything else is lost. */
static void refuse(struct pool *pool, const struct gen_message *gen,
                   const char *format, struct cnode_term term)
{
    struct buf answer;

    if (gen->kind == GEN_CALL) {
        (void)gen_reply(pool->node, &pool->process, &gen->from, format, term);
        return;
    }
    buf_init(&answer, 0);
    term_format(&answer, format, term);
    lose(pool, gen, term_at(buf_data(&answer), buf_size(&answer)));
    buf_fini(&answer);
}

/* Calls that are lost are kept for operators, too. */
void dispatch_refuse(struct pool *pool, const struct signal *signal,
                     struct cnode_term reason)
{
    struct gen_message gen;

    gen_parse(signal->term, &gen);
    if (gen.kind == GEN_CALL) {
        (void)gen_reply(pool->node, &pool->process, &gen.from, "{error, ~t}",
                        reason);
    }
    lost_message(pool, &gen, reason);
}

static void refuse_error(struct pool *pool, const struct gen_message *gen,
                         int rc)
{
    if (gen->kind == GEN_CALL) {
        (void)gen_reply(pool->node, &pool->process, &gen->from, "{error, ~a}",
                        cnode_error_atom(rc));
    } else {
        lost_because(pool, gen, cnode_error_atom(rc));
    }
}

bool dispatch_expires(struct pool *pool, const struct signal *signal,
                      const struct gen_message *gen,
                      const struct envelope *envelope)
{
    uint64_t ms;

    if (signal->since_ms == 0 || !envelope_timeout(envelope, &ms) ||
        signal_waited_ms(signal, loop_now_ms(node_loop(pool->node))) <= ms) {
        return false;
    }
    METRIC_INC(messages_expired);
    if (gen->kind == GEN_CALL) {
        (void)gen_reply(pool->node, &pool->process, &gen->from,
                        "{error, timeout}");
    }
    lost_because(pool, gen, "timeout");
    return true;
}

static bool check_recipient(struct pool *pool, const struct gen_message *gen,
                            const struct envelope *envelope)
{
    if (!envelope->has_ref) {
        refuse(pool, gen, "{error, message_delivery_error}", TERM_NONE);
        return false;
    }
    if (!term_is_atom(envelope->module, pool->config->worker.module)) {
        refuse(pool, gen, "{nz_ap_forward, nil}", TERM_NONE);
        return false;
    }
    return true;
}

/* Not locked, not offline. One that is full says so itself. */
bool dispatch_starts_here(const struct pool *pool)
{
    return standing_is_online(pool->standing) &&
           !standing_is_locked(pool->standing) &&
           !pool->config->top.stand_alone;
}

static void place_absent(struct pool *pool, const struct worker_key *key,
                         const struct signal *signal,
                         const struct envelope *envelope)
{
    struct absent_start start = {.args = term_nil(),
                                 .context = envelope->context};

    start.is_sticky = envelope_is_sticky(envelope, &start.at_least);
    absent_place(&pool->absents, key, &start, signal, PART_ENVELOPE);
}

/* The worker of the key, started if need be; NULL: the caller was told, or will
 * be by the process that the registry has for it. */
static struct cnode_worker *find_or_start(struct segment *segment,
                                          const struct worker_key *key,
                                          const struct signal *signal,
                                          const struct received *received)
{
    const struct gen_message *gen = &received->gen;
    const struct envelope *envelope = &received->envelope;
    struct cnode_worker *w = worker_table_get(&segment->table, key);
    struct pool *pool = segment->pool;
    struct segment_start start = {.args = term_nil(),
                                  .context = envelope->context};
    struct pid other;

    if (dispatch_is_placing(pool, key, signal, PART_ENVELOPE)) {
        return NULL;
    }
    if (w != NULL) {
        return w;
    }
    if (known_elsewhere(pool, key, &other)) {
        known_pass_on(pool, other, signal);
        return NULL;
    }
    if (!envelope->spawn) {
        refuse(pool, gen, "{nack, not_registered}", TERM_NONE);
        return NULL;
    }
    if (place_is_shared(pool->place)) {
        place_absent(pool, key, signal, envelope);
        return NULL;
    }
    if (!dispatch_starts_here(pool)) {
        refuse(pool, gen, "{error, unavailable}", TERM_NONE);
        return NULL;
    }
    start.face = roll_choose_face(pool->roll);
    start.in_background =
        pool->config->worker.spawn == SPAWN_ASYNC || known_must_wait(pool);
    if (segment_start_worker(segment, key, &start, &w) != 0) {
        refuse(pool, gen, "{error, ~t}", run_reason(&pool->pools->run));
        return NULL;
    }
    return w;
}

void dispatch_envelope(struct pool *pool, const struct signal *signal,
                       const struct received *received)
{
    const struct gen_message *gen = &received->gen;
    const struct envelope *envelope = &received->envelope;
    struct segment *segment;
    struct cnode_worker *w;
    struct worker_key key;
    uint32_t index;
    int rc;

    if (!check_recipient(pool, gen, envelope)) {
        return;
    }
    rc = worker_key_make(&key, envelope->id, &pool->pools->key_bytes);
    if (rc != 0) {
        refuse_error(pool, gen, rc);
        return;
    }
    index = pool_segment_index(pool, &key);
    segment = pool_segment(pool, index);
    if (segment == NULL) {
        parts_pass_on(pool, index % pool->part_count, signal, PART_ENVELOPE);
        return;
    }
    if (segment->state != SEGMENT_UP) {
        segment_hold(segment, signal);
        return;
    }
    w = find_or_start(segment, &key, signal, received);
    if (w != NULL) {
        dispatch_to_worker(w, signal, SIGNAL_BY_REF);
    }
}

bool dispatch_is_placing(struct pool *pool, const struct worker_key *key,
                         const struct signal *signal, uint64_t id)
{
    return pool->absents.by_key.count > 0 &&
           absent_take(&pool->absents, key, signal, id);
}

void dispatch_to_worker(struct cnode_worker *w, const struct signal *signal,
                        enum signal_way way)
{
    struct signal message = {.kind = SIGNAL_MESSAGE,
                             .since_ms = signal->since_ms,
                             .from = signal->from,
                             .id = way,
                             .term = signal->term};
    struct node *node = worker_pool(w)->node;
    struct run_watch before;

    if (!worker_is_up(w)) {
        waiting_push(w, &message);
        return;
    }
    message.to = node_pid(node, &w->process);
    before = run_watch_pause(node);
    scheduler_become_message(&node->scheduler, &message);
    run_watch_resume(&before);
}

bool dispatch_is_for(const struct cnode_worker *w,
                     const struct envelope *envelope)
{
    struct pool *pool = worker_pool(w);

    if (pool->config->is_server) { /* there is one: which is no question */
        return !envelope->has_ref ||
               term_is_atom(envelope->module, pool->config->worker.module);
    }
    return envelope->has_ref &&
           term_is_atom(envelope->module, pool->config->worker.module) &&
           worker_has_id(w, envelope->id, &pool->pools->key_bytes);
}

/* The monitor is the head's. */
static bool tell_head(struct pool *part, const struct gen_from *from,
                      struct cnode_term reason)
{
    struct signal message = {
        .kind = SIGNAL_MESSAGE, .to = pool_pid(part), .id = PART_CALL_LOST};
    struct buf buf;
    int rc = CNODE_NOPROC;

    buf_init(&buf, 0);
    term_format(&buf, "{{~t, ~t}, ~t}", from->pid, from->tag, reason);
    if (!pid_is_none(message.to) && buf_error(&buf) == 0) {
        message.term = term_at(buf_data(&buf), buf_size(&buf));
        rc = door_deliver(part->node, &message);
    }
    buf_fini(&buf);
    return rc == 0;
}

void dispatch_call_lost(struct pool *pool, const struct gen_from *from,
                        struct cnode_term reason)
{
    struct cnode_term alias = from->tag;
    struct pid caller;
    struct ref ref;

    if (pool->part != 0 && tell_head(pool, from, reason)) {
        return;
    }
    (void)gen_alias(from->tag, &alias);
    if (!term_get_pid(from->pid, &caller) || !term_get_ref(alias, &ref) ||
        !monitor_fire(pool->node, caller, &ref, reason)) {
        (void)gen_reply(pool->node, &pool->process, from, "{error, ~t}",
                        reason);
    }
}

void dispatch_call_exits(struct pool *pool, const struct gen_from *from,
                         struct cnode_term reason)
{
    (void)gen_reply(pool->node, &pool->process, from, "{error, {exit, ~t}}",
                    reason);
}
