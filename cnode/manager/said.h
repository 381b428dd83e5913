/* SPDX-License-Identifier: Apache-2.0
 *
 * What was told to the cluster about a pool or a worker supervisor, and whether
 * the truth has moved so far that it is to be told again. Pure.
 *
 *     another state, lock or window    at once
 *     a count or a health of note      SAID_PAUSE_MS after the last time
 *     one that is not                  SAID_LAZY_MS after it
 *     somebody else has written it     when he has been quiet for SAID_PAUSE_MS
 */
#ifndef CNODE_MANAGER_SAID_H
#define CNODE_MANAGER_SAID_H

#include "placement/status.h"

enum { SAID_PAUSE_MS = 200, SAID_LAZY_MS = 5000 };

struct said {
    struct pid pid; /* of whom; PID_NONE: nothing was said */
    struct service_status status;
    uint64_t at_ms;
    bool is_doubted; /* somebody else has written it, then */
    uint64_t doubted_ms;
};

bool said_is_due(const struct said *said, struct pid pid,
                 const struct service_status *truth, uint64_t now_ms);
/* It was said. */
void said_set(struct said *said, struct pid pid,
              const struct service_status *status, uint64_t now_ms);
void said_doubt(struct said *said, uint64_t now_ms);

#endif
