/* SPDX-License-Identifier: Apache-2.0
 *
 * See erpc_wire.h. `Res` only has to be something that no function exits with
 * by itself; since each request has a process and a monitor of its own, one
 * atom serves.
 */
#include "node/erpc_wire.h"

#include <cnode/error.h>

#include "term/build.h"

const char *erpc_class_name(enum erpc_class class)
{
    static const char *const names[] = {[ERPC_RETURN] = "return",
                                        [ERPC_THROW] = "throw",
                                        [ERPC_EXIT] = "exit",
                                        [ERPC_ERROR] = "error"};

    return names[class];
}

int erpc_put_request(struct buf *buf, struct cnode_term module,
                     struct cnode_term function, struct cnode_term args,
                     struct spawn_what *what)
{
    struct cnode_term parts[4];
    struct cnode_list list;

    if (cnode_type(module) != CNODE_TYPE_ATOM ||
        cnode_type(function) != CNODE_TYPE_ATOM || !cnode_list(args, &list)) {
        return CNODE_EINVALID;
    }
    buf_clear(buf);
    term_format(buf,
                "{erpc, execute_call, [cnode_erpc, ~t, ~t, ~t],"
                " [monitor, {reply, error_only}]}",
                module, function, args);
    if (buf_error(buf) != 0) {
        return buf_error(buf);
    }
    CHECK(term_get_tuple(term_at(buf_data(buf), buf_size(buf)), 4, parts));
    *what = (struct spawn_what){.module = parts[0],
                                .function = parts[1],
                                .args = parts[2],
                                .opts = parts[3]};
    return 0;
}

bool erpc_read_message(struct cnode_term message, struct ref *ref,
                       struct cnode_term *why, bool *is_down)
{
    struct cnode_term parts[5];

    if (term_get_tuple(message, 4, parts) &&
        term_is_atom(parts[0], A_spawn_reply) &&
        term_is_atom(parts[2], A_error) && term_get_ref(parts[1], ref)) {
        *why = parts[3];
        *is_down = false;
        return true;
    }
    if (term_get_tuple(message, 5, parts) && term_is_atom(parts[0], A_DOWN) &&
        term_get_ref(parts[1], ref)) {
        *why = parts[4];
        *is_down = true;
        return true;
    }
    return false;
}

static void put_result(struct buf *buf, struct erpc_result *result,
                       enum erpc_class class, const char *format, ...)
{
    va_list args;

    buf_clear(buf);
    va_start(args, format);
    term_vformat(buf, format, args);
    va_end(args);
    result->class = class;
    result->term = buf_error(buf) == 0
                       ? term_at(buf_data(buf), buf_size(buf))
                       : atom_term(A_system_limit); /* no memory for it */
}

void erpc_failed(struct buf *buf, atom_t why, struct erpc_result *result)
{
    put_result(buf, result, ERPC_ERROR, "{erpc, ~A}", why);
}

void erpc_read_result(struct buf *buf, struct cnode_term why, bool is_down,
                      struct erpc_result *result)
{
    struct cnode_term term, stack;

    if (!is_down || term_is_atom(why, A_noconnection)) {
        put_result(buf, result, ERPC_ERROR, "{erpc, ~t}", why);
    } else if (cnode_match(why, "{cnode_erpc, return, ~t}", &term)) {
        *result = (struct erpc_result){ERPC_RETURN, term};
    } else if (cnode_match(why, "{cnode_erpc, throw, ~t}", &term)) {
        *result = (struct erpc_result){ERPC_THROW, term};
    } else if (cnode_match(why, "{cnode_erpc, exit, ~t}", &term)) {
        put_result(buf, result, ERPC_EXIT, "{exception, ~t}", term);
    } else if (cnode_match(why, "{cnode_erpc, error, ~t, ~t}", &term, &stack)) {
        put_result(buf, result, ERPC_ERROR, "{exception, ~t, ~t}", term, stack);
    } else {
        put_result(buf, result, ERPC_EXIT, "{signal, ~t}", why);
    }
}
