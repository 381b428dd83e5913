/* SPDX-License-Identifier: Apache-2.0
 *
 * See syn_lag.h. What waited in the sockets during a stall may take as long
 * again to be read.
 */
#include "registry/syn_lag.h"

static void look(struct syn_lag *lag)
{
    uint64_t now_ms = loop_now_ms(lag->loop);
    uint64_t since_ms = now_ms - lag->seen_ms;

    if (since_ms > SYN_LAG_STEP_MS + SYN_LAG_LATE_MS) {
        uint64_t until_ms = now_ms + since_ms;

        lag->until_ms = until_ms > lag->until_ms ? until_ms : lag->until_ms;
    }
}

static void on_timer(struct timer *timer)
{
    struct syn_lag *lag = CONTAINER_OF(timer, struct syn_lag, timer);

    look(lag);
    lag->seen_ms = loop_now_ms(lag->loop);
    loop_timer_start(lag->loop, timer, SYN_LAG_STEP_MS);
}

void syn_lag_start(struct syn_lag *lag, struct loop *loop)
{
    *lag = (struct syn_lag){.loop = loop, .seen_ms = loop_now_ms(loop)};
    timer_init(&lag->timer, on_timer);
    loop_timer_start(loop, &lag->timer, SYN_LAG_STEP_MS);
}

void syn_lag_stop(struct syn_lag *lag)
{
    loop_timer_stop(lag->loop, &lag->timer);
}

bool syn_lag_is_late(struct syn_lag *lag)
{
    look(lag);
    return loop_now_ms(lag->loop) < lag->until_ms;
}
