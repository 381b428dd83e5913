/* SPDX-License-Identifier: Apache-2.0
 *
 * Compares what moved since the last round. A tick of ours is no traffic: an
 * idle connection ticks in every round.
 */
#include "dist/pulse.h"

enum pulse_verdict pulse_round(struct pulse *pulse, uint64_t in, uint64_t out,
                               uint64_t waiting)
{
    bool is_quiet = in == pulse->in;
    bool is_idle = out == pulse->out;

    pulse->in = in;
    pulse->out = out;
    pulse->quiet_rounds = is_quiet ? pulse->quiet_rounds + 1 : 0;
    pulse->stuck_rounds = is_idle && waiting > 0 ? pulse->stuck_rounds + 1 : 0;
    if (pulse->quiet_rounds >= PULSES || pulse->stuck_rounds >= PULSES) {
        return PULSE_STALLED;
    }
    if (!is_idle || waiting > 0) {
        return PULSE_FINE;
    }
    pulse->out += TICK_BYTES + pulse->overhead;
    return PULSE_TICK;
}

void pulse_wrote(struct pulse *pulse, uint64_t out, uint64_t now_ms)
{
    if (out != pulse->written) {
        pulse->written = out;
        pulse->written_ms = now_ms;
    }
}

bool pulse_answers(const struct pulse *pulse, uint64_t waiting, uint64_t now_ms)
{
    return waiting == 0 && now_ms - pulse->written_ms >= PULSE_ANSWER_MS;
}
