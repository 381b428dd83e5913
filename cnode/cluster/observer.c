/* SPDX-License-Identifier: Apache-2.0
 *
 * See observer.h. A backend is a process; what it waits for (a slice of rows
 * from a scheduler, the tally) finds it by its pid, as it may have ended.
 */
#include "cluster/observer.h"

#include <string.h>
#include <time.h>

#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "cluster/etop_row.h"
#include "cluster/functions_run.h"
#include "cluster/statistics.h"
#include "node/door.h"
#include "term/build.h"

enum {
    ROWS_PER_SLICE = 1000,
    ROWS_PER_MESSAGE = 10000, /* as OTP does */
    CONGESTED_MS = 20,
    LEAST_INTERVAL_MS = 10,
    US_PER_S = 1000000,
    NS_PER_US = 1000,
};

enum backend_kind { BACKEND_PROCS_INFO, BACKEND_ETOP, BACKEND_STATS };

struct backend {
    struct process process;
    struct observer *observer;
    struct list in_observer;
    enum backend_kind kind;
    struct pid to;
    struct timer timer;   /* the next slice, or the next statistics */
    uint64_t interval_ms; /* STATS */
    struct tally tally;

    /* the walk through all processes */
    uint32_t scheduler, slot; /* where it goes on */
    struct buf rows;
    size_t list;    /* where the list of rows was opened */
    uint32_t count; /* of rows since then */
};

/* What goes to a scheduler and comes back. */
struct slice {
    struct observer *observer;
    struct pid backend;
    bool text;
    uint32_t slot; /* in: where to go on; out: the same */
    bool is_last;
    uint32_t count;
    struct buf rows;
};

struct round {
    struct observer *observer;
    struct pid backend;
    struct tally tally;
};

/* In the order of time. */
static void on_message(struct process *process, const struct signal *signal);
static void on_exit_signal(struct process *process, struct cnode_term reason);
static void on_timer(struct timer *timer);
static void go_on(struct backend *b);
static void end(struct backend *b, struct cnode_term reason);

static const struct process_class class = {
    .name = "observer_backend",
    .message = on_message,
    .exit = on_exit_signal,
};

static struct backend *backend_of(struct observer *observer, struct pid pid)
{
    struct process *process = node_find(observer->node, pid);

    return process != NULL ? CONTAINER_OF(process, struct backend, process)
                           : NULL;
}

/* --- sending */

static void send_scratch(struct backend *b)
{
    struct node *node = b->observer->node;
    struct dest dest = dest_pid(b->to);

    (void)route_send(node, node_pid(node, &b->process), &dest,
                     node_scratch_payload(node));
}

static bool is_congested(const struct backend *b)
{
    const struct peer *peer = peers_find(&b->observer->node->peers, b->to.node);

    return peer_is_up(peer) && peer_is_congested(peer, buf_size(&b->rows));
}

static void wait_ms(struct backend *b, uint64_t ms)
{
    loop_timer_start(node_loop(b->observer->node), &b->timer, ms);
}

/* --- rows */

static void open_rows(struct backend *b)
{
    buf_clear(&b->rows);
    b->list = term_open_list(&b->rows);
    b->count = 0;
}

static void visit_slice(struct node *here, void *arg)
{
    struct slice *slice = arg;
    const struct process_table *table = &here->scheduler.table;
    const struct process *process = NULL;

    while (slice->count < ROWS_PER_SLICE &&
           (process = process_table_next(table, &slice->slot)) != NULL) {
        if (pid_equal(node_pid(here, process), slice->backend)) {
            continue; /* it does not list itself */
        }
        etop_row_put(here, process, slice->text, &slice->rows);
        slice->count++;
    }
    slice->is_last = process == NULL;
}

static void slice_free(struct slice *slice)
{
    buf_fini(&slice->rows);
    mem_free(slice);
}

static void take_slice(struct backend *b, const struct slice *slice)
{
    buf_put(&b->rows, buf_data(&slice->rows), buf_size(&slice->rows));
    if (buf_error(&slice->rows) != 0) {
        b->rows.error = buf_error(&slice->rows);
    }
    b->count += slice->count;
    b->slot = slice->slot;
    if (slice->is_last) {
        b->scheduler++;
        b->slot = 0;
    }
}

static void on_slice(struct node *home, void *arg)
{
    struct slice *slice = arg;
    struct backend *b =
        home != NULL ? backend_of(slice->observer, slice->backend) : NULL;

    if (b != NULL) {
        take_slice(b, slice);
        wait_ms(b, 0); /* others have their turn */
    }
    slice_free(slice);
}

static void run_slice(struct node *here, void *arg)
{
    struct slice *slice = arg;

    if (here == NULL) {
        slice_free(slice);
        return;
    }
    visit_slice(here, slice);
    node_post_task(slice->observer->node, on_slice, slice);
}

static void ask_for_slice(struct backend *b)
{
    struct node *node = b->observer->node;
    struct slice *slice = mem_alloc(sizeof(*slice));
    *slice = (struct slice){.observer = b->observer,
                            .backend = node_pid(node, &b->process),
                            .text = b->kind == BACKEND_PROCS_INFO,
                            .slot = b->slot};
    buf_init(&slice->rows, limits.message_bytes);
    node_post_task(node->all[b->scheduler], run_slice, slice);
}

static void put_rows(struct backend *b, struct buf *out)
{
    term_close_list(&b->rows, b->list, b->count);
    if (buf_error(&b->rows) != 0) {
        out->error = buf_error(&b->rows);
    } else {
        buf_put(out, buf_data(&b->rows), buf_size(&b->rows));
    }
}

static bool is_through(const struct backend *b)
{
    return b->scheduler >= b->tally.count;
}

static void send_procs_info(struct backend *b)
{
    struct node *node = b->observer->node;
    struct buf *buf = node_scratch(node);

    term_put_tuple(buf, 3);
    term_format(buf, "procs_info");
    term_put_pid(buf, node_pid(node, &b->process));
    put_rows(b, buf);
    send_scratch(b);
    open_rows(b);
}

/* #etop_info{} */
static void send_etop(struct backend *b)
{
    struct node *node = b->observer->node;
    struct functions *functions = b->observer->functions;
    struct buf *buf = node_scratch(node);
    struct timespec now;

    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    term_put_tuple(buf, 2);
    term_put_pid(buf, node_pid(node, &b->process));
    term_put_tuple(buf, 9);
    term_format(buf, "etop_info");
    term_format(buf, "{~i, ~i, ~i}", (int64_t)now.tv_sec / US_PER_S,
                (int64_t)now.tv_sec % US_PER_S,
                (int64_t)now.tv_nsec / NS_PER_US);
    term_put_uint(buf, b->count);
    term_put_atom(buf, A_undefined); /* wall clock */
    statistics_put_wall_time(functions, &b->tally, buf);
    term_put_uint(buf, tally_sum(&b->tally).queued);
    term_put_nil(buf);
    statistics_put_memory(buf);
    put_rows(b, buf);
    send_scratch(b);
}

/* The next slice, or what there is to send. */
static void walk(struct backend *b)
{
    bool is_full =
        b->kind == BACKEND_PROCS_INFO && b->count >= ROWS_PER_MESSAGE;

    if (is_congested(b)) {
        wait_ms(b, CONGESTED_MS);
        return;
    }
    if (!is_through(b) && !is_full && buf_error(&b->rows) == 0) {
        ask_for_slice(b);
        return;
    }
    if (b->kind == BACKEND_PROCS_INFO) {
        send_procs_info(b);
    } else {
        send_etop(b);
    }
    if (is_through(b)) {
        end(b, atom_term(A_normal));
    } else {
        wait_ms(b, 0);
    }
}

/* --- statistics */

static void send_stats(struct backend *b)
{
    struct buf *buf = node_scratch(b->observer->node);

    term_put_tuple(buf, 5);
    term_format(buf, "stats");
    term_put_int(buf, 1);
    statistics_put_wall_time(b->observer->functions, &b->tally, buf);
    statistics_put_io(buf);
    statistics_put_memory(buf);
    send_scratch(b);
}

/* --- what each begins with: the schedulers are asked */

static void visit_tally(struct node *here, void *arg)
{
    struct round *round = arg;

    tally_visit(&round->tally, here);
}

static void on_tally(struct node *home, void *arg)
{
    struct round *round = arg;
    struct backend *b =
        home != NULL ? backend_of(round->observer, round->backend) : NULL;

    if (b != NULL) {
        b->tally = round->tally;
        go_on(b);
    }
    mem_free(round);
}

static void ask_for_tally(struct backend *b)
{
    struct node *node = b->observer->node;
    struct round *round = mem_zalloc(sizeof(*round));

    round->observer = b->observer;
    round->backend = node_pid(node, &b->process);
    node_go_round(node, visit_tally, on_tally, round);
}

/* The tally is there. */
static void go_on(struct backend *b)
{
    if (b->kind == BACKEND_STATS) {
        if (!is_congested(b)) {
            send_stats(b);
        }
        wait_ms(b, b->interval_ms);
    } else {
        open_rows(b);
        walk(b);
    }
}

static void on_timer(struct timer *timer)
{
    struct backend *b = CONTAINER_OF(timer, struct backend, timer);

    if (b->kind == BACKEND_STATS) {
        ask_for_tally(b);
    } else {
        walk(b);
    }
}

/* --- its life as a process */

static const struct {
    const char *name;
    uint32_t arity;
    enum backend_kind kind;
} spawnable[] = {
    {"procs_info", 1, BACKEND_PROCS_INFO},
    {"etop_collect", 1, BACKEND_ETOP},
    {"fetch_stats", 2, BACKEND_STATS},
};

static bool read_call(const struct spawn_call *call, struct backend *b)
{
    struct cnode_term args[2];
    struct cnode_list list;

    if (!cnode_is_atom(call->module, "observer_backend") ||
        !cnode_list(call->args, &list) || list.left < 1 || list.left > 2) {
        return false;
    }
    for (uint32_t i = 0; cnode_list_next(&list, &args[i]); i++) {
    }
    for (size_t i = 0; i < sizeof(spawnable) / sizeof(spawnable[0]); i++) {
        if (call->arity == spawnable[i].arity &&
            cnode_is_atom(call->function, spawnable[i].name)) {
            b->kind = spawnable[i].kind;
            return term_get_pid(args[0], &b->to) && !pid_is_none(b->to) &&
                   (b->kind != BACKEND_STATS ||
                    cnode_get_uint(args[1], &b->interval_ms));
        }
    }
    return false;
}

static int on_spawn(void *owner, struct node *node,
                    const struct spawn_call *call, struct process **process)
{
    struct observer *observer = owner;
    struct backend read = {.observer = observer};
    struct backend *b;
    int rc;

    if (!read_call(call, &read)) {
        return CNODE_NOT_FOUND;
    }
    b = mem_alloc(sizeof(*b));
    *b = read;
    if (b->interval_ms < LEAST_INTERVAL_MS) {
        b->interval_ms = LEAST_INTERVAL_MS;
    }
    rc = node_spawn(node, &b->process, &class);
    if (rc != 0) {
        mem_free(b);
        return rc;
    }
    if (b->kind == BACKEND_STATS) {
        b->process.flags |= PROCESS_TRAP_EXIT; /* any message ends it */
    }
    timer_init(&b->timer, on_timer);
    buf_init(&b->rows, limits.message_bytes);
    list_push_back(&observer->backends, &b->in_observer);
    *process = &b->process;
    return 0;
}

static void on_start(void *owner, struct node *node, struct process *process,
                     const struct spawn_call *call)
{
    struct backend *b = CONTAINER_OF(process, struct backend, process);

    (void)owner, (void)node, (void)call;
    if (b->kind == BACKEND_STATS) {
        wait_ms(b, b->interval_ms);
    } else {
        ask_for_tally(b);
    }
}

static void on_message(struct process *process, const struct signal *signal)
{
    struct backend *b = CONTAINER_OF(process, struct backend, process);

    (void)signal;
    if (b->kind == BACKEND_STATS) {
        end(b, atom_term(A_normal));
    }
}

static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    end(CONTAINER_OF(process, struct backend, process), reason);
}

static void end(struct backend *b, struct cnode_term reason)
{
    struct node *node = b->observer->node;

    loop_timer_stop(node_loop(node), &b->timer);
    list_remove(&b->in_observer);
    node_exit(node, &b->process, reason);
    buf_fini(&b->rows);
    mem_free(b);
}

void observer_start(struct observer *observer, struct node *node,
                    struct functions *functions)
{
    *observer = (struct observer){
        .node = node,
        .functions = functions,
        .handler = {.spawn = on_spawn, .start = on_start, .owner = observer}};
    list_init(&observer->backends);
    node_add_spawn_handler(node, &observer->handler);
}

void observer_stop(struct observer *observer)
{
    while (!list_is_empty(&observer->backends)) {
        end(CONTAINER_OF(observer->backends.next, struct backend, in_observer),
            atom_term(A_shutdown));
    }
}
