/* SPDX-License-Identifier: Apache-2.0
 *
 * See postgres_link.h.
 */
#include "storage/postgres_link.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include <cnode/error.h>

#include "base/log.h"
#include "base/loop.h"

enum { CONNECT_MS = 5000, WORK_MS = 10000, NS_PER_MS = 1000000 };

/* --- time */

static uint64_t deadline(uint64_t ms)
{
    return loop_clock_ns() + ms * NS_PER_MS;
}

/* False: the time is over. */
static bool wait_for(const struct postgres_link *link, short events,
                     uint64_t until_ns)
{
    struct pollfd fd = {.fd = PQsocket(link->conn), .events = events};
    uint64_t now_ns = loop_clock_ns();

    if (fd.fd < 0 || now_ns >= until_ns) {
        return false;
    }
    return poll(&fd, 1, (int)((until_ns - now_ns) / NS_PER_MS) + 1) > 0 ||
           errno == EINTR;
}

/* --- errors */

struct code {
    const char *state; /* SQLSTATE, or the beginning of it */
    int error;
};

/* Those that go by themselves, or by another connection, are worth waiting. */
static const struct code codes[] = {
    {"08", CNODE_STORE_UNREACHABLE},    /* connection */
    {"57", CNODE_STORE_UNREACHABLE},    /* shutdown, canceled */
    {"40", CNODE_STORE_UNREACHABLE},    /* serialization, deadlock */
    {"25006", CNODE_STORE_UNREACHABLE}, /* read only: not the primary */
    {"53100", CNODE_STORE_FULL},        /* disk */
    {"53", CNODE_STORE_UNREACHABLE},    /* memory, connections */
    {"XX001", CNODE_STORE_CORRUPT},     {"XX002", CNODE_STORE_CORRUPT},
};

static void log_error(const struct postgres_link *link, const char *text)
{
    LOG_ERROR("postgres_failed", F_STR("store", link->name),
              F_BYTES("text", text, strcspn(text, "\n")));
}

int postgres_link_error(struct postgres_link *link, const PGresult *result)
{
    const char *state =
        result != NULL ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;

    log_error(link, result != NULL ? PQresultErrorMessage(result)
                                   : PQerrorMessage(link->conn));
    if (state == NULL || PQstatus(link->conn) != CONNECTION_OK) {
        return CNODE_STORE_UNREACHABLE;
    }
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        if (strncmp(state, codes[i].state, strlen(codes[i].state)) == 0) {
            return codes[i].error;
        }
    }
    return CNODE_STORE_FAILED;
}

/* --- connect */

static void ignore_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

static bool connect_in_time(struct postgres_link *link)
{
    uint64_t until_ns = deadline(CONNECT_MS);
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;

    while (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING) {
        short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;

        if (!wait_for(link, events, until_ns)) {
            log_error(link, "no connection in time");
            return false;
        }
        status = PQconnectPoll(link->conn);
    }
    if (status != PGRES_POLLING_OK) {
        log_error(link, PQerrorMessage(link->conn));
        return false;
    }
    return PQsetnonblocking(link->conn, 1) == 0 &&
           PQenterPipelineMode(link->conn) == 1;
}

int postgres_link_open(struct postgres_link *link)
{
    if (link->conn != NULL && PQstatus(link->conn) == CONNECTION_OK) {
        return 0;
    }
    postgres_link_close(link);
    link->conn = PQconnectStart(link->url);
    if (link->conn == NULL) {
        return CNODE_STORE_UNREACHABLE;
    }
    PQsetNoticeReceiver(link->conn, ignore_notice, NULL);
    if (PQstatus(link->conn) == CONNECTION_BAD || !connect_in_time(link)) {
        postgres_link_close(link);
        return CNODE_STORE_UNREACHABLE;
    }
    return 0;
}

void postgres_link_close(struct postgres_link *link)
{
    PQfinish(link->conn); /* NULL is fine */
    link->conn = NULL;
}

/* --- a batch */

int postgres_link_send(struct postgres_link *link, const char *sql)
{
    return PQsendQueryParams(link->conn, sql, 0, NULL, NULL, NULL, NULL, 1) == 1
               ? 0
               : postgres_link_error(link, NULL);
}

/* Until a result can be read without waiting. False: it is broken, or too late.
 */
static bool wait_for_result(struct postgres_link *link, uint64_t until_ns)
{
    int unsent = PQflush(link->conn);

    while (unsent >= 0 && PQisBusy(link->conn) != 0) {
        short events = (short)(unsent > 0 ? POLLIN | POLLOUT : POLLIN);

        if (!wait_for(link, events, until_ns)) {
            log_error(link, "no answer in time");
            return false;
        }
        if (PQconsumeInput(link->conn) == 0) {
            break;
        }
        unsent = PQflush(link->conn);
    }
    if (unsent < 0 || PQstatus(link->conn) != CONNECTION_OK) {
        log_error(link, PQerrorMessage(link->conn));
        return false;
    }
    return true;
}

/* The first error counts; what follows it was not done. */
static int take_result(struct postgres_link *link, PGresult *result,
                       postgres_result_fn on_result, void *owner, int rc)
{
    switch (PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
        return rc == 0 ? on_result(owner, result) : rc;
    case PGRES_PIPELINE_ABORTED:
        return rc;
    default:
        return rc == 0 ? postgres_link_error(link, result) : rc;
    }
}

int postgres_link_await(struct postgres_link *link,
                        postgres_result_fn on_result, void *owner)
{
    uint64_t until_ns = deadline(WORK_MS);
    bool is_over = PQpipelineSync(link->conn) != 1;
    bool is_lost = is_over;
    int rc = 0;

    while (!is_over) {
        PGresult *result;

        if (!wait_for_result(link, until_ns)) {
            is_lost = true;
            break;
        }
        result = PQgetResult(link->conn); /* NULL between two statements */
        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            is_over = true;
        } else if (result != NULL) {
            rc = take_result(link, result, on_result, owner, rc);
        }
        PQclear(result);
    }
    if (is_lost || rc == CNODE_STORE_UNREACHABLE) {
        postgres_link_close(link);
        return CNODE_STORE_UNREACHABLE;
    }
    return rc;
}
