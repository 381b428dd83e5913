/* SPDX-License-Identifier: Apache-2.0
 *
 * See mesh_service.h.
 */
#include "cluster/mesh_service.h"

#include <string.h>

#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"

enum {
    ASK_TIMEOUT_MS = 5000,
    ATOMS_SHARE = 2, /* of limits.atoms, for nodes that others name */
};

struct question {
    struct list in_service;
    struct mesh_service *service;
    struct erpc_call *call;
    atom_t whom;
};

static uint64_t now_ms(struct mesh_service *service)
{
    return loop_now_ms(node_loop(service->node));
}

static void watch_time(struct mesh_service *service)
{
    struct loop *loop = node_loop(service->node);
    uint64_t due = mesh_deadline(&service->mesh);
    uint64_t now = now_ms(service);

    if (due == UINT64_MAX) {
        loop_timer_stop(loop, &service->timer);
    } else {
        loop_timer_start(loop, &service->timer, due > now ? due - now : 0);
    }
}

static void on_timer(struct timer *timer)
{
    struct mesh_service *service =
        CONTAINER_OF(timer, struct mesh_service, timer);

    mesh_tick(&service->mesh, now_ms(service));
    watch_time(service);
}

/* --- asking */

static void on_answer(void *owner, const struct erpc_result *result)
{
    struct question *question = owner;
    struct mesh_service *service = question->service;
    atom_t whom = question->whom;

    list_remove(&question->in_service);
    mem_free(question);
    mesh_answer(&service->mesh, atom_text(whom),
                result->class == ERPC_RETURN ? result->term : TERM_NONE,
                now_ms(service));
}

/* The one who asks is connected. */
static int on_ask(void *owner, const char *name)
{
    struct mesh_service *service = owner;
    struct question *question = mem_alloc(sizeof(*question));
    int rc;

    *question = (struct question){.service = service,
                                  .whom = atom_find(name, strlen(name))};
    rc = erpc_call(service->erpc, question->whom, atom_term(A_erlang),
                   atom_term(A_nodes), term_nil(), ASK_TIMEOUT_MS, on_answer,
                   question, &question->call);
    if (rc != 0) {
        mem_free(question);
        return rc;
    }
    list_push_back(&service->questions, &question->in_service);
    return 0;
}

/* --- dialling */

static int on_dial(void *owner, const char *name)
{
    struct mesh_service *service = owner;
    size_t len = strlen(name);
    atom_t atom = atom_find(name, len);

    if (atom == ATOM_NONE && atom_count() < limits.atoms / ATOMS_SHARE) {
        atom = atom_intern(name, len);
    }
    if (atom == ATOM_NONE) {
        METRIC_INC(atoms_refused);
        return CNODE_LIMIT;
    }
    return peers_auto_connect(&service->node->peers, atom) != NULL
               ? 0
               : CNODE_NOCONN;
}

static const struct mesh_events events = {.ask = on_ask, .dial = on_dial};

/* --- from the node */

void mesh_service_start(struct mesh_service *service, struct node *node,
                        struct erpc *erpc, bool asks)
{
    service->node = node;
    service->erpc = erpc;
    mesh_init(&service->mesh, atom_text(node->name), asks, &events, service);
    timer_init(&service->timer, on_timer);
    list_init(&service->questions);
}

void mesh_service_stop(struct mesh_service *service)
{
    struct list *it;

    while ((it = list_pop(&service->questions)) != NULL) {
        struct question *question =
            CONTAINER_OF(it, struct question, in_service);

        erpc_cancel(question->call);
        mem_free(question);
    }
    loop_timer_stop(node_loop(service->node), &service->timer);
    mesh_fini(&service->mesh);
}

void mesh_service_nodeup(struct mesh_service *service, const struct peer *peer)
{
    mesh_nodeup(&service->mesh, atom_text(peer->name), now_ms(service));
    watch_time(service);
}

void mesh_service_nodedown(struct mesh_service *service,
                           const struct peer *peer, bool is_left)
{
    mesh_nodedown(&service->mesh, atom_text(peer->name), is_left,
                  now_ms(service));
    watch_time(service);
}

void mesh_service_dial_failed(struct mesh_service *service, atom_t name)
{
    mesh_dial_failed(&service->mesh, atom_text(name), now_ms(service));
    watch_time(service);
}
