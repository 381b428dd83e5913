/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions of <cnode/behaviour.h> by which a worker asks others and goes
 * on: the answer comes later (pending.h).
 */
#include <string.h>

#include <cnode/behaviour.h>

#include "node/erpc_wire.h"
#include "pool/api.h"
#include "pool/pending.h"
#include "term/build.h"

/* --- gen_server:call/3 */

/* Monitor and alias first: a reference is both, and the tag of the call. */
static int start_call(struct cnode_worker *w, struct cnode_term to,
                      struct dest *dest, int *dest_rc, struct ref *ref)
{
    struct node *node = api_node(w);
    int rc = api_run(w) == NULL ? CNODE_EINVALID : pending_check(w);

    if (rc == 0) {
        rc = *dest_rc = api_dest(w, to, dest);
    }
    return rc != 0 && rc != CNODE_ELSEWHERE
               ? rc
               : alias_start_monitor(node, &w->process, dest,
                                     ALIAS_REPLY_DEMONITOR, ref);
}

static int send_call(struct cnode_worker *w, struct cnode_term to,
                     const struct dest *dest, int dest_rc,
                     const struct ref *ref, const char *format, va_list args)
{
    struct node *node = api_node(w);
    struct pid self = node_pid(node, &w->process);
    struct buf *buf = node_scratch(node);
    int rc;

    term_put_tuple(buf, 3);
    term_put_atom(buf, A_gen_call);
    term_format(buf, "{~p, [alias | ~r]}", self, ref);
    term_vformat(buf, format, args);
    rc = buf_error(buf);
    if (rc == 0) { /* to nobody: the monitor says that */
        rc = api_send(w, to, dest, dest_rc, node_scratch_payload(node));
    }
    return rc;
}

int cnode_call(struct cnode_worker *w, struct cnode_term to,
               uint64_t timeout_ms, cnode_answer_fn fn, void *context,
               const char *format, ...)
{
    const struct pending_what what = {PENDING_CALL, timeout_ms, fn, context};
    struct dest dest;
    struct ref ref;
    va_list args;
    int dest_rc = 0;
    int rc =
        fn == NULL ? CNODE_EINVALID : start_call(w, to, &dest, &dest_rc, &ref);

    if (rc != 0) {
        return rc;
    }
    va_start(args, format);
    rc = send_call(w, to, &dest, dest_rc, &ref, format, args);
    va_end(args);
    if (rc != 0) {
        (void)monitor_stop(api_node(w), &w->process, &ref);
        return api_rc(w, "cnode_call", format, rc);
    }
    pending_add(w, &ref, &what);
    return 0;
}

/* --- functions on other nodes */

static int request(struct cnode_worker *w, struct cnode_term node,
                   const struct spawn_what *what, struct ref *ref)
{
    atom_t where;
    int rc = api_run(w) == NULL ? CNODE_EINVALID : api_atom(node, &where);

    return rc != 0 ? rc
                   : spawn_request(api_node(w), &w->process, where, what, ref);
}

int cnode_spawn_request(struct cnode_worker *w, struct cnode_term node,
                        struct cnode_term module, struct cnode_term function,
                        struct cnode_term args, struct cnode_term options,
                        struct cnode_ref *ref)
{
    const struct spawn_what what = {
        .module = module, .function = function, .args = args, .opts = options};
    struct ref full;
    int rc = request(w, node, &what, &full);

    if (rc == 0) {
        *ref = api_ref(&full);
    }
    return rc;
}

int cnode_erpc(struct cnode_worker *w, struct cnode_term node,
               struct cnode_term module, struct cnode_term function,
               struct cnode_term args, uint64_t timeout_ms, cnode_answer_fn fn,
               void *context)
{
    const struct pending_what pending = {PENDING_ERPC, timeout_ms, fn, context};
    struct spawn_what what;
    struct ref ref;
    struct buf buf;
    int rc =
        api_run(w) == NULL || fn == NULL ? CNODE_EINVALID : pending_check(w);

    if (rc != 0) {
        return rc;
    }
    buf_init(&buf, 0);
    rc = erpc_put_request(&buf, module, function, args, &what);
    if (rc == 0) {
        rc = request(w, node, &what, &ref);
    }
    buf_fini(&buf);
    if (rc == 0) {
        pending_add(w, &ref, &pending);
    }
    return rc;
}
