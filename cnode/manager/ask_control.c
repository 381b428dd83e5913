/* SPDX-License-Identifier: Apache-2.0
 *
 * What operators do to pools, by cnode_admin: see control.h.
 */
#include <cnode/error.h>

#include "manager/ask_query.h"
#include "manager/control.h"
#include "pool/pool.h"

/* What CNODE_EXISTS and CNODE_EINVALID mean here. */
struct order {
    int (*run)(struct manager *manager, atom_t pool);
    const char *already, *not_so;
};

static int answer(const struct ask_query *query, const struct order *order)
{
    struct manager *manager = query->ask->manager;
    atom_t pool = query->pool != NULL ? query->pool->config->name : ATOM_NONE;
    int rc;

    if (manager == NULL) {
        return ask_reply(query, "{error, unavailable}");
    }
    rc = order->run(manager, pool);
    if (rc == CNODE_EXISTS) {
        return ask_reply(query, "{error, ~a}", order->already);
    }
    if (rc == CNODE_EINVALID) {
        return ask_reply(query, "{error, ~a}", order->not_so);
    }
    return rc == 0 ? ask_reply(query, "ok") : rc;
}

int ask_lock(const struct ask_query *query)
{
    return answer(query, &(struct order){.run = control_lock,
                                         .already = "already_locked",
                                         .not_so = "badarg"});
}

int ask_release(const struct ask_query *query)
{
    return answer(query, &(struct order){.run = control_release,
                                         .already = "not_locked",
                                         .not_so = "not_locked"});
}

int ask_online(const struct ask_query *query)
{
    return answer(query, &(struct order){.run = control_online,
                                         .already = "already_online",
                                         .not_so = "badarg"});
}

int ask_offline(const struct ask_query *query)
{
    return answer(query, &(struct order){.run = control_offline,
                                         .already = "already_offline",
                                         .not_so = "badarg"});
}

int ask_add_supervisor(const struct ask_query *query)
{
    struct manager *manager = query->ask->manager;
    struct pid pid;
    int rc =
        manager != NULL
            ? control_add_supervisor(manager, query->pool->config->name, &pid)
            : CNODE_EINVALID;

    if (rc == CNODE_EINVALID) {
        return ask_reply(query, "{error, unavailable}");
    }
    return rc == 0 ? ask_reply(query, "{ok, ~p}", pid) : rc;
}

int ask_remove_supervisor(const struct ask_query *query)
{
    struct manager *manager = query->ask->manager;
    struct pid pid;
    int rc = CNODE_NOT_FOUND;

    if (manager != NULL && term_get_pid(query->args[0], &pid)) {
        rc = control_remove_supervisor(manager, query->pool->config->name, pid);
    }
    return rc == 0                 ? ask_reply(query, "ok")
           : rc == CNODE_NOT_FOUND ? ask_reply(query, "{error, not_found}")
                                   : rc;
}
