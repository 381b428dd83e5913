/* SPDX-License-Identifier: Apache-2.0
 *
 * A dialler and an acceptor of TLS back to back in memory.
 */
#ifndef CNODE_TEST_SUPPORT_DIST_TLS_PAIR_H
#define CNODE_TEST_SUPPORT_DIST_TLS_PAIR_H

#include "dist/tls.h"

struct tls_end {
    struct tls *tls;
    int rc;         /* the error it ended with */
    struct buf got; /* plain bytes */
};

struct tls_pair {
    struct tls_end dialler, acceptor;
    size_t step; /* bytes handed over at a time; 0: all there are */
};

void tls_pair_open(struct tls_pair *pair, const struct tls_context *dialler,
                   const struct tls_context *acceptor, const char *host);
void tls_pair_close(struct tls_pair *pair);

/* Feeds bytes to one end and takes what they bring. */
void tls_end_feed(struct tls_end *end, const uint8_t *bytes, size_t size);
/* Hands everything over, both ways, until nothing moves any more. */
void tls_pair_run(struct tls_pair *pair);
/* Puts plain bytes at one end, in one go. */
void tls_end_put(struct tls_end *end, const void *bytes, size_t size);

#endif
