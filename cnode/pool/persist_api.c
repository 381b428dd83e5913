/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions of <cnode/behaviour.h> about a worker's state in its store.
 */
#include <cnode/behaviour.h>

#include "pool/api.h"
#include "pool/pending.h"
#include "pool/persist_save.h"

/* The reference that the answer will carry, if somebody wants one. */
static int prepare(struct cnode_worker *w, cnode_answer_fn fn, void *context,
                   struct ref *ref)
{
    const struct pending_what what = {PENDING_TASK, CNODE_INFINITY, fn,
                                      context};
    int rc;

    if (api_run(w) == NULL || !worker_is_up(w)) { /* init comes too early */
        return CNODE_EINVALID;
    }
    if (worker_pool(w)->persist == NULL) {
        return CNODE_UNSUPPORTED;
    }
    if (fn == NULL) {
        return 0;
    }
    rc = pending_check(w);
    if (rc == 0) {
        *ref = node_make_ref(api_node(w));
        pending_add(w, ref, &what);
    }
    return rc;
}

int cnode_persist(struct cnode_worker *w, cnode_answer_fn fn, void *context)
{
    struct held none = {0};
    struct ref ref;
    int rc = prepare(w, fn, context, &ref);

    if (rc == 0) {
        persist_write(w, &none, fn != NULL ? &ref : NULL);
    }
    return rc;
}

int cnode_persist_delete(struct cnode_worker *w, cnode_answer_fn fn,
                         void *context)
{
    struct ref ref;
    int rc = prepare(w, fn, context, &ref);

    if (rc == 0) {
        persist_delete(w, fn != NULL ? &ref : NULL);
    }
    return rc;
}
