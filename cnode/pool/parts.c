/* SPDX-License-Identifier: Apache-2.0
 *
 * See parts.h. What crosses is a task, which is never lost, with the part it is
 * for: a pointer that only that part's scheduler follows.
 */
#include "pool/parts.h"

#include <cnode/error.h>

#include "base/log.h"
#include "base/mem.h"
#include "node/node.h"
#include "pool/dispatch.h"
#include "pool/pools.h"
#include "pool/supervisor.h"
#include "term/build.h"

struct order {
    struct pool *to;
    uint32_t index; /* of a segment */
    struct pid pid;
    int rc;
};

static void tell(void (*run)(struct node *here, void *arg),
                 const struct order *order)
{
    struct order *copy = mem_alloc(sizeof(*copy));

    *copy = *order;
    node_post_task(order->to->node, run, copy);
}

/* --- the process of a part */

static void on_message(struct process *process, const struct signal *signal)
{
    supervisor_pool_message(CONTAINER_OF(process, struct pool, process),
                            signal);
}

/* A router: what somebody sends to its pid, which he has guessed, is taken as
 * sent to the pool's name. */
static const struct process_class part_class = {
    .name = "pool", .is_router = true, .message = on_message};

int parts_spawn(struct pool *part)
{
    int rc = node_spawn_hidden(part->node, &part->process, &part_class);

    if (rc == 0) {
        part->part_pids[part->part] = node_pid(part->node, &part->process);
    }
    return rc;
}

/* --- from the head */

static void on_open(struct node *here, void *arg)
{
    struct order *order = arg;
    int rc;

    if (here != NULL) {
        rc = pool_open_part(order->to);
        if (rc != 0) {
            parts_failed(order->to, rc);
        }
    }
    mem_free(order);
}

int parts_open(struct pool *head)
{
    int rc = 0;

    for (uint32_t i = 1; i < head->part_count && rc == 0; i++) {
        struct order order = {.to = head->parts[i]};

        head->open_parts++;
        if (head->pools->is_running) {
            tell(on_open, &order);
        } else {
            rc = pool_open_part(order.to);
        }
    }
    return rc;
}

static void on_stop(struct node *here, void *arg)
{
    struct order *order = arg;

    if (here != NULL) {
        pool_stop(order->to, atom_term(A_shutdown), false);
    }
    mem_free(order);
}

void parts_stop(struct pool *head)
{
    for (uint32_t i = 1; i < head->part_count; i++) {
        struct order order = {.to = head->parts[i]};

        tell(on_stop, &order);
    }
}

static void on_restart(struct node *here, void *arg)
{
    struct order *order = arg;

    if (here != NULL) {
        pool_restart_segment(order->to, order->index);
    }
    mem_free(order);
}

void parts_restart(struct pool *head, uint32_t index)
{
    struct order order = {.to = head->parts[index % head->part_count],
                          .index = index};

    tell(on_restart, &order);
}

/* --- to the head */

static void on_segment_is(struct node *here, void *arg)
{
    struct order *order = arg;

    if (here != NULL) {
        order->to->segment_pids[order->index] = order->pid;
    }
    mem_free(order);
}

void parts_segment_is(struct pool *part, uint32_t index, struct pid pid)
{
    struct order order = {.to = part->parts[0], .index = index, .pid = pid};

    if (part->part == 0) {
        part->segment_pids[index] = pid;
    } else {
        tell(on_segment_is, &order);
    }
}

static void on_fell(struct node *here, void *arg)
{
    struct order *order = arg;

    if (here != NULL) {
        pool_segment_fell(order->to, order->index);
    }
    mem_free(order);
}

void parts_segment_fell(struct pool *part, uint32_t index)
{
    struct order order = {.to = part->parts[0], .index = index};

    tell(on_fell, &order);
}

static void on_closed(struct node *here, void *arg)
{
    struct order *order = arg;

    if (here != NULL) {
        pool_part_closed(order->to);
    }
    mem_free(order);
}

void parts_closed(struct pool *part)
{
    struct order order = {.to = part->parts[0]};

    if (part->part == 0) {
        pool_part_closed(part);
    } else {
        tell(on_closed, &order);
    }
}

static void on_failed(struct node *here, void *arg)
{
    struct order *order = arg;

    if (here != NULL) {
        LOG_ERROR("pool_down",
                  F_STR("pool", atom_text(order->to->config->name)),
                  F_ERR(order->rc));
        pool_stop(order->to, atom_term(A_shutdown), false);
    }
    mem_free(order);
}

void parts_failed(struct pool *part, int rc)
{
    struct order order = {.to = part->parts[0], .rc = rc};

    tell(on_failed, &order);
}

/* --- messages */

void parts_pass_on(struct pool *pool, uint32_t part,
                   const struct signal *signal, uint64_t id)
{
    struct signal message = {.kind = SIGNAL_MESSAGE,
                             .since_ms = signal->since_ms,
                             .from = signal->from,
                             .to = part == 0 ? pool_pid(pool)
                                             : pool->part_pids[part],
                             .id = id,
                             .term = signal->term};

    if (pid_is_none(message.to)) {
        dispatch_refuse(pool, signal, atom_term(A_shutdown));
    } else if (door_deliver(pool->node, &message) != 0) {
        dispatch_refuse(pool, signal, atom_term(A_overloaded));
    }
}

void parts_passed(struct pool *part, const struct signal *signal, struct pid to)
{
    struct signal message = {
        .kind = SIGNAL_MESSAGE, .to = pool_pid(part), .id = PART_PASSED};
    struct gen_message gen;
    struct buf buf;

    gen_parse(signal->term, &gen);
    if (gen.kind != GEN_CALL) {
        return;
    }
    if (part->part == 0) {
        passed_on(&part->passed, &gen.from, to);
        return;
    }
    buf_init(&buf, 0);
    term_format(&buf, "{{~t, ~t}, ~p}", gen.from.pid, gen.from.tag, to);
    if (!pid_is_none(message.to) && buf_error(&buf) == 0) {
        message.term = term_at(buf_data(&buf), buf_size(&buf));
        (void)door_deliver(part->node, &message);
    }
    buf_fini(&buf);
}

void parts_take_passed(struct pool *head, struct cnode_term message)
{
    struct gen_from from;
    struct cnode_term to;
    struct pid pid;

    if (cnode_match(message, "{{~t, ~t}, ~t}", &from.pid, &from.tag, &to) &&
        term_get_pid(to, &pid)) {
        passed_on(&head->passed, &from, pid);
    }
}

struct pool *parts_of_scheduler(const struct pool *pool, uint32_t scheduler)
{
    uint32_t home = pool->parts[0]->node->index;
    uint32_t count = pool->node->count;
    uint32_t part = (scheduler + count - home) % count;

    return scheduler < count && part < pool->part_count ? pool->parts[part]
                                                        : NULL;
}
