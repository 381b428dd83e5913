/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection to a PostgreSQL server, for store_postgres.c: whatever is
 * asked of it ends within a deadline. The store's thread.
 */
#ifndef CNODE_STORAGE_POSTGRES_LINK_H
#define CNODE_STORAGE_POSTGRES_LINK_H

#include <libpq-fe.h>

#include "base/check.h"

struct postgres_link {
    const char *name; /* of the store, for the log */
    const char *url;
    PGconn *conn; /* NULL: not connected */
};

/* Connects, in pipeline mode. 0 or CNODE_STORE_UNREACHABLE. */
MUST_USE int postgres_link_open(struct postgres_link *link);
void postgres_link_close(struct postgres_link *link);

/* Called with each result, in order; an error ends the batch with it. */
typedef int (*postgres_result_fn)(void *owner, PGresult *result);

/* Ends what was sent with PQsendQueryParams() by a sync, and reads all results:
 * 0, or the first error of a result or of `on_result`. After
 * CNODE_STORE_UNREACHABLE there is no connection any more. */
MUST_USE int postgres_link_await(struct postgres_link *link,
                                 postgres_result_fn on_result, void *owner);

/* Sends one statement without parameters as part of the batch. */
MUST_USE int postgres_link_send(struct postgres_link *link, const char *sql);

/* Why the newest thing failed: for the log. The code of a result, NULL: of the
 * connection. */
int postgres_link_error(struct postgres_link *link, const PGresult *result);

#endif
