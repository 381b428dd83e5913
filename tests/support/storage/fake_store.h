/* SPDX-License-Identifier: Apache-2.0
 *
 * A backend of a store in memory, that stands still, is away or is full as
 * told. There is one of it.
 */
#ifndef CNODE_SUPPORT_FAKE_STORE_H
#define CNODE_SUPPORT_FAKE_STORE_H

#include <pthread.h>

#include "storage/store_backend.h"

enum { FAKE_STORE_VALUES = 64, FAKE_STORE_RUNS = 64 };

struct fake_store {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_shut;    /* a run waits here until it is opened */
    bool is_waiting; /* one does */
    bool is_gone;    /* unreachable */
    size_t room;     /* a larger value finds none; 0: all do */
    unsigned runs;
    size_t sizes[FAKE_STORE_RUNS]; /* of the runs that worked */
    struct fake_value {
        struct buf key, value; /* without a key: free */
    } values[FAKE_STORE_VALUES];
};

extern struct fake_store fake_store;
extern const struct store_backend fake_store_backend;

void fake_store_init(void);
void fake_store_fini(void);
struct store *fake_store_open(uint64_t queue);

/* Sets one of its flags, and wakes it. */
void fake_store_set(bool *flag, bool value);
/* Returns when the thread stands in a run. */
void fake_store_wait_for_run(void);
/* The only value whose key contains that byte. Not while operations run. */
struct buf *fake_store_value(uint8_t byte);

#endif
