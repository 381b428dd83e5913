/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests have their length in front, 16 bits; answers have none and are
 * recognised by their first byte. Only what is used of an answer is waited for.
 */
#include "dist/epmd_wire.h"

#include <cnode/error.h>

enum {
    ALIVE2_REQ = 120,
    ALIVE2_RESP = 121, /* from an epmd before OTP 23: creation in 16 bits */
    ALIVE2_X_RESP = 118,
    PORT_PLEASE2_REQ = 122,
    PORT2_RESP = 119,

    NODE_NORMAL = 77, /* also said by hidden nodes */
    PROTOCOL_TCP = 0,
    DIST_VERSION = 6,
};

void epmd_put_alive(struct buf *buf, const char *alive, uint16_t port)
{
    size_t len = strlen(alive);

    CHECK(len <= 255); /* part of a name that was checked */
    buf_put_u16(buf, (uint16_t)(13 + len));
    buf_put_u8(buf, ALIVE2_REQ);
    buf_put_u16(buf, port);
    buf_put_u8(buf, NODE_NORMAL);
    buf_put_u8(buf, PROTOCOL_TCP);
    buf_put_u16(buf, DIST_VERSION); /* highest */
    buf_put_u16(buf, DIST_VERSION); /* lowest */
    buf_put_u16(buf, (uint16_t)len);
    buf_put(buf, alive, len);
    buf_put_u16(buf, 0); /* no extra */
}

void epmd_put_port_please(struct buf *buf, const char *alive)
{
    size_t len = strlen(alive);

    CHECK(len <= 255);
    buf_put_u16(buf, (uint16_t)(1 + len));
    buf_put_u8(buf, PORT_PLEASE2_REQ);
    buf_put(buf, alive, len);
}

int epmd_get_alive(const uint8_t *bytes, size_t len, uint32_t *creation)
{
    size_t need;

    if (len == 0) {
        return 0;
    }
    if (bytes[0] != ALIVE2_X_RESP && bytes[0] != ALIVE2_RESP) {
        return CNODE_PROTOCOL;
    }
    if (len < 2) {
        return 0;
    }
    if (bytes[1] != 0) {
        return CNODE_NAME_IN_USE;
    }
    need = bytes[0] == ALIVE2_X_RESP ? 6 : 4;
    if (len < need) {
        return 0;
    }
    *creation = need == 6 ? get_u32(bytes + 2) : get_u16(bytes + 2);
    return 1;
}

int epmd_get_port(const uint8_t *bytes, size_t len, uint16_t *port)
{
    uint16_t highest, lowest;

    if (len == 0) {
        return 0;
    }
    if (bytes[0] != PORT2_RESP) {
        return CNODE_PROTOCOL;
    }
    if (len < 2) {
        return 0;
    }
    if (bytes[1] != 0) {
        return CNODE_NOT_REGISTERED;
    }
    if (len < 10) {
        return 0;
    }
    highest = get_u16(bytes + 6);
    lowest = get_u16(bytes + 8);
    if (bytes[5] != PROTOCOL_TCP || highest < DIST_VERSION ||
        lowest > DIST_VERSION) {
        return CNODE_REFUSED;
    }
    *port = get_u16(bytes + 2);
    return *port == 0 ? CNODE_PROTOCOL : 1;
}
