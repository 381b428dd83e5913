/* SPDX-License-Identifier: Apache-2.0
 *
 * At the first signal all of them are given back to the system, so that the
 * second one ends the program even while a terminate callback hangs. The
 * handles do not keep the loop alive.
 */
#include "admin/signals.h"

#include <signal.h>

#include "base/log.h"

static const struct {
    int number;
    const char *name;
} watched[SIGNALS_WATCHED] = {
    {SIGTERM, "SIGTERM"},
    {SIGINT, "SIGINT"},
    {SIGHUP, "SIGHUP"},
};

static void on_signal(uv_signal_t *handle, int number);

void signals_ignore_pipe(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
}

int signals_open(struct signals *signals, struct loop *loop,
                 void (*stop)(void *owner), void *owner)
{
    *signals = (struct signals){.stop = stop, .owner = owner};
    for (int i = 0; i < SIGNALS_WATCHED; i++) {
        int rc = uv_signal_init(&loop->uv, &signals->handles[i]);
        if (rc != 0) {
            return rc; /* never happens: no system call is made */
        }
        signals->handles[i].data = signals;
    }
    signals->is_open = true;
    for (int i = 0; i < SIGNALS_WATCHED; i++) {
        int rc =
            uv_signal_start(&signals->handles[i], on_signal, watched[i].number);
        if (rc != 0) {
            signals_close(signals);
            return rc;
        }
        uv_unref((uv_handle_t *)&signals->handles[i]);
    }
    return 0;
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct signals *signals = handle->data;

    for (int i = 0; i < SIGNALS_WATCHED; i++) {
        (void)uv_signal_stop(&signals->handles[i]);
        if (watched[i].number == number) {
            LOG_INFO("stopping", F_STR("signal", watched[i].name));
        }
    }
    signals->stop(signals->owner);
}

void signals_close(struct signals *signals)
{
    if (!signals->is_open) {
        return;
    }
    signals->is_open = false;
    for (int i = 0; i < SIGNALS_WATCHED; i++) {
        uv_close((uv_handle_t *)&signals->handles[i], NULL);
    }
}
