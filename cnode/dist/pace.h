/* SPDX-License-Identifier: Apache-2.0
 *
 * When to read a connection next. A peer that writes each message by itself
 * wakes us for each. After a burst we let more gather before the next read:
 * then one read and one write serve many. Pure.
 */
#ifndef CNODE_DIST_PACE_H
#define CNODE_DIST_PACE_H

#include <stdint.h>

/* How long to leave the socket alone after a read that brought `frames` and was
 * answered with `answers` frames; 0: not at all. */
uint64_t pace_pause_ns(uint64_t frames, uint64_t answers);

#endif
