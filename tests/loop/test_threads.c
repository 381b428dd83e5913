/* SPDX-License-Identifier: Apache-2.0
 *
 * A node with four schedulers on threads of their own, and another node: each
 * scheduler has an actor, which sends numbers to all others and to the other
 * node, is watched by the next one, and ends when it got all of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/node/nodes.h"
#include "term/build.h"

enum { SCHEDULERS = 4, NUMBERS = 2000, AT_ONCE = 50 };

struct actor {
    struct process process;
    struct node *node;
    struct timer timer; /* sends some more */
    int64_t sent, seen[SCHEDULERS];
};

static struct actor actors[SCHEDULERS];
static _Atomic unsigned started, finished, downs, misorders;

static const char *const names[SCHEDULERS] = {"a0", "a1", "a2", "a3"};

/* What all do, on their own thread. */
static atom_t name_of(uint32_t index)
{
    return atom_intern(names[index % SCHEDULERS], 2);
}

static void send_number(struct actor *actor, const struct dest *dest)
{
    struct node *node = actor->node;

    term_format(node_scratch(node), "{~i, ~i}", (int64_t)node->index,
                actor->sent);
    /* CNODE_NOCONN when the node is closing */
    (void)route_send(node, node_pid(node, &actor->process), dest,
                     node_scratch_payload(node));
}

static void on_timer(struct timer *timer)
{
    struct actor *actor = CONTAINER_OF(timer, struct actor, timer);
    struct dest dest;

    for (int i = 0; i < AT_ONCE && actor->sent < NUMBERS; i++) {
        actor->sent++;
        for (uint32_t k = 0; k < SCHEDULERS; k++) {
            dest = dest_name(name_of(k), actor->node->name);
            send_number(actor, &dest);
        }
        dest = dest_name(atom_find("sink", 4), atom_of(B));
        send_number(actor, &dest);
    }
    if (actor->sent < NUMBERS) {
        loop_timer_start(node_loop(actor->node), timer, 1);
    }
}

static bool has_all(const struct actor *actor)
{
    for (int i = 0; i < SCHEDULERS; i++) {
        if (actor->seen[i] < NUMBERS) {
            return false;
        }
    }
    return true;
}

static void on_message(struct process *process, const struct signal *signal)
{
    struct actor *actor = CONTAINER_OF(process, struct actor, process);
    int64_t from, number;

    if (cnode_match(signal->term, "{~i, ~i}", &from, &number)) {
        if (number != ++actor->seen[from]) {
            atomic_fetch_add(&misorders, 1);
        }
        if (has_all(actor)) {
            atomic_fetch_add(&finished, 1);
        }
    } else {
        atomic_fetch_add(&downs, 1);
    }
}

static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    (void)process, (void)reason;
}

static const struct process_class class = {
    .name = "actor", .message = on_message, .exit = on_exit_signal};

static void run_open(struct node *here, void *arg)
{
    struct actor *actor = arg;

    CHECK(here != NULL);
    memset(actor, 0, sizeof(*actor));
    actor->node = here;
    CHECK(node_spawn(here, &actor->process, &class) == 0);
    actor->process.flags |= PROCESS_TRAP_EXIT;
    CHECK(names_register(here, name_of(here->index), &actor->process) == 0);
    timer_init(&actor->timer, on_timer);
    atomic_fetch_add(&started, 1);
}

/* Watches the next one by name and a process of the other node. */
static void run_start(struct node *here, void *arg)
{
    struct actor *actor = arg;
    struct dest next = dest_name(name_of(here->index + 1), here->name);
    struct dest sink = dest_name(atom_find("sink", 4), atom_of(B));
    struct ref ref;

    CHECK(monitor_start(here, &actor->process, &next, &ref) == 0);
    CHECK(monitor_start(here, &actor->process, &sink, &ref) == 0);
    loop_timer_start(node_loop(here), &actor->timer, 0);
}

static void run_end(struct node *here, void *arg)
{
    struct actor *actor = arg;

    loop_timer_stop(node_loop(here), &actor->timer);
    node_exit(here, &actor->process, atom_term(A_normal));
}

static void on_all(void (*run)(struct node *here, void *arg))
{
    for (uint32_t i = 0; i < SCHEDULERS; i++) {
        node_post_task(nodes.a.node.all[i], run, &actors[i]);
    }
}

static unsigned count_lines(void)
{
    unsigned lines = 0;

    for (const char *at = live_node_seen(&nodes.b); *at != '\0'; at++) {
        lines += *at == '{';
    }
    return lines;
}

/* Those of one actor, as the other node got them. */
static bool are_in_order(int actor)
{
    const char *at = live_node_seen(&nodes.b);
    int64_t next = 1;
    char text[32];

    (void)snprintf(text, sizeof(text), "{%d,", actor);
    while ((at = strstr(at, text)) != NULL) {
        if (strtoll(at + strlen(text), NULL, 10) != next++) {
            return false;
        }
        at++;
    }
    return next == NUMBERS + 1;
}

static void threads_keep_the_order_and_tell_every_end(void **state)
{
    (void)state;
    nodes.a.config.schedulers = SCHEDULERS;
    nodes_open();
    started = finished = downs = misorders = 0;
    on_all(run_open);
    NODES_UNTIL(atomic_load(&started) == SCHEDULERS);
    on_all(run_start);
    NODES_UNTIL(atomic_load(&finished) == SCHEDULERS);
    NODES_UNTIL(count_lines() == SCHEDULERS * NUMBERS);
    assert_int_equal(misorders, 0);
    for (int i = 0; i < SCHEDULERS; i++) {
        assert_true(are_in_order(i));
    }

    /* the other node goes: each watched it */
    live_node_close(&nodes.b);
    NODES_UNTIL(atomic_load(&downs) == SCHEDULERS);
    on_all(run_end);
    live_node_close(&nodes.a);
}

static void a_node_ends_while_its_threads_are_at_work(void **state)
{
    (void)state;
    nodes.a.config.schedulers = SCHEDULERS;
    nodes_open();
    started = finished = downs = misorders = 0;
    on_all(run_open);
    NODES_UNTIL(atomic_load(&started) == SCHEDULERS);
    on_all(run_start);
    NODES_UNTIL(nodes.a.node.peers.up_count > 0);
    on_all(run_end);
    live_node_close(&nodes.a);
}

#define T(name)                                                                \
    cmocka_unit_test_setup_teardown(name, nodes_setup, nodes_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(threads_keep_the_order_and_tell_every_end),
        T(a_node_ends_while_its_threads_are_at_work),
    };
    return cmocka_run_group_tests(tests, nodes_group_setup,
                                  nodes_group_teardown);
}
