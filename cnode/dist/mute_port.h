/* SPDX-License-Identifier: Apache-2.0
 *
 * A port that takes one connection and says nothing on it; what comes is thrown
 * away. Nobody listens there any more once that one has come, or the time for
 * it is over. Belongs to one loop.
 */
#ifndef CNODE_DIST_MUTE_PORT_H
#define CNODE_DIST_MUTE_PORT_H

#include "base/loop.h"

struct mute_port;

/* The last event: nobody came in time, the other end has left, or it was
 * closed. The port is freed when it returns. */
typedef void (*mute_port_closed_fn)(void *owner);

/* `host` is a literal address, port 0: any. 0; CNODE_EINVALID for the host; an
 * error of libuv. */
MUST_USE int mute_port_open(struct mute_port **port, struct loop *loop,
                            const char *host, uint16_t number, uint64_t wait_ms,
                            mute_port_closed_fn closed, void *owner);
uint16_t mute_port_number(const struct mute_port *port);
void mute_port_close(struct mute_port *port); /* idempotent */

#endif
