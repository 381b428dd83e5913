/* SPDX-License-Identifier: Apache-2.0
 *
 * One call of a registered process on another node, for the commands of
 * operators: joins as a hidden node with a random name that epmd is not told,
 * monitors the process, sends '$gen_call', waits for the reply, leaves. Blocks;
 * has a loop of its own.
 */
#ifndef CNODE_ADMIN_CLIENT_H
#define CNODE_ADMIN_CLIENT_H

#include "base/buf.h"
#include "dist/tls_context.h"
#include "term/view.h"

struct client_request {
    const char *node; /* full name of the target */
    const char *cookie;
    uint16_t epmd_port;
    const struct tls_context *tls; /* NULL: plain TCP */
    const char *self_host;         /* of our own name; NULL: any */
    const char *host;              /* NULL: the host part of its name */
    uint16_t port;                 /* 0: its epmd says */
    uint64_t timeout_ms;           /* for all of it */
    atom_t name;                   /* of the process */
    /* Appends the request, exactly one term. `self`: who calls. */
    void (*put)(void *owner, struct buf *buf, struct pid self);
    void *owner;
};

enum client_outcome {
    CLIENT_REPLY,     /* term: the reply */
    CLIENT_DOWN,      /* the process is not there or ended; term: the reason */
    CLIENT_TIMEOUT,   /* connected, but no answer in time */
    CLIENT_NO_EPMD,   /* rc: why epmd could not be asked */
    CLIENT_NO_NODE,   /* rc: why no connection was made */
    CLIENT_LOST,      /* rc: why the connection ended before the answer */
    CLIENT_TOO_LARGE, /* the reply is above limits.message_bytes */
};

struct client_result {
    enum client_outcome outcome;
    int rc;
    char why[512];   /* what TLS says about it, or "" */
    struct buf term; /* one validated term, or empty */
};

/* 0 and a result (client_result_fini() is due); negative when not even a loop
 * could be made. */
MUST_USE int client_call(const struct client_request *request,
                         struct client_result *result);
void client_result_fini(struct client_result *result);

static inline struct cnode_term
client_result_term(const struct client_result *result)
{
    return term_at(buf_data(&result->term), buf_size(&result->term));
}

#endif
