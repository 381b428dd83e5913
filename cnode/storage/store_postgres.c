/* SPDX-License-Identifier: Apache-2.0
 *
 * See store_postgres.h.
 */
#include "storage/store_postgres.h"

#include <string.h>

#include <cnode/error.h>

#include "base/mem.h"
#include "storage/postgres_link.h"

enum {
    OID_BYTEA = 17,
    OID_BYTEA_ARRAY = 1001,
    MOST_ROWS = 5000,              /* of one statement */
    MOST_BYTES = 16 * 1024 * 1024, /* roughly */
    BINARY = 1,
};

struct postgres {
    struct postgres_link link;
    bool has_table;
    struct buf put, get, delete, create; /* SQL */
    struct buf keys, values;             /* parameters, being written */

    /* the batch whose results come */
    struct store_op *at; /* first operation of the statement */
    size_t left;         /* operations from `at` on */
};

/* --- open */

static void put_sql(struct buf *sql, const char *before, const char *table,
                    const char *after)
{
    buf_init(sql, 0);
    buf_printf(sql, "%s\"%s\"%s", before, table, after);
    buf_put_u8(sql, 0);
}

static const char *text_of(const struct buf *sql)
{
    return (const char *)buf_data(sql);
}

/* Of several values for a key the last one counts. */
static void make_statements(struct postgres *pg, const char *table)
{
    put_sql(&pg->put, "insert into ", table,
            " as t (key, value) select distinct on (k) k, v from "
            "unnest($1::bytea[], $2::bytea[]) with ordinality as u(k, v, n) "
            "order by k, n desc on conflict (key) do update set value = "
            "excluded.value, updated_at = now()");
    put_sql(&pg->get,
            "select u.n, t.value from unnest($1::bytea[]) with ordinality as "
            "u(k, n) join ",
            table, " as t on t.key = u.k");
    put_sql(&pg->delete, "delete from ", table,
            " where key = any ($1::bytea[])");
    put_sql(&pg->create, "create table if not exists ", table,
            " (key bytea primary key, value bytea not null, updated_at "
            "timestamptz not null default now())");
}

static void postgres_close(void *handle)
{
    struct postgres *pg = handle;

    postgres_link_close(&pg->link);
    buf_fini(&pg->put);
    buf_fini(&pg->get);
    buf_fini(&pg->delete);
    buf_fini(&pg->create);
    buf_fini(&pg->keys);
    buf_fini(&pg->values);
    mem_free(pg);
}

/* A server that is away comes back: only what can never work is an error. */
static int postgres_open(void **handle, const struct store_config *config,
                         struct buf *why)
{
    struct postgres *pg;
    char *error = NULL;
    PQconninfoOption *options = PQconninfoParse(config->url, &error);

    if (options == NULL) {
        const char *text = error != NULL ? error : "out of memory";

        buf_printf(why, "url: %.*s", (int)strcspn(text, "\n"), text);
        PQfreemem(error);
        return CNODE_STORE_FAILED;
    }
    PQconninfoFree(options);
    pg = mem_zalloc(sizeof(*pg));
    pg->link = (struct postgres_link){.name = config->name, .url = config->url};
    make_statements(pg, config->table);
    buf_init(&pg->keys, 0);
    buf_init(&pg->values, 0);
    *handle = pg;
    return 0;
}

/* --- one statement: operations of one kind, one after the other */

/* How many of `left` from `op` on go into one. */
static size_t count_alike(const struct store_op *op, size_t left)
{
    enum store_kind kind = op->kind;
    size_t count = 0, bytes = 0;

    for (; left > 0 && op->kind == kind && count < MOST_ROWS &&
           bytes < MOST_BYTES;
         left--, op = op->next) {
        bytes += buf_size(store_op_key(op)) + buf_size(&op->value);
        count++;
    }
    return count;
}

/* The binary form of an array. */
static void begin_array(struct buf *array, size_t count)
{
    buf_clear(array);
    buf_put_u32(array, 1); /* dimensions */
    buf_put_u32(array, 0); /* no nulls */
    buf_put_u32(array, OID_BYTEA);
    buf_put_u32(array, (uint32_t)count);
    buf_put_u32(array, 1); /* first index */
}

static void add_element(struct buf *array, const struct buf *value)
{
    buf_put_u32(array, (uint32_t)buf_size(value));
    buf_put(array, buf_data(value), buf_size(value));
}

static int send_alike(struct postgres *pg, const struct store_op *op,
                      size_t count)
{
    static const Oid types[2] = {OID_BYTEA_ARRAY, OID_BYTEA_ARRAY};
    static const int formats[2] = {BINARY, BINARY};
    const struct buf *sql = op->kind == STORE_PUT   ? &pg->put
                            : op->kind == STORE_GET ? &pg->get
                                                    : &pg->delete;
    int parameters = op->kind == STORE_PUT ? 2 : 1;
    const char *bytes[2];
    int sizes[2];

    begin_array(&pg->keys, count);
    begin_array(&pg->values, count);
    for (; count > 0; count--, op = op->next) {
        add_element(&pg->keys, store_op_key(op));
        if (parameters == 2) {
            add_element(&pg->values, &op->value);
        }
    }
    if (buf_error(&pg->keys) != 0 || buf_error(&pg->values) != 0) {
        return CNODE_NOMEM;
    }
    bytes[0] = (const char *)buf_data(&pg->keys);
    bytes[1] = (const char *)buf_data(&pg->values);
    sizes[0] = (int)buf_size(&pg->keys);
    sizes[1] = (int)buf_size(&pg->values);
    return PQsendQueryParams(pg->link.conn, text_of(sql), parameters, types,
                             bytes, sizes, formats, BINARY) == 1
               ? 0
               : postgres_link_error(&pg->link, NULL);
}

/* --- and its result */

static int take_rows(struct store_op *op, size_t count, const PGresult *result)
{
    struct store_op *at = op;
    uint64_t number = 1; /* of `at`: rows come in any order, mostly in this */

    for (int i = 0; i < PQntuples(result); i++) {
        uint64_t n = get_u64((const uint8_t *)PQgetvalue(result, i, 0));

        if (n < 1 || n > count) {
            return CNODE_STORE_FAILED;
        }
        if (n < number) {
            at = op;
            number = 1;
        }
        for (; number < n; number++) {
            at = at->next;
        }
        buf_clear(&at->value);
        buf_put(&at->value, PQgetvalue(result, i, 1),
                (size_t)PQgetlength(result, i, 1));
        at->rc = buf_error(&at->value);
    }
    return 0;
}

static void skip(struct postgres *pg, size_t count)
{
    pg->left -= count;
    while (count-- > 0) {
        pg->at = pg->at->next;
    }
}

/* The next statement that is there: flushes have none. */
static size_t next_statement(struct postgres *pg)
{
    while (pg->left > 0) {
        size_t count = count_alike(pg->at, pg->left);

        if (pg->at->kind != STORE_FLUSH) {
            return count;
        }
        skip(pg, count);
    }
    return 0;
}

/* `begin` and `commit` have results too, without rows: before the first and
 * after the last. */
static int on_result(void *owner, PGresult *result)
{
    struct postgres *pg = owner;
    size_t count;

    if (strcmp(PQcmdStatus(result), "BEGIN") == 0 ||
        strcmp(PQcmdStatus(result), "COMMIT") == 0) {
        return 0;
    }
    count = next_statement(pg);
    if (count == 0) {
        return CNODE_STORE_FAILED;
    }
    if (pg->at->kind == STORE_GET) {
        int rc = take_rows(pg->at, count, result);

        if (rc != 0) {
            return rc;
        }
    }
    skip(pg, count);
    return 0;
}

/* --- a batch */

static int on_nothing(void *owner, PGresult *result)
{
    (void)owner;
    (void)result;
    return 0;
}

static int simple(struct postgres *pg, const char *sql)
{
    int rc = postgres_link_send(&pg->link, sql);

    return rc == 0 ? postgres_link_await(&pg->link, on_nothing, NULL) : rc;
}

/* A node that makes the table at the same time: the next attempt finds it. */
static int prepare(struct postgres *pg)
{
    int rc = postgres_link_open(&pg->link);

    if (rc != 0 || pg->has_table) {
        return rc;
    }
    rc = simple(pg, text_of(&pg->create));
    if (rc != 0) {
        postgres_link_close(&pg->link);
        return CNODE_STORE_UNREACHABLE;
    }
    pg->has_table = true;
    return 0;
}

static int send_batch(struct postgres *pg, struct store_op *op, size_t count)
{
    int rc = postgres_link_send(&pg->link, "begin");

    pg->at = op;
    pg->left = count;
    for (struct store_op *one = op; count > 0; count--, one = one->next) {
        one->rc = one->kind == STORE_GET ? CNODE_NOT_FOUND : 0;
    }
    while (rc == 0 && (count = next_statement(pg)) > 0) {
        rc = send_alike(pg, pg->at, count);
        skip(pg, count);
    }
    return rc == 0 ? postgres_link_send(&pg->link, "commit") : rc;
}

/* A transaction that failed is still open. */
static void roll_back(struct postgres *pg)
{
    if (pg->link.conn != NULL &&
        PQtransactionStatus(pg->link.conn) != PQTRANS_IDLE) {
        (void)simple(pg, "rollback");
    }
}

static int postgres_run(void *handle, struct store_op *op, size_t count)
{
    struct postgres *pg = handle;
    size_t all = count;
    int rc = prepare(pg);

    if (rc == 0) {
        rc = send_batch(pg, op, count);
        if (rc != 0) { /* half a batch is on its way: away with it */
            postgres_link_close(&pg->link);
            return rc;
        }
        pg->at = op;
        pg->left = all;
        rc = postgres_link_await(&pg->link, on_result, pg);
    }
    if (rc != 0) {
        roll_back(pg);
    }
    return rc;
}

const struct store_backend store_postgres = {
    .name = "postgres",
    .open = postgres_open,
    .close = postgres_close,
    .run = postgres_run,
};
