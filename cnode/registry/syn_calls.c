/* SPDX-License-Identifier: Apache-2.0
 *
 * See syn_calls.h. A reference is monitor, alias and tag of the call. After its
 * time a question has no monitor any more, only an alias of its own kind: so
 * that an answer which comes too late is still heard for a while.
 */
#include "registry/syn_calls.h"

#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "registry/syn_service.h"
#include "term/build.h"

enum { CALL_MS = 5000, LATE_MS = 60000 };

struct question {
    struct ref ref;
    struct syn_process *process;
    struct syn_request request; /* terms lie in `kept` */
    struct cnode_kept *kept;    /* {FromPid, FromTag, Name, Meta} */
    struct gen_from from;
    struct timer timer;
    bool is_answered; /* by its time-out */
};

static void on_timer(struct timer *timer);

static bool equal(const void *item, const void *key)
{
    const struct question *question = item;

    return ref_equal(&question->ref, key);
}

static uint64_t hash(const struct ref *ref)
{
    return hash_u64((uint64_t)ref->words[0] << 32 | ref->words[1]);
}

static struct syn *syn_of(const struct question *question)
{
    return question->process->syn;
}

void syn_calls_init(struct syn *syn)
{
    map_init(&syn->questions, equal);
}

static void question_free(struct question *question)
{
    loop_timer_stop(node_loop(syn_of(question)->node), &question->timer);
    cnode_term_free(question->kept);
    mem_free(question);
}

void syn_calls_stop(struct syn *syn)
{
    struct question *question;

    MAP_EACH(question, &syn->questions) {
        question_free(question);
    }
    map_fini(&syn->questions);
    map_init(&syn->questions, equal);
}

static void forget(struct question *question)
{
    map_remove(&syn_of(question)->questions, hash(&question->ref),
               &question->ref);
    question_free(question);
}

/* --- asking */

static int keep(struct question *question, const struct syn_query *query)
{
    const struct syn_claim *claim = &question->request.claim;
    struct cnode_term parts[4];
    struct buf buf;

    buf_init(&buf, 0);
    term_format(&buf, "{~t, ~t, ~t, ~t}", query->from.pid, query->from.tag,
                claim->name,
                question->request.ask == SYN_ASK_ADD ? claim->meta
                                                     : atom_term(A_undefined));
    if (buf_error(&buf) == 0) {
        question->kept =
            cnode_term_copy(term_at(buf_data(&buf), buf_size(&buf)));
    }
    buf_fini(&buf);
    if (question->kept == NULL) {
        return CNODE_NOMEM;
    }
    CHECK(term_get_tuple(cnode_kept_term(question->kept), 4, parts));
    question->from = (struct gen_from){.pid = parts[0], .tag = parts[1]};
    question->request.claim.name = parts[2];
    question->request.claim.meta = parts[3];
    return 0;
}

static int put_call(struct question *question, struct pid self,
                    const struct dest *dest)
{
    struct node *node = syn_of(question)->node;
    struct buf *buf = node_scratch(node);
    int rc;

    term_put_tuple(buf, 3);
    term_put_atom(buf, A_gen_call);
    term_format(buf, "{~p, [alias | ~r]}", self, &question->ref);
    syn_put_request(buf, question->process->scope.kind, &question->request);
    rc = buf_error(buf);
    if (rc == 0) {
        rc = route_send(node, self, dest, node_scratch_payload(node));
    }
    return rc == CNODE_NOCONN ? 0 : rc; /* the monitor says that */
}

static int send_call(struct question *question)
{
    struct syn *syn = syn_of(question);
    struct dest dest = dest_name(question->process->scope.names.process,
                                 question->request.claim.pid.node);
    int rc = alias_start_monitor(syn->node, &syn->process, &dest, ALIAS_REPLY,
                                 &question->ref);

    if (rc != 0) {
        return rc;
    }
    rc = put_call(question, node_pid(syn->node, &syn->process), &dest);
    if (rc != 0) {
        (void)monitor_stop(syn->node, &syn->process, &question->ref);
        (void)alias_stop(syn->node, &syn->process, &question->ref);
    }
    return rc;
}

int syn_calls_ask(const struct syn_query *query, enum syn_kind kind,
                  const struct syn_request *request)
{
    struct syn *syn = query->syn;
    struct question *question;
    int rc;

    if (syn->questions.count >= limits.syn_requests) {
        METRIC_INC(syn_refused);
        return CNODE_OVERLOADED;
    }
    question = mem_zalloc(sizeof(*question));
    question->process = &query->pair->kinds[kind];
    question->request = *request;
    timer_init(&question->timer, on_timer);
    rc = keep(question, query);
    if (rc == 0) {
        rc = send_call(question);
    }
    if (rc != 0) {
        question_free(question);
        return rc;
    }
    loop_timer_start(node_loop(syn->node), &question->timer, CALL_MS);
    map_add(&syn->questions, hash(&question->ref), question);
    return 0;
}

/* --- answers */

static void on_timer(struct timer *timer)
{
    struct question *question = CONTAINER_OF(timer, struct question, timer);
    struct syn *syn = syn_of(question);

    if (question->is_answered) {
        (void)alias_stop(syn->node, &syn->process, &question->ref);
        forget(question);
        return;
    }
    (void)monitor_stop(syn->node, &syn->process, &question->ref);
    question->is_answered = true;
    loop_timer_start(node_loop(syn->node), timer, LATE_MS);
    syn_reply_error(syn, &question->from, A_timeout);
}

static void on_answer(struct question *question, struct cnode_term answer)
{
    struct syn *syn = syn_of(question);
    struct cnode_term result =
        syn_process_answered(question->process, &question->request, answer);

    (void)monitor_stop(syn->node, &syn->process, &question->ref);
    if (!question->is_answered) {
        syn_reply(syn, &question->from, result);
    }
    forget(question);
}

static void on_down(struct question *question, struct cnode_term reason)
{
    struct syn *syn = syn_of(question);
    struct buf buf;

    (void)alias_stop(syn->node, &syn->process, &question->ref);
    buf_init(&buf, 0);
    if (term_is_atom(reason, A_noproc)) {
        term_format(&buf, "{error, {invalid_remote_scope, ~A, ~A}}",
                    question->process->scope.scope,
                    question->request.claim.pid.node);
    } else {
        term_format(&buf, "{error, ~t}", reason);
    }
    if (!question->is_answered) {
        syn_reply(syn, &question->from,
                  term_at(buf_data(&buf), buf_size(&buf)));
    }
    buf_fini(&buf);
    forget(question);
}

static struct question *find(struct syn *syn, struct cnode_term term)
{
    struct ref ref;

    return term_get_ref(term, &ref) ? map_get(&syn->questions, hash(&ref), &ref)
                                    : NULL;
}

bool syn_calls_message(struct syn *syn, struct cnode_term message)
{
    struct cnode_term parts[5], alias;
    struct question *question;

    if (term_get_tuple(message, 2, parts) && gen_alias(parts[0], &alias)) {
        question = find(syn, alias);
        if (question != NULL) {
            on_answer(question, parts[1]);
        }
        return true;
    }
    if (term_get_tuple(message, 5, parts) && term_is_atom(parts[0], A_DOWN)) {
        question = find(syn, parts[1]);
        if (question != NULL) {
            on_down(question, parts[4]);
        }
        return true;
    }
    return false;
}
