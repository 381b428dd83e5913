/* SPDX-License-Identifier: Apache-2.0
 *
 * See agent.h.
 */
#include "manager/agent.h"

#include <cnode/error.h>

#include "base/metric.h"
#include "manager/manager.h"

static void on_message(struct process *process, const struct signal *signal)
{
    struct agent *agent = CONTAINER_OF(process, struct agent, process);
    struct gen_message gen;

    gen_parse(signal->term, &gen);
    gen_parse_multi_call(&gen);
    agent->kind->message(agent, signal, &gen);
}

static void describe(const struct process *process, struct process_about *about)
{
    const struct agent *agent = CONTAINER_OF(process, struct agent, process);

    about->module = agent->kind->name;
    about->is_supervisor = agent->kind->is_supervisor;
}

static void on_exit_signal(struct process *process, struct cnode_term reason);

static const struct process_class agent_class = {
    .name = "manager",
    .message = on_message,
    .exit = on_exit_signal,
    .describe = describe,
};

static int begin(struct agent *agent)
{
    struct node *node = agent->manager->node;
    int rc = node_spawn(node, &agent->process, &agent_class);

    if (rc != 0) {
        return rc;
    }
    rc = names_register(node, agent->kind->name, &agent->process);
    if (rc != 0) {
        node_exit(node, &agent->process, atom_term(A_normal));
        return rc;
    }
    agent->is_up = true;
    return 0;
}

/* Its slot and its name have just become free. */
static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    struct agent *agent = CONTAINER_OF(process, struct agent, process);

    node_exit(agent->manager->node, process, reason);
    agent->is_up = false;
    CHECK(begin(agent) == 0);
    if (agent->kind->restarted != NULL) {
        agent->kind->restarted(agent);
    }
}

int agent_start(struct agent *agent, struct manager *manager,
                const struct agent_kind *kind)
{
    *agent = (struct agent){.manager = manager, .kind = kind};
    return begin(agent);
}

void agent_stop(struct agent *agent)
{
    if (agent->is_up) {
        agent->is_up = false;
        node_exit(agent->manager->node, &agent->process, atom_term(A_shutdown));
    }
}

struct pid agent_pid(const struct agent *agent)
{
    return node_pid(agent->manager->node, &agent->process);
}

int agent_announce(struct agent *agent)
{
    const struct agent_kind *kind = agent->kind;
    struct buf meta;
    int rc = 0;

    if (kind->put_meta == NULL || !agent->is_up) {
        return 0;
    }
    buf_init(&meta, 0);
    kind->put_meta(agent, &meta);
    for (enum entry entry = kind->first; entry < kind->end && rc == 0;
         entry++) {
        rc = membership_put(agent->manager->syn, entry, entry + 1, ATOM_NONE,
                            agent_pid(agent),
                            term_at(buf_data(&meta), buf_size(&meta)));
    }
    buf_fini(&meta);
    return rc;
}

void agent_refuse(struct agent *agent, const struct gen_message *gen)
{
    if (gen->kind == GEN_CALL) {
        (void)gen_reply(agent->manager->node, &agent->process, &gen->from,
                        "{error, {unsupported, ~t}}", gen->body);
    } else {
        METRIC_INC(dead_letters);
    }
}
