/* SPDX-License-Identifier: Apache-2.0
 *
 * Plain non-blocking sockets on loopback, for peers that misbehave by script.
 * Used between the turns of the loop under test, in the same thread. A failure
 * of the machine (no sockets) aborts.
 */
#ifndef CNODE_SUPPORT_RAW_SOCKET_H
#define CNODE_SUPPORT_RAW_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Listens on 127.0.0.1, any port. */
int raw_listen(uint16_t *port);
/* A port of 127.0.0.1 where nobody listens (bound and let go again). */
uint16_t raw_free_port(void);
/* The next waiting connection, or -1. */
int raw_accept(int listener);
int raw_connect(uint16_t port);
/* The same from another address of this machine, such as 127.0.0.2. */
int raw_connect_from(const char *host, uint16_t port);
/* Appends what is there to bytes[*size], at most up to `cap`. true when the
 * other end is closed (or reset). */
bool raw_read(int fd, void *bytes, size_t *size, size_t cap);
/* Whether the other end is closed; what it said before is lost. */
bool raw_is_closed(int fd);
/* Returns how many bytes were taken: all, unless the socket is full or the
 * other end is gone. */
size_t raw_write(int fd, const void *bytes, size_t size);
/* Closes with a reset instead of a FIN. */
void raw_reset(int fd);
void raw_close(int fd); /* -1 is fine */

#endif
