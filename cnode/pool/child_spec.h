/* SPDX-License-Identifier: Apache-2.0
 *
 * What a BEAM asks of a supervisor: the calls that Supervisor,
 * DynamicSupervisor and OTP's supervisor make. Pure.
 */
#ifndef CNODE_POOL_CHILD_SPEC_H
#define CNODE_POOL_CHILD_SPEC_H

#include "term/view.h"

enum child_request_kind {
    CHILD_OTHER,     /* none of these */
    CHILD_WHICH,     /* which_children */
    CHILD_COUNT,     /* count_children */
    CHILD_START,     /* {start_child, Spec} */
    CHILD_TERMINATE, /* {terminate_child, PidOrId} */
    CHILD_RESTART,   /* {restart_child, Id} */
    CHILD_DELETE,    /* {delete_child, Id} */
    CHILD_SPEC,      /* {get_childspec, PidOrId} */
};

/* `argument`: the spec, or the pid or id. */
enum child_request_kind child_request(struct cnode_term request,
                                      struct cnode_term *argument);

/* A child spec in either form: {{M, F, Args}, Restart, ...} as
 * DynamicSupervisor sends it, or a map with the key start. */
struct child_spec {
    struct cnode_term module; /* M of the start function */
    /* Of a worker: the first argument that is a ref, then what follows it, as
     * in [{ref, Module, Id}, [Args], Context]. */
    bool has_ref;
    struct cnode_term ref_module, id, args, context;
    bool is_of_cnode; /* a C node asks: it names one more module, cnode */
};

/* False when it is neither form. */
bool child_spec_parse(struct cnode_term spec, struct child_spec *out);

#endif
