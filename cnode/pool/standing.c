/* SPDX-License-Identifier: Apache-2.0
 *
 * See standing.h.
 */
#include "pool/standing.h"

void standing_init(struct standing *standing, enum standing_state state)
{
    *standing = (struct standing){.state = state};
}

bool standing_takes(const struct standing *standing)
{
    return standing_is_online(standing) && !standing_is_locked(standing) &&
           !atomic_load_explicit(&standing->is_full, memory_order_relaxed);
}

bool standing_set_state(struct standing *standing, enum standing_state state)
{
    return atomic_exchange_explicit(&standing->state, (uint32_t)state,
                                    memory_order_relaxed) != (uint32_t)state;
}

bool standing_lock(struct standing *standing, enum standing_lock lock)
{
    uint32_t before = atomic_fetch_or_explicit(&standing->locks, (uint32_t)lock,
                                               memory_order_relaxed);

    return (before & (uint32_t)lock) == 0;
}

bool standing_release(struct standing *standing, enum standing_lock lock)
{
    uint32_t before = atomic_fetch_and_explicit(
        &standing->locks, ~(uint32_t)lock, memory_order_relaxed);

    return (before & (uint32_t)lock) != 0;
}

void standing_grade(struct standing *standing, double health,
                    enum standing_condition condition)
{
    atomic_store_explicit(&standing->health, health, memory_order_relaxed);
    atomic_store_explicit(&standing->condition, (uint32_t)condition,
                          memory_order_relaxed);
    atomic_store_explicit(&standing->is_graded, true, memory_order_release);
}

bool standing_health(const struct standing *standing, double *health)
{
    if (!atomic_load_explicit(&standing->is_graded, memory_order_acquire)) {
        return false;
    }
    *health = atomic_load_explicit(&standing->health, memory_order_relaxed);
    return true;
}
