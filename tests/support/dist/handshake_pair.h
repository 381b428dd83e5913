/* SPDX-License-Identifier: Apache-2.0
 *
 * Both ends of a handshake in memory, `a@host` and `b@host` of one cookie: what
 * each was asked, and what its owner answers.
 */
#ifndef CNODE_TEST_SUPPORT_DIST_HANDSHAKE_PAIR_H
#define CNODE_TEST_SUPPORT_DIST_HANDSHAKE_PAIR_H

#include "dist/handshake.h"

/* One side: the machine and what its owner was asked. */
struct handshake_side {
    struct handshake h;
    const char *cookie;
    enum handshake_status answer;
    unsigned named, replaced;
    char name[NODE_NAME_MAX + 1];
    uint64_t flags;
    uint32_t creation;
    int rc;
};

extern struct handshake_side dialler, acceptor;

/* For cmocka: the acceptor waits for a name. */
int handshake_pair_setup(void **state);
int handshake_pair_teardown(void **state);

/* Each from the beginning. */
void dialler_reset(void);
void acceptor_reset(void);

#endif
