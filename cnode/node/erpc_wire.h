/* SPDX-License-Identifier: Apache-2.0
 *
 * How OTP's erpc calls a function on another node: it spawns
 * erpc:execute_call(Res, M, F, Args) there with a monitor, and reads the result
 * from the exit reason. Pure.
 */
#ifndef CNODE_NODE_ERPC_WIRE_H
#define CNODE_NODE_ERPC_WIRE_H

#include "base/buf.h"
#include "node/spawn_request.h"

enum erpc_class {
    ERPC_RETURN, /* term: the value */
    ERPC_THROW,  /* what erpc:call/5 would raise: throw:Term */
    ERPC_EXIT,   /* exit:{exception, Reason}, exit:{signal, Reason} */
    ERPC_ERROR,  /* error:{exception, Reason, Stack}, error:{erpc, Why} */
};

struct erpc_result {
    enum erpc_class class;
    struct cnode_term term;
};

/* return, throw, exit, error */
const char *erpc_class_name(enum erpc_class class);

/* What spawn_request() is to be told; only an error comes as spawn_reply. The
 * terms are in `buf`. CNODE_EINVALID: module and function must be atoms, args a
 * proper list; CNODE_NOMEM, CNODE_TOO_LARGE. */
MUST_USE int erpc_put_request(struct buf *buf, struct cnode_term module,
                              struct cnode_term function,
                              struct cnode_term args, struct spawn_what *what);

/* {spawn_reply, Ref, error, Why} and {'DOWN', Ref, process, Pid, Reason} of a
 * request; false: another message. */
bool erpc_read_message(struct cnode_term message, struct ref *ref,
                       struct cnode_term *why, bool *is_down);

/* The result, from one of these. It is in `buf`, or a part of `why`. */
void erpc_read_result(struct buf *buf, struct cnode_term why, bool is_down,
                      struct erpc_result *result);
/* error:{erpc, Why}, Why an atom such as timeout. */
void erpc_failed(struct buf *buf, atom_t why, struct erpc_result *result);

#endif
