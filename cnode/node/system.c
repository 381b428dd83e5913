/* SPDX-License-Identifier: Apache-2.0
 *
 * See system.h. The requests are a table; a request that ends the process is
 * the last thing done with it.
 */
#include "node/system.h"

#include <cnode/error.h>

#include "base/limits.h"
#include "node/gen.h"
#include "node/node.h"
#include "node/process_info.h"
#include "term/build.h"

struct request {
    struct node *node;
    struct process *process;
    struct gen_from from;
    struct cnode_term term; /* the request */
};

static void reply_format(const struct request *r, const char *format)
{
    (void)gen_reply(r->node, r->process, &r->from, format);
}

/* A term that was built apart: what builds it may send. */
static void reply_built(const struct request *r, const char *format,
                        const struct buf *built)
{
    int rc = buf_error(built);

    if (rc == 0) {
        rc = gen_reply(r->node, r->process, &r->from, format,
                       term_at(buf_data(built), buf_size(built)));
    }
    if (rc != 0) {
        (void)gen_reply(r->node, r->process, &r->from, "{error, ~a}",
                        cnode_error_atom(rc));
    }
}

/* --- state and status */

int system_put_state(struct node *node, struct process *process,
                     struct buf *buf)
{
    (void)node;
    if (process->class->put_state != NULL) {
        return process->class->put_state(process, buf);
    }
    term_format(buf, "~a", process->class->name);
    return 0;
}

static void on_get_state(const struct request *r)
{
    struct buf buf;
    int rc;

    buf_init(&buf, limits.message_bytes);
    rc = system_put_state(r->node, r->process, &buf);
    if (rc < 0) {
        (void)gen_reply(r->node, r->process, &r->from,
                        "{error, {callback_failed, {gen_server, "
                        "system_get_state}, {error, ~a}}}",
                        cnode_error_atom(rc));
    } else {
        reply_built(r, "{ok, ~t}", &buf);
    }
    buf_fini(&buf);
}

/* "Status for generic server echo", or of a pid as its own node writes it. */
static void put_header(const struct node *node, const struct process *process,
                       struct buf *buf)
{
    static const char title[] = "Status for generic server ";
    atom_t name = names_of(node, process);
    struct buf text;

    buf_init(&text, 0);
    if (name != ATOM_NONE) {
        buf_printf(&text, "%s%s", title, atom_text(name));
    } else {
        buf_printf(&text, "%s<0.%u.%u>", title, process->slot, process->serial);
    }
    term_put_chars(buf, (const char *)buf_data(&text), buf_size(&text));
    buf_fini(&text);
}

/* The state; or why there is none to be shown. */
static void put_state_or_error(struct node *node, struct process *process,
                               struct buf *buf)
{
    struct buf state;
    int rc;

    buf_init(&state, limits.message_bytes);
    rc = system_put_state(node, process, &state);
    if (rc >= 0) {
        rc = buf_error(&state);
    }
    if (rc >= 0) {
        term_put_copy(buf, term_at(buf_data(&state), buf_size(&state)));
    } else {
        term_format(buf, "{error, ~a}", cnode_error_atom(rc));
    }
    buf_fini(&state);
}

static const char *status_of(const struct process *process)
{
    return (process->flags & PROCESS_SUSPENDED) != 0 ? "suspended" : "running";
}

/* As gen_server:format_status/2 has it; observer shows what is in it. */
static void put_misc(struct node *node, struct process *process,
                     struct pid parent, struct buf *buf)
{
    term_put_list(buf, 3);
    term_put_tuple(buf, 2);
    term_format(buf, "header");
    put_header(node, process, buf);
    term_format(buf,
                "{data, [{\"Status\", ~a}, {\"Parent\", ~p}, "
                "{\"Logged events\", []}]}",
                status_of(process), parent);
    term_put_tuple(buf, 2);
    term_format(buf, "data");
    term_put_list(buf, 1);
    term_put_tuple(buf, 2);
    term_format(buf, "\"State\"");
    put_state_or_error(node, process, buf);
    term_put_nil(buf);
    term_put_nil(buf);
}

void system_put_status(struct node *node, struct process *process,
                       struct buf *buf)
{
    struct process_about about = process_about(process);
    struct pid self = node_pid(node, process);
    struct pid parent = process_parent(&about);

    if (pid_is_none(parent)) {
        parent = self;
    }
    term_put_tuple(buf, 4);
    term_format(buf, "status");
    term_put_pid(buf, self);
    term_format(buf, "{module, gen_server}");
    term_put_list(buf, 5);
    process_put_dictionary(process, &about, buf);
    term_format(buf, "~a", status_of(process));
    term_put_pid(buf, parent);
    term_put_nil(buf); /* debug options */
    put_misc(node, process, parent, buf);
    term_put_nil(buf);
}

static void on_get_status(const struct request *r)
{
    struct buf buf;

    buf_init(&buf, limits.message_bytes);
    system_put_status(r->node, r->process, &buf);
    reply_built(r, "~t", &buf);
    buf_fini(&buf);
}

static void on_replace_state(const struct request *r)
{
    reply_format(r, "{error, {callback_failed, {gen_server, "
                    "system_replace_state}, {error, notsup}}}");
}

/* --- the others */

static void on_suspend(const struct request *r)
{
    scheduler_suspend(&r->node->scheduler, r->process);
    reply_format(r, "ok");
}

static void on_resume(const struct request *r)
{
    scheduler_unsuspend(&r->node->scheduler, r->process);
    reply_format(r, "ok");
}

static void on_terminate(const struct request *r)
{
    struct cnode_term parts[2];

    reply_format(r, "ok");
    CHECK(term_get_tuple(r->term, 2, parts));
    r->process->class->exit(r->process, parts[1]);
}

static void on_debug(const struct request *r)
{
    if (cnode_match(r->term, "{debug, {log, get}}")) {
        reply_format(r, "{ok, []}");
    } else if (cnode_match(r->term, "{debug, {statistics, get}}")) {
        reply_format(r, "{ok, no_statistics}");
    } else {
        reply_format(r, "ok");
    }
}

static const struct {
    atom_t name;
    bool is_tuple; /* {Name, Argument}, else the atom alone */
    void (*handle)(const struct request *r);
} requests[] = {
    {A_get_state, false, on_get_state},
    {A_get_status, false, on_get_status},
    {A_replace_state, true, on_replace_state},
    {A_suspend, false, on_suspend},
    {A_resume, false, on_resume},
    {A_terminate, true, on_terminate},
    {A_debug, true, on_debug},
};

static void handle(const struct request *r)
{
    struct cnode_term parts[2] = {r->term, TERM_NONE};
    bool is_tuple = term_get_tuple(r->term, 2, parts);

    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        if (requests[i].is_tuple == is_tuple &&
            term_is_atom(parts[0], requests[i].name)) {
            requests[i].handle(r);
            return;
        }
    }
    (void)gen_reply(r->node, r->process, &r->from,
                    "{error, {unknown_system_msg, ~t}}", r->term);
}

/* --- gen_event */

static const struct {
    const char *query;
    const char *answer;
} event_calls[] = {
    {"which_handlers", "[]"},
    {"{sync_notify, _}", "ok"},
    {"{call, _, _}", "{error, bad_module}"},
    {"{delete_handler, _, _}", "{error, module_not_found}"},
    {"{add_handler, _, _}", "{error, notsup}"},
    {"{add_sup_handler, _, _}", "{error, notsup}"},
    {"{swap_handler, _, _, _, _}", "{error, notsup}"},
    {"{swap_sup_handler, _, _, _, _}", "{error, notsup}"},
};

static bool answer_event_call(struct node *node, struct process *process,
                              struct cnode_term message)
{
    struct cnode_term parts[3], from[2], alias;
    struct gen_from caller;

    if (!term_get_tuple(message, 3, parts) ||
        term_type(parts[0]) != CNODE_TYPE_PID ||
        !term_get_tuple(parts[1], 2, from) ||
        !term_same_bytes(parts[0], from[0]) || !gen_alias(from[1], &alias)) {
        return false;
    }
    caller = (struct gen_from){.pid = from[0], .tag = from[1]};
    for (size_t i = 0; i < sizeof(event_calls) / sizeof(event_calls[0]); i++) {
        if (cnode_match(parts[2], event_calls[i].query)) {
            (void)gen_reply(node, process, &caller, event_calls[i].answer);
            return true;
        }
    }
    return false;
}

bool system_caller(struct cnode_term message, struct gen_from *from)
{
    struct signal signal = {.term = message};
    struct cnode_term parts[3], ends[2];

    if (!signal_is_system(&signal) || !term_get_tuple(message, 3, parts) ||
        !term_get_tuple(parts[1], 2, ends)) {
        return false;
    }
    *from = (struct gen_from){.pid = ends[0], .tag = ends[1]};
    return true;
}

bool system_message(struct node *node, struct process *process,
                    const struct signal *signal)
{
    struct request request = {.node = node, .process = process};
    struct cnode_term parts[3];

    if (!system_caller(signal->term, &request.from)) {
        return answer_event_call(node, process, signal->term);
    }
    CHECK(term_get_tuple(signal->term, 3, parts));
    request.term = parts[2];
    handle(&request);
    return true;
}
