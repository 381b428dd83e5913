/* SPDX-License-Identifier: Apache-2.0
 *
 * See intensity.h. A ring of times, oldest first. It never holds more than
 * most + 1 of them: the last one is the one too many.
 */
#include "pool/intensity.h"

#include "base/check.h"
#include "base/mem.h"

enum { FIRST_CAP = 8 };

void intensity_init(struct intensity *intensity, uint32_t most,
                    uint64_t period_ms)
{
    *intensity = (struct intensity){.most = most, .period_ms = period_ms};
}

void intensity_fini(struct intensity *intensity)
{
    mem_free(intensity->times);
    intensity->times = NULL;
}

void intensity_clear(struct intensity *intensity)
{
    intensity_fini(intensity);
    intensity->cap = intensity->first = intensity->count = 0;
}

static void forget_old(struct intensity *intensity, uint64_t now_ms)
{
    while (intensity->count > 0 &&
           now_ms - intensity->times[intensity->first] > intensity->period_ms) {
        intensity->first = (intensity->first + 1) % intensity->cap;
        intensity->count--;
    }
}

static void grow(struct intensity *intensity)
{
    uint32_t cap = intensity->cap == 0 ? FIRST_CAP : intensity->cap * 2;
    uint64_t *times = mem_alloc(cap * sizeof(*times));

    for (uint32_t i = 0; i < intensity->count; i++) {
        times[i] = intensity->times[(intensity->first + i) % intensity->cap];
    }
    mem_free(intensity->times);
    intensity->times = times;
    intensity->cap = cap;
    intensity->first = 0;
}

bool intensity_add(struct intensity *intensity, uint64_t now_ms)
{
    forget_old(intensity, now_ms);
    if (intensity->count == intensity->cap) {
        grow(intensity);
    }
    if (intensity->count > intensity->most) {
        return true; /* and said so before: nothing new to remember */
    }
    intensity->times[(intensity->first + intensity->count) % intensity->cap] =
        now_ms;
    intensity->count++;
    return intensity->count > intensity->most;
}
