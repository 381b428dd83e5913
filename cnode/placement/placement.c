/* SPDX-License-Identifier: Apache-2.0
 *
 * See placement.h. The steps work on a list of indices that only shrinks, and
 * never to nothing.
 */
#include "placement/placement.h"

#include "placement/strategy.h"

typedef bool (*keep_fn)(const struct placement_candidate *c, uint64_t than);

static bool is_priority(const struct placement_candidate *c, uint64_t than)
{
    return c->priority == than;
}

static bool has_room(const struct placement_candidate *c, uint64_t than)
{
    (void)than;
    return candidate_has_room(c);
}

static bool is_used(const struct placement_candidate *c, uint64_t than)
{
    (void)than;
    return candidate_load(c) > 0;
}

static bool is_unused(const struct placement_candidate *c, uint64_t than)
{
    (void)than;
    return candidate_load(c) == 0;
}

static bool is_below_low(const struct placement_candidate *c, uint64_t than)
{
    (void)than;
    return candidate_load(c) < c->window.low;
}

static bool is_below_target(const struct placement_candidate *c, uint64_t than)
{
    (void)than;
    return candidate_load(c) < c->window.target;
}

static size_t count_those(const struct placement_view *view, keep_fn is)
{
    size_t count = 0;

    for (size_t i = 0; i < view->count; i++) {
        count += is(view_at(view, i), 0);
    }
    return count;
}

static void swap(struct placement_view *view, size_t a, size_t b)
{
    uint16_t index = view->index[a];

    view->index[a] = view->index[b];
    view->index[b] = index;
}

/* Drops all that are not; all stay when none is. */
static void keep(struct placement_view *view, keep_fn is, uint64_t than)
{
    size_t kept = 0;

    for (size_t i = 0; i < view->count; i++) {
        if (is(view_at(view, i), than)) {
            swap(view, kept++, i); /* who is dropped stays, if all are */
        }
    }
    if (kept > 0) {
        view->count = kept;
    }
}

static void keep_online(struct placement_view *view, size_t count)
{
    view->count = 0;
    for (size_t i = 0; i < count && i < PLACEMENT_CANDIDATES_MAX; i++) {
        if (view->all[i].is_online) {
            view->index[view->count++] = (uint16_t)i;
        }
    }
}

/* Moves the `more` best ranked of those that have no workers to the front,
 * behind `kept` others. */
static void rank(struct placement_view *view, size_t kept, uint64_t more,
                 uint64_t pool)
{
    for (; more > 0 && kept < view->count; more--, kept++) {
        size_t best = kept;

        for (size_t i = kept; i < view->count; i++) {
            if (placement_mix(pool ^ view_at(view, i)->name_hash) >
                placement_mix(pool ^ view_at(view, best)->name_hash)) {
                best = i;
            }
        }
        swap(view, kept, best);
    }
    if (kept > 0) {
        view->count = kept;
    }
}

/* How many nodes it may be on by now. */
static uint64_t wanted_nodes(const struct placement_view *view, uint64_t used,
                             const struct placement_window *target)
{
    if (used < target->target || used == 0) {
        return target->target > 0 ? target->target : 1;
    }
    for (size_t i = 0; i < view->count; i++) {
        const struct placement_candidate *c = view_at(view, i);

        if (is_used(c, 0) && candidate_has_room(c)) {
            return used;
        }
    }
    return used < target->high ? used + 1 : used;
}

/* Few nodes, but enough of them. */
static void keep_nodes(struct placement_view *view,
                       const struct placement_window *target, uint64_t pool)
{
    uint64_t used = count_those(view, is_used);
    uint64_t wanted = wanted_nodes(view, used, target);
    size_t kept = 0;

    if (used < target->low && used < view->count) {
        wanted = wanted > target->low ? wanted : target->low;
        keep(view, is_unused, 0);
        rank(view, 0, wanted - used, pool);
        return;
    }
    if (wanted >= view->count) {
        return;
    }
    for (size_t i = 0; i < view->count; i++) {
        if (is_used(view_at(view, i), 0)) {
            swap(view, kept++, i);
        }
    }
    rank(view, kept, wanted - used, pool);
}

static void keep_priority(struct placement_view *view)
{
    uint64_t best = 0;

    keep(view, has_room, 0);
    for (size_t i = 0; i < view->count; i++) {
        if (view_at(view, i)->priority > best) {
            best = view_at(view, i)->priority;
        }
    }
    keep(view, is_priority, best);
}

static void keep_class(struct placement_view *view)
{
    if (count_those(view, is_below_low) > 0) {
        keep(view, is_below_low, 0);
    } else {
        keep(view, is_below_target, 0);
    }
}

int placement_choose(const struct placement_rules *rules,
                     const struct placement_request *request,
                     const struct placement_candidate *candidates, size_t count,
                     struct placement_state *state)
{
    struct placement_view view = {.all = candidates, .request = request};
    int self;

    keep_online(&view, count);
    if (view.count == 0) {
        return -1;
    }
    keep_nodes(&view, &rules->node_target, rules->pool);
    self = strategy_sticky(&view, rules->strategy);
    if (self >= 0) {
        return self;
    }
    keep_priority(&view);
    if (rules->strategy != PLACEMENT_HASH) {
        keep_class(&view);
    }
    return strategy_choose(&view, rules->strategy, state);
}

int placement_supervisor(const struct placement_window *window,
                         const uint64_t *workers, size_t count, uint64_t seed)
{
    const uint64_t limits[] = {window->low, window->target, window->high};

    for (size_t class = 0; class < 3; class ++) {
        size_t found = 0, nth;

        for (size_t i = 0; i < count; i++) {
            found += workers[i] <= limits[class];
        }
        if (found == 0) {
            continue;
        }
        nth = placement_mix(seed) % found;
        for (size_t i = 0; i < count; i++) {
            if (workers[i] <= limits[class] && nth-- == 0) {
                return (int)i;
            }
        }
    }
    return -1;
}
