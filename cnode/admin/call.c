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

#include "admin/access.h"
#include "term/build.h"
#include <cnode/error.h>

enum {
    NS_PER_MS = 1000000,
    CARET_COLUMNS = 60, /* on both sides of a mistake */
};

static int print_reply(const struct client_result *result);

/* --- arguments */

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
        .pool = args[1],
        .is_pooled = cli->args.count == 4,
        .id_text = cli->args.count == 4 ? args[2] : NULL,
    };
    buf_init(&call->id, 0);
    buf_init(&call->term, 0);
    rc = target_read(&call->target, args[0], cli, error);
    if (rc != 0) {
        return rc;
    }
    if (atom_intern(call->pool, strlen(call->pool)) == ATOM_NONE) {
        buf_printf(error,
                   "cnode: %s: expected a name of at most %d "
                   "characters\n",
                   call->is_pooled ? "POOL" : "SERVICE", ATOM_MAX_CHARS);
        return CNODE_EINVALID;
    }
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
                self, now_ms, module, encoded(&call->id),
                call->target.timeout_ms, encoded(&call->term));
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
    struct client_result result;
    int code = EXIT_CODE_FAILED;
    int rc = target_call(&call->target, access,
                         atom_find(call->pool, strlen(call->pool)), put_request,
                         call, &result);

    if (rc != 0) {
        buf_printf(error, "cnode: %s\n", cnode_strerror(rc));
        return code;
    }
    if (result.outcome == CLIENT_REPLY) {
        code = print_reply(&result);
    } else {
        target_put_failure(error, &call->target, call->pool, call->id_text,
                           &result);
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
            target_find(&call.target, &access);
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
