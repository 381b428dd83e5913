/* SPDX-License-Identifier: Apache-2.0
 *
 * See target.h.
 */
#include "admin/target.h"

#include <string.h>
#include <uv.h>

#include <cnode/error.h>

#include "base/units.h"
#include "dist/address.h"
#include "dist/epmd.h"
#include "term/text.h"

enum {
    TIMEOUT_DEFAULT_MS = 5000,
    NS_PER_MS = 1000000,
    REASON_SHOWN = 400, /* bytes of an exit reason */
};

static const uint64_t timeout_most_ns = UINT64_C(86400) * 1000000000;

/* --- arguments */

static int read_timeout(struct target *target, const char *text,
                        struct buf *error)
{
    uint64_t ns;

    target->timeout_ms = TIMEOUT_DEFAULT_MS;
    if (text == NULL) {
        return 0;
    }
    if (parse_duration(text, &ns) != 0 || ns < NS_PER_MS ||
        ns > timeout_most_ns) {
        buf_printf(error,
                   "cnode: --timeout: expected a duration of 1ms..1d such as "
                   "5s, got %s\n",
                   text);
        return CNODE_EINVALID;
    }
    target->timeout_ms = ns / NS_PER_MS;
    return 0;
}

static int read_at(struct target *target, const char *text, struct buf *error)
{
    if (text == NULL ||
        address_split(text, target->address.host, sizeof(target->address.host),
                      &target->address.port)) {
        return 0;
    }
    buf_printf(error,
               "cnode: --at: expected host:port such as 10.0.0.5:9100, got "
               "%s\n",
               text);
    return CNODE_EINVALID;
}

int target_read(struct target *target, const char *node, const struct cli *cli,
                struct buf *error)
{
    int rc;

    *target = (struct target){.node = node};
    if (!node_name_is_valid(node)) {
        buf_printf(error,
                   "cnode: NODE: expected a full node name such as "
                   "c1@127.0.0.1, got %s\n",
                   node);
        return CNODE_EINVALID;
    }
    if (epmd_env_mistake() != NULL) {
        buf_printf(error,
                   "cnode: ERL_EPMD_PORT: expected a port 1..65535, got %s\n",
                   epmd_env_mistake());
        return CNODE_EINVALID;
    }
    rc = read_timeout(target, cli->timeout, error);
    return rc == 0 ? read_at(target, cli->at, error) : rc;
}

void target_find(struct target *target, const struct access *access)
{
    target->epmd_port = access->epmd_port;
    if (target->address.port == 0) {
        (void)access_address(access, target->node, &target->address);
    }
}

/* --- the call */

int target_call(const struct target *target, const struct access *access,
                atom_t name,
                void (*put)(void *owner, struct buf *buf, struct pid self),
                void *owner, struct client_result *result)
{
    const struct node_address *address = &target->address;
    struct client_request request = {
        .node = target->node,
        .cookie = access->cookie,
        .epmd_port = access->epmd_port,
        .tls = access->tls,
        .self_host = access->host,
        .host = address->host[0] != '\0' ? address->host : NULL,
        .port = address->port,
        .timeout_ms = target->timeout_ms,
        .name = name,
        .put = put,
        .owner = owner,
    };

    return client_call(&request, result);
}

/* --- no reply */

static void put_down(struct buf *out, const char *name, const char *id,
                     struct cnode_term reason)
{
    const char *kind = id != NULL ? "pool" : "process";

    if (term_is_atom(reason, A_noproc)) {
        buf_printf(out, "no %s has the name %s", kind, name);
        if (name[0] >= 'A' && name[0] <= 'Z' &&
            strncmp(name, "Elixir.", 7) != 0) {
            buf_printf(out, ", did you mean Elixir.%s?", name);
        }
        return;
    }
    if (term_is_atom(reason, A_noconnection)) {
        buf_printf(out, "the connection was lost before a reply came");
        return;
    }
    if (id != NULL) {
        buf_printf(out, "worker %s of ", id);
    }
    buf_printf(out, "%s ended before it replied: ", name);
    term_print(out, reason, REASON_SHOWN);
}

static void put_no_connection(struct buf *out, int rc, const char *why)
{
    if (rc == CNODE_TLS_UNWANTED) {
        buf_printf(out, "that node speaks TLS: give --config FILE, or "
                        "--tls-cert, --tls-key and --tls-ca");
    } else if (why[0] != '\0') {
        buf_printf(out, "cannot connect: %s: %s", cnode_strerror(rc), why);
    } else if (rc == CNODE_CLOSED ||
               rc == UV_ECONNRESET) { /* a BEAM's way to say it */
        buf_printf(out, "the connection was closed during the handshake "
                        "(another cookie?)");
    } else if (rc == CNODE_BAD_NAME) {
        buf_printf(out, "the node that answers there has another name");
    } else {
        buf_printf(out, "cannot connect: %s", cnode_strerror(rc));
    }
}

void target_put_failure(struct buf *out, const struct target *target,
                        const char *name, const char *id,
                        const struct client_result *result)
{
    char timeout[UNITS_TEXT];

    format_duration(target->timeout_ms * NS_PER_MS, timeout);
    buf_printf(out, "cnode: %s: ", target->node);
    switch (result->outcome) {
    case CLIENT_REPLY:
        break;
    case CLIENT_DOWN:
        put_down(out, name, id, client_result_term(result));
        break;
    case CLIENT_TIMEOUT:
        buf_printf(out, "no reply within %s", timeout);
        break;
    case CLIENT_NO_EPMD:
        if (result->rc == CNODE_NOT_REGISTERED) {
            buf_printf(out,
                       "no node of that name is registered at its epmd "
                       "(port %u)",
                       (unsigned)target->epmd_port);
        } else {
            buf_printf(out, "cannot ask its epmd (port %u): %s",
                       (unsigned)target->epmd_port, cnode_strerror(result->rc));
        }
        break;
    case CLIENT_NO_NODE:
        put_no_connection(out, result->rc, result->why);
        break;
    case CLIENT_LOST:
        buf_printf(out, "the connection was lost before a reply came: %s",
                   cnode_strerror(result->rc));
        break;
    case CLIENT_TOO_LARGE:
        buf_printf(out, "the reply is larger than this program takes");
        break;
    }
    buf_printf(out, "\n");
}
