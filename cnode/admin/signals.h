/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals of the operating system, on one loop: SIGTERM and SIGINT (and SIGHUP,
 * when a terminal is closed) ask to stop; the second one ends the program at
 * once. SIGPIPE is ignored: a write says EPIPE.
 */
#ifndef CNODE_ADMIN_SIGNALS_H
#define CNODE_ADMIN_SIGNALS_H

#include "base/loop.h"

enum { SIGNALS_WATCHED = 3 };

struct signals {
    uv_signal_t handles[SIGNALS_WATCHED];
    bool is_open;
    void (*stop)(void *owner);
    void *owner;
};

void signals_ignore_pipe(void);

/* `stop` runs at the first signal. 0 or an error of libuv. */
MUST_USE int signals_open(struct signals *signals, struct loop *loop,
                          void (*stop)(void *owner), void *owner);
/* Before the loop ends; the struct must live until the loop has run once more
 * (loop_fini does that). Idempotent. */
void signals_close(struct signals *signals);

#endif
