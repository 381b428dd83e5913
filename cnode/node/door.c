/* SPDX-License-Identifier: Apache-2.0
 *
 * See door.h.
 */
#include "node/door.h"

#include <cnode/error.h>

#include "base/mem.h"
#include "base/metric.h"
#include "node/node.h"

/* --- signals */

static bool is_message(const struct signal *signal)
{
    return signal->kind == SIGNAL_MESSAGE || signal->kind == SIGNAL_ALIAS;
}

int door_deliver(struct node *node, const struct signal *signal)
{
    struct node *to = node_of_pid(node, signal->to);
    struct signal *copy;

    if (to == node) {
        return scheduler_deliver(&node->scheduler, signal);
    }
    if (is_message(signal) && scheduler_is_full(&to->scheduler)) {
        METRIC_INC(door_overflow);
        return CNODE_OVERLOADED;
    }
    copy = signal_copy(signal);
    if (copy == NULL) {
        return CNODE_NOMEM;
    }
    signal_waits(copy, loop_now_ms(node_loop(node)));
    scheduler_post(&to->scheduler, copy);
    return 0;
}

void door_dispatch(struct node *node, const struct signal *signal)
{
    struct signal message;
    int rc;

    if (node_of_pid(node, signal->to) == node) {
        scheduler_dispatch(&node->scheduler, signal);
        return;
    }
    if (!is_message(signal)) {
        (void)route_signal(node, signal, node->name);
        return;
    }
    rc = door_deliver(node, signal);
    if (rc != 0) {
        message = *signal;
        message.kind = SIGNAL_MESSAGE;
        node_undelivered(node, &message, rc);
    }
}

/* --- tasks */

struct post {
    struct signal_task task;
    void (*run)(struct node *here, void *arg);
    void *arg;
};

static void run_post(struct signal_task *task, void *owner)
{
    struct post *post = CONTAINER_OF(task, struct post, task);

    post->run(owner, post->arg);
}

void node_post_task(struct node *to, void (*run)(struct node *here, void *arg),
                    void *arg)
{
    struct post *post = mem_zalloc(sizeof(*post));

    post->task.signal.kind = SIGNAL_TASK;
    post->task.run = run_post;
    post->run = run;
    post->arg = arg;
    scheduler_post(&to->scheduler, &post->task.signal);
}

struct round {
    uint32_t home;
    void (*visit)(struct node *here, void *arg);
    void (*done)(struct node *home, void *arg);
    void *arg;
};

static void run_done(struct node *home, void *arg)
{
    struct round *round = arg;

    round->done(home, round->arg);
    mem_free(round);
}

static void run_visit(struct node *here, void *arg)
{
    struct round *round = arg;

    if (here == NULL) {
        run_done(NULL, round);
        return;
    }
    round->visit(here, round->arg);
    if (here->index + 1 < here->count) {
        node_post_task(here->all[here->index + 1], run_visit, round);
    } else {
        node_post_task(here->all[round->home], run_done, round);
    }
}

void node_go_round(struct node *node,
                   void (*visit)(struct node *here, void *arg),
                   void (*done)(struct node *home, void *arg), void *arg)
{
    struct round *round = mem_alloc(sizeof(*round));

    *round = (struct round){
        .home = node->index, .visit = visit, .done = done, .arg = arg};
    node_post_task(node->all[0], run_visit, round);
}
