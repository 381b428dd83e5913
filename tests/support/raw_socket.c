/* SPDX-License-Identifier: Apache-2.0 */
#include "support/raw_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
}

static void set_nonblocking(int fd)
{
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
}

int raw_listen(uint16_t *port)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    CHECK(bind(fd, (struct sockaddr *)&address, size) == 0);
    CHECK(listen(fd, 16) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    set_nonblocking(fd);
    *port = ntohs(address.sin_port);
    return fd;
}

uint16_t raw_free_port(void)
{
    uint16_t port;

    raw_close(raw_listen(&port));
    return port;
}

int raw_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int on = 1;

    if (fd >= 0) {
        CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
    }
    return fd;
}

int raw_connect(uint16_t port)
{
    return raw_connect_from("127.0.0.1", port);
}

int raw_connect_from(const char *host, uint16_t port)
{
    struct sockaddr_in address = loopback(port), from = loopback(0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    CHECK(fd >= 0);
    CHECK(inet_pton(AF_INET, host, &from.sin_addr) == 1);
    CHECK(bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0);
    CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
    set_nonblocking(fd);
    return fd;
}

bool raw_read(int fd, void *bytes, size_t *size, size_t cap)
{
    while (*size < cap) {
        ssize_t n = read(fd, (uint8_t *)bytes + *size, cap - *size);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return false;
        }
        if (n <= 0) {
            return true;
        }
        *size += (size_t)n;
    }
    return false;
}

bool raw_is_closed(int fd)
{
    uint8_t bytes[4096];
    size_t size = 0;

    return raw_read(fd, bytes, &size, sizeof(bytes));
}

size_t raw_write(int fd, const void *bytes, size_t size)
{
    ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);

    return n > 0 ? (size_t)n : 0;
}

void raw_reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
    raw_close(fd);
}

void raw_close(int fd)
{
    if (fd >= 0) {
        CHECK(close(fd) == 0);
    }
}
