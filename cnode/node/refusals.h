/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose failure to connect was logged lately: each is logged once a minute.
 * Pure; a small table, in which a newer one may push out an older one.
 */
#ifndef CNODE_NODE_REFUSALS_H
#define CNODE_NODE_REFUSALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REFUSALS = 64, REFUSAL_MS = 60000 };

struct refusals {
    struct refusal {
        uint64_t who; /* a hash */
        uint64_t until_ms;
    } items[REFUSALS];
};

/* True the first time in a minute for `who` (a node name or an address, and
 * why). */
bool refusals_is_news(struct refusals *refusals, const char *who, size_t len,
                      uint64_t now_ms);

#endif
