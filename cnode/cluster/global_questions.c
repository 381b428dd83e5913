/* SPDX-License-Identifier: Apache-2.0
 *
 * See global_questions.h. As a full member they are answered here; otherwise by
 * a connected node: one that has no global (another C node) fails, and the next
 * is asked.
 */
#include "cluster/global_questions.h"

#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "node/gen.h"
#include "term/build.h"

/* A lookup waits for nobody over there: who takes long is stuck, and the next
 * is asked while whoever asked us still waits. The rest takes global's lock. */
enum { LOOKUP_TIMEOUT_MS = 2000, ASK_TIMEOUT_MS = 60000 };

struct question {
    struct list in_service;
    struct global_service *service;
    uint64_t number;
    struct cnode_kept *from; /* {Pid, Tag} */
    /* minimal only */
    atom_t function;
    struct cnode_kept *args;
    struct global_nodes tried;
    struct erpc_call *call; /* NULL: none under way */
};

static void on_request(struct process *process, const struct signal *signal);
static void on_exit_signal(struct process *process, struct cnode_term reason);

static const struct process_class service_class = {
    .name = "cnode_global", .message = on_request, .exit = on_exit_signal};

/* --- one question */

static void question_free(struct question *question)
{
    list_remove(&question->in_service);
    question->service->question_count--;
    if (question->call != NULL) {
        erpc_cancel(question->call);
    }
    cnode_term_free(question->from);
    cnode_term_free(question->args);
    mem_free(question->tried.items);
    mem_free(question);
}

static void reply(struct question *question, struct cnode_term term)
{
    struct global_service *service = question->service;
    struct cnode_term parts[2];
    struct gen_from from;

    (void)term_get_tuple(cnode_kept_term(question->from), 2, parts);
    from = (struct gen_from){.pid = parts[0], .tag = parts[1]};
    (void)gen_reply(service->node, &service->process, &from, "~t", term);
    question_free(question);
}

static void reply_error(struct question *question, atom_t why)
{
    struct buf buf;

    buf_init(&buf, 0);
    term_format(&buf, "{error, ~A}", why);
    reply(question, term_at(buf_data(&buf), buf_size(&buf)));
    buf_fini(&buf);
}

static struct question *question_new(struct global_service *service,
                                     const struct gen_from *from)
{
    struct question *question;
    struct buf buf;

    if (service->question_count >= limits.global_requests) {
        METRIC_INC(global_refused);
        return NULL;
    }
    question = mem_zalloc(sizeof(*question));
    buf_init(&buf, 0);
    term_format(&buf, "{~t, ~t}", from->pid, from->tag);
    question->from =
        buf_error(&buf) == 0
            ? cnode_term_copy(term_at(buf_data(&buf), buf_size(&buf)))
            : NULL;
    buf_fini(&buf);
    if (question->from == NULL) {
        mem_free(question);
        return NULL;
    }
    question->service = service;
    question->number = ++service->next_question;
    list_push_back(&service->questions, &question->in_service);
    service->question_count++;
    return question;
}

static struct question *question_find(struct global_service *service,
                                      uint64_t number)
{
    LIST_EACH(it, &service->questions) {
        struct question *question =
            CONTAINER_OF(it, struct question, in_service);

        if (question->number == number) {
            return question;
        }
    }
    return NULL;
}

/* --- minimal: another node answers */

static void ask_next(struct question *question);

/* What nodes that lose us, and come back, are told again. */
static void remember(const struct question *question, struct cnode_term result)
{
    struct global_claims *claims = &question->service->claims;
    struct cnode_term name = TERM_NONE;
    struct cnode_list list;
    struct pid pid;

    if (term_match(cnode_kept_term(question->args), "[~t, ~p]", &name, &pid) &&
        term_is_atom(result, A_yes)) {
        global_claims_hold(claims, name, pid);
    } else if (question->function == A_unregister_name &&
               cnode_list(cnode_kept_term(question->args), &list) &&
               cnode_list_next(&list, &name)) {
        global_claims_drop(claims, name);
    }
}

/* What the function returned counts; anything else is that node's trouble. */
static void on_answer(void *owner, const struct erpc_result *result)
{
    struct question *question = owner;
    struct global_service *service = question->service;

    question->call = NULL;
    if (result->class == ERPC_RETURN) {
        service->favourite = question->tried.items[question->tried.count - 1];
        remember(question, result->term);
        reply(question, result->term);
    } else {
        ask_next(question);
    }
}

static bool was_tried(const struct question *question, atom_t node)
{
    for (uint32_t i = 0; i < question->tried.count; i++) {
        if (question->tried.items[i] == node) {
            return true;
        }
    }
    return false;
}

static atom_t next_node(const struct question *question)
{
    const struct global_service *service = question->service;
    const struct peers *peers = &service->node->peers;
    const struct peer *peer = peers_find(peers, service->favourite);

    if (peer_is_up(peer) && !was_tried(question, peer->name)) {
        return peer->name;
    }
    MAP_EACH(peer, &peers->by_name) {
        if (peer_is_up(peer) && !peer->is_hidden &&
            !was_tried(question, peer->name)) {
            return peer->name;
        }
    }
    return ATOM_NONE;
}

static void add_tried(struct question *question, atom_t node)
{
    struct global_nodes *tried = &question->tried;

    if (tried->count == tried->cap) {
        tried->cap = tried->cap == 0 ? 4 : 2 * tried->cap;
        tried->items =
            mem_realloc(tried->items, tried->cap * sizeof(*tried->items));
    }
    tried->items[tried->count++] = node;
}

static void ask_next(struct question *question)
{
    atom_t node;

    while ((node = next_node(question)) != ATOM_NONE) {
        add_tried(question, node);
        if (erpc_call(question->service->erpc, node, atom_term(A_global),
                      atom_term(question->function),
                      cnode_kept_term(question->args),
                      question->function == A_whereis_name ? LOOKUP_TIMEOUT_MS
                                                           : ASK_TIMEOUT_MS,
                      on_answer, question, &question->call) == 0) {
            return;
        }
    }
    reply_error(question, A_noconnection);
}

static void ask_others(struct question *question, atom_t function,
                       struct cnode_term name, struct pid pid)
{
    struct buf args;

    buf_init(&args, 0);
    if (pid_is_none(pid)) {
        term_format(&args, "[~t]", name);
    } else {
        term_format(&args, "[~t, ~p]", name, pid);
    }
    question->function = function;
    question->args =
        buf_error(&args) == 0
            ? cnode_term_copy(term_at(buf_data(&args), buf_size(&args)))
            : NULL;
    buf_fini(&args);
    if (question->args == NULL) {
        reply_error(question, A_system_limit);
    } else {
        ask_next(question);
    }
}

/* --- full: our own names */

static void look_up(struct question *question, struct cnode_term name)
{
    struct pid pid = global_whereis(&question->service->global, name);
    struct buf buf;

    buf_init(&buf, 0);
    if (pid_is_none(pid)) {
        term_put_atom(&buf, A_undefined);
    } else {
        term_put_pid(&buf, pid);
    }
    reply(question, term_at(buf_data(&buf), buf_size(&buf)));
    buf_fini(&buf);
}

/* The question may be answered when global_request() returns. */
static void request(struct question *question, enum global_op op,
                    struct cnode_term name, struct pid pid)
{
    struct global_service *service = question->service;
    uint64_t number = question->number;
    int rc = global_request(&service->global, op, name, pid, number,
                            loop_now_ms(node_loop(service->node)));

    if (rc != 0) {
        reply_error(question, rc == CNODE_OVERLOADED  ? A_overloaded
                              : rc == CNODE_TOO_LARGE ? A_too_large
                                                      : A_system_limit);
    }
}

void global_questions_done(struct global_service *service, uint64_t number,
                           atom_t result)
{
    struct question *question = question_find(service, number);

    if (question != NULL) {
        reply(question, atom_term(result));
    }
}

void global_questions_lost(struct global_service *service)
{
    while (!list_is_empty(&service->questions)) {
        reply_error(
            CONTAINER_OF(service->questions.next, struct question, in_service),
            A_noconnection);
    }
}

/* --- cnode_global */

struct function {
    atom_t name;
    bool takes_pid;
    enum global_op op;
};

static const struct function functions[] = {
    {A_whereis_name, .takes_pid = false},
    {A_register_name, .takes_pid = true, .op = GLOBAL_REGISTER},
    {A_re_register_name, .takes_pid = true, .op = GLOBAL_RE_REGISTER},
    {A_unregister_name, .takes_pid = false, .op = GLOBAL_UNREGISTER},
};

/* {F, Name} or {F, Name, Pid}; *pid is the caller's before. */
static const struct function *read_request(const struct node *node,
                                           struct cnode_term body,
                                           struct cnode_term *name,
                                           struct pid *pid)
{
    struct cnode_term parts[3];
    uint32_t arity;

    if (!cnode_get_tuple(body, &arity, NULL) || arity < 2 || arity > 3 ||
        !term_get_tuple(body, arity, parts)) {
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        const struct function *function = &functions[i];

        if (!term_is_atom(parts[0], function->name) ||
            (arity == 3 &&
             (!function->takes_pid || !term_get_pid(parts[2], pid) ||
              pid->node != node->name))) {
            continue;
        }
        *name = parts[1];
        *pid = function->takes_pid ? *pid : PID_NONE;
        return function;
    }
    return NULL;
}

static void answer(struct global_service *service, const struct gen_from *from,
                   const struct function *function, struct cnode_term name,
                   struct pid pid)
{
    struct question *question = question_new(service, from);

    if (question == NULL) {
        (void)gen_reply(service->node, &service->process, from,
                        "{error, overloaded}");
    } else if (!service->is_full) {
        ask_others(question, function->name, name, pid);
    } else if (function->name == A_whereis_name) {
        look_up(question, name);
    } else {
        request(question, function->op, name, pid);
    }
}

/* {'DOWN', Ref, process, Pid, Reason} */
static void on_info(struct global_service *service, struct cnode_term message)
{
    struct cnode_term parts[5];
    struct ref ref;

    if (term_get_tuple(message, 5, parts) && term_is_atom(parts[0], A_DOWN) &&
        term_get_ref(parts[1], &ref)) {
        global_claims_down(&service->claims, &ref);
    }
}

static void on_request(struct process *process, const struct signal *signal)
{
    struct global_service *service =
        CONTAINER_OF(process, struct global_service, process);
    struct node *node = service->node;
    const struct function *function;
    struct gen_message message;
    struct cnode_term name;
    struct pid pid = PID_NONE;

    gen_parse(signal->term, &message);
    if (message.kind == GEN_INFO) {
        on_info(service, message.body);
    }
    if (message.kind != GEN_CALL) {
        return;
    }
    (void)term_get_pid(message.from.pid, &pid);
    if (pid.node != node->name) {
        (void)gen_reply(node, process, &message.from, "{error, notsup}");
        return;
    }
    function = read_request(node, message.body, &name, &pid);
    if (function == NULL) {
        (void)gen_reply(node, process, &message.from, "{error, badarg}");
    } else {
        answer(service, &message.from, function, name, pid);
    }
}

static int service_begin(struct global_service *service)
{
    struct node *node = service->node;
    int rc = node_spawn(node, &service->process, &service_class);

    if (rc != 0) {
        return rc;
    }
    service->process.flags |= PROCESS_TRAP_EXIT;
    rc = names_register(node, A_cnode_global, &service->process);
    if (rc != 0) {
        node_exit(node, &service->process, atom_term(A_normal));
    }
    return rc;
}

static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    struct global_service *service =
        CONTAINER_OF(process, struct global_service, process);

    global_claims_lost(&service->claims);
    node_exit(service->node, process, reason);
    CHECK(service_begin(service) == 0);
}

int global_questions_start(struct global_service *service)
{
    list_init(&service->questions);
    global_claims_init(&service->claims, service->node, service->erpc,
                       &service->process);
    return service_begin(service);
}

void global_questions_stop(struct global_service *service)
{
    while (!list_is_empty(&service->questions)) {
        question_free(
            CONTAINER_OF(service->questions.next, struct question, in_service));
    }
    global_claims_fini(&service->claims);
    node_exit(service->node, &service->process, atom_term(A_shutdown));
}
