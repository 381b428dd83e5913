/* SPDX-License-Identifier: Apache-2.0
 *
 * Socket addresses, IPv4 and IPv6 alike. Pure.
 */
#ifndef CNODE_DIST_ADDRESS_H
#define CNODE_DIST_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { ADDRESS_TEXT_MAX = INET6_ADDRSTRLEN + 8 }; /* [address]:port, NUL */

/* Reads a literal address; an IPv6 one may name its interface (fe80::1%eth0).
 * false when it is none, a host name for instance. */
bool address_parse(const char *literal, uint16_t port,
                   struct sockaddr_storage *address);

/* Splits "host:port" ("[fe80::1]:9100" for IPv6) into a host name or literal
 * address of at most `cap` - 1 bytes and a port above 0. false when it is not
 * of that form. */
bool address_split(const char *text, char *host, size_t cap, uint16_t *port);

uint16_t address_port(const struct sockaddr_storage *address);
void address_set_port(struct sockaddr_storage *address, uint16_t port);

/* 127.0.0.1:4369, [::1]:4369; "" for another family. */
void address_text(const struct sockaddr *address, char text[ADDRESS_TEXT_MAX]);
/* 127.0.0.1, ::1: a literal for address_parse(). False for another family. */
bool address_host(const struct sockaddr *address, char text[ADDRESS_TEXT_MAX]);

#endif
