/* SPDX-License-Identifier: Apache-2.0
 *
 * See operate.h: arguments, requests, and the way to the node. How answers are
 * shown is in operate_show.c.
 */
#include "admin/operate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cnode/error.h>

#include "admin/term_json.h"
#include "base/mem.h"
#include "term/build.h"

enum {
    LIMIT_DEFAULT = 100,
    PAGE_MOST = 1000,
    PAGES_MOST = 1000000, /* of a node that never comes to an end */
};

/* --- arguments */

static int read_limit(struct operation *op, struct buf *error)
{
    const char *text = op->cli->limit;
    char *end = NULL;

    op->limit = LIMIT_DEFAULT;
    if (text == NULL) {
        return 0;
    }
    if (strcmp(text, "all") == 0) {
        op->limit = UINT64_MAX;
        return 0;
    }
    op->limit = strtoull(text, &end, 10);
    if (text[0] < '1' || text[0] > '9' || *end != '\0') {
        buf_printf(error,
                   "cnode: --limit: expected a number of 1 and more, or all, "
                   "got %s\n",
                   text);
        return CNODE_EINVALID;
    }
    return 0;
}

static int read_pool(struct operation *op, struct buf *error)
{
    const struct cli_list *args = &op->cli->args;

    if (args->count < 2) {
        return 0;
    }
    op->pool = args->items[1];
    if (atom_intern(op->pool, strlen(op->pool)) == ATOM_NONE) {
        buf_printf(error,
                   "cnode: POOL: expected a name of at most %d characters\n",
                   ATOM_MAX_CHARS);
        return CNODE_EINVALID;
    }
    return 0;
}

/* JSON; and what is none is a text, so that 15m needs no quotes. */
static void read_value(struct operation *op)
{
    const char *text = op->cli->args.items[3];
    json_t *value =
        json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);

    if (value != NULL) {
        term_put_json(&op->value, value);
        json_decref(value);
    } else {
        term_put_binary(&op->value, text, strlen(text));
    }
}

int operate_read(struct operation *op, const struct cli *cli, struct buf *error)
{
    int rc;

    *op = (struct operation){.cli = cli};
    buf_init(&op->value, 0);
    buf_init(&op->cursor, 0);
    rc = target_read(&op->target, cli->args.items[0], cli, error);
    rc = rc == 0 ? read_limit(op, error) : rc;
    rc = rc == 0 ? read_pool(op, error) : rc;
    if (rc == 0 && cli->command == CLI_SET) {
        read_value(op);
    }
    op->page = op->limit < PAGE_MOST ? op->limit : PAGE_MOST;
    return rc;
}

void operate_fini(struct operation *op)
{
    buf_fini(&op->value);
    buf_fini(&op->cursor);
}

/* --- requests: the name is that of the command */

static struct cnode_term encoded(const struct buf *buf)
{
    return term_at(buf_data(buf), buf_size(buf));
}

static void put_page(const struct operation *op, struct buf *buf)
{
    if (buf_size(&op->cursor) == 0) {
        term_format(buf, "#{limit => ~u}", op->page);
    } else {
        term_format(buf, "#{limit => ~u, 'after' => ~t}", op->page,
                    encoded(&op->cursor));
    }
}

static void put_set(const struct operation *op, struct buf *buf)
{
    const char *path = op->cli->args.items[2];

    term_format(buf, "{set, ~a, ~b, ~t}", op->pool, (const void *)path,
                strlen(path), encoded(&op->value));
}

static void put_health(const struct operation *op, struct buf *buf)
{
    const char *name = op->cli->wants_json ? "health" : "health_text";

    if (op->cli->wants_rebuild) {
        term_format(buf, "{~a, #{rebuild => true}}", name);
    } else {
        term_format(buf, "~a", name);
    }
}

void operate_put_request(const struct operation *op, struct buf *buf)
{
    const char *name = cli_commands[op->cli->command].name;

    switch (op->cli->command) {
    case CLI_WORKERS:
        term_put_tuple(buf, 3);
        term_format(buf, "workers");
        term_format(buf, "~a", op->pool);
        put_page(op, buf);
        break;
    case CLI_DEADLETTERS:
        term_put_tuple(buf, 2);
        term_format(buf, "dead_letters");
        put_page(op, buf);
        break;
    case CLI_POOLS:
        term_format(buf, op->pool == NULL ? "pools" : "{pool, ~a}", op->pool);
        break;
    case CLI_SET:
        put_set(op, buf);
        break;
    case CLI_HEALTH:
        put_health(op, buf);
        break;
    default:
        term_format(buf, op->pool == NULL ? "~a" : "{~a, ~a}", name, op->pool);
        break;
    }
}

/* --- the way there */

static void put_request(void *owner, struct buf *buf, struct pid self)
{
    (void)self;
    operate_put_request(owner, buf);
}

struct answers {
    struct client_result *results;
    struct cnode_term *terms;
    size_t count;
};

static void add_answer(struct answers *answers,
                       const struct client_result *result)
{
    size_t more = answers->count + 1;

    answers->results =
        mem_realloc(answers->results, more * sizeof(*answers->results));
    answers->terms =
        mem_realloc(answers->terms, more * sizeof(*answers->terms));
    answers->results[answers->count] = *result;
    answers->terms[answers->count] = client_result_term(result);
    answers->count = more;
}

static void answers_fini(struct answers *answers)
{
    for (size_t i = 0; i < answers->count; i++) {
        client_result_fini(&answers->results[i]);
    }
    mem_free(answers->results);
    mem_free(answers->terms);
}

static void put_failure(struct buf *error, const struct operation *op,
                        const struct client_result *result)
{
    struct cnode_term reason = client_result_term(result);

    if (result->outcome == CLIENT_DOWN && term_is_atom(reason, A_noproc)) {
        buf_printf(error,
                   "cnode: %s: it has no process cnode_admin: no C node, or an "
                   "older one\n",
                   op->target.node);
        return;
    }
    target_put_failure(error, &op->target, "cnode_admin", NULL, result);
}

/* One question, or one for each page. */
static int gather(struct operation *op, const struct access *access,
                  struct answers *answers, struct buf *error)
{
    uint64_t rows = 0;

    do {
        struct client_result result;
        int rc = target_call(&op->target, access, A_cnode_admin, put_request,
                             op, &result);

        if (rc != 0) {
            buf_printf(error, "cnode: %s\n", cnode_strerror(rc));
            return CNODE_CLOSED;
        }
        if (result.outcome != CLIENT_REPLY) {
            put_failure(error, op, &result);
            client_result_fini(&result);
            return CNODE_CLOSED;
        }
        add_answer(answers, &result);
        rows += operate_rows(op, client_result_term(&result));
    } while (answers->count < PAGES_MOST &&
             operate_has_next(op, answers->terms[answers->count - 1], rows));
    return 0;
}

static int run(struct operation *op, const struct access *access,
               struct buf *out, struct buf *error)
{
    struct answers answers = {0};
    int code = EXIT_CODE_FAILED;

    if (gather(op, access, &answers, error) == 0) {
        code = operate_show(op, answers.terms, answers.count, out, error);
    }
    answers_fini(&answers);
    return code;
}

static bool flush(FILE *file, struct buf *text)
{
    size_t size = buf_size(text);
    bool is_written = fwrite(buf_data(text), 1, size, file) == size;

    buf_fini(text);
    return fflush(file) == 0 && is_written;
}

int operate_run(const struct cli *cli)
{
    struct access access;
    struct operation op;
    struct buf out, error;
    int code = EXIT_CODE_USAGE;

    buf_init(&out, 0);
    buf_init(&error, 0);
    if (operate_read(&op, cli, &error) == 0) {
        if (access_read(&access, cli, &error) == 0) {
            target_find(&op.target, &access);
            code = run(&op, &access, &out, &error);
        }
        access_fini(&access);
    }
    operate_fini(&op);
    if (!flush(stdout, &out)) {
        code = EXIT_CODE_FAILED;
    }
    (void)flush(stderr, &error);
    return code;
}
