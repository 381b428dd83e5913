/* SPDX-License-Identifier: Apache-2.0
 *
 * What the owner of a process on another node answered to us. It leaves us out
 * of what it tells the others, so its answer is all that we hear of it; and it
 * may come before older messages of its, which take another way there.
 */
#include "registry/syn_parts.h"
#include "term/build.h"

/* Its list is to come, and was perhaps made before this: once more, then. */
static bool is_before_list(struct syn_remote *remote)
{
    if (!remote->has_listed) {
        remote->is_overtaken = true;
        return true;
    }
    if (remote->is_awaited) {
        remote->is_overtaken = true;
    }
    return false;
}

static struct cnode_term out_term(const struct syn_scope *scope)
{
    return term_at(buf_data(&scope->out), buf_size(&scope->out));
}

static void added(struct syn_scope *scope, struct syn_remote *remote,
                  const struct syn_claim *claim)
{
    if (is_before_list(remote)) {
        return;
    }
    buf_clear(&scope->out);
    syn_put_add(&scope->out, scope->kind, claim, atom_term(A_normal));
    if (buf_error(&scope->out) != 0 ||
        !syn_remote_hold(scope, remote, out_term(scope))) {
        (void)!syn_claim_take(scope, remote, claim);
    }
    if (claim->time > remote->answered) {
        remote->answered = claim->time;
    }
}

static void removed(struct syn_scope *scope, struct syn_remote *remote,
                    const struct syn_claim *claim)
{
    if (is_before_list(remote)) {
        return;
    }
    buf_clear(&scope->out);
    syn_put_remove(&scope->out, scope->kind, claim, atom_term(A_normal));
    if (buf_error(&scope->out) != 0 ||
        !syn_remote_hold(scope, remote, out_term(scope))) {
        syn_claim_withdraw(scope, remote, claim);
    }
}

/* It has been so for long, and we have missed it: once more the whole list. */
static void known(struct syn_scope *scope, struct syn_remote *remote,
                  const struct syn_claim *claim)
{
    const struct syn_entry *entry =
        syn_claim_holder(scope, claim->name, claim->pid);

    if (entry != NULL && pid_equal(entry->pid, claim->pid)) {
        return;
    }
    if (remote->has_listed && remote->in == SYN_IN_QUIET &&
        remote->ask_in == 0) {
        remote->is_overtaken = true;
        syn_remote_ask_in(scope, remote, 1);
    }
}

static void put_error(struct cnode_term answer, struct buf *result)
{
    struct cnode_term reason;

    if (term_match(answer, "{error, ~t}", &reason) ||
        term_match(answer, "{raise, _, ~t, _}", &reason)) {
        term_format(result, "{error, ~t}", reason);
    } else {
        term_format(result, "{error, {unexpected, ~t}}", answer);
    }
}

/* True: the answer is one of success. */
static bool apply(struct syn_scope *scope, const struct syn_request *request,
                  struct cnode_term answer, struct syn_remote *remote)
{
    struct syn_claim claim = request->claim;
    bool is_new;

    if (request->ask == SYN_ASK_REMOVE) {
        if (!term_match(answer, "{ok, _}")) {
            return false;
        }
        claim.meta = atom_term(A_undefined);
        if (remote != NULL) {
            removed(scope, remote, &claim);
        }
        return true;
    }
    is_new = term_match(answer, "{ok, {_, _, ~t, ~i, _, _}}", &claim.meta,
                        &claim.time);
    if (!is_new && !term_match(answer, "{noop, _}")) {
        return false;
    }
    if (remote != NULL && is_new) {
        added(scope, remote, &claim);
    } else if (remote != NULL) {
        known(scope, remote, &claim);
    }
    return true;
}

void syn_scope_answered(struct syn_scope *scope,
                        const struct syn_request *request,
                        struct cnode_term answer, struct buf *result)
{
    struct syn_remote *remote = syn_remote_find(scope, request->claim.pid.node);

    if (remote != NULL && syn_remote_is_member(remote) &&
        !syn_remote_owns(remote, request->claim.pid)) {
        remote = NULL; /* another life of it */
    }
    if (apply(scope, request, answer, remote)) {
        term_put_atom(result, A_ok);
    } else {
        put_error(answer, result);
    }
}
