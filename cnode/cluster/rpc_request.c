/* SPDX-License-Identifier: Apache-2.0
 *
 * See rpc_request.h.
 */
#include "cluster/rpc_request.h"

#include <cnode/error.h>

#include "term/build.h"

enum { WRAPPINGS_MOST = 4 }; /* erlang:apply around erlang:apply */

/* Exactly n elements of a proper list. */
static bool get_list(struct cnode_term term, uint32_t n,
                     struct cnode_term *elements)
{
    struct cnode_list list;

    if (!cnode_list(term, &list) || list.left != n) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        CHECK(cnode_list_next(&list, &elements[i]));
    }
    return true;
}

static bool is_proper(struct cnode_term term)
{
    struct cnode_list list;

    return cnode_list(term, &list);
}

/* M, F and Args that can be called: else apply itself is what failed. */
static bool use(struct rpc_request *request, struct cnode_term module,
                struct cnode_term function, struct cnode_term args)
{
    if (cnode_type(module) != CNODE_TYPE_ATOM ||
        cnode_type(function) != CNODE_TYPE_ATOM || !is_proper(args)) {
        return false;
    }
    request->module = module;
    request->function = function;
    request->args = args;
    return true;
}

/* fun M:F/A */
static bool use_fun(struct rpc_request *request, struct cnode_term fun,
                    struct cnode_term args)
{
    struct cnode_term module, function;
    struct cnode_list list;
    uint64_t arity;

    if (term_tag(fun) != TAG_EXPORT || !cnode_list(args, &list)) {
        return false;
    }
    module = term_behind(fun, 1);
    function = cnode_next(module);
    return cnode_get_uint(cnode_next(function), &arity) && arity == list.left &&
           use(request, module, function, args);
}

static bool take_off_apply(struct rpc_request *request)
{
    struct cnode_term args[3];

    if (!term_is_atom(request->module, A_erlang) ||
        !cnode_is_atom(request->function, "apply")) {
        return false;
    }
    if (get_list(request->args, 2, args)) {
        return use_fun(request, args[0], args[1]);
    }
    return get_list(request->args, 3, args) &&
           use(request, args[0], args[1], args[2]);
}

static bool take_off_erpc(struct rpc_request *request)
{
    struct cnode_term args[4];

    if (!cnode_is_atom(request->module, "erpc")) {
        return false;
    }
    if (cnode_is_atom(request->function, "execute_call") &&
        get_list(request->args, 4, args) &&
        use(request, args[1], args[2], args[3])) {
        request->form = RPC_CALL;
        request->res = args[0];
        return true;
    }
    if (cnode_is_atom(request->function, "execute_cast") &&
        get_list(request->args, 3, args) &&
        use(request, args[0], args[1], args[2])) {
        request->form = RPC_CAST;
        return true;
    }
    return false;
}

void rpc_request_read(struct cnode_term module, struct cnode_term function,
                      struct cnode_term args, struct rpc_request *request)
{
    *request = (struct rpc_request){.form = RPC_SPAWN,
                                    .module = module,
                                    .function = function,
                                    .args = args,
                                    .res = term_nil()};
    (void)take_off_erpc(request);
    for (int i = 0; i < WRAPPINGS_MOST && take_off_apply(request); i++) {
    }
}

bool rpc_request_read_server(struct cnode_term term,
                             struct rpc_request *request)
{
    struct cnode_term parts[5];

    *request = (struct rpc_request){.form = RPC_SERVER, .res = term_nil()};
    if (!term_get_tuple(term, 5, parts) ||
        (!cnode_is_atom(parts[0], "call") &&
         !cnode_is_atom(parts[0], "block_call")) ||
        !use(request, parts[1], parts[2], parts[3])) {
        return false;
    }
    for (int i = 0; i < WRAPPINGS_MOST && take_off_apply(request); i++) {
    }
    return true;
}

/* --- results. The stack of an error is the function itself. */

static void put_error(struct buf *buf, const struct rpc_request *r,
                      struct cnode_term why)
{
    switch (r->form) {
    case RPC_CALL:
        term_format(buf, "{~t, error, ~t, [{~t, ~t, ~t, []}]}", r->res, why,
                    r->module, r->function, r->args);
        return;
    case RPC_SERVER:
        term_format(buf, "{badrpc, {'EXIT', {~t, [{~t, ~t, ~t, []}]}}}", why,
                    r->module, r->function, r->args);
        return;
    case RPC_SPAWN:
    case RPC_CAST:
        term_format(buf, "{~t, [{~t, ~t, ~t, []}]}", why, r->module,
                    r->function, r->args);
        return;
    }
}

static void put_exit(struct buf *buf, const struct rpc_request *r,
                     struct cnode_term why)
{
    switch (r->form) {
    case RPC_CALL:
        term_format(buf, "{~t, exit, ~t}", r->res, why);
        return;
    case RPC_SERVER:
        term_format(buf, "{badrpc, {'EXIT', ~t}}", why);
        return;
    case RPC_SPAWN:
    case RPC_CAST:
        term_put_copy(buf, why);
        return;
    }
}

static void put_throw(struct buf *buf, const struct rpc_request *r,
                      struct cnode_term thrown)
{
    switch (r->form) {
    case RPC_CALL:
        term_format(buf, "{~t, throw, ~t}", r->res, thrown);
        return;
    case RPC_SERVER:
        term_put_copy(buf, thrown);
        return;
    case RPC_SPAWN:
    case RPC_CAST:
        term_format(buf, "{{nocatch, ~t}, []}", thrown);
        return;
    }
}

static void put_return(struct buf *buf, const struct rpc_request *r,
                       struct cnode_term value)
{
    switch (r->form) {
    case RPC_CALL:
        term_format(buf, "{~t, return, ~t}", r->res, value);
        return;
    case RPC_SERVER:
        term_put_copy(buf, value);
        return;
    case RPC_SPAWN:
    case RPC_CAST:
        term_put_atom(buf, A_normal);
        return;
    }
}

void rpc_request_put_result(struct buf *buf, const struct rpc_request *request,
                            const struct function_result *result)
{
    if (result == NULL) {
        put_error(buf, request, atom_term(A_undef));
        return;
    }
    switch (result->class) {
    case FUNCTION_RETURN:
        put_return(buf, request, result->term);
        return;
    case FUNCTION_ERROR:
        put_error(buf, request, result->term);
        return;
    case FUNCTION_EXIT:
        put_exit(buf, request, result->term);
        return;
    case FUNCTION_THROW:
        put_throw(buf, request, result->term);
        return;
    }
}

/* --- to be kept */

void rpc_request_put(struct buf *buf, const struct rpc_request *r)
{
    term_format(buf, "{~u, ~t, ~t, ~t, ~t}", (uint64_t)r->form, r->module,
                r->function, r->args, r->res);
}

void rpc_request_get(struct cnode_term term, struct rpc_request *r)
{
    struct cnode_term parts[5];
    uint64_t form;

    CHECK(term_get_tuple(term, 5, parts) && cnode_get_uint(parts[0], &form));
    *r = (struct rpc_request){.form = (enum rpc_form)form,
                              .module = parts[1],
                              .function = parts[2],
                              .args = parts[3],
                              .res = parts[4]};
}
