/* SPDX-License-Identifier: Apache-2.0
 *
 * The health report of the node, by cnode_admin: AdvancedPool's struct, or a
 * table as one text. With `rebuild` every scheduler is asked first.
 */
#include <cnode/error.h>

#include "base/mem.h"
#include "manager/ask_query.h"
#include "manager/report.h"
#include "term/build.h"

typedef void (*put_fn)(struct buf *buf, const struct report *report);

static void put_struct(struct buf *buf, const struct report *report)
{
    report_put(buf, report, NULL, 0);
}

static void put_text(struct buf *buf, const struct report *report)
{
    struct buf text;

    buf_init(&text, 0);
    report_put_text(&text, report);
    term_put_binary(buf, buf_data(&text), buf_size(&text));
    buf_fini(&text);
}

static void put_answer(struct buf *buf, const struct report *report, put_fn put)
{
    term_put_tuple(buf, 2);
    term_put_atom(buf, A_ok);
    put(buf, report);
}

/* --- later */

struct rebuild {
    struct ask_caller *caller;
    put_fn put;
};

static void on_rebuilt(void *owner, const struct report *report)
{
    struct rebuild *rebuild = owner;

    if (report == NULL) {
        ask_caller_free(rebuild->caller);
    } else {
        put_answer(ask_caller_begin(rebuild->caller), report, rebuild->put);
        ask_caller_end(rebuild->caller);
    }
    mem_free(rebuild);
}

static int rebuild(const struct ask_query *query, put_fn put)
{
    struct ask_caller *caller;
    struct rebuild *job;
    int rc = ask_keep(query, &caller);

    if (rc == 0) {
        job = mem_alloc(sizeof(*job));
        *job = (struct rebuild){.caller = caller, .put = put};
        report_rebuild(query->ask->pools, on_rebuilt, job);
    }
    return rc;
}

/* --- now */

static int health(const struct ask_query *query, put_fn put)
{
    struct report report;
    struct cnode_term value;
    bool wants_rebuild = false;

    if (query->arg_count > 0 && ask_option(query->args[0], "rebuild", &value) &&
        !ask_is_nothing(value) && !cnode_get_bool(value, &wants_rebuild)) {
        return CNODE_EINVALID;
    }
    if (wants_rebuild) {
        return rebuild(query, put);
    }
    report_init(&report, query->ask->pools);
    put_answer(ask_begin(query), &report, put);
    report_fini(&report);
    return ask_end(query);
}

int ask_health(const struct ask_query *query)
{
    return health(query, put_struct);
}

int ask_health_text(const struct ask_query *query)
{
    return health(query, put_text);
}
