/* SPDX-License-Identifier: Apache-2.0
 *
 * The messages of gen_server: '$gen_call', '$gen_cast', and everything else.
 * From and tag are carried as opaque bytes and echoed bit for bit.
 */
#ifndef CNODE_NODE_GEN_H
#define CNODE_NODE_GEN_H

#include "base/buf.h"
#include "term/view.h"

struct node;
struct process;

enum gen_kind { GEN_INFO, GEN_CALL, GEN_CAST };

/* Who called: both terms as they came. */
struct gen_from {
    struct cnode_term pid;
    struct cnode_term tag;
    bool is_multi_call; /* of syn: the answer has another form */
};

struct gen_message {
    enum gen_kind kind;
    struct gen_from from;   /* GEN_CALL only */
    struct cnode_term body; /* the request, or the whole message */
};

/* Any message; a malformed '$gen_call' is GEN_INFO. Pure. */
void gen_parse(struct cnode_term message, struct gen_message *out);

/* A GEN_INFO that is {syn_multi_call, Request, {Pid, Ref}, Meta} becomes a
 * GEN_CALL, to be answered {syn_multi_call_reply, Ref, Reply}: for processes
 * that may be members of syn's groups. Pure. */
void gen_parse_multi_call(struct gen_message *message);

/* The alias in a tag of the forms [alias | Ref] and [[alias | Ref] | _]; false:
 * the reply goes to the pid. Pure. */
bool gen_alias(struct cnode_term tag, struct cnode_term *alias);

/* Answers. `self` is who answers. Begin gives a buffer to append exactly one
 * term to; nothing else may be sent in between. A caller that is gone, or whose
 * node is, is no error. */
struct buf *gen_reply_begin(struct node *node, const struct gen_from *from);
int gen_reply_end(struct node *node, struct process *self,
                  const struct gen_from *from);
/* In one step, with a format of term/build.h. */
int gen_reply(struct node *node, struct process *self,
              const struct gen_from *from, const char *format, ...);

#endif
