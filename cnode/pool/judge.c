/* SPDX-License-Identifier: Apache-2.0
 *
 * See judge.h. A worker that cannot be asked (it is starting, suspended, or
 * gone) leaves it to the rule.
 */
#include "pool/judge.h"

#include <cnode/error.h>

#include "base/mem.h"
#include "node/node.h"
#include "registry/syn.h"
#include "term/build.h"

struct dispute {
    struct syn *syn;
    atom_t scope;
    struct pid theirs, ours;
    int64_t their_time, our_time;
    struct cnode_kept *terms; /* {Scope, Name, TheirPid, M, OurPid, M} */
};

/* --- on the scheduler of the worker */

static struct cnode_worker *worker_of(struct node *here, struct pid pid)
{
    struct process *process = node_find(here, pid);
    struct cnode_worker *w;

    if (process == NULL || process->class->message != worker_on_message ||
        (process->flags & (PROCESS_HELD | PROCESS_SUSPENDED)) != 0) {
        return NULL;
    }
    w = CONTAINER_OF(process, struct cnode_worker, process);
    return w->status != WORKER_SPAWNED &&
                   worker_pool(w)->behaviour->resolve_conflict != NULL
               ? w
               : NULL;
}

static enum syn_decision decision_of(int rc)
{
    switch (rc) {
    case CNODE_SYN_KEEP_OURS:
        return SYN_KEEP_OURS;
    case CNODE_SYN_KEEP_THEIRS:
        return SYN_KEEP_THEIRS;
    case CNODE_UNHANDLED:
        return SYN_KEEP_BY_RULE;
    default: /* as syn's, when its callback returns something else */
        return SYN_KEEP_NONE;
    }
}

static enum syn_decision ask(struct cnode_worker *w,
                             const struct cnode_syn_conflict *conflict)
{
    struct run *run = run_of(w);
    struct run_watch before;
    int rc;

    run_begin(run, w);
    before = run_watch_begin(w);
    rc = worker_pool(w)->behaviour->resolve_conflict(w, worker_state(w),
                                                     conflict);
    run_watch_end(&before);
    if (rc != CNODE_UNHANDLED) {
        run_result(run, rc);
    }
    run_end(run);
    if (run->is_stopping) {
        worker_end(w, run_reason(run), run->after);
    }
    return decision_of(rc);
}

static void run_dispute(struct node *here, void *arg)
{
    struct dispute *dispute = arg;
    enum syn_decision decision = SYN_KEEP_BY_RULE;
    struct cnode_term parts[6];
    struct cnode_worker *w;

    if (here != NULL) {
        CHECK(term_get_tuple(cnode_kept_term(dispute->terms), 6, parts));
        w = worker_of(here, dispute->ours);
        if (w != NULL) {
            const struct cnode_syn_conflict conflict = {
                .scope = parts[0],
                .name = parts[1],
                .theirs = {parts[2], parts[3], dispute->their_time},
                .ours = {parts[4], parts[5], dispute->our_time}};

            decision = ask(w, &conflict);
        }
        syn_decide(dispute->syn, here, dispute->scope, parts[1],
                   dispute->theirs, dispute->ours, decision);
    }
    cnode_term_free(dispute->terms);
    mem_free(dispute);
}

/* --- on scheduler 0 */

static bool anybody_judges(const struct pools *pools)
{
    const struct pool_settings *settings = pools->root->settings;
    const struct behaviours *behaviours = &settings->behaviours;
    const char *name;

    for (size_t i = 0; i < settings->count; i++) {
        if (settings->pools[i].behaviour->resolve_conflict != NULL) {
            return true;
        }
    }
    for (size_t i = 0; (name = behaviours_name(behaviours, i)) != NULL; i++) {
        if (behaviours_find(behaviours, name)->resolve_conflict != NULL) {
            return true;
        }
    }
    return false;
}

static bool may_judge(const struct pools *pools, struct pid ours)
{
    struct node *node = pools->node;

    if (pools->settings == NULL) {
        return false;
    }
    return node_owns(node, ours) ? worker_of(node, ours) != NULL
                                 : anybody_judges(pools);
}

static bool on_conflict(void *owner, atom_t scope,
                        const struct syn_conflict *conflict)
{
    struct pools *pools = owner;
    const struct syn_claim *theirs = &conflict->theirs;
    const struct syn_claim *ours = &conflict->ours;
    struct dispute *dispute;
    struct buf buf;

    if (!may_judge(pools, ours->pid)) {
        return false;
    }
    dispute = mem_alloc(sizeof(*dispute));
    *dispute = (struct dispute){.syn = pools->syn,
                                .scope = scope,
                                .theirs = theirs->pid,
                                .ours = ours->pid,
                                .their_time = theirs->time,
                                .our_time = ours->time};
    buf_init(&buf, 0);
    term_format(&buf, "{~A, ~t, ~p, ~t, ~p, ~t}", scope, ours->name,
                theirs->pid, theirs->meta, ours->pid, ours->meta);
    if (buf_error(&buf) == 0) {
        dispute->terms =
            cnode_term_copy(term_at(buf_data(&buf), buf_size(&buf)));
    }
    buf_fini(&buf);
    if (dispute->terms == NULL) { /* no memory for the question */
        mem_free(dispute);
        return false;
    }
    node_post_task(node_of_pid(pools->node, ours->pid), run_dispute, dispute);
    return true;
}

void judge_init(struct pools *pools)
{
    pools->syn->judge = on_conflict;
    pools->syn->judge_owner = pools;
}
