/* SPDX-License-Identifier: Apache-2.0
 *
 * See roll.h.
 */
#include "pool/roll.h"

#include "base/mem.h"

struct roll *roll_new(void)
{
    return mem_zalloc(sizeof(struct roll));
}

void roll_free(struct roll *roll)
{
    mem_free(roll);
}

bool roll_add(struct roll *roll, uint64_t most)
{
    if (atomic_fetch_add_explicit(&roll->workers, 1, memory_order_relaxed) <
        most) {
        return true;
    }
    roll_remove(roll);
    return false;
}

void roll_remove(struct roll *roll)
{
    atomic_fetch_sub_explicit(&roll->workers, 1, memory_order_relaxed);
}

void roll_move(struct roll *roll, uint16_t from, uint16_t to)
{
    if (from != FACE_NONE) {
        atomic_fetch_sub_explicit(&roll->faces[from].workers, 1,
                                  memory_order_relaxed);
    }
    if (to != FACE_NONE) {
        atomic_fetch_add_explicit(&roll->faces[to].workers, 1,
                                  memory_order_relaxed);
    }
}

void roll_set_face(struct roll *roll, uint16_t face, bool is_up)
{
    atomic_store_explicit(&roll->faces[face].is_up, is_up,
                          memory_order_relaxed);
    if (is_up) { /* the place of an earlier one, before the pool restarted */
        atomic_store_explicit(&roll->faces[face].is_gone, false,
                              memory_order_relaxed);
    }
    if (atomic_load_explicit(&roll->face_count, memory_order_relaxed) <= face) {
        atomic_store_explicit(&roll->face_count, face + 1u,
                              memory_order_relaxed);
    }
}

void roll_remove_face(struct roll *roll, uint16_t face)
{
    atomic_store_explicit(&roll->faces[face].is_gone, true,
                          memory_order_relaxed);
}

void roll_clear_faces(struct roll *roll)
{
    atomic_store_explicit(&roll->face_count, 0, memory_order_relaxed);
}

uint16_t roll_choose_face(const struct roll *roll)
{
    uint32_t count =
        atomic_load_explicit(&roll->face_count, memory_order_relaxed);
    uint32_t fewest = UINT32_MAX;
    uint16_t best = FACE_NONE;

    for (uint16_t i = 0; i < count; i++) {
        const struct roll_face *face = &roll->faces[i];

        if (atomic_load_explicit(&face->is_up, memory_order_relaxed) &&
            roll_face_workers(roll, i) < fewest) {
            fewest = roll_face_workers(roll, i);
            best = i;
        }
    }
    return best;
}
