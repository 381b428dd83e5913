/* SPDX-License-Identifier: Apache-2.0 */
#include "dist/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

bool address_parse(const char *literal, uint16_t port,
                   struct sockaddr_storage *address)
{
    struct sockaddr_in *in4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;
    const char *zone = strchr(literal, '%');
    size_t len = zone != NULL ? (size_t)(zone - literal) : strlen(literal);
    char text[INET6_ADDRSTRLEN];

    memset(address, 0, sizeof(*address));
    if (len >= sizeof(text)) {
        return false;
    }
    memcpy(text, literal, len);
    text[len] = '\0';
    if (zone == NULL && inet_pton(AF_INET, text, &in4->sin_addr) == 1) {
        address->ss_family = AF_INET;
    } else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
        address->ss_family = AF_INET6;
        in6->sin6_scope_id = zone != NULL ? if_nametoindex(zone + 1) : 0;
    } else {
        return false;
    }
    address_set_port(address, port);
    return true;
}

/* 0: not a port. */
static uint16_t parse_port(const char *digits)
{
    unsigned long port = 0;

    for (const char *at = digits; *at != '\0'; at++) {
        if (*at < '0' || *at > '9' || at - digits >= 5) {
            return 0;
        }
        port = port * 10 + (unsigned long)(*at - '0');
    }
    return port <= UINT16_MAX ? (uint16_t)port : 0;
}

bool address_split(const char *text, char *host, size_t cap, uint16_t *port)
{
    const char *colon = strrchr(text, ':');
    const char *start = text;
    size_t len;

    if (colon == NULL) {
        return false;
    }
    len = (size_t)(colon - text);
    if (*text == '[' && len >= 2 && text[len - 1] == ']') {
        start++;
        len -= 2;
    } else if (memchr(text, ':', len) != NULL) {
        return false; /* an IPv6 address wants brackets */
    }
    *port = parse_port(colon + 1);
    if (*port == 0 || len == 0 || len >= cap) {
        return false;
    }
    memcpy(host, start, len);
    host[len] = '\0';
    return true;
}

uint16_t address_port(const struct sockaddr_storage *address)
{
    return ntohs(address->ss_family == AF_INET6
                     ? ((const struct sockaddr_in6 *)address)->sin6_port
                     : ((const struct sockaddr_in *)address)->sin_port);
}

void address_set_port(struct sockaddr_storage *address, uint16_t port)
{
    if (address->ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
    } else {
        ((struct sockaddr_in *)address)->sin_port = htons(port);
    }
}

void address_text(const struct sockaddr *address, char text[ADDRESS_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN] = "";

    text[0] = '\0';
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
        (void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        (void)snprintf(text, ADDRESS_TEXT_MAX, "[%s]:%u", host,
                       ntohs(in6->sin6_port));
    } else if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in4 = (const struct sockaddr_in *)address;
        (void)inet_ntop(AF_INET, &in4->sin_addr, host, sizeof(host));
        (void)snprintf(text, ADDRESS_TEXT_MAX, "%s:%u", host,
                       ntohs(in4->sin_port));
    }
}

bool address_host(const struct sockaddr *address, char text[ADDRESS_TEXT_MAX])
{
    const void *bytes =
        address->sa_family == AF_INET6
            ? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
            : (const void *)&((const struct sockaddr_in *)address)->sin_addr;

    return (address->sa_family == AF_INET6 || address->sa_family == AF_INET) &&
           inet_ntop(address->sa_family, bytes, text, ADDRESS_TEXT_MAX) != NULL;
}
