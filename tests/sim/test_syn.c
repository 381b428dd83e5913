/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole clusters that share a scope of syn, through cuts, restarts of nodes and
 * of scope processes, ends of processes, slow links and slow work. Whatever
 * happened, once everything is connected and quiet:
 *
 *   - every node of ours has exactly the entries that their owners have: no
 *     name is at a process that does not live or does not have it, none is
 *     lost, and none is at two processes
 *   - a process of ours has lost a name to another one exactly when it was
 *     killed for it, once (or when the user decided so)
 *   - the messages until then are bounded: nobody goes on answering
 *
 * Beside ours there are models of real syn (support/registry/syn_model.h). Its
 * own rules lose entries, so of them less is asked:
 *
 *   - what they have is compared after their links were renewed: a third node
 *     that saw the later of two claims forgets the other one, and 3.4.1 keeps
 *     what a list does not have
 *   - with 3.3.0 in the cluster, so is what ours have: 3.3.0 loses a conflict
 *     without a word, and a third node may have heard of the loser only
 *   - who asks for a name that it has itself gets a conflict: real syn puts the
 *     answer over its own process, which lives and is in no list any more
 *   - an answer does not overtake what its owner's sender process still has:
 *     real syn may lose what was asked for then
 *   - a model ignores what a scope process sent that has ended since: real syn
 *     takes it for a member, does not see the next one, and forgets that node
 *
 * Each message of ours is held against what crashes real syn, and nobody is
 * told of changes who has not got the list.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/hash.h"
#include "node/gen.h"
#include "support/random.h"
#include "support/registry/syn_sim.h"

enum { NODES = SYN_SIM_NODES, STEPS = 400, RUN_MS = 500 };

static struct syn_sim sim;

static unsigned chance(unsigned below)
{
    return random_below(&sim.net.random, below);
}

/* --- each message of ours, as real syn would take it */

static void check_claim(const struct syn_claim *claim, atom_t owner)
{
    int64_t name, meta;

    assert_true(claim->pid.node == owner);
    assert_true(cnode_get_int(claim->name, &name));
    assert_true(cnode_get_int(claim->meta, &meta));
}

static void check_list(struct cnode_term list, atom_t owner)
{
    struct cnode_list walk;
    struct cnode_term term;
    struct syn_claim claim;

    assert_true(cnode_list(list, &walk));
    while (cnode_list_next(&walk, &term)) {
        assert_true(syn_claim_parse(term, &claim));
        check_claim(&claim, owner);
    }
}

static void on_watch(struct sim_net *net, struct pid from,
                     struct sim_process *to, struct cnode_term term)
{
    struct syn_sim_node *sender = &sim.nodes[sim_node_of(net, from.node)];
    struct syn_message message;
    struct gen_message gen;

    gen_parse(term, &gen);
    if (!sender->is_ours || !pid_equal(from, sender->sender.pid) ||
        to->name != sim.process_name || gen.kind == GEN_CALL) {
        return; /* or of a scope process that has ended since */
    }
    assert_int_equal(syn_message_parse(sim.kind, term, &message), 0);
    switch (message.what) {
    case SYN_DISCOVER:
        assert_true(message.peer.node == from.node);
        break;
    case SYN_ACK_SYNC:
        assert_true(message.peer.node == from.node);
        check_list(message.list, from.node);
        sender->has_list[to->node] = true;
        break;
    case SYN_ADD:
    case SYN_REMOVE:
        check_claim(&message.claim, from.node);
        assert_true(sender->has_list[to->node]);
        break;
    }
}

/* --- what happens */

static void change(void)
{
    struct syn_sim_node *from = &sim.nodes[chance(NODES)];
    struct syn_sim_node *to = chance(2) ? from : &sim.nodes[chance(NODES)];
    unsigned process = chance(SYN_SIM_PROCESSES);

    if (chance(10) == 0) {
        syn_sim_process_end(to, process);
    } else if (from->has_scope && to->has_scope) {
        syn_sim_call(from, to, process, chance(4) != 0, chance(SYN_SIM_NAMES),
                     chance(3));
    }
}

static void restart_node(struct syn_sim_node *node)
{
    sim_node_down(&sim.net, node->index);
    syn_sim_node_stop(node);
    sim_node_up(&sim.net, node->index);
    syn_sim_node_start(node);
}

static void act(void)
{
    unsigned a = chance(NODES), b = chance(NODES);

    sim.net.now_ms += chance(3);
    switch (chance(60)) {
    case 0:
        if (chance(4) == 0) {
            restart_node(&sim.nodes[a]);
        }
        return;
    case 1:
        if (chance(3) == 0 || !sim.nodes[a].has_scope) {
            syn_sim_scope_start(&sim.nodes[a]);
        }
        return;
    case 2:
        sim_cut(&sim.net, a, b);
        return;
    case 3:
    case 4:
    case 5:
        sim_connect(&sim.net, a, b);
        return;
    case 6:
        if (sim.nodes[a].is_ours && sim.nodes[a].has_scope) {
            syn_scope_tick(&sim.nodes[a].scope);
        }
        return;
    default:
        if (chance(5) == 0) {
            change();
        } else if (chance(2) == 0) {
            (void)syn_sim_node_step(&sim.nodes[a]);
        } else {
            (void)sim_step(&sim.net);
        }
        return;
    }
}

/* Everybody has the scope and meets everybody. */
static void heal(void)
{
    sim.is_calm = true;
    for (unsigned a = 0; a < NODES; a++) {
        if (!sim.nodes[a].has_scope) {
            syn_sim_scope_start(&sim.nodes[a]);
        }
        for (unsigned b = 0; b < a; b++) {
            sim_connect(&sim.net, a, b);
        }
    }
    syn_sim_settle(&sim);
}

static void renew_links_of_models(void)
{
    for (unsigned a = 0; a < NODES; a++) {
        for (unsigned b = 0; b < NODES && !sim.nodes[a].is_ours; b++) {
            sim_cut(&sim.net, a, b);
        }
    }
    syn_sim_settle(&sim);
    heal();
}

/* --- what must be true */

/* `node` has it as its owner has. */
static void check_entry(struct syn_sim_node *node,
                        const struct syn_model_entry *truth)
{
    struct syn_model_entry entry;

    assert_true(syn_sim_look_up(node, truth->name, truth->pid, &entry));
    assert_true(pid_equal(entry.pid, truth->pid));
    assert_int_equal(entry.meta, truth->meta);
    assert_int_equal(entry.time, truth->time);
}

static void check_agreement(struct syn_sim_node *node)
{
    struct syn_model_entry truth;
    unsigned count = 0;

    for (unsigned i = 0; i < NODES; i++) {
        for (unsigned j = 0; syn_sim_truth(&sim.nodes[i], j, &truth); j++) {
            assert_true(sim_is_alive(&sim.net, truth.pid));
            check_entry(node, &truth);
            count++;
        }
    }
    assert_int_equal(syn_sim_count(node), count);
}

/* It has what it was promised, and nothing else. */
static void check_promises(struct syn_sim_node *node)
{
    struct syn_model_entry entry;

    for (unsigned i = 0; i < SYN_SIM_PROCESSES; i++) {
        struct syn_sim_process *process = &node->processes[i];

        for (int64_t name = 0; name < SYN_SIM_NAMES; name++) {
            bool has =
                syn_sim_look_up(node, name, process->process.pid, &entry) &&
                pid_equal(entry.pid, process->process.pid);

            assert_true(process->has[name] == has);
        }
    }
}

static void check_quiet(const struct syn_sim_node *node)
{
    assert_int_equal(node->scope.asks, 0);
    assert_int_equal(node->scope.held_bytes, 0);
    assert_int_equal(node->scope.rivals.count, 0);
    assert_int_equal(node->scope.rival_bytes, 0);
    assert_false(node->scope.snapshot.is_made);
    assert_true(list_is_empty(&node->scope.jobs));
    assert_true(list_is_empty(&node->scope.ended));
    assert_int_equal(node->scope.remotes.count, NODES - 1);
}

static void check_ours(void)
{
    for (unsigned i = 0; i < NODES; i++) {
        if (sim.nodes[i].is_ours) {
            check_agreement(&sim.nodes[i]);
            check_promises(&sim.nodes[i]);
            check_quiet(&sim.nodes[i]);
        }
    }
}

/* --- clusters */

static void run(uint64_t seed, enum syn_kind kind, bool is_judged,
                const struct syn_model_rules *const *rules)
{
    bool has_models = false, has_3_3_0 = false;

    syn_sim_init(&sim, kind, seed, rules);
    sim.is_judged = is_judged;
    sim.net.watch = on_watch;
    for (unsigned i = 0; i < NODES; i++) {
        has_models = has_models || rules[i] != NULL;
        has_3_3_0 = has_3_3_0 || rules[i] == &syn_model_3_3_0;
        sim.nodes[i].is_hidden = i == 0 && rules[i] == NULL && chance(4) == 0;
        if (chance(4) != 0) {
            syn_sim_scope_start(&sim.nodes[i]);
        }
    }
    for (int i = 0; i < STEPS; i++) {
        act();
    }
    heal();
    if (!has_3_3_0) {
        check_ours();
    }
    if (has_models) {
        renew_links_of_models();
        check_ours();
        for (unsigned i = 0; i < NODES; i++) {
            check_agreement(&sim.nodes[i]);
        }
    }
    syn_sim_fini(&sim);
}

static uint64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t run_ms(void)
{
    const char *text = getenv("TEST_MS");

    return text != NULL ? strtoull(text, NULL, 0) : RUN_MS;
}

static uint64_t runs, latest;

/* As many as there is time for. One is repeated by its own
 * seed, TEST_RUN; TEST_MS is the time for each test. */
static void run_all(enum syn_kind kind, bool is_judged,
                    const struct syn_model_rules *const *choice,
                    unsigned choices)
{
    const struct syn_model_rules *rules[NODES];
    const char *only = getenv("TEST_RUN");
    uint64_t all = random_seed(), end = now_ms() + run_ms(), pick;

    runs = 0;
    do {
        latest = only != NULL ? strtoull(only, NULL, 0) : random_u64(&all);
        pick = latest;
        for (unsigned i = 0; i < NODES; i++) {
            rules[i] = i == 0 ? NULL : choice[random_below(&pick, choices)];
        }
        run(latest, kind, is_judged, rules);
        runs++;
    } while (only == NULL && now_ms() < end);
}

static int teardown(void **state)
{
    (void)state;
    print_message("%" PRIu64 " runs, the latest TEST_RUN=%" PRIu64 "\n", runs,
                  latest);
    return 0;
}

static const struct syn_model_rules *const only_ours[] = {NULL};
static const struct syn_model_rules *const mixed[] = {
    NULL, NULL, &syn_model_3_4_1, &syn_model_head};
static const struct syn_model_rules *const with_3_3_0[] = {
    NULL, &syn_model_3_3_0, &syn_model_3_4_1, &syn_model_head};

static void our_registries_agree(void **state)
{
    (void)state;
    run_all(SYN_REGISTRY, false, only_ours, 1);
}

static void our_registries_agree_when_the_user_decides(void **state)
{
    (void)state;
    run_all(SYN_REGISTRY, true, only_ours, 1);
}

static void registries_agree_with_3_4_1_and_newer(void **state)
{
    (void)state;
    run_all(SYN_REGISTRY, false, mixed, 4);
}

static void registries_agree_with_3_3_0(void **state)
{
    (void)state;
    run_all(SYN_REGISTRY, false, with_3_3_0, 4);
}

static void our_groups_agree(void **state)
{
    (void)state;
    run_all(SYN_GROUPS, false, only_ours, 1);
}

static void groups_agree_with_all_versions(void **state)
{
    (void)state;
    run_all(SYN_GROUPS, false, with_3_3_0, 4);
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
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
    const struct CMUnitTest tests[] = {
        TEST(our_registries_agree),
        TEST(our_registries_agree_when_the_user_decides),
        TEST(registries_agree_with_3_4_1_and_newer),
        TEST(registries_agree_with_3_3_0),
        TEST(our_groups_agree),
        TEST(groups_agree_with_all_versions),
    };
    if (getenv("TEST_FILTER") != NULL) { /* one test, for TEST_RUN */
        cmocka_set_test_filter(getenv("TEST_FILTER"));
    }
    return cmocka_run_group_tests(tests, group_setup, NULL);
}
