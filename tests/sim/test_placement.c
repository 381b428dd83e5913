/* SPDX-License-Identifier: Apache-2.0
 *
 * Nodes that place workers on each other, on virtual time: each sees the counts
 * of the others as they were DELAY steps ago, as they are published late. Does
 * a newcomer drown? Does a storm even out? Seeds are printed and replay.
 */
#include "placement/placement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "support/random.h"

enum {
    NODES = 12,
    SEEDS = 3,
    DELAY = 5,     /* steps until a count has reached the others */
    PER_STEP = 40, /* workers that each node places in a step */
    STEPS = 120,
    JOINS_AT = 60,
};

/* A node as one that places. */
struct placer {
    struct placement_state state;
    uint64_t sent[NODES]; /* since the count it sees */
    uint64_t sent_at[NODES][DELAY];
};

static uint64_t random_state, next_ref;
static uint64_t workers[NODES], seen[NODES][DELAY];
static bool is_up[NODES];
static struct placer placers[NODES];

static void begin(uint64_t seed, unsigned nodes)
{
    random_state = seed;
    next_ref = seed << 32;
    memset(workers, 0, sizeof(workers));
    memset(seen, 0, sizeof(seen));
    memset(is_up, 0, sizeof(is_up));
    memset(placers, 0, sizeof(placers));
    for (unsigned i = 0; i < nodes; i++) {
        is_up[i] = true;
    }
}

static void look(struct placer *placer, unsigned self,
                 struct placement_candidate *candidates)
{
    for (unsigned i = 0; i < NODES; i++) {
        candidates[i] = (struct placement_candidate){
            .node = i + 1,
            .name_hash = placement_mix(i),
            .is_self = i == self,
            .is_online = is_up[i],
            .workers = i == self ? workers[i] : seen[i][0],
            .under_way = i == self ? 0 : placer->sent[i],
            .window = {0, 50000, 100000},
            .priority = 10,
            .weight = 1,
        };
    }
}

static void place(struct placer *placer, unsigned self,
                  const struct placement_rules *rules)
{
    const struct placement_request request = {.seed = next_ref++};
    struct placement_candidate candidates[NODES];
    int to;

    look(placer, self, candidates);
    to = placement_choose(rules, &request, candidates, NODES, &placer->state);
    assert_in_range(to, 0, NODES - 1);
    assert_true(is_up[to]);
    workers[to]++;
    placer->sent[to]++;
    placer->sent_at[to][DELAY - 1]++;
}

/* Counts travel; what they contain by then is no longer under way. */
static void publish(void)
{
    for (unsigned i = 0; i < NODES; i++) {
        memmove(&seen[i][0], &seen[i][1], (DELAY - 1) * sizeof(seen[i][0]));
        seen[i][DELAY - 1] = workers[i];
        for (unsigned p = 0; p < NODES; p++) {
            uint64_t *sent_at = placers[p].sent_at[i];

            placers[p].sent[i] -= sent_at[0];
            memmove(sent_at, sent_at + 1, (DELAY - 1) * sizeof(*sent_at));
            sent_at[DELAY - 1] = 0;
        }
    }
}

static void step(const struct placement_rules *rules)
{
    for (unsigned i = 0; i < NODES; i++) {
        for (unsigned n = 0; n < PER_STEP && is_up[i]; n++) {
            place(&placers[i], i, rules);
        }
    }
    publish();
}

static struct placement_rules rules_of(enum placement_strategy strategy)
{
    return (struct placement_rules){.strategy = strategy,
                                    .node_target = {1, 1000, 1000}};
}

/* A storm on nodes that start empty ends even. */
static void a_storm_from_everywhere_evens_out(void **state)
{
    const struct placement_rules rules = rules_of(PLACEMENT_LEAST_LOADED);

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t least = UINT64_MAX, most = 0;

        begin(seed, NODES);
        for (unsigned i = 0; i < STEPS; i++) {
            step(&rules);
        }
        for (unsigned i = 0; i < NODES; i++) {
            least = workers[i] < least ? workers[i] : least;
            most = workers[i] > most ? workers[i] : most;
        }
        if (most - least > most / 10) {
            print_error("seed %llu: %llu to %llu\n", (unsigned long long)seed,
                        (unsigned long long)least, (unsigned long long)most);
            fail();
        }
    }
}

/* An empty node among full ones gets at most its two in n of what is placed,
 * not all of it; it catches up, and does not overshoot. */
static void a_newcomer_is_not_flooded(void **state)
{
    const struct placement_rules rules = rules_of(PLACEMENT_LEAST_LOADED);
    const unsigned last = NODES - 1, placed = PER_STEP * NODES;

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t worst = 0;

        begin(seed, NODES - 1);
        for (unsigned i = 0; i < JOINS_AT; i++) {
            step(&rules);
        }
        is_up[last] = true;
        for (unsigned i = JOINS_AT; i < STEPS + JOINS_AT; i++) {
            uint64_t before = workers[last];

            step(&rules);
            worst =
                workers[last] - before > worst ? workers[last] - before : worst;
        }
        assert_in_range(worst, placed / NODES, placed * 2 / NODES * 3 / 2);
        assert_in_range(workers[last], workers[0] * 85 / 100,
                        workers[0] * 105 / 100);
    }
}

/* Nodes come and go while workers start; the counts of one that was away start
 * again. Nobody who is away is chosen, and all find a place. */
static void joins_and_leaves_lose_nothing(void **state)
{
    (void)state;
    for (int strategy = PLACEMENT_LEAST_LOADED; strategy <= PLACEMENT_HASH;
         strategy++) {
        const struct placement_rules rules =
            rules_of((enum placement_strategy)strategy);

        for (uint64_t seed = 1; seed <= 2; seed++) {
            begin(seed, NODES / 2);
            for (unsigned i = 0; i < STEPS; i++) {
                unsigned node =
                    1 + (unsigned)random_below(&random_state, NODES - 1);

                is_up[node] = !is_up[node];
                if (!is_up[node]) {
                    workers[node] = 0;
                }
                step(&rules);
            }
        }
    }
}

/* All nodes begin to place at once, none of them knows what the others have
 * chosen: all the same it is on no more nodes than it should be. */
static void few_nodes_from_the_start(void **state)
{
    struct placement_rules rules = rules_of(PLACEMENT_LEAST_LOADED);
    unsigned used = 0;

    (void)state;
    rules.node_target = (struct placement_window){1, 2, 2};
    rules.pool = 4711;
    begin(3, NODES);
    for (unsigned i = 0; i < STEPS; i++) {
        step(&rules);
    }
    for (unsigned i = 0; i < NODES; i++) {
        used += workers[i] > 0;
    }
    assert_int_equal(used, 2);
}

/* The ref's own chance, with counts that differ by what is late: two nodes that
 * place the same ref agree nearly always. */
static void nodes_that_place_one_ref_mostly_agree(void **state)
{
    const struct placement_rules rules = rules_of(PLACEMENT_LEAST_LOADED);
    unsigned differ = 0, all = 0;

    (void)state;
    begin(7, NODES);
    for (unsigned i = 0; i < STEPS; i++) {
        step(&rules);
        for (unsigned n = 0; n < 50; n++) {
            const struct placement_request request = {.seed = next_ref++};
            struct placement_candidate here[NODES], there[NODES];
            struct placement_state none = {0};

            look(&placers[0], 0, here);
            look(&placers[5], 5, there);
            all++;
            differ += placement_choose(&rules, &request, here, NODES, &none) !=
                      placement_choose(&rules, &request, there, NODES, &none);
        }
    }
    print_message("%u of %u differ\n", differ, all);
    assert_in_range(differ, 0, all / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_storm_from_everywhere_evens_out),
        cmocka_unit_test(a_newcomer_is_not_flooded),
        cmocka_unit_test(joins_and_leaves_lose_nothing),
        cmocka_unit_test(few_nodes_from_the_start),
        cmocka_unit_test(nodes_that_place_one_ref_mostly_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
