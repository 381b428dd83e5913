/* SPDX-License-Identifier: Apache-2.0
 *
 * Between a channel and the outlet of a TLS connection: takes slices from the
 * channel and gives ciphertext, about 64 KiB at a time, so that what waits for
 * the socket waits in the channel, where its limits count it. Pure; one thread.
 */
#ifndef CNODE_DIST_SEALER_H
#define CNODE_DIST_SEALER_H

#include "dist/channel.h"
#include "dist/tls.h"

struct sealer {
    struct tls *tls;
    struct channel *channel;               /* NULL until there is one */
    struct channel_vec vecs[CHANNEL_VECS]; /* gathered from it */
    int count, at;     /* how many; the first that is not sealed whole */
    size_t offset;     /* in that one */
    struct buf flying; /* the ciphertext being written */
    bool is_flying;    /* between sealer_gather and sealer_landed */
};

void sealer_init(struct sealer *sealer, struct tls *tls);
void sealer_fini(struct sealer *sealer);

/* As channel_gather() and channel_landed(), of which they take the place; an
 * error of tls_put() is negative. Also gives what TLS itself has to say. */
int sealer_gather(struct sealer *sealer, struct channel_vec *vec);
void sealer_landed(struct sealer *sealer);

#endif
