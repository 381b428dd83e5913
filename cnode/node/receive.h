/* SPDX-License-Identifier: Apache-2.0
 *
 * What peers send: control messages become signals for local processes. Belongs
 * to scheduler 0.
 */
#ifndef CNODE_NODE_RECEIVE_H
#define CNODE_NODE_RECEIVE_H

#include "dist/control.h"

struct node;
struct peer;

/* A control message from a peer. */
void receive_control(struct node *node, struct peer *peer,
                     const struct control *control);
/* A message over a limit from a peer: a call is answered {error, too_large}. */
void receive_over_limit(struct node *node, struct peer *peer,
                        const struct control *control, const uint8_t *start,
                        size_t size);

#endif
