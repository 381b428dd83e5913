/* SPDX-License-Identifier: Apache-2.0
 *
 * AdvancedPool's message envelope, as callers put it around a call or cast:
 *
 *     {msg_envelope, Identifier, Type, Recipient, Settings, {s, Call, Ctx,
 * Opts}}
 *
 * Recipient is {ref, Module, Id} or {link, Node, Pid, {ref, Module, Id}}.
 * Type is read by nobody, and any settings are accepted: {settings, Safe,
 * Spawn, Task, Ack, Sticky, Timeout}; docs/messages.md says what each does.
 * Pure.
 */
#ifndef CNODE_POOL_ENVELOPE_H
#define CNODE_POOL_ENVELOPE_H

#include "term/view.h"

struct envelope {
    bool has_ref; /* the recipient is a ref, or a link around one */
    struct cnode_term module, id; /* of the ref; the module is an atom */
    bool spawn;                   /* the settings allow to start the worker */
    struct cnode_term identifier; /* {Pid, Ms}, or whatever it is */
    struct cnode_term settings;   /* as they came */
    struct cnode_term message;    /* {s, Call, Ctx, Opts}, or whatever it is */
    struct cnode_term call;       /* Call, or the whole message */
    struct cnode_term context;    /* Ctx, or undefined */
    struct cnode_term options;    /* Opts, or undefined */
};

/* False when it is no envelope; the struct is then untouched. */
bool envelope_parse(struct cnode_term term, struct envelope *envelope);

/* A call whose worker dies of it is to be answered {error, {exit, Reason}}. */
bool envelope_is_safe(const struct envelope *envelope);
/* Who sent it wants to know when it was handled. */
bool envelope_wants_ack(const struct envelope *envelope);
/* For how long the message is good; false: for ever. */
bool envelope_timeout(const struct envelope *envelope, uint64_t *ms);

/* A ref or a link around one. */
bool envelope_parse_ref(struct cnode_term recipient, struct cnode_term *module,
                        struct cnode_term *id);

/* The options, or else the settings, want the worker started where it is asked
 * for, if that node has at least that health; below 0: as the pool says. */
bool envelope_is_sticky(const struct envelope *envelope, double *at_least);

/* The value of a boolean option in a keyword list or map; `otherwise` when it
 * is not there. */
bool envelope_option(struct cnode_term options, const char *name,
                     bool otherwise);

#endif
