/* SPDX-License-Identifier: Apache-2.0
 *
 * See cluster_manager.h. A question is a gen call with one reference as
 * monitor, alias and tag; whatever is still open at the deadline is given up.
 */
#include "manager/cluster_manager.h"

#include <time.h>

#include <cnode/error.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "manager/manager.h"
#include "node/alias.h"
#include "node/monitor.h"
#include "node/route.h"
#include "term/build.h"

/* A node that has just started does not know yet who the manager is: as the
 * later one it would take the name from him. */
enum {
    CLAIM_MS = 3000,
    ROUND_MS = 5000,
    REBUILD_MS = 15000,
    NS_PER_MS = 1000000
};

static void begin_round(struct manager *manager, bool rebuild);

/* --- what it says in syn */

static void put_status(const struct agent *agent, struct buf *buf)
{
    const struct cluster_manager *cm = &agent->manager->cluster_manager;
    struct manager_status status = {.node = agent->manager->node->name,
                                    .status = A_online,
                                    .state = A_ready,
                                    .started_on = cm->started_on,
                                    .updated_on = cm->started_on};

    status_put_manager(buf, A_cluster_status, &status);
}

static void put_node(const struct agent *agent, struct buf *buf)
{
    term_format(buf, "[{node, ~A}]", agent->manager->node->name);
}

/* --- the report */

static void put_report(const struct manager *manager, struct buf *buf)
{
    const struct cluster_manager *cm = &manager->cluster_manager;
    struct report_frame frame = {.kind = A_ClusterHealthReport,
                                 .status = A_ready,
                                 .started_us = cm->round.started_us,
                                 .finished_us = date_time_now()};
    struct buf inside;

    buf_init(&inside, 0);
    round_put(&cm->round, &inside);
    report_put_frame(buf, &frame,
                     term_at(buf_data(&inside), buf_size(&inside)));
    buf_fini(&inside);
}

static void send_report(struct manager *manager, struct pid to,
                        struct cnode_term report)
{
    struct node *node = manager->node;
    struct dest dest = dest_pid(to);

    term_format(node_scratch(node), "{health_report, ~t}", report);
    (void)route_send(node, agent_pid(&manager->cluster_manager.server), &dest,
                     node_scratch_payload(node));
}

/* Those whom this round was good enough for; the others wait for the next. */
static void tell_subscribers(struct manager *manager, struct cnode_term report)
{
    struct cluster_manager *cm = &manager->cluster_manager;
    uint32_t left = 0;

    for (uint32_t i = 0; i < cm->subscriber_count; i++) {
        struct cluster_subscriber one = cm->subscribers[i];

        if (one.wants_rebuild && !cm->round.rebuild) {
            cm->subscribers[left++] = one;
        } else {
            send_report(manager, one.pid, report);
        }
    }
    cm->subscriber_count = left;
}

static void end_round(struct manager *manager)
{
    struct cluster_manager *cm = &manager->cluster_manager;
    struct cnode_term report;
    struct buf buf;

    loop_timer_stop(node_loop(manager->node), &cm->deadline);
    buf_init(&buf, 0);
    put_report(manager, &buf);
    report = term_at(buf_data(&buf), buf_size(&buf));
    if (buf_error(&buf) == 0) {
        cnode_term_free(cm->last);
        cm->last = cnode_term_copy(report);
        tell_subscribers(manager, report);
    }
    buf_fini(&buf);
    round_end(&cm->round);
    if (cm->subscriber_count > 0) {
        begin_round(manager, true);
    }
}

static void end_if_over(struct manager *manager)
{
    if (round_is_over(&manager->cluster_manager.round)) {
        end_round(manager);
    }
}

/* --- the questions of a round */

/* A call with AdvancedPool's envelope. */
static void put_question(const struct manager *manager, struct buf *buf,
                         const struct round_node *node, struct pid self)
{
    term_put_tuple(buf, 3);
    term_put_atom(buf, A_gen_call);
    term_format(buf, "{~p, [alias | ~r]}", self, &node->ref);
    term_put_tuple(buf, 6);
    term_put_atom(buf, A_msg_envelope);
    term_format(buf, "{~p, ~i}", self, date_time_now() / 1000);
    term_format(buf, "call");
    term_format(buf, "{ref, ~A, ~A}", A_NodeManagerServer, node->node);
    term_format(buf, "{settings, nil, true, nil, nil, nil, 60000}");
    if (manager->cluster_manager.round.rebuild) {
        term_format(buf, "{s, {health_report, ~p}, nil, [{rebuild, true}]}",
                    self);
    } else {
        term_format(buf, "{s, {health_report, nil}, nil, nil}");
    }
}

static int ask(struct manager *manager, struct round_node *node,
               struct pid their_manager)
{
    struct cluster_manager *cm = &manager->cluster_manager;
    struct process *self = &cm->server.process;
    struct dest dest = dest_pid(their_manager);
    struct buf *buf;
    int rc = alias_start_monitor(manager->node, self, &dest, ALIAS_REPLY,
                                 &node->ref);

    if (rc != 0) {
        return rc;
    }
    buf = node_scratch(manager->node);
    put_question(manager, buf, node, agent_pid(&cm->server));
    rc = buf_error(buf);
    if (rc == 0) {
        rc = route_send(manager->node, agent_pid(&cm->server), &dest,
                        node_scratch_payload(manager->node));
    }
    if (rc != 0 && rc != CNODE_NOCONN) { /* of that the monitor tells */
        (void)monitor_stop(manager->node, self, &node->ref);
        (void)alias_stop(manager->node, self, &node->ref);
        return rc;
    }
    return 0;
}

struct found {
    struct pid *pids;
    uint32_t count;
};

static void on_member(void *arg, struct pid pid, struct cnode_term meta)
{
    struct found *found = arg;

    (void)meta;
    found->pids =
        mem_realloc(found->pids, (found->count + 1) * sizeof(*found->pids));
    found->pids[found->count++] = pid;
}

/* All that are there, then those who should be. */
static void ask_all(struct manager *manager)
{
    struct round *round = &manager->cluster_manager.round;
    const struct manager_config *config = manager->config;
    struct found found = {0};
    struct round_node *node;

    syn_local_members(manager->syn, A_NodeManager, atom_term(A_node_managers),
                      on_member, &found);
    for (uint32_t i = 0; i < found.count; i++) {
        node = round_add(round, found.pids[i].node);
        if (node != NULL && ask(manager, node, found.pids[i]) != 0) {
            round_lose(round, node);
        }
    }
    mem_free(found.pids);
    for (size_t i = 0; i < config->service_count; i++) {
        node = round_add(round, config->services[i].node);
        if (node != NULL) {
            round_lose(round, node);
        }
    }
}

static void begin_round(struct manager *manager, bool rebuild)
{
    struct cluster_manager *cm = &manager->cluster_manager;

    round_begin(&cm->round, rebuild, date_time_now());
    loop_timer_start(node_loop(manager->node), &cm->deadline,
                     rebuild ? REBUILD_MS : ROUND_MS);
    ask_all(manager);
    if (round_is_over(&cm->round)) { /* nobody was asked */
        loop_timer_start(node_loop(manager->node), &cm->deadline, 0);
    }
}

/* Nobody waits for who has not answered by now. */
static void give_up(struct manager *manager)
{
    struct cluster_manager *cm = &manager->cluster_manager;
    struct process *self = &cm->server.process;

    for (uint32_t i = 0; i < cm->round.count; i++) {
        struct round_node *node = &cm->round.nodes[i];

        if (node->state == ROUND_ASKED) {
            (void)monitor_stop(manager->node, self, &node->ref);
            (void)alias_stop(manager->node, self, &node->ref);
        }
        round_lose(&cm->round, node);
    }
}

static void on_deadline(struct timer *timer)
{
    struct manager *manager =
        CONTAINER_OF(timer, struct manager, cluster_manager.deadline);

    give_up(manager);
    end_round(manager);
}

static void on_beat(struct timer *timer)
{
    struct manager *manager =
        CONTAINER_OF(timer, struct manager, cluster_manager.beat);
    struct cluster_manager *cm = &manager->cluster_manager;

    if (cm->is_holder && !cm->round.is_under_way) {
        begin_round(manager, false);
    }
    loop_timer_start(node_loop(manager->node), timer,
                     manager->config->keys.heartbeat_ns / NS_PER_MS);
}

/* --- messages */

static bool subscribe(struct cluster_manager *cm, const struct request *request)
{
    if (pid_is_none(request->subscriber)) {
        return true;
    }
    if (cm->subscriber_count >= limits.report_subscribers) {
        METRIC_INC(subscribers_refused);
        return false;
    }
    cm->subscribers = mem_realloc(
        cm->subscribers, (cm->subscriber_count + 1) * sizeof(*cm->subscribers));
    cm->subscribers[cm->subscriber_count++] = (struct cluster_subscriber){
        .pid = request->subscriber, .wants_rebuild = request->rebuild};
    return true;
}

static void health_report(struct agent *agent, const struct gen_message *gen,
                          const struct request *request)
{
    struct manager *manager = agent->manager;
    struct cluster_manager *cm = &manager->cluster_manager;

    if (!subscribe(cm, request)) {
        (void)gen_reply(manager->node, &agent->process, &gen->from,
                        "{error, overloaded}");
        return;
    }
    (void)gen_reply(manager->node, &agent->process, &gen->from, "{ok, ~t}",
                    cm->last != NULL ? cnode_kept_term(cm->last)
                                     : atom_term(A_initializing));
    if (!cm->round.is_under_way) {
        begin_round(manager, request->rebuild);
    }
}

static void on_call(struct agent *agent, const struct gen_message *gen)
{
    struct manager *manager = agent->manager;
    struct request request;

    request_parse(gen->body, &request);
    if (request.kind == REQUEST_CONFIGURATION) {
        cluster_config_put(manager, gen_reply_begin(manager->node, &gen->from));
        (void)gen_reply_end(manager->node, &agent->process, &gen->from);
    } else if (request.kind == REQUEST_HEALTH_REPORT) {
        health_report(agent, gen, &request);
    } else {
        (void)gen_reply(manager->node, &agent->process, &gen->from,
                        "{uncaught, ~t, {ref, ~A, manager}}", request.message,
                        agent->kind->name);
    }
}

/* {[alias | Ref], Answer}: the alias is used up, the monitor is not. */
static bool on_answer(struct manager *manager, struct cnode_term message)
{
    struct cluster_manager *cm = &manager->cluster_manager;
    struct cnode_term parts[2], alias;
    struct round_node *node;
    struct ref ref;

    if (!term_get_tuple(message, 2, parts) || !gen_alias(parts[0], &alias) ||
        !term_get_ref(alias, &ref)) {
        return false;
    }
    node = round_find_ref(&cm->round, &ref);
    if (node != NULL) {
        (void)monitor_stop(manager->node, &cm->server.process, &ref);
        round_answer(&cm->round, node, parts[1]);
    }
    return true;
}

/* {'DOWN', Ref, process, Pid, Reason} */
static bool on_down(struct manager *manager, struct cnode_term message)
{
    struct cluster_manager *cm = &manager->cluster_manager;
    struct cnode_term parts[5];
    struct round_node *node;
    struct ref ref;

    if (!term_get_tuple(message, 5, parts) || !term_is_atom(parts[0], A_DOWN) ||
        !term_get_ref(parts[1], &ref)) {
        return false;
    }
    node = round_find_ref(&cm->round, &ref);
    if (node != NULL) {
        (void)alias_stop(manager->node, &cm->server.process, &ref);
        round_lose(&cm->round, node);
    }
    return true;
}

/* {node_health_report, {Node, Report}}, of a process of that node. */
static bool on_report(struct manager *manager, const struct signal *signal)
{
    struct cnode_term parts[2], report[2];

    if (!term_get_tuple(signal->term, 2, parts) ||
        !term_is_atom(parts[0], A_node_health_report) ||
        !term_get_tuple(parts[1], 2, report)) {
        return false;
    }
    if (term_is_atom(report[0], signal->from.node)) {
        round_report(&manager->cluster_manager.round, signal->from.node,
                     report[1]);
    }
    return true;
}

static void on_info(struct manager *manager, const struct signal *signal)
{
    struct cluster_manager *cm = &manager->cluster_manager;
    struct request request;

    if (on_answer(manager, signal->term) || on_down(manager, signal->term) ||
        on_report(manager, signal)) {
        end_if_over(manager);
        return;
    }
    request_parse(signal->term, &request);
    if (request.kind != REQUEST_HEART_BEAT) {
        METRIC_INC(dead_letters);
    } else if (!cm->round.is_under_way) {
        begin_round(manager, false);
    }
}

static void on_server_message(struct agent *agent, const struct signal *signal,
                              struct gen_message *gen)
{
    if (gen->kind == GEN_CALL) {
        on_call(agent, gen);
    } else if (gen->kind == GEN_INFO) {
        on_info(agent->manager, signal);
    } /* casts: its own reports, which it has by itself */
}

static void on_other_message(struct agent *agent, const struct signal *signal,
                             struct gen_message *gen)
{
    (void)signal;
    agent_refuse(agent, gen);
}

/* Its questions went with it, and so has the name, perhaps to who has it now.
 */
static void on_restarted(struct agent *agent)
{
    struct manager *manager = agent->manager;
    struct round *round = &manager->cluster_manager.round;

    manager->cluster_manager.is_holder = false;
    for (uint32_t i = 0; i < round->count; i++) {
        round_lose(round, &round->nodes[i]);
    }
    end_if_over(manager);
}

/* --- its life */

static const struct agent_kind server_kind = {
    .name = A_ClusterManagerServer,
    .first = ENTRIES_CLUSTER_MANAGER,
    .end = ENTRIES_CLUSTER_SUPERVISOR,
    .put_meta = put_status,
    .message = on_server_message,
    .restarted = on_restarted,
};

static const struct agent_kind supervisor_kind = {
    .name = A_ClusterManagerSupervisor,
    .is_supervisor = true,
    .first = ENTRIES_CLUSTER_SUPERVISOR,
    .end = ENTRY_COUNT,
    .put_meta = put_node,
    .message = on_other_message,
};

static const struct agent_kind task_kind = {
    .name = A_ClusterManagerTask,
    .is_supervisor = true,
    .message = on_other_message,
};

int cluster_manager_start(struct manager *manager)
{
    struct cluster_manager *cm = &manager->cluster_manager;
    int rc = agent_start(&cm->supervisor, manager, &supervisor_kind);

    cm->is_started = true;
    cm->started_on = (int64_t)time(NULL);
    cm->started_ms = loop_now_ms(node_loop(manager->node));
    timer_init(&cm->beat, on_beat);
    timer_init(&cm->deadline, on_deadline);
    if (rc == 0) {
        rc = agent_start(&cm->task, manager, &task_kind);
    }
    if (rc == 0) {
        rc = agent_start(&cm->server, manager, &server_kind);
    }
    if (rc == 0) {
        on_beat(&cm->beat);
    }
    return rc;
}

static void become(struct manager *manager, bool is_holder)
{
    struct cluster_manager *cm = &manager->cluster_manager;

    if (cm->is_holder != is_holder) {
        cm->is_holder = is_holder;
        LOG_INFO("cluster_manager",
                 F_STR("is", is_holder ? "active" : "waiting"));
    }
}

void cluster_manager_announce(struct manager *manager)
{
    struct cluster_manager *cm = &manager->cluster_manager;

    if (!cm->is_started ||
        loop_now_ms(node_loop(manager->node)) - cm->started_ms < CLAIM_MS) {
        return;
    }
    become(manager, agent_announce(&cm->server) == 0);
    if (cm->is_holder) {
        (void)agent_announce(&cm->supervisor);
    }
}

void cluster_manager_stop(struct manager *manager)
{
    struct cluster_manager *cm = &manager->cluster_manager;

    if (cm->is_started) {
        loop_timer_stop(node_loop(manager->node), &cm->beat);
        loop_timer_stop(node_loop(manager->node), &cm->deadline);
        agent_stop(&cm->server);
        agent_stop(&cm->task);
        agent_stop(&cm->supervisor);
    }
}

void cluster_manager_fini(struct manager *manager)
{
    struct cluster_manager *cm = &manager->cluster_manager;

    round_end(&cm->round);
    cnode_term_free(cm->last);
    mem_free(cm->subscribers);
}
