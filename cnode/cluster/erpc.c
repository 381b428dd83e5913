/* SPDX-License-Identifier: Apache-2.0
 *
 * See erpc.h.
 */
#include "cluster/erpc.h"

#include <cnode/error.h>

#include "base/hash.h"
#include "base/mem.h"

struct erpc_call {
    struct erpc *erpc;
    struct ref ref; /* of the request and of the monitor */
    struct timer timer;
    erpc_done_fn done;
    void *owner;
};

static void on_message(struct process *process, const struct signal *signal);
static void on_exit_signal(struct process *process, struct cnode_term reason);

static const struct process_class class = {
    .name = "erpc", .message = on_message, .exit = on_exit_signal};

static bool equal(const void *item, const void *key)
{
    const struct erpc_call *call = item;

    return ref_equal(&call->ref, key);
}

static uint64_t hash(const struct ref *ref)
{
    return hash_u64((uint64_t)ref->words[0] << 32 | ref->words[1]);
}

int erpc_start(struct erpc *erpc, struct node *node)
{
    int rc = node_spawn(node, &erpc->process, &class);

    if (rc == 0) {
        erpc->node = node;
        erpc->process.flags |= PROCESS_TRAP_EXIT;
        map_init(&erpc->calls, equal);
        buf_init(&erpc->buf, 0);
    }
    return rc;
}

static void forget(struct erpc_call *call)
{
    struct erpc *erpc = call->erpc;

    map_remove(&erpc->calls, hash(&call->ref), &call->ref);
    loop_timer_stop(node_loop(erpc->node), &call->timer);
    mem_free(call);
}

void erpc_cancel(struct erpc_call *call)
{
    struct erpc *erpc = call->erpc;

    spawn_request_abandon(erpc->node, &erpc->process, &call->ref);
    forget(call);
}

void erpc_stop(struct erpc *erpc)
{
    struct erpc_call *call;

    MAP_EACH(call, &erpc->calls) {
        loop_timer_stop(node_loop(erpc->node), &call->timer);
        mem_free(call);
    }
    map_fini(&erpc->calls);
    buf_fini(&erpc->buf);
    node_exit(erpc->node, &erpc->process, atom_term(A_shutdown));
}

/* --- one call */

static void finish(struct erpc_call *call, const struct erpc_result *result)
{
    erpc_done_fn done = call->done;
    void *owner = call->owner;

    forget(call);
    done(owner, result);
}

static void on_timeout(struct timer *timer)
{
    struct erpc_call *call = CONTAINER_OF(timer, struct erpc_call, timer);
    struct erpc *erpc = call->erpc;
    struct erpc_result result;

    spawn_request_abandon(erpc->node, &erpc->process, &call->ref);
    erpc_failed(&erpc->buf, A_timeout, &result);
    finish(call, &result);
}

int erpc_call(struct erpc *erpc, atom_t where, struct cnode_term module,
              struct cnode_term function, struct cnode_term args,
              uint64_t timeout_ms, erpc_done_fn done, void *owner,
              struct erpc_call **out)
{
    struct erpc_call *call;
    struct spawn_what what;
    struct buf buf;
    struct ref ref;
    int rc;

    buf_init(&buf, 0);
    rc = erpc_put_request(&buf, module, function, args, &what);
    if (rc == 0) {
        rc = spawn_request(erpc->node, &erpc->process, where, &what, &ref);
    }
    buf_fini(&buf);
    if (rc != 0) {
        return rc;
    }
    call = mem_alloc(sizeof(*call));
    *call = (struct erpc_call){
        .erpc = erpc, .ref = ref, .done = done, .owner = owner};
    timer_init(&call->timer, on_timeout);
    loop_timer_start(node_loop(erpc->node), &call->timer, timeout_ms);
    map_add(&erpc->calls, hash(&ref), call);
    if (out != NULL) {
        *out = call;
    }
    return 0;
}

static void on_message(struct process *process, const struct signal *signal)
{
    struct erpc *erpc = CONTAINER_OF(process, struct erpc, process);
    struct erpc_call *call;
    struct erpc_result result;
    struct cnode_term why;
    struct ref ref;
    bool is_down;

    if (!erpc_read_message(signal->term, &ref, &why, &is_down)) {
        return;
    }
    call = map_get(&erpc->calls, hash(&ref), &ref);
    if (call != NULL) {
        erpc_read_result(&erpc->buf, why, is_down, &result);
        finish(call, &result);
    }
}

/* Killed: whoever waits is told, and it starts again. */
static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    struct erpc *erpc = CONTAINER_OF(process, struct erpc, process);

    node_exit(erpc->node, process, reason);
    CHECK(node_spawn(erpc->node, process, &class) == 0);
    process->flags |= PROCESS_TRAP_EXIT;
    /* the calls that were under way end by their time-outs */
}
