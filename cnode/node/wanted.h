/* SPDX-License-Identifier: Apache-2.0
 *
 * Would anybody read it? A BEAM leaves a payload undecoded until the process it
 * is for looks at it: garbage for nobody does not end the connection there, and
 * must not here.
 */
#ifndef CNODE_NODE_WANTED_H
#define CNODE_NODE_WANTED_H

#include <stdbool.h>

#include "dist/control.h"

struct node;

/* For a control message whose payload is no term. False also for a process of
 * another scheduler, of which nobody here knows whether it lives. */
bool node_wants(struct node *node, const struct control *control);

#endif
