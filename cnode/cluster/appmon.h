/* SPDX-License-Identifier: Apache-2.0
 *
 * Observer's tab of applications: what OTP's appmon_info does. Each supervisor
 * that has none above it (a pool, a service) is shown as an application, its
 * tree as the ancestors say it, up to a limit.
 *
 *     appmon_info:start_link2(Starter, Client, _)   {ok, Pid} of the registered
 *                                                   process, linked to both
 *     cast {From, app_ctrl, Aux, true, _}   {delivery, Pid, app_ctrl, Aux,
 *                                           [{Root, Name, {Name, Text, Vsn}}]}
 *     cast {From, app, Name, true, _}       {delivery, Pid, app, Name, {Root,
 *                                           [{Pid, Text}], [{From, To}], []}}
 *
 * Both come again when they have changed, until `false` or the client's end.
 * Belongs to scheduler 0.
 */
#ifndef CNODE_CLUSTER_APPMON_H
#define CNODE_CLUSTER_APPMON_H

#include "cluster/functions.h"
#include "node/node.h"

enum { APPMON_TASKS_MOST = 64 };

struct appmon {
    struct process process;
    struct node *node;
    bool is_up;
    struct pid starter;
    struct list tasks; /* struct task.in_appmon */
    uint32_t task_count;
    struct timer timer; /* looks again */
};

void appmon_init(struct appmon *appmon, struct node *node);
void appmon_stop(struct appmon *appmon);

#endif
