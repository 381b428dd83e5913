/* SPDX-License-Identifier: Apache-2.0
 *
 * The reply goes to stdout and nothing else does; whatever goes wrong is one
 * line on stderr (two more where a caret helps) and an exit code.
 */
#include "admin/call.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "admin/access.h"
#include "base/units.h"
#include "dist/address.h"
#include "dist/epmd.h"
#include "term/build.h"
#include <cnode/error.h>

enum {
    TIMEOUT_DEFAULT_MS = 5000,
    NS_PER_MS = 1000000,
    REASON_SHOWN = 400, /* bytes of an exit reason */
    CARET_COLUMNS = 60, /* on both sides of a mistake */
};

static const uint64_t timeout_most_ns = UINT64_C(86400) * 1000000000;

static int print_reply(const struct client_result *result);

/* --- arguments */

static int read_timeout(struct call *call, const char *text, struct buf *error)
{
    uint64_t ns;

    call->timeout_ms = TIMEOUT_DEFAULT_MS;
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
    call->timeout_ms = ns / NS_PER_MS;
    return 0;
}

static int read_at(struct call *call, const char *text, struct buf *error)
{
    if (text == NULL ||
        address_split(text, call->address.host, sizeof(call->address.host),
                      &call->address.port)) {
        return 0;
    }
    buf_printf(error,
               "cnode: --at: expected host:port such as 10.0.0.5:9100, got "
               "%s\n",
               text);
    return CNODE_EINVALID;
}

static int read_term(struct buf *out, const char *what, const char *text,
                     struct buf *error)
{
    size_t where = 0;
    const char *expected = NULL;
    int rc;

    buf_init(out, 0);
    rc = term_parse(out, text, strlen(text), true, &where, &expected);
    if (rc == 0) {
        return 0;
    }
    if (rc != CNODE_SYNTAX) {
        buf_printf(error, "cnode: %s: %s\n", what, cnode_strerror(rc));
        return CNODE_EINVALID;
    }
    buf_printf(error, "cnode: %s is not an Erlang term: expected %s\n", what,
               expected);
    call_put_caret(error, text, where);
    return CNODE_EINVALID;
}

int call_read(struct call *call, const struct cli *cli, struct buf *error)
{
    const char **args = cli->args.items;
    int rc;

    *call = (struct call){
        .node = args[0],
        .pool = args[1],
        .is_pooled = cli->args.count == 4,
    };
    buf_init(&call->id, 0);
    buf_init(&call->term, 0);
    if (!node_name_is_valid(call->node)) {
        buf_printf(error,
                   "cnode: NODE: expected a full node name such as "
                   "c1@127.0.0.1, got %s\n",
                   call->node);
        return CNODE_EINVALID;
    }
    if (atom_intern(call->pool, strlen(call->pool)) == ATOM_NONE) {
        buf_printf(error,
                   "cnode: %s: expected a name of at most %d "
                   "characters\n",
                   call->is_pooled ? "POOL" : "SERVICE", ATOM_MAX_CHARS);
        return CNODE_EINVALID;
    }
    if (epmd_env_mistake() != NULL) {
        buf_printf(error,
                   "cnode: ERL_EPMD_PORT: expected a port 1..65535, got %s\n",
                   epmd_env_mistake());
        return CNODE_EINVALID;
    }
    rc = read_timeout(call, cli->timeout, error);
    rc = rc == 0 ? read_at(call, cli->at, error) : rc;
    if (rc == 0 && call->is_pooled) {
        rc = read_term(&call->id, "ID", args[2], error);
    }
    if (rc == 0) {
        rc = read_term(&call->term, "TERM", args[cli->args.count - 1], error);
    }
    return rc;
}

void call_fini(struct call *call)
{
    buf_fini(&call->id);
    buf_fini(&call->term);
}

/* Inside of a character of UTF-8, which is one column. */
static bool is_inside(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* Only the line that holds the mistake, and of a long one only a part. */
void call_put_caret(struct buf *out, const char *text, size_t where)
{
    const char *at = text + where;
    const char *start = at, *end = at;
    int columns = 0, behind = 0;

    while (start > text && start[-1] != '\n' &&
           (columns < CARET_COLUMNS || is_inside(*start))) {
        start--;
        columns += !is_inside(*start);
    }
    while (*end != '\0' && *end != '\n' &&
           (behind < CARET_COLUMNS || is_inside(*end))) {
        behind += !is_inside(*end);
        end++;
    }
    buf_printf(out, "    %.*s\n", (int)(end - start), start);
    buf_printf(out, "    %*s^\n", columns, "");
}

/* --- the request */

static struct cnode_term encoded(const struct buf *buf)
{
    return term_at(buf_data(buf), buf_size(buf));
}

/* Settings: safe, spawn?, task, ack?, sticky?, timeout. */
void call_put_request(const struct call *call, struct buf *buf, struct pid self,
                      int64_t now_ms)
{
    char module[ATOM_MAX_BYTES + sizeof(".Worker")];

    if (!call->is_pooled) {
        term_put_copy(buf, encoded(&call->term));
        return;
    }
    (void)snprintf(module, sizeof(module), "%s.Worker", call->pool);
    term_format(buf,
                "{msg_envelope, {~p, ~i}, call, {ref, ~a, ~t}, "
                "{settings, nil, true, nil, nil, nil, ~u}, "
                "{s, ~t, nil, nil}}",
                self, now_ms, module, encoded(&call->id), call->timeout_ms,
                encoded(&call->term));
}

static void put_request(void *owner, struct buf *buf, struct pid self)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    call_put_request(owner, buf, self,
                     (int64_t)now.tv_sec * 1000 + now.tv_nsec / NS_PER_MS);
}

/* --- the command */

static int run(struct call *call, const struct access *access,
               struct buf *error)
{
    struct client_request request = {
        .node = call->node,
        .cookie = access->cookie,
        .epmd_port = access->epmd_port,
        .tls = access->tls,
        .self_host = access->host,
        .host = call->address.host[0] != '\0' ? call->address.host : NULL,
        .port = call->address.port,
        .timeout_ms = call->timeout_ms,
        .name = atom_find(call->pool, strlen(call->pool)),
        .put = put_request,
        .owner = call,
    };
    struct client_result result;
    int code = EXIT_CODE_FAILED;
    int rc = client_call(&request, &result);

    if (rc != 0) {
        buf_printf(error, "cnode: %s\n", cnode_strerror(rc));
        return code;
    }
    if (result.outcome == CLIENT_REPLY) {
        code = print_reply(&result);
    } else {
        call_put_failure(error, call, &result);
    }
    client_result_fini(&result);
    return code;
}

int call_run(const struct cli *cli)
{
    struct access access;
    struct buf error;
    struct call call;
    int code = EXIT_CODE_USAGE;

    buf_init(&error, 0);
    if (call_read(&call, cli, &error) == 0) {
        if (access_read(&access, cli, &error) == 0) {
            call.epmd_port = access.epmd_port;
            if (call.address.port == 0) {
                (void)access_address(&access, call.node, &call.address);
            }
            code = run(&call, &access, &error);
        }
        access_fini(&access);
    }
    call_fini(&call);
    (void)fwrite(buf_data(&error), 1, buf_size(&error), stderr);
    buf_fini(&error);
    return code;
}

static int print_reply(const struct client_result *result)
{
    struct buf text;
    size_t written;

    buf_init(&text, 0);
    term_print(&text, client_result_term(result), 0);
    buf_printf(&text, "\n");
    written = fwrite(buf_data(&text), 1, buf_size(&text), stdout);
    buf_fini(&text);
    return written > 0 && fflush(stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

/* --- no reply */

static void put_down(struct buf *out, const struct call *call,
                     struct cnode_term reason)
{
    const char *kind = call->is_pooled ? "pool" : "process";

    if (term_is_atom(reason, A_noproc)) {
        buf_printf(out, "no %s has the name %s", kind, call->pool);
        if (call->pool[0] >= 'A' && call->pool[0] <= 'Z' &&
            strncmp(call->pool, "Elixir.", 7) != 0) {
            buf_printf(out, ", did you mean Elixir.%s?", call->pool);
        }
        return;
    }
    if (term_is_atom(reason, A_noconnection)) {
        buf_printf(out, "the connection was lost before a reply came");
        return;
    }
    buf_printf(out, "%s ended before it replied: ", call->pool);
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

void call_put_failure(struct buf *out, const struct call *call,
                      const struct client_result *result)
{
    char timeout[UNITS_TEXT];

    format_duration(call->timeout_ms * NS_PER_MS, timeout);
    buf_printf(out, "cnode: %s: ", call->node);
    switch (result->outcome) {
    case CLIENT_REPLY:
        break;
    case CLIENT_DOWN:
        put_down(out, call, client_result_term(result));
        break;
    case CLIENT_TIMEOUT:
        buf_printf(out, "no reply within %s", timeout);
        break;
    case CLIENT_NO_EPMD:
        if (result->rc == CNODE_NOT_REGISTERED) {
            buf_printf(out,
                       "no node of that name is registered at its epmd "
                       "(port %u)",
                       (unsigned)call->epmd_port);
        } else {
            buf_printf(out, "cannot ask its epmd (port %u): %s",
                       (unsigned)call->epmd_port, cnode_strerror(result->rc));
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
