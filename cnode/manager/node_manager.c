/* SPDX-License-Identifier: Apache-2.0
 *
 * See node_manager.h.
 */
#include "manager/node_manager.h"

#include <time.h>

#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "manager/manager.h"
#include "manager/window.h"
#include "node/route.h"
#include "pool/child_spec.h"
#include "term/build.h"

/* --- its status */

/* Of the pool that is worst off. */
static double lowest_health(const struct manager *manager)
{
    double lowest = HEALTH_BEST, one;

    for (size_t i = 0; i < manager->membership.count; i++) {
        const struct pool *pool = manager->membership.members[i].pool;

        if (standing_health(pool->standing, &one) && one < lowest) {
            lowest = one;
        }
    }
    return lowest;
}

/* To a tenth: nobody is to hear of each small change. */
static double coarse(double health)
{
    return (double)(int64_t)(health * 10) / 10;
}

static void put_status(const struct agent *agent, struct buf *buf)
{
    const struct manager *manager = agent->manager;
    struct manager_status status = {.node = manager->node->name,
                                    .status = manager->is_locked ? A_locked
                                                                 : A_online,
                                    .state = A_ready,
                                    .health = coarse(lowest_health(manager))};

    status.started_on = status.updated_on = manager->node_manager.started_on;
    status_put_manager(buf, A_node_status, &status);
}

static void put_node(const struct agent *agent, struct buf *buf)
{
    term_format(buf, "[{node, ~A}]", agent->manager->node->name);
}

/* --- configuration */

void node_manager_config(const struct pool *pool, struct service_config *out)
{
    const struct pool_config *config = pool->config;

    *out = (struct service_config){
        .state = config->top.state == POOL_STATE_ONLINE ? A_online : A_offline,
        .priority = config->here.priority,
        .supervisors = window_of(&config->here.supervisor_target),
        .workers = window_of(&config->worker.target),
        .health = window_of_range(&config->here.health_target),
        .pool = config->name,
        .node = pool->node->name};
}

static void reply_configuration(struct agent *agent,
                                const struct gen_message *gen)
{
    const struct membership *membership = &agent->manager->membership;
    struct buf *buf = gen_reply_begin(agent->manager->node, &gen->from);

    term_put_map(buf, (uint32_t)membership->count);
    for (size_t i = 0; i < membership->count; i++) {
        struct service_config config;

        node_manager_config(membership->members[i].pool, &config);
        term_put_atom(buf, config.pool);
        status_put_node_service(buf, &config);
    }
    (void)gen_reply_end(agent->manager->node, &agent->process, &gen->from);
}

/* --- health reports */

static void send_report(struct manager *manager, struct pid to,
                        struct cnode_term report)
{
    struct node *node = manager->node;
    struct dest dest = dest_pid(to);
    struct buf *buf = node_scratch(node);

    term_format(buf, "{node_health_report, {~A, ~t}}", node->name, report);
    (void)route_send(node, agent_pid(&manager->node_manager.server), &dest,
                     node_scratch_payload(node));
}

static void tell_subscribers(struct manager *manager,
                             const struct report *report)
{
    struct node_manager *nm = &manager->node_manager;
    struct buf term;

    buf_init(&term, 0);
    report_put(&term, report, nm->subscribers, nm->subscriber_count);
    for (uint32_t i = 0; i < nm->subscriber_count; i++) {
        send_report(manager, nm->subscribers[i],
                    term_at(buf_data(&term), buf_size(&term)));
    }
    nm->subscriber_count = 0;
    buf_fini(&term);
}

static void on_rebuilt(void *owner, const struct report *report)
{
    struct manager *manager = owner;

    if (report != NULL && !manager->is_over) {
        manager->node_manager.is_rebuilding = false;
        tell_subscribers(manager, report);
    }
}

static bool subscribe(struct node_manager *nm, struct pid pid)
{
    if (pid_is_none(pid)) {
        return true;
    }
    if (nm->subscriber_count >= limits.report_subscribers) {
        METRIC_INC(subscribers_refused);
        return false;
    }
    nm->subscribers = mem_realloc(nm->subscribers, (nm->subscriber_count + 1) *
                                                       sizeof(struct pid));
    nm->subscribers[nm->subscriber_count++] = pid;
    return true;
}

/* The numbers of this moment, and to whom they go besides the caller. */
static void reply_report(struct agent *agent, const struct gen_message *gen,
                         struct pid subscriber)
{
    struct manager *manager = agent->manager;
    struct report report;
    struct buf term;

    buf_init(&term, 0);
    report_init(&report, manager->pools);
    report_put(&term, &report, &subscriber, pid_is_none(subscriber) ? 0 : 1);
    (void)gen_reply(manager->node, &agent->process, &gen->from, "{ok, ~t}",
                    term_at(buf_data(&term), buf_size(&term)));
    if (!pid_is_none(subscriber)) {
        send_report(manager, subscriber,
                    term_at(buf_data(&term), buf_size(&term)));
    }
    report_fini(&report);
    buf_fini(&term);
}

static void health_report(struct agent *agent, const struct gen_message *gen,
                          const struct request *request)
{
    struct manager *manager = agent->manager;
    struct node_manager *nm = &manager->node_manager;

    if (!request->rebuild) {
        reply_report(agent, gen, request->subscriber);
        return;
    }
    if (!subscribe(nm, request->subscriber)) {
        (void)gen_reply(manager->node, &agent->process, &gen->from,
                        "{error, overloaded}");
        return;
    }
    reply_report(agent, gen, PID_NONE);
    if (!nm->is_rebuilding) {
        nm->is_rebuilding = true;
        report_rebuild(manager->pools, on_rebuilt, manager);
    }
}

/* --- messages */

static bool is_foreign(const struct manager *manager,
                       const struct request *request)
{
    return !term_is_none(request->recipient) &&
           !term_is_atom(request->recipient, manager->node->name);
}

static void answer(struct agent *agent, const struct gen_message *gen,
                   const struct request *request)
{
    struct node *node = agent->manager->node;

    if (is_foreign(agent->manager, request)) {
        (void)gen_reply(node, &agent->process, &gen->from,
                        "{error, {foreign_node, ~t}}", request->recipient);
    } else if (request->kind == REQUEST_CONFIGURATION) {
        reply_configuration(agent, gen);
    } else if (request->kind == REQUEST_HEALTH_REPORT) {
        health_report(agent, gen, request);
    } else {
        (void)gen_reply(node, &agent->process, &gen->from,
                        "{uncaught, ~t, {ref, ~A, ~A}}", request->message,
                        agent->kind->name, node->name);
    }
}

/* update_health_report is AdvancedPool's own answer to itself: here the numbers
 * are at hand, and nobody else knows them. */
static void on_server_message(struct agent *agent, const struct signal *signal,
                              struct gen_message *gen)
{
    struct request request;

    (void)signal;
    request_parse(gen->body, &request);
    if (gen->kind == GEN_CALL) {
        answer(agent, gen, &request);
    } else if (request.kind != REQUEST_UPDATE_HEALTH_REPORT) {
        METRIC_INC(dead_letters);
    }
}

static void put_child(struct buf *buf, atom_t id, struct pid pid, atom_t type)
{
    term_format(buf, "{~A, ~p, ~A, [~A]}", id, pid, type, id);
}

static void which_children(struct agent *agent, const struct gen_message *gen)
{
    struct manager *manager = agent->manager;
    const struct node_manager *nm = &manager->node_manager;
    struct buf *buf = gen_reply_begin(manager->node, &gen->from);
    size_t start = term_open_list(buf);
    uint32_t count = 2;

    put_child(buf, A_NodeManagerTask, agent_pid(&nm->task), A_supervisor);
    put_child(buf, A_NodeManagerServer, agent_pid(&nm->server), A_worker);
    for (size_t i = 0; i < manager->membership.count; i++) {
        const struct pool *pool = manager->membership.members[i].pool;

        if (pool->state == POOL_UP) {
            put_child(buf, pool->config->name, pool_pid(pool), A_supervisor);
            count++;
        }
    }
    term_close_list(buf, start, count);
    (void)gen_reply_end(manager->node, &agent->process, &gen->from);
}

static void count_children(struct agent *agent, const struct gen_message *gen)
{
    const struct membership *membership = &agent->manager->membership;
    uint64_t all = membership->count + 2, active = 2;

    for (size_t i = 0; i < membership->count; i++) {
        active += membership->members[i].pool->state == POOL_UP;
    }
    (void)gen_reply(agent->manager->node, &agent->process, &gen->from,
                    "[{specs, ~u}, {active, ~u}, {supervisors, ~u}, "
                    "{workers, 1}]",
                    all, active, all - 1);
}

static void on_supervisor_message(struct agent *agent,
                                  const struct signal *signal,
                                  struct gen_message *gen)
{
    struct cnode_term argument;

    (void)signal;
    if (gen->kind == GEN_CALL) {
        switch (child_request(gen->body, &argument)) {
        case CHILD_WHICH:
            which_children(agent, gen);
            return;
        case CHILD_COUNT:
            count_children(agent, gen);
            return;
        default: /* its children are those of the configuration */
            break;
        }
    }
    agent_refuse(agent, gen);
}

/* Nothing of Elixir can run here. */
static void on_task_message(struct agent *agent, const struct signal *signal,
                            struct gen_message *gen)
{
    (void)signal;
    agent_refuse(agent, gen);
}

/* --- its life */

static const struct agent_kind server_kind = {
    .name = A_NodeManagerServer,
    .first = ENTRIES_NODE_MANAGER,
    .end = ENTRIES_NODE_SUPERVISOR,
    .put_meta = put_status,
    .message = on_server_message,
};

static const struct agent_kind supervisor_kind = {
    .name = A_NodeManagerSupervisor,
    .is_supervisor = true,
    .first = ENTRIES_NODE_SUPERVISOR,
    .end = ENTRIES_CLUSTER_MANAGER,
    .put_meta = put_node,
    .message = on_supervisor_message,
};

static const struct agent_kind task_kind = {
    .name = A_NodeManagerTask,
    .is_supervisor = true,
    .message = on_task_message,
};

int node_manager_start(struct manager *manager)
{
    struct node_manager *nm = &manager->node_manager;
    int rc = agent_start(&nm->supervisor, manager, &supervisor_kind);

    nm->is_started = true;
    nm->started_on = (int64_t)time(NULL);
    if (rc == 0) {
        rc = agent_start(&nm->task, manager, &task_kind);
    }
    return rc == 0 ? agent_start(&nm->server, manager, &server_kind) : rc;
}

void node_manager_announce(struct manager *manager)
{
    struct node_manager *nm = &manager->node_manager;

    if (nm->is_started) {
        (void)agent_announce(&nm->supervisor);
        (void)agent_announce(&nm->server);
    }
}

void node_manager_stop(struct manager *manager)
{
    struct node_manager *nm = &manager->node_manager;

    agent_stop(&nm->server);
    agent_stop(&nm->task);
    agent_stop(&nm->supervisor);
}

void node_manager_fini(struct manager *manager)
{
    mem_free(manager->node_manager.subscribers);
}
