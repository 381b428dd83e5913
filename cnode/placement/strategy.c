/* SPDX-License-Identifier: Apache-2.0
 *
 * See strategy.h. Chance comes from the ref: two nodes that place the same ref
 * at once, and see the same, choose the same.
 */
#include "placement/strategy.h"

#include <math.h>

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
 * generators): every bit of the value changes half of the result. */
uint64_t placement_mix(uint64_t value)
{
    value += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

/* In (0, 1). */
static double unit(uint64_t bits)
{
    return ((double)(bits >> 11) + 0.5) / 9007199254740992.0;
}

/* The same however the candidates are listed: each draws its own number. */
static uint64_t draw(const struct placement_view *view,
                     const struct placement_candidate *c)
{
    return placement_mix(view->request->seed ^ placement_mix(c->name_hash));
}

/* --- two drawn at random. The least loaded of all would get everything that
 * all nodes place until its new count has reached them; of two at random even
 * an empty newcomer among n gets no more than 2 in n. */

typedef bool (*better_fn)(const struct placement_candidate *a,
                          const struct placement_candidate *b);

static int of_two(const struct placement_view *view, better_fn is_better)
{
    size_t first = 0, second = 0;
    uint64_t first_draw = 0, second_draw = 0;

    for (size_t i = 0; i < view->count; i++) {
        uint64_t drawn = draw(view, view_at(view, i));

        if (i == 0 || drawn > first_draw) {
            second = first;
            second_draw = first_draw;
            first = i;
            first_draw = drawn;
        } else if (i == 1 || drawn > second_draw) {
            second = i;
            second_draw = drawn;
        }
    }
    if (view->count > 1 &&
        is_better(view_at(view, second), view_at(view, first))) {
        return view->index[second];
    }
    return view->index[first];
}

/* By its share of the target: nodes may differ in size. */
static double share(const struct placement_candidate *c)
{
    uint64_t target = c->window.target > 0 ? c->window.target : 1;

    return (double)candidate_load(c) / (double)target;
}

static bool is_less_loaded(const struct placement_candidate *a,
                           const struct placement_candidate *b)
{
    return share(a) < share(b);
}

double placement_grade(const struct placement_candidate *c)
{
    double health = c->has_health ? c->health : 0;
    double load = (double)candidate_load(c), low = (double)c->window.low;
    double to_target = (double)c->window.target - low;
    double to_high = (double)c->window.high - low;
    double bonus = 0, capacity = 0;

    if (to_target > 0 && load <= (double)c->window.target) {
        bonus = 1 - (load - low) / to_target;
    }
    if (to_high > 0) {
        capacity = 1 - (load - low) / to_high;
    }
    return round(100 * (0.75 * (health + bonus) + 0.25 * health * capacity));
}

static bool has_better_grade(const struct placement_candidate *a,
                             const struct placement_candidate *b)
{
    return placement_grade(a) > placement_grade(b);
}

/* --- one after the other, by who they are: it does not matter who comes, goes
 * or is left out meanwhile */

static int next_node(const struct placement_view *view,
                     struct placement_state *state)
{
    int first = -1, next = -1;

    for (size_t i = 0; i < view->count; i++) {
        uint32_t node = view_at(view, i)->node;
        int index = view->index[i];

        if (first < 0 || node < view->all[first].node) {
            first = index;
        }
        if (node > state->last_node &&
            (next < 0 || node < view->all[next].node)) {
            next = index;
        }
    }
    next = next < 0 ? first : next;
    state->last_node = view->all[next].node;
    return next;
}

/* --- by weight, each with the same chances as its weight; all zero: as if they
 * were one. With draws that depend on node and ref this is also the rendezvous:
 * a node that comes or goes moves its own share only. */

static uint64_t total_weight(const struct placement_view *view)
{
    uint64_t total = 0;

    for (size_t i = 0; i < view->count; i++) {
        total += view_at(view, i)->weight > 0;
    }
    return total;
}

static int heaviest_draw(const struct placement_view *view, bool by_weight)
{
    bool is_equal = !by_weight || total_weight(view) == 0;
    double least = INFINITY;
    int found = view->index[0];

    for (size_t i = 0; i < view->count; i++) {
        const struct placement_candidate *c = view_at(view, i);
        double weight = is_equal ? 1 : (double)c->weight;
        double score;

        if (weight <= 0) {
            continue;
        }
        score = -log(unit(draw(view, c))) / weight; /* exponential race */
        if (score < least) {
            least = score;
            found = view->index[i];
        }
    }
    return found;
}

/* --- */

int strategy_sticky(const struct placement_view *view,
                    enum placement_strategy strategy)
{
    const struct placement_request *request = view->request;

    if (!request->is_sticky && strategy != PLACEMENT_STICKY) {
        return -1;
    }
    for (size_t i = 0; i < view->count; i++) {
        const struct placement_candidate *c = view_at(view, i);

        if (c->is_self && candidate_has_room(c) &&
            (!c->has_health || c->health >= request->at_least)) {
            return view->index[i];
        }
    }
    return -1;
}

int strategy_choose(const struct placement_view *view,
                    enum placement_strategy strategy,
                    struct placement_state *state)
{
    switch (strategy) {
    case PLACEMENT_ROUND_ROBIN:
        return next_node(view, state);
    case PLACEMENT_RANDOM:
        return heaviest_draw(view, false);
    case PLACEMENT_WEIGHTED:
    case PLACEMENT_HASH:
        return heaviest_draw(view, true);
    case PLACEMENT_HEALTH:
        return of_two(view, has_better_grade);
    case PLACEMENT_LEAST_LOADED:
    case PLACEMENT_STICKY:
        break;
    }
    return of_two(view, is_less_loaded);
}
