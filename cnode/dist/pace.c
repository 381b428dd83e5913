/* SPDX-License-Identifier: Apache-2.0
 *
 * See pace.h. Long when nobody waits for an answer or many do at once, short
 * for a few callers, who would wait for us.
 */
#include "dist/pace.h"

enum {
    BURST = 4, /* frames in one read: fewer are no burst */
    MANY = 32, /* from here on many callers are at work */
    FEW_NS = 50000,
    MANY_NS = 100000,
};

uint64_t pace_pause_ns(uint64_t frames, uint64_t answers)
{
    if (frames < BURST) {
        return 0;
    }
    return answers == 0 || frames >= MANY ? MANY_NS : FEW_NS;
}
