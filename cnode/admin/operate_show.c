/* SPDX-License-Identifier: Apache-2.0
 *
 * See operate.h: what an answer of cnode_admin looks like.
 */
#include <string.h>

#include <cnode/error.h>

#include "admin/operate.h"
#include "admin/table.h"
#include "admin/term_json.h"
#include "base/mem.h"

enum { REASON_SHOWN = 400 };

static const struct column status_lines[] = {
    {"node", "node", CELL_TEXT},
    {"version", "version", CELL_TEXT},
    {"pid", "os_pid", CELL_TEXT},
    {"up", "uptime_ms", CELL_MS},
    {"schedulers", "schedulers", CELL_TEXT},
    {"hidden", "hidden", CELL_TEXT},
    {"peers", "peers", CELL_TEXT},
    {"pools", "pools", CELL_LIST},
    {"services", "services", CELL_LIST},
    {"workers", "workers", CELL_TEXT},
    {"processes", "processes", CELL_TEXT},
    {"run queue", "run_queue", CELL_TEXT},
    {"messages", "messages", CELL_TEXT},
    {"memory", "memory", CELL_BYTES},
    {"heap in use", "memory_used", CELL_BYTES},
    {"dead letters", "dead_letters", CELL_TEXT},
    {"undelivered", "undelivered", CELL_TEXT},
};

static const struct column pool_columns[] = {
    {"POOL", "pool", CELL_TEXT},
    {"STATUS", "status", CELL_TEXT},
    {"CONDITION", "condition", CELL_TEXT},
    {"HEALTH", "health", CELL_NUMBER},
    {"WORKERS", "workers", CELL_NUMBER},
    {"MAX", "max", CELL_NUMBER},
    {"TARGET", "target", CELL_WINDOW},
    {"SUPERVISORS", "supervisors", CELL_NUMBER},
    {"SEGMENTS", "segments", CELL_NUMBER},
    {"FAILURES", "failures", CELL_NUMBER},
    {"BEHAVIOUR", "behaviour", CELL_TEXT},
};

static const struct column pool_lines[] = {
    {"pool", "pool", CELL_TEXT},
    {"module", "module", CELL_TEXT},
    {"behaviour", "behaviour", CELL_TEXT},
    {"registry", "registry", CELL_TEXT},
    {"restart", "restart", CELL_TEXT},
    {"status", "status", CELL_TEXT},
    {"condition", "condition", CELL_TEXT},
    {"locks", "locks", CELL_LIST},
    {"health", "health", CELL_NUMBER},
    {"workers", "workers", CELL_TEXT},
    {"max", "max", CELL_TEXT},
    {"target", "target", CELL_WINDOW},
    {"supervisors", "supervisors", CELL_TEXT},
    {"segments", "segments", CELL_TEXT},
    {"parts", "parts", CELL_TEXT},
    {"inits", "inits", CELL_TEXT},
    {"terminates", "terminates", CELL_TEXT},
    {"failures", "failures", CELL_TEXT},
    {"errors", "errors", CELL_TEXT},
    {"warnings", "warnings", CELL_TEXT},
};

static const struct column worker_columns[] = {
    {"ID", "ref", CELL_ID},
    {"PID", "pid", CELL_TEXT},
    {"STATUS", "status", CELL_TEXT},
    {"SUPERVISOR", "supervisor", CELL_TEXT},
    {"SEGMENT", "segment", CELL_NUMBER},
    {"QUEUE", "queue", CELL_NUMBER},
    {"IDLE", "idle_ms", CELL_MS},
};

static const struct column peer_columns[] = {
    {"NODE", "node", CELL_TEXT},           {"STATE", "state", CELL_TEXT},
    {"HIDDEN", "hidden", CELL_TEXT},       {"JOIN", "join", CELL_TEXT},
    {"UP", "since_ms", CELL_MS},           {"IN", "bytes_in", CELL_BYTES},
    {"OUT", "bytes_out", CELL_BYTES},      {"QUEUED", "queued", CELL_BYTES},
    {"FAILURES", "failures", CELL_NUMBER},
};

static const struct column letter_columns[] = {
    {"AT", "at", CELL_DATE},         {"POOL", "pool", CELL_TEXT},
    {"ID", "ref", CELL_ID},          {"KIND", "kind", CELL_TEXT},
    {"REASON", "reason", CELL_TEXT}, {"MESSAGE", "message", CELL_TEXT},
};

/* The answers without their {ok, _}. */
struct show {
    const struct operation *op;
    const struct cnode_term *terms;
    size_t count;
};

/* --- rows, which may be in pages */

static const char *rows_key(const struct operation *op)
{
    switch (op->cli->command) {
    case CLI_WORKERS:
        return "workers";
    case CLI_DEADLETTERS:
        return "letters";
    default:
        return NULL;
    }
}

/* {ok, Term} */
static bool is_ok(struct cnode_term answer, struct cnode_term *term)
{
    struct cnode_term parts[2];

    if (!term_get_tuple(answer, 2, parts) || !term_is_atom(parts[0], A_ok)) {
        return false;
    }
    *term = parts[1];
    return true;
}

static bool rows_of(const struct operation *op, struct cnode_term term,
                    struct cnode_list *list)
{
    const char *key = rows_key(op);
    struct cnode_term rows = term;

    return (key == NULL || cnode_map_get(term, key, &rows)) &&
           cnode_list(rows, list);
}

uint64_t operate_rows(const struct operation *op, struct cnode_term answer)
{
    struct cnode_list list;
    struct cnode_term term;

    return is_ok(answer, &term) && rows_key(op) != NULL &&
                   rows_of(op, term, &list)
               ? list.left
               : 0;
}

bool operate_has_next(struct operation *op, struct cnode_term answer,
                      uint64_t rows)
{
    struct cnode_term term, next;

    if (rows_key(op) == NULL || rows >= op->limit || !is_ok(answer, &term) ||
        !cnode_map_get(term, "next", &next) ||
        cnode_type(next) != CNODE_TYPE_BINARY) {
        return false;
    }
    buf_clear(&op->cursor);
    buf_put(&op->cursor, next.at, cnode_term_size(next));
    op->page = op->limit - rows < op->page ? op->limit - rows : op->page;
    return true;
}

/* --- for people */

static void add_rows(struct table *table, const struct show *show)
{
    struct cnode_list list;
    struct cnode_term row;

    for (size_t i = 0; i < show->count; i++) {
        if (rows_of(show->op, show->terms[i], &list)) {
            while (cnode_list_next(&list, &row)) {
                table_add(table, row);
            }
        }
    }
}

static void put_table(struct buf *out, const struct show *show,
                      const struct column *columns, size_t count)
{
    struct table table;

    table_init(&table, columns, count);
    add_rows(&table, show);
    table_put(&table, out);
    table_fini(&table);
}

/* How many there are beside those that are shown. */
static void put_total(struct buf *out, const struct show *show,
                      const char *what)
{
    struct cnode_term last = show->terms[show->count - 1], value;
    uint64_t total, shown = 0;
    struct cnode_list list;

    for (size_t i = 0; i < show->count; i++) {
        shown += rows_of(show->op, show->terms[i], &list) ? list.left : 0;
    }
    if (cnode_map_get(last, "total", &value) && cnode_get_uint(value, &total) &&
        total > shown) {
        buf_printf(out, "%llu of %llu %s\n", (unsigned long long)shown,
                   (unsigned long long)total, what);
    }
}

static void put_number(struct buf *out, struct cnode_term map, const char *key,
                       const char *title)
{
    const struct column column = {title, key, CELL_TEXT};

    table_put_pairs(out, &column, 1, map);
}

static void put_line(struct buf *out, const char *title, struct cnode_term name,
                     uint64_t number)
{
    buf_printf(out, "%s ", title);
    table_put_term(out, name);
    buf_printf(out, "  %llu\n", (unsigned long long)number);
}

/* [{Name, Number}]; of segments, most have few. */
static void put_counts(struct buf *out, struct cnode_term map, const char *key,
                       const char *title, bool skips_empty)
{
    struct cnode_term value, element, parts[2];
    struct cnode_list list;
    uint64_t number;
    unsigned skipped = 0;

    if (!cnode_map_get(map, key, &value) || !cnode_list(value, &list)) {
        return;
    }
    while (cnode_list_next(&list, &element)) {
        if (!term_get_tuple(element, 2, parts) ||
            !cnode_get_uint(parts[1], &number)) {
            continue;
        }
        if (number == 0 && skips_empty) {
            skipped++;
        } else {
            put_line(out, title, parts[0], number);
        }
    }
    if (skipped > 0) {
        buf_printf(out, "%u %ss without a worker\n", skipped, title);
    }
}

static void put_count(struct buf *out, struct cnode_term map)
{
    put_number(out, map, "total", "total");
    put_counts(out, map, "supervisors", "supervisor", false);
    put_counts(out, map, "segments", "segment", true);
}

static void put_words(struct buf *out, struct cnode_term term)
{
    const char *text;
    size_t len;

    if (cnode_get_bytes(term, &text, &len)) {
        table_put_safe(out, text, len, true);
        if (len == 0 || text[len - 1] != '\n') {
            buf_printf(out, "\n");
        }
        return;
    }
    table_put_term(out, term);
    buf_printf(out, "\n");
}

/* Whatever keys there are. */
static void put_map(struct buf *out, struct cnode_term map)
{
    struct cnode_term key;
    uint32_t pairs;

    if (!cnode_get_map(map, &pairs, &key)) {
        put_words(out, map);
        return;
    }
    while (pairs-- > 0) {
        struct cnode_term value = cnode_next(key);

        table_put_term(out, key);
        buf_printf(out, "  ");
        table_put_term(out, value);
        buf_printf(out, "\n");
        key = cnode_next(value);
    }
}

#define COLUMNS(name) (name), ARRAY_LEN(name)

static void put_text(struct buf *out, const struct show *show)
{
    struct cnode_term first = show->terms[0];

    switch (show->op->cli->command) {
    case CLI_STATUS:
        table_put_pairs(out, COLUMNS(status_lines), first);
        break;
    case CLI_POOLS:
        if (show->op->pool != NULL) {
            table_put_pairs(out, COLUMNS(pool_lines), first);
        } else {
            put_table(out, show, COLUMNS(pool_columns));
        }
        break;
    case CLI_WORKERS:
        put_table(out, show, COLUMNS(worker_columns));
        put_total(out, show, "workers");
        break;
    case CLI_PEERS:
        put_table(out, show, COLUMNS(peer_columns));
        break;
    case CLI_DEADLETTERS:
        put_table(out, show, COLUMNS(letter_columns));
        put_total(out, show, "dead letters");
        break;
    case CLI_COUNT:
        put_count(out, first);
        break;
    default:
        put_map(out, first);
        break;
    }
}

/* --- for programs: one value, on one line */

/* The rows of all pages in the first one's list. */
static void join_pages(json_t *value, const struct show *show)
{
    const char *key = rows_key(show->op);

    for (size_t i = 1; key != NULL && i < show->count; i++) {
        json_t *page = term_json(show->terms[i]);

        (void)json_array_extend(json_object_get(value, key),
                                json_object_get(page, key));
        (void)json_object_set(value, "next", json_object_get(page, "next"));
        json_decref(page);
    }
}

static int take_text(const char *text, size_t len, void *out)
{
    buf_put(out, text, len);
    return 0;
}

static void put_json(struct buf *out, const struct show *show)
{
    json_t *value = term_json(show->terms[0]);

    join_pages(value, show);
    (void)json_dump_callback(value, take_text, out,
                             JSON_COMPACT | JSON_ENCODE_ANY);
    buf_printf(out, "\n");
    json_decref(value);
}

/* --- {error, Reason} */

static void put_error(struct buf *error, const struct operation *op,
                      struct cnode_term answer)
{
    struct cnode_term parts[2], reason[2];

    buf_printf(error, "cnode: %s: ", op->target.node);
    if (!term_get_tuple(answer, 2, parts) || !term_is_atom(parts[0], A_error)) {
        buf_printf(error, "it answers ");
        table_put_term(error, answer);
    } else if (cnode_is_atom(parts[1], "unknown_pool")) {
        buf_printf(error, "it has no pool %s", op->pool);
        if (op->pool[0] >= 'A' && op->pool[0] <= 'Z' &&
            strncmp(op->pool, "Elixir.", 7) != 0) {
            buf_printf(error, " (a module of Elixir is written Elixir.%s)",
                       op->pool);
        }
    } else if (term_get_tuple(parts[1], 2, reason) &&
               cnode_is_atom(reason[0], "unknown_request")) {
        buf_printf(error, "it does not know this request (another version?)");
    } else {
        table_put_term(error, parts[1]);
    }
    buf_printf(error, "\n");
}

/* --- all of it */

static void show_ok(const struct operation *op, struct buf *out)
{
    buf_printf(out, "%s\n", op->cli->wants_json ? "\"ok\"" : "ok");
}

int operate_show(const struct operation *op, const struct cnode_term *answers,
                 size_t count, struct buf *out, struct buf *error)
{
    struct cnode_term *terms = mem_alloc(count * sizeof(*terms));
    struct show show = {.op = op, .terms = terms, .count = count};
    int code = EXIT_CODE_OK;

    for (size_t i = 0; i < count && code == EXIT_CODE_OK; i++) {
        if (!is_ok(answers[i], &terms[i]) && !term_is_atom(answers[i], A_ok)) {
            put_error(error, op, answers[i]);
            code = EXIT_CODE_FAILED;
        }
    }
    if (code == EXIT_CODE_OK && term_is_atom(answers[0], A_ok)) {
        show_ok(op, out);
    } else if (code == EXIT_CODE_OK && op->cli->wants_json) {
        put_json(out, &show);
    } else if (code == EXIT_CODE_OK) {
        put_text(out, &show);
    }
    mem_free(terms);
    return code;
}
