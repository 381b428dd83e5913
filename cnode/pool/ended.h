/* SPDX-License-Identifier: Apache-2.0
 *
 * Pids of workers that ended a short while ago, so that envelopes cast to an
 * old pid can go on to the ref. Bounded: the oldest is forgotten for a new one,
 * of the few that want the same places; so all of some thousand are known.
 * Pure; time is handed in.
 */
#ifndef CNODE_POOL_ENDED_H
#define CNODE_POOL_ENDED_H

#include <stdint.h>

enum { ENDED_ENTRIES = 8192, ENDED_WAYS = 16, ENDED_MS = 5000 };

struct ended_entry {
    uint32_t slot, serial; /* of the pid; serial 0 and slot 0: free */
    uint32_t worker_hash;  /* cnode_worker.hash: whose envelopes go on */
    uint64_t until_ms;
    void *pool;
};

struct ended {
    struct ended_entry *entries; /* NULL until the first one */
};

void ended_init(struct ended *ended);
void ended_fini(struct ended *ended);
void ended_add(struct ended *ended, uint32_t slot, uint32_t serial, void *pool,
               uint32_t worker_hash, uint64_t now_ms);

/* The entry of that pid, or NULL when it is unknown or too old. */
const struct ended_entry *ended_find(const struct ended *ended, uint32_t slot,
                                     uint32_t serial, uint64_t now_ms);

#endif
