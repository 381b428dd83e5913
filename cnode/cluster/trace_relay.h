/* SPDX-License-Identifier: Apache-2.0
 *
 * What OTP's dbg spawns on a node that is to be traced, as etop does by
 * default: dbg:do_relay(Parent, To), from OTP 27 on do_relay(Session, Parent,
 * To). A C node traces nothing; but dbg waits for {started, ...}, and etop for
 * somebody who listens on the port of its trace driver. So the relay tells the
 * one and listens there, silent, until it is told to end. Belongs to scheduler
 * 0.
 */
#ifndef CNODE_CLUSTER_TRACE_RELAY_H
#define CNODE_CLUSTER_TRACE_RELAY_H

#include "node/node.h"

struct trace_relays {
    struct node *node;
    struct spawn_handler handler;
    struct list list; /* struct relay.in_list: those that have not ended */
};

void trace_relays_start(struct trace_relays *relays, struct node *node);
/* They end; their listeners close a turn later. */
void trace_relays_stop(struct trace_relays *relays);

/* The port in what dbg:trace_port(ip, Port) gives: a fun that holds the size of
 * a queue and the port (OTP 25, 27, 29); 0: another thing. Pure. */
uint16_t trace_relay_port(struct cnode_term fun);

#endif
