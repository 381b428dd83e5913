/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole clusters of pg scopes through cuts, restarts, full queues and ends of
 * members. Whatever happened, once everything is connected and quiet, each node
 * sees exactly the members that there are.
 *
 * Meanwhile each message is held against what the scope process of OTP 25 bears
 * (it crashes at anything else): its two-tuple forms, and no leave for a group
 * it was not told of. Some nodes are of OTP 29 and announce version 1.
 */
#include "cluster/pg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/hash.h"
#include "node/gen.h"
#include "support/node/sim_net.h"
#include "support/random.h"
#include "term/build.h"

enum { NODES = 4, MEMBERS = 3, GROUPS = 3, STEPS = 400, ROUNDS = 150 };

struct node {
    struct sim_process scope;
    struct pg pg;
    bool is_29; /* announces version 1 */
    struct sim_process members[MEMBERS];
    unsigned times[MEMBERS][GROUPS];
};

static struct sim_net net;
static struct node nodes[NODES];
static bool is_congested;
static bool is_unasked[NODES][NODES]; /* here, there */
/* What node `b` was told by the scope of `a`: [a][b]. */
static unsigned told[NODES][NODES][MEMBERS][GROUPS];

static const char *const group_names[GROUPS] = {"g", "h", "i"};

static struct cnode_term group_term(unsigned group)
{
    return atom_term(atom_intern(group_names[group], 1));
}

/* --- a node */

static int on_send(void *owner, const struct dest *to,
                   struct cnode_term message)
{
    struct node *node = owner;

    if (is_congested && random_below(&net.random, 3) == 0) {
        return CNODE_OVERLOADED;
    }
    return sim_send(&net, node->scope.pid, to, message);
}

static int on_monitor(void *owner, struct pid pid, struct ref *ref)
{
    struct node *node = owner;
    struct dest dest = dest_pid(pid);

    sim_monitor(&net, node->scope.pid, &dest, ref);
    return 0;
}

static void on_demonitor(void *owner, const struct ref *ref)
{
    (void)owner;
    sim_demonitor(&net, ref);
}

static const struct pg_events events = {
    .send = on_send, .monitor = on_monitor, .demonitor = on_demonitor};

static void on_message(struct sim_process *self, struct pid from,
                       struct cnode_term message)
{
    (void)pg_message(&((struct node *)self->owner)->pg, from, message);
}

static void on_member_message(struct sim_process *self, struct pid from,
                              struct cnode_term message)
{
    (void)self, (void)from, (void)message;
}

static void node_start(unsigned i)
{
    struct node *node = &nodes[i];

    sim_spawn(&node->scope, &net, i, atom_intern("pg", 2), on_message, node);
    pg_init(&node->pg, node->scope.name, node->scope.pid, &events, node);
    node->is_29 = random_below(&net.random, 2) == 0;
    for (unsigned m = 0; m < MEMBERS; m++) {
        sim_spawn(&node->members[m], &net, i, ATOM_NONE, on_member_message,
                  NULL);
    }
    memset(node->times, 0, sizeof(node->times));
    memset(told[i], 0, sizeof(told[i]));
}

static void node_stop(unsigned i)
{
    struct node *node = &nodes[i];

    for (unsigned m = 0; m < MEMBERS; m++) {
        sim_exit(&node->members[m], A_noproc);
    }
    sim_exit(&node->scope, A_noproc);
    pg_fini(&node->pg);
}

static void on_nodeup(struct sim_net *n, unsigned here, unsigned there)
{
    struct dest dest = dest_name(atom_intern("pg", 2), n->nodes[there].name);
    struct buf buf;

    if (!nodes[here].is_29) {
        is_unasked[here][there] = pg_nodeup(&nodes[here].pg, dest.node) != 0;
        return;
    }
    buf_init(&buf, 0);
    term_format(&buf, "{discover, ~p, 1}", nodes[here].scope.pid);
    CHECK(sim_send(n, nodes[here].scope.pid, &dest,
                   term_at(buf_data(&buf), buf_size(&buf))) == 0);
    buf_fini(&buf);
}

static void on_nodedown(struct sim_net *n, unsigned here, unsigned there)
{
    pg_nodedown(&nodes[here].pg, n->nodes[there].name);
    memset(told[there][here], 0, sizeof(told[there][here]));
    is_unasked[here][there] = false;
}

/* --- what OTP 25 would say to each message */

static unsigned member_of(unsigned node, struct pid pid)
{
    for (unsigned m = 0; m < MEMBERS; m++) {
        if (pid.id == nodes[node].members[m].pid.id) {
            return m;
        }
    }
    return MEMBERS; /* one that ended */
}

static unsigned group_of(struct cnode_term term)
{
    unsigned g = 0;

    while (g < GROUPS && !term_is_atom(term, term_atom(group_term(g)))) {
        g++;
    }
    CHECK(g < GROUPS);
    return g;
}

static void watch_sync(unsigned from, unsigned to, struct cnode_term groups)
{
    struct cnode_list list, pids;
    struct cnode_term item, parts[2], pid_term;
    struct pid pid;

    memset(told[from][to], 0, sizeof(told[from][to]));
    CHECK(cnode_list(groups, &list));
    while (cnode_list_next(&list, &item)) {
        CHECK(term_get_tuple(item, 2, parts) && cnode_list(parts[1], &pids) &&
              pids.left > 0);
        while (cnode_list_next(&pids, &pid_term)) {
            unsigned m =
                term_get_pid(pid_term, &pid) ? member_of(from, pid) : MEMBERS;
            if (m < MEMBERS) {
                told[from][to][m][group_of(parts[0])]++;
            }
        }
    }
}

static void watch_leave(unsigned from, unsigned to, unsigned m,
                        struct cnode_term groups)
{
    struct cnode_list list;
    struct cnode_term group;

    CHECK(cnode_list(groups, &list));
    while (m < MEMBERS && cnode_list_next(&list, &group)) {
        unsigned *times = &told[from][to][m][group_of(group)];

        CHECK(*times > 0); /* {badkey, Group} in leave_remote/3 */
        --*times;
    }
}

static void on_watch(struct sim_net *n, struct pid from_pid,
                     struct sim_process *to, struct cnode_term message)
{
    unsigned from = sim_node_of(n, from_pid.node);
    struct gen_message gen;
    struct cnode_term head, parts[4];
    struct pid pid;
    uint32_t arity;

    if (nodes[to->node].is_29 || nodes[from].is_29) {
        return; /* bears all of it; sends as it likes */
    }
    gen_parse(message, &gen);
    CHECK(cnode_get_tuple(gen.body, &arity, &head));
    CHECK(term_get_tuple(gen.body, arity, parts));
    if (gen.kind == GEN_CAST) {
        CHECK(term_is_atom(head, A_sync) && arity == 3);
        watch_sync(from, to->node, parts[2]);
    } else if (arity == 4 && term_is_atom(head, A_join)) {
        CHECK(term_get_pid(parts[3], &pid));
        if (member_of(from, pid) < MEMBERS) {
            told[from][to->node][member_of(from, pid)][group_of(parts[2])]++;
        }
    } else if (arity == 4) {
        CHECK(term_is_atom(head, A_leave) && term_get_pid(parts[2], &pid));
        watch_leave(from, to->node, member_of(from, pid), parts[3]);
    } else {
        CHECK(term_is_atom(head, A_discover) && arity == 2);
    }
}

/* --- what happens */

static void change_member(unsigned i)
{
    struct node *node = &nodes[i];
    unsigned m = random_below(&net.random, MEMBERS);
    unsigned g = random_below(&net.random, GROUPS);
    struct pid pid = node->members[m].pid;

    switch (random_below(&net.random, 8)) {
    case 0:
        sim_exit(&node->members[m], A_normal);
        sim_spawn(&node->members[m], &net, i, ATOM_NONE, on_member_message,
                  NULL);
        memset(node->times[m], 0, sizeof(node->times[m]));
        for (unsigned other = 0; other < NODES; other++) {
            memset(told[i][other][m], 0, sizeof(told[i][other][m]));
        }
        return;
    case 1:
    case 2:
    case 3:
        if (pg_leave(&node->pg, group_term(g), pid) == 0) {
            node->times[m][g]--;
        }
        return;
    default:
        CHECK(pg_join(&node->pg, group_term(g), pid) == 0);
        node->times[m][g]++;
        return;
    }
}

static void act(void)
{
    unsigned a = random_below(&net.random, NODES);
    unsigned b = random_below(&net.random, NODES);

    switch (random_below(&net.random, 40)) {
    case 0:
        sim_node_down(&net, a);
        node_stop(a);
        sim_node_up(&net, a);
        node_start(a);
        return;
    case 1:
    case 2:
        sim_cut(&net, a, b);
        return;
    case 3:
    case 4:
    case 5:
        sim_connect(&net, a, b);
        return;
    case 6:
        pg_resync(&nodes[a].pg);
        return;
    case 7:
        is_congested = !is_congested;
        return;
    case 8:
    case 9:
    case 10:
    case 11:
    case 12:
        change_member(a);
        return;
    default:
        (void)sim_step(&net);
        return;
    }
}

/* Everybody meets, all that was missed is sent. */
static void heal(void)
{
    is_congested = false;
    for (unsigned a = 0; a < NODES; a++) {
        for (unsigned b = 0; b < NODES; b++) {
            sim_connect(&net, a, b);
            if (is_unasked[a][b]) {
                on_nodeup(&net, a, b);
            }
        }
    }
    sim_settle(&net);
    for (unsigned a = 0; a < NODES; a++) {
        pg_resync(&nodes[a].pg);
    }
    sim_settle(&net);
}

static unsigned count(const struct node *at, struct pid pid, unsigned group)
{
    struct pg_group *g =
        pg_view_find((struct pg_view *)&at->pg.view, group_term(group));
    unsigned n = 0;

    if (g != NULL) {
        LIST_EACH(it, &g->members) {
            const struct pg_member *member =
                CONTAINER_OF(it, struct pg_member, in_group);

            n += pid_equal(member->pid, pid) ? member->times : 0;
        }
    }
    return n;
}

static void check_agreement(void)
{
    for (unsigned at = 0; at < NODES; at++) {
        uint64_t all = 0;

        for (unsigned i = 0; i < NODES * MEMBERS * GROUPS; i++) {
            const struct node *node = &nodes[i / (MEMBERS * GROUPS)];
            unsigned m = i / GROUPS % MEMBERS;
            unsigned g = i % GROUPS;

            assert_int_equal(count(&nodes[at], node->members[m].pid, g),
                             node->times[m][g]);
            all += node->times[m][g];
        }
        assert_int_equal(nodes[at].pg.view.memberships, all);
        assert_int_equal(nodes[at].pg.remotes.count, NODES - 1);
        assert_int_equal(nodes[at].pg.untold, 0);
    }
}

static void run(uint64_t seed)
{
    memset(told, 0, sizeof(told));
    is_congested = false;
    sim_init(&net, NODES, seed);
    net.nodeup = on_nodeup;
    net.nodedown = on_nodedown;
    net.watch = on_watch;
    for (unsigned i = 0; i < NODES; i++) {
        node_start(i);
    }
    for (int i = 0; i < STEPS; i++) {
        act();
    }
    heal();
    check_agreement();
    for (unsigned i = 0; i < NODES; i++) {
        node_stop(i);
    }
    sim_fini(&net);
}

static void all_nodes_agree_in_the_end(void **state)
{
    uint64_t seed = random_seed();

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        run(random_u64(&seed));
    }
}

static int group_setup(void **state)
{
    (void)state;
    hash_seed(1, 2);
    atom_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_nodes_agree_in_the_end),
    };
    return cmocka_run_group_tests(tests, group_setup, NULL);
}
