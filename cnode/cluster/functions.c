/* SPDX-License-Identifier: Apache-2.0
 *
 * See functions.h. A call is one object on the heap: it travels to the
 * schedulers that have to do with it, gathers what they append, and is freed
 * when its result was handed over.
 */
#include "cluster/functions.h"

#include <string.h>

#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "cluster/functions_run.h"
#include "cluster/module_info.h"
#include "node/door.h"
#include "term/build.h"

const struct function function_table[] = {
#define FUNCTION(module, name, arity, place, run)                              \
    {#module, #name, arity, FUNCTION_##place, run},
#include "cluster/functions.def"
#undef FUNCTION
};

const size_t function_count =
    sizeof(function_table) / sizeof(function_table[0]);

struct call {
    struct functions *functions;
    struct node *home;
    const struct function *function;
    struct cnode_kept *args; /* the list */
    struct pid pid;          /* PID, NAMED */
    struct tally tally;
    struct buf out;
    size_t list; /* EACH: where it was opened */
    uint32_t count, slot;
    enum function_class class;
    int rc;
    function_done_fn done;
    void *owner;
};

void functions_init(struct functions *f, struct node *node)
{
    *f = (struct functions){.node = node, .start_ns = loop_clock_ns()};
}

/* --- the list */

static const struct function *find_in(const struct function *table,
                                      size_t count, struct cnode_term module,
                                      struct cnode_term name, uint64_t arity)
{
    for (size_t i = 0; i < count; i++) {
        if (table[i].arity == arity && cnode_is_atom(name, table[i].name) &&
            cnode_is_atom(module, table[i].module)) {
            return &table[i];
        }
    }
    return NULL;
}

static const struct function *find(const struct functions *f,
                                   struct cnode_term module,
                                   struct cnode_term name, uint64_t arity)
{
    const struct function *function =
        find_in(function_table, function_count, module, name, arity);

    return function != NULL
               ? function
               : find_in(f->more, f->more_count, module, name, arity);
}

void functions_add(struct functions *f, const struct function *table,
                   size_t count, void *owner)
{
    f->more = table;
    f->more_count = count;
    f->more_owner = owner;
}

bool functions_has_module(const struct functions *f, struct cnode_term module,
                          bool *is_supervisor)
{
    const struct node *node = f->node;
    bool ignored;

    if (is_supervisor == NULL) {
        is_supervisor = &ignored;
    }
    *is_supervisor = false;
    for (size_t i = 0; i < function_count; i++) {
        if (function_table[i].place != FUNCTION_REX &&
            cnode_is_atom(module, function_table[i].module)) {
            return true;
        }
    }
    return term_is_atom(module, A_cnode) || term_is_atom(module, A_rex) ||
           term_is_atom(module, A_net_kernel) ||
           term_is_atom(module, A_supervisor) ||
           (node->has_module != NULL &&
            node->has_module(node->module_owner, term_atom(module),
                             is_supervisor));
}

bool functions_has(const struct functions *f, struct cnode_term module,
                   struct cnode_term name, uint64_t arity)
{
    const struct function *function = find(f, module, name, arity);

    return (function != NULL && function->place != FUNCTION_REX) ||
           (cnode_is_atom(name, "module_info") && arity <= 1 &&
            functions_has_module(f, module, NULL));
}

/* --- the end of a call */

static void call_free(struct call *call)
{
    cnode_term_free(call->args);
    buf_fini(&call->out);
    mem_free(call);
}

static void hand_over(function_done_fn done, void *owner,
                      enum function_class class, struct cnode_term term)
{
    struct function_result result = {.class = class, .term = term};

    done(owner, &result);
}

static void finish(struct call *call)
{
    int rc = call->rc;

    if (rc == 0 && buf_error(&call->out) != 0) {
        rc = CNODE_LIMIT; /* the result is beyond limits.message_bytes */
    }
    if (rc != 0) {
        buf_clear(&call->out);
        term_format(&call->out, "~a", cnode_error_atom(rc));
        call->class = FUNCTION_ERROR;
    }
    hand_over(call->done, call->owner, call->class,
              term_at(buf_data(&call->out), buf_size(&call->out)));
    call_free(call);
}

/* --- on the schedulers */

static struct function_run run_of(struct call *call, struct node *here)
{
    struct function_run run = {.functions = call->functions,
                               .node = here,
                               .pid = call->pid,
                               .tally = &call->tally,
                               .class = FUNCTION_RETURN,
                               .out = &call->out};
    struct cnode_list list;

    CHECK(cnode_list(cnode_kept_term(call->args), &list));
    for (uint32_t i = 0; i < call->function->arity; i++) {
        CHECK(cnode_list_next(&list, &run.args[i]));
    }
    return run;
}

static void run_here(struct call *call, struct node *here)
{
    struct function_run run = run_of(call, here);

    if (!pid_is_none(call->pid)) {
        run.process = node_find(here, call->pid);
    }
    call->rc = call->function->run(&run);
    call->class = run.class;
}

static void visit_tally(struct node *here, void *arg)
{
    struct call *call = arg;

    tally_visit(&call->tally, here);
}

static void on_home(struct node *home, void *arg);

/* A slice of this scheduler; then the rest of it behind others' turns, the next
 * scheduler, or home. */
static void run_each(struct node *here, void *arg)
{
    struct call *call = arg;
    struct function_run run;

    if (here == NULL) {
        on_home(NULL, call);
        return;
    }
    run = run_of(call, here);
    run.slot = call->slot;
    call->rc = call->function->run(&run);
    call->count += run.count;
    call->slot = run.slot;
    if (call->rc == 0 && buf_error(&call->out) == 0) {
        if (run.has_more) {
            node_post_task(here, run_each, call);
            return;
        }
        if (here->index + 1 < here->count) {
            call->slot = 0;
            node_post_task(here->all[here->index + 1], run_each, call);
            return;
        }
    }
    node_post_task(call->home, on_home, call);
}

/* Back home. NULL: the node ended meanwhile. */
static void on_home(struct node *home, void *arg)
{
    struct call *call = arg;

    if (home == NULL) {
        call->done(call->owner, NULL);
        call_free(call);
        return;
    }
    if (call->function->place == FUNCTION_EACH) {
        term_close_list(&call->out, call->list, call->count);
    } else if (call->function->place == FUNCTION_TALLY) {
        run_here(call, home);
    }
    finish(call);
}

static void at_pid(struct node *here, void *arg)
{
    struct call *call = arg;

    if (here == NULL) {
        on_home(NULL, call);
        return;
    }
    run_here(call, here);
    node_post_task(call->home, on_home, call);
}

/* --- the call */

/* The process that the first argument means; a dead one has a pid as well. */
static bool find_pid(struct call *call)
{
    const struct node *node = call->home;
    struct cnode_list list;
    struct cnode_term first;

    CHECK(cnode_list(cnode_kept_term(call->args), &list) &&
          cnode_list_next(&list, &first));
    if (call->function->place == FUNCTION_NAMED &&
        cnode_type(first) == CNODE_TYPE_ATOM) {
        if (!names_whereis(node, term_atom(first), &call->pid)) {
            call->pid = (struct pid){.node = node->name}; /* of nobody */
        }
        return true;
    }
    return term_get_pid(first, &call->pid) && call->pid.node == node->name;
}

static void begin(struct call *call)
{
    switch (call->function->place) {
    case FUNCTION_HERE:
    case FUNCTION_REX:
        run_here(call, call->home);
        finish(call);
        return;
    case FUNCTION_TALLY:
        node_go_round(call->home, visit_tally, on_home, call);
        return;
    case FUNCTION_EACH:
        call->list = term_open_list(&call->out);
        node_post_task(call->home->all[0], run_each, call);
        return;
    case FUNCTION_PID:
    case FUNCTION_NAMED:
        if (find_pid(call)) {
            if (node_owns(call->home, call->pid)) {
                run_here(call, call->home);
                finish(call);
                return;
            }
            node_post_task(node_of_pid(call->home, call->pid), at_pid, call);
            return;
        }
        break;
    case FUNCTION_SPAWN:
        break;
    }
    call->rc = CNODE_EINVALID;
    finish(call);
}

static bool call_module_info(struct functions *f, struct cnode_term module,
                             struct cnode_term args, function_done_fn done,
                             void *owner)
{
    struct buf buf;
    int rc;

    buf_init(&buf, 0);
    rc = module_info_put(f, module, args, &buf);
    if (rc == 0) {
        hand_over(done, owner, FUNCTION_RETURN,
                  term_at(buf_data(&buf), buf_size(&buf)));
    } else if (rc != CNODE_NOT_FOUND) {
        hand_over(done, owner, FUNCTION_ERROR, atom_term(A_badarg));
    }
    buf_fini(&buf);
    return rc != CNODE_NOT_FOUND;
}

static bool start(struct functions *f, const struct function *function,
                  struct cnode_term args, function_done_fn done, void *owner)
{
    struct call *call = mem_zalloc(sizeof(*call));

    call->functions = f;
    call->home = f->node;
    call->function = function;
    call->done = done;
    call->owner = owner;
    call->args = cnode_term_copy(args);
    buf_init(&call->out, limits.message_bytes);
    if (call->args == NULL) {
        call->rc = CNODE_NOMEM;
        finish(call);
    } else {
        begin(call);
    }
    return true;
}

static const struct function *find_for(const struct functions *f,
                                       struct cnode_term module,
                                       struct cnode_term name,
                                       struct cnode_term args)
{
    struct cnode_list list;

    CHECK(cnode_list(args, &list));
    return find(f, module, name, list.left);
}

bool functions_call(struct functions *f, struct cnode_term module,
                    struct cnode_term name, struct cnode_term args,
                    function_done_fn done, void *owner)
{
    const struct function *function = find_for(f, module, name, args);

    if (function != NULL && function->run != NULL &&
        function->place != FUNCTION_REX) {
        return start(f, function, args, done, owner);
    }
    return cnode_is_atom(name, "module_info") &&
           call_module_info(f, module, args, done, owner);
}

bool functions_call_by_rex(struct functions *f, struct cnode_term module,
                           struct cnode_term name, struct cnode_term args,
                           function_done_fn done, void *owner)
{
    const struct function *function = find_for(f, module, name, args);

    if (function != NULL && function->place == FUNCTION_REX) {
        return start(f, function, args, done, owner);
    }
    return functions_call(f, module, name, args, done, owner);
}
