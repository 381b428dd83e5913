/* SPDX-License-Identifier: Apache-2.0
 *
 * Where does a node listen? The second half of epmd.h.
 *
 *   RESOLVING -> ASKING -> ENDING -> (done, freed)
 *        \__________/
 *
 * A literal address skips RESOLVING, a port known beforehand skips ASKING. The
 * one way out is lookup_end(): it stops what is under way, and `done` follows
 * from the timer or when the socket is closed. A resolver thread cannot be
 * stopped: then the memory stays behind in ORPHANED until it comes back.
 */
#include <cnode/error.h>
#include <string.h>

#include "base/mem.h"
#include "base/trace.h"
#include "dist/address.h"
#include "dist/epmd.h"
#include "dist/epmd_dialog.h"
#include "dist/handshake.h"

enum lookup_state {
    LOOKUP_RESOLVING,
    LOOKUP_ASKING,
    LOOKUP_ENDING,
    LOOKUP_ORPHANED
};

static const uint32_t lookup_moves[] = {
    [LOOKUP_RESOLVING] = BIT(LOOKUP_ASKING) | BIT(LOOKUP_ENDING),
    [LOOKUP_ASKING] = BIT(LOOKUP_ENDING),
    [LOOKUP_ENDING] = BIT(LOOKUP_ORPHANED),
    [LOOKUP_ORPHANED] = 0,
};

struct epmd_lookup {
    enum lookup_state state;
    int rc; /* once ending */
    struct loop *loop;
    epmd_lookup_fn done;
    void *owner;
    struct timer timer; /* the deadline; ENDING: calls done */

    char alive[NODE_NAME_MAX + 1], host[NODE_NAME_MAX + 1];
    uint16_t epmd_port, port;
    struct sockaddr_storage address; /* of the host, then of the node */

    bool is_resolving; /* the request is with a resolver thread */
    int family;        /* AF_INET, then AF_INET6 */
    uv_getaddrinfo_t resolving;

    struct epmd_dialog dialog;
};

/* In the order of time. */
static void lookup_split(struct epmd_lookup *lookup, const char *node,
                         const char *host);
static int lookup_resolve(struct epmd_lookup *lookup, int family);
static void on_resolved(uv_getaddrinfo_t *req, int status,
                        struct addrinfo *found);
static void lookup_resolved(struct epmd_lookup *lookup);
static void on_replied(struct epmd_dialog *dialog);
static void on_dialog_closed(struct epmd_dialog *dialog, int reason);
static void on_timer(struct timer *timer);
static void lookup_end(struct epmd_lookup *lookup, int rc);
static void lookup_deliver(struct epmd_lookup *lookup);
static void lookup_free(struct epmd_lookup *lookup);

static const struct epmd_dialog_events dialog_events = {
    .replied = on_replied,
    .closed = on_dialog_closed,
};

static void lookup_move(struct epmd_lookup *lookup, enum lookup_state to)
{
    CHECK(lookup_moves[lookup->state] & BIT(to));
    TRACE("lookup_move", lookup->state, to);
    lookup->state = to;
}

int epmd_lookup_open(struct epmd_lookup **out, struct loop *loop,
                     const struct epmd_where *where, uint64_t timeout_ms,
                     epmd_lookup_fn done, void *owner)
{
    struct epmd_lookup *lookup;
    int rc;

    if (!node_name_is_valid(where->node) ||
        (where->host != NULL && strlen(where->host) > NODE_NAME_MAX)) {
        return CNODE_BAD_NAME;
    }
    lookup = mem_zalloc(sizeof(*lookup));
    lookup->loop = loop;
    lookup->done = done;
    lookup->owner = owner;
    lookup->epmd_port = where->epmd_port;
    lookup->port = where->port;
    lookup->state = LOOKUP_RESOLVING;
    lookup->resolving.data = lookup;
    lookup_split(lookup, where->node, where->host);
    timer_init(&lookup->timer, on_timer);
    epmd_dialog_init(&lookup->dialog, &dialog_events);
    loop_timer_start(loop, &lookup->timer, timeout_ms);

    if (address_parse(lookup->host, 0, &lookup->address)) {
        lookup_resolved(lookup);
    } else {
        rc = lookup_resolve(lookup, AF_INET);
        if (rc < 0) {
            loop_timer_stop(loop, &lookup->timer);
            lookup_free(lookup);
            return rc;
        }
    }
    *out = lookup;
    return 0;
}

/* The name is valid: one @, both parts are there and fit. */
static void lookup_split(struct epmd_lookup *lookup, const char *node,
                         const char *host)
{
    size_t alive = strcspn(node, "@");

    host = host != NULL ? host : node + alive + 1;
    memcpy(lookup->alive, node, alive);
    memcpy(lookup->host, host, strlen(host));
}

static int lookup_resolve(struct epmd_lookup *lookup, int family)
{
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
    int rc = uv_getaddrinfo(&lookup->loop->uv, &lookup->resolving, on_resolved,
                            lookup->host, NULL, &hints);

    lookup->family = family;
    lookup->is_resolving = rc == 0;
    return rc;
}

static void on_resolved(uv_getaddrinfo_t *req, int status,
                        struct addrinfo *found)
{
    struct epmd_lookup *lookup = req->data;
    int rc = status;

    lookup->is_resolving = false;
    if (rc == 0) {
        memcpy(&lookup->address, found->ai_addr, found->ai_addrlen);
        uv_freeaddrinfo(found);
    }
    if (lookup->state == LOOKUP_ORPHANED) {
        lookup_free(lookup);
        return;
    }
    if (lookup->state == LOOKUP_ENDING) {
        return; /* the timer calls done */
    }
    if (rc < 0 && lookup->family == AF_INET) {
        rc = lookup_resolve(lookup, AF_INET6);
        if (rc == 0) {
            return;
        }
    }
    if (rc < 0) {
        lookup_end(lookup, rc);
        return;
    }
    lookup_resolved(lookup);
}

static void lookup_resolved(struct epmd_lookup *lookup)
{
    if (lookup->port != 0) {
        address_set_port(&lookup->address, lookup->port);
        lookup_end(lookup, 0);
        return;
    }
    lookup_move(lookup, LOOKUP_ASKING);
    address_set_port(&lookup->address, lookup->epmd_port);
    epmd_put_port_please(&lookup->dialog.request, lookup->alive);
    epmd_dialog_open(&lookup->dialog, lookup->loop,
                     (const struct sockaddr *)&lookup->address);
}

static void on_replied(struct epmd_dialog *dialog)
{
    struct epmd_lookup *lookup =
        CONTAINER_OF(dialog, struct epmd_lookup, dialog);
    uint16_t port = 0;
    int rc = epmd_get_port(dialog->reply, dialog->reply_size, &port);

    if (rc == 0) {
        return; /* more to come */
    }
    if (rc > 0) {
        address_set_port(&lookup->address, port);
    }
    lookup_end(lookup, rc < 0 ? rc : 0);
}

static void on_dialog_closed(struct epmd_dialog *dialog, int reason)
{
    struct epmd_lookup *lookup =
        CONTAINER_OF(dialog, struct epmd_lookup, dialog);

    if (lookup->state == LOOKUP_ENDING) {
        lookup_deliver(lookup);
    } else {
        lookup_end(lookup, reason);
    }
}

static void on_timer(struct timer *timer)
{
    struct epmd_lookup *lookup = CONTAINER_OF(timer, struct epmd_lookup, timer);

    if (lookup->state == LOOKUP_ENDING) {
        lookup_deliver(lookup);
    } else {
        lookup_end(lookup, CNODE_TIMEOUT);
    }
}

void epmd_lookup_cancel(struct epmd_lookup *lookup)
{
    if (lookup->state == LOOKUP_ENDING) {
        lookup->rc = CNODE_CANCELED; /* nobody was told the result yet */
        return;
    }
    lookup_end(lookup, CNODE_CANCELED);
}

static void lookup_end(struct epmd_lookup *lookup, int rc)
{
    lookup_move(lookup, LOOKUP_ENDING);
    lookup->rc = rc;
    loop_timer_stop(lookup->loop, &lookup->timer);
    if (lookup->is_resolving) {
        (void)uv_cancel((uv_req_t *)&lookup->resolving);
    }
    if (epmd_dialog_is_closed(&lookup->dialog)) {
        loop_timer_start(lookup->loop, &lookup->timer, 0);
    } else {
        epmd_dialog_close(&lookup->dialog, CNODE_CANCELED);
    }
}

static void lookup_deliver(struct epmd_lookup *lookup)
{
    struct sockaddr_storage address = lookup->address;
    epmd_lookup_fn done = lookup->done;
    void *owner = lookup->owner;
    int rc = lookup->rc;

    if (lookup->is_resolving) {
        lookup_move(lookup, LOOKUP_ORPHANED);
    } else {
        lookup_free(lookup);
    }
    done(owner, rc, rc == 0 ? (const struct sockaddr *)&address : NULL);
}

static void lookup_free(struct epmd_lookup *lookup)
{
    epmd_dialog_fini(&lookup->dialog);
    mem_free(lookup);
}
