/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages to and from epmd (erts "Distribution Protocol", 3). Pure.
 */
#ifndef CNODE_DIST_EPMD_WIRE_H
#define CNODE_DIST_EPMD_WIRE_H

#include "base/buf.h"

/* ALIVE2_REQ: node type 77 (also for hidden ones, as the BEAM does), versions
 * 6..6. `alive`: the part before the @. */
void epmd_put_alive(struct buf *buf, const char *alive, uint16_t port);
/* PORT_PLEASE2_REQ. */
void epmd_put_port_please(struct buf *buf, const char *alive);

/* ALIVE2_X_RESP: 1 and the creation when complete, 0 when more bytes are
 * needed; CNODE_NAME_IN_USE, CNODE_PROTOCOL. */
MUST_USE int epmd_get_alive(const uint8_t *bytes, size_t len,
                            uint32_t *creation);
/* PORT2_RESP: 1 and the port, 0 for more; CNODE_NOT_REGISTERED, CNODE_PROTOCOL,
 * and CNODE_REFUSED when the versions it offers exclude 6. */
MUST_USE int epmd_get_port(const uint8_t *bytes, size_t len, uint16_t *port);

#endif
