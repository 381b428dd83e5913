/* SPDX-License-Identifier: Apache-2.0
 *
 * Ticks: when must we say something, when is the peer to be given up? Asked at
 * each of PULSES rounds of a ticktime; rounds are counted and no clock is
 * compared, so a node that was stopped for a minute reads before it judges.
 *
 * A peer may run a shorter ticktime than ours and announces it nowhere. But it
 * ticks four times in it, or writes all the time: so what it sends, be it a
 * tick or the middle of a long frame, is answered by a tick when we have been
 * silent for half a second. Pure.
 */
#ifndef CNODE_DIST_PULSE_H
#define CNODE_DIST_PULSE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PULSES = 8,     /* rounds in a ticktime */
    TICK_BYTES = 4, /* a frame of length 0, in plain */
    PULSE_ANSWER_MS = 500,
};

struct pulse {
    uint64_t in, out;      /* as the last round saw them */
    uint64_t overhead;     /* what TLS adds to a tick; from the owner */
    unsigned quiet_rounds; /* in a row without a byte from the peer */
    unsigned stuck_rounds; /* in a row without a byte taken, one waiting */
    uint64_t written, written_ms; /* bytes out, and when that last changed */
};

enum pulse_verdict {
    PULSE_FINE,
    PULSE_TICK,    /* nothing went out since the last round: send a tick */
    PULSE_STALLED, /* a ticktime without a byte, either way */
};

/* One round. Bytes read and bytes the socket took, ever; bytes it has yet to
 * take. */
enum pulse_verdict pulse_round(struct pulse *pulse, uint64_t in, uint64_t out,
                               uint64_t waiting);

/* After each write: bytes the socket took, ever. */
void pulse_wrote(struct pulse *pulse, uint64_t out, uint64_t now_ms);
/* Bytes came: is a tick due as the answer? Not behind a write that waits. */
bool pulse_answers(const struct pulse *pulse, uint64_t waiting,
                   uint64_t now_ms);

#endif
