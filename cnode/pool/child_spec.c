/* SPDX-License-Identifier: Apache-2.0
 *
 * See child_spec.h.
 */
#include "pool/child_spec.h"

#include "pool/envelope.h"

enum child_request_kind child_request(struct cnode_term request,
                                      struct cnode_term *argument)
{
    static const struct {
        const char *name;
        enum child_request_kind kind;
    } requests[] = {
        {"start_child", CHILD_START},     {"terminate_child", CHILD_TERMINATE},
        {"restart_child", CHILD_RESTART}, {"delete_child", CHILD_DELETE},
        {"get_childspec", CHILD_SPEC},
    };
    struct cnode_term parts[2];

    if (term_is_atom(request, A_which_children)) {
        return CHILD_WHICH;
    }
    if (term_is_atom(request, A_count_children)) {
        return CHILD_COUNT;
    }
    if (!term_get_tuple(request, 2, parts)) {
        return CHILD_OTHER;
    }
    *argument = parts[1];
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        if (cnode_is_atom(parts[0], requests[i].name)) {
            return requests[i].kind;
        }
    }
    return CHILD_OTHER;
}

/* The arguments of AdvancedPool's worker are a list of one list of them. */
static struct cnode_term first_of(struct cnode_term args)
{
    struct cnode_list list;
    struct cnode_term first;

    if (cnode_list(args, &list) && cnode_list_next(&list, &first)) {
        return first;
    }
    return args;
}

static void parse_args(struct cnode_term args, struct child_spec *out)
{
    struct cnode_list list;
    struct cnode_term arg;

    if (!cnode_list(args, &list)) {
        return;
    }
    while (cnode_list_next(&list, &arg)) {
        if (envelope_parse_ref(arg, &out->ref_module, &out->id)) {
            out->has_ref = true;
            break;
        }
    }
    if (out->has_ref && cnode_list_next(&list, &arg)) {
        out->args = first_of(arg);
        if (cnode_list_next(&list, &arg)) {
            out->context = arg;
        }
    }
}

/* {{M, F, Args}, Restart, Shutdown, Type, [M, cnode]} */
static bool names_cnode(struct cnode_term spec)
{
    struct cnode_term parts[5], module;
    struct cnode_list list;

    if (!term_get_tuple(spec, 5, parts) || !cnode_list(parts[4], &list)) {
        return false;
    }
    while (cnode_list_next(&list, &module)) {
        if (term_is_atom(module, A_cnode)) {
            return true;
        }
    }
    return false;
}

bool child_spec_parse(struct cnode_term spec, struct child_spec *out)
{
    struct cnode_term start, mfa[3];
    uint32_t arity;

    if (!cnode_map_get(spec, "start", &start) &&
        (!cnode_get_tuple(spec, &arity, &start) || arity < 1)) {
        return false;
    }
    if (!term_get_tuple(start, 3, mfa) ||
        cnode_type(mfa[0]) != CNODE_TYPE_ATOM) {
        return false;
    }
    *out = (struct child_spec){
        .module = mfa[0],
        .args = term_nil(),
        .context = atom_term(A_undefined),
        .is_of_cnode = names_cnode(spec),
    };
    parse_args(mfa[2], out);
    return true;
}
