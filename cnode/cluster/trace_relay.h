/* SPDX-License-Identifier: Apache-2.0
 *
 * What OTP's dbg spawns on a node that is to be traced, as etop does by
 * default: dbg:do_relay(Parent, To), from OTP 27 on do_relay(Session, Parent,
 * To). A C node traces nothing; but dbg waits for {started, ...} without end,
 * and etop and ttb (observer's "Start Trace") crash unless somebody takes their
 * connection on the port of the trace driver and keeps it. etop names that
 * port, ttb asks for its number with port_control/3. So the relay tells the
 * one, and gives the others a silent connection (dist/mute_port.h), at most
 * limits.trace_ports at a time. Belongs to scheduler 0.
 */
#ifndef CNODE_CLUSTER_TRACE_RELAY_H
#define CNODE_CLUSTER_TRACE_RELAY_H

#include "node/node.h"

struct trace_relays {
    struct node *node;
    struct spawn_handler handler;
    struct list list; /* struct relay.in_list: those that have not ended */
    uint32_t port_count;
};

void trace_relays_start(struct trace_relays *relays, struct node *node);
/* They end; their ports close a turn later. */
void trace_relays_stop(struct trace_relays *relays);

/* The port in what dbg:trace_port(ip, Port) gives: a fun that holds the size of
 * a queue and the port (OTP 25, 27, 29), where 0 is any. False: another thing,
 * or a port below 1024. Pure. */
bool trace_relay_port(struct cnode_term fun, uint16_t *port);

#endif
