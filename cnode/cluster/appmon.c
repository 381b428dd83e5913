/* SPDX-License-Identifier: Apache-2.0
 *
 * See appmon.h. A task is what one client wants to see. All tasks are looked at
 * together: one visit to the schedulers gathers the processes they need.
 */
#include "cluster/appmon.h"

#include <string.h>

#include <cnode/cnode.h>
#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "cluster/app_tree.h"
#include "cluster/functions_run.h"
#include "node/door.h"
#include "node/gen.h"
#include "term/build.h"

enum { LOOK_MS = 2000 };

struct task {
    struct list in_appmon;
    struct pid client;
    atom_t app;      /* ATOM_NONE: the list of applications */
    struct buf aux;  /* what the client calls it: one term */
    struct buf told; /* what it was told last */
};

/* In the order of time. */
static void on_message(struct process *process, const struct signal *signal);
static void on_exit_signal(struct process *process, struct cnode_term reason);
static void on_timer(struct timer *timer);
static void end(struct appmon *appmon, struct cnode_term reason);

static const struct process_class class = {
    .name = "appmon_info",
    .message = on_message,
    .exit = on_exit_signal,
};

void appmon_init(struct appmon *appmon, struct node *node)
{
    *appmon = (struct appmon){.node = node};
    list_init(&appmon->tasks);
    timer_init(&appmon->timer, on_timer);
}

/* --- start_link2(Starter, Client, Options) */

static int start(struct appmon *appmon, struct pid starter)
{
    struct node *node = appmon->node;
    int rc = node_spawn(node, &appmon->process, &class);

    if (rc != 0) {
        return rc;
    }
    appmon->is_up = true;
    appmon->starter = starter;
    appmon->process.flags |= PROCESS_TRAP_EXIT;
    rc = names_register(node, A_appmon_info, &appmon->process);
    if (rc != 0) {
        end(appmon, atom_term(A_normal));
    }
    return rc;
}

int function_start_appmon(struct function_run *run)
{
    struct appmon *appmon = run->functions->appmon;
    struct pid starter, client;
    int rc = 0;

    if (!term_get_pid(run->args[0], &starter) || pid_is_none(starter) ||
        !term_get_pid(run->args[1], &client) || pid_is_none(client)) {
        return CNODE_EINVALID;
    }
    if (!appmon->is_up) {
        rc = start(appmon, starter);
    }
    if (rc == 0) {
        rc = link_start(appmon->node, &appmon->process, client);
    }
    if (rc != 0) {
        return rc;
    }
    term_format(run->out, "{ok, ~p}", node_pid(appmon->node, &appmon->process));
    return 0;
}

/* --- tasks */

static void task_free(struct appmon *appmon, struct task *task)
{
    list_remove(&task->in_appmon);
    appmon->task_count--;
    buf_fini(&task->aux);
    buf_fini(&task->told);
    mem_free(task);
}

static struct task *task_find(struct appmon *appmon, struct pid client,
                              atom_t app)
{
    LIST_EACH(it, &appmon->tasks) {
        struct task *task = CONTAINER_OF(it, struct task, in_appmon);

        if (pid_equal(task->client, client) && task->app == app) {
            return task;
        }
    }
    return NULL;
}

static void task_new(struct appmon *appmon, struct pid client, atom_t app,
                     struct cnode_term aux)
{
    struct task *task;

    if (appmon->task_count >= APPMON_TASKS_MOST) {
        return;
    }
    task = mem_zalloc(sizeof(*task));
    task->client = client;
    task->app = app;
    buf_init(&task->aux, 0);
    buf_init(&task->told, limits.message_bytes);
    term_put_copy(&task->aux, aux);
    list_push_back(&appmon->tasks, &task->in_appmon);
    appmon->task_count++;
}

static void look_soon(struct appmon *appmon, uint64_t ms)
{
    loop_timer_start(node_loop(appmon->node), &appmon->timer, ms);
}

/* {From, app_ctrl | app, Aux, OnOff, Options} */
static void on_cast(struct appmon *appmon, struct cnode_term cast)
{
    struct cnode_term parts[5];
    struct task *task;
    struct pid client;
    bool is_on, is_app;
    atom_t app = ATOM_NONE;

    if (!term_get_tuple(cast, 5, parts) || !term_get_pid(parts[0], &client) ||
        pid_is_none(client) || !cnode_get_bool(parts[3], &is_on)) {
        return;
    }
    is_app = cnode_is_atom(parts[1], "app");
    if (!is_app && !cnode_is_atom(parts[1], "app_ctrl")) {
        return;
    }
    if (is_app) {
        app = term_atom(parts[2]);
        if (app == ATOM_NONE) {
            return; /* no application of ours */
        }
    }
    task = task_find(appmon, client, app);
    if (task != NULL) {
        task_free(appmon, task);
    }
    if (is_on) {
        task_new(appmon, client, app, parts[2]);
        look_soon(appmon, 0);
    }
}

/* --- looking */

/* Travels to the schedulers. */
struct look {
    struct appmon *appmon;
    struct app_tree tree;
};

static void put_answer(const struct task *task, const struct app_tree *tree,
                       struct buf *buf)
{
    if (task->app == ATOM_NONE) {
        app_tree_put_list(tree, buf);
    } else {
        app_tree_put(tree, task->app, buf);
    }
}

static void deliver(struct appmon *appmon, struct task *task)
{
    struct node *node = appmon->node;
    struct dest dest = dest_pid(task->client);
    struct pid self = node_pid(node, &appmon->process);

    term_format(node_scratch(node), "{delivery, ~p, ~a, ~t, ~t}", self,
                task->app == ATOM_NONE ? "app_ctrl" : "app",
                term_at(buf_data(&task->aux), buf_size(&task->aux)),
                term_at(buf_data(&task->told), buf_size(&task->told)));
    (void)route_send(node, self, &dest, node_scratch_payload(node));
}

static void tell(struct appmon *appmon, struct task *task,
                 const struct app_tree *tree)
{
    struct buf answer;

    buf_init(&answer, limits.message_bytes);
    put_answer(task, tree, &answer);
    if (buf_error(&answer) == 0 &&
        (buf_size(&answer) != buf_size(&task->told) ||
         memcmp(buf_data(&answer), buf_data(&task->told), buf_size(&answer)) !=
             0)) {
        buf_clear(&task->told);
        buf_put(&task->told, buf_data(&answer), buf_size(&answer));
        if (buf_error(&task->told) == 0) {
            deliver(appmon, task);
        }
    }
    buf_fini(&answer);
}

static void visit(struct node *here, void *arg)
{
    struct look *look = arg;

    app_tree_visit(&look->tree, here);
}

static void on_seen(struct node *home, void *arg)
{
    struct look *look = arg;
    struct appmon *appmon = look->appmon;

    if (home != NULL && appmon->is_up) {
        LIST_EACH(it, &appmon->tasks) {
            tell(appmon, CONTAINER_OF(it, struct task, in_appmon), &look->tree);
        }
        if (appmon->task_count > 0) {
            look_soon(appmon, LOOK_MS);
        }
    }
    app_tree_fini(&look->tree);
    mem_free(look);
}

static void on_timer(struct timer *timer)
{
    struct appmon *appmon = CONTAINER_OF(timer, struct appmon, timer);
    struct look *look = mem_zalloc(sizeof(*look));

    look->appmon = appmon;
    app_tree_init(&look->tree);
    node_go_round(appmon->node, visit, on_seen, look);
}

/* --- ends */

static void client_ends(struct appmon *appmon, struct pid client)
{
    struct list tasks, *it;

    list_init(&tasks);
    list_take(&tasks, &appmon->tasks);
    while ((it = list_pop(&tasks)) != NULL) {
        struct task *task = CONTAINER_OF(it, struct task, in_appmon);

        list_push_back(&appmon->tasks, &task->in_appmon);
        if (pid_equal(task->client, client)) {
            task_free(appmon, task);
        }
    }
}

/* {'EXIT', Pid, Reason}. It ends with its starter, or with the last client. */
static void on_exit_message(struct appmon *appmon, struct cnode_term message)
{
    struct cnode_term parts[3];
    struct pid pid;

    if (!term_get_tuple(message, 3, parts) ||
        !cnode_is_atom(parts[0], "EXIT") || !term_get_pid(parts[1], &pid)) {
        return;
    }
    client_ends(appmon, pid);
    if (pid_equal(pid, appmon->starter)) {
        end(appmon, parts[2]);
    } else if (appmon->process.relations == NULL ||
               appmon->process.relations->link_count == 0) {
        end(appmon, atom_term(A_normal)); /* no client is left */
    }
}

static void on_message(struct process *process, const struct signal *signal)
{
    struct appmon *appmon = CONTAINER_OF(process, struct appmon, process);
    struct gen_message message;

    gen_parse(signal->term, &message);
    switch (message.kind) {
    case GEN_CALL:
        (void)gen_reply(appmon->node, process, &message.from, "ok");
        return;
    case GEN_CAST:
        on_cast(appmon, message.body);
        return;
    case GEN_INFO:
        on_exit_message(appmon, message.body);
        return;
    }
}

static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    end(CONTAINER_OF(process, struct appmon, process), reason);
}

static void end(struct appmon *appmon, struct cnode_term reason)
{
    loop_timer_stop(node_loop(appmon->node), &appmon->timer);
    while (!list_is_empty(&appmon->tasks)) {
        task_free(appmon,
                  CONTAINER_OF(appmon->tasks.next, struct task, in_appmon));
    }
    appmon->is_up = false;
    node_exit(appmon->node, &appmon->process, reason);
}

void appmon_stop(struct appmon *appmon)
{
    if (appmon->is_up) {
        end(appmon, atom_term(A_shutdown));
    }
}
