/* SPDX-License-Identifier: Apache-2.0
 *
 * erlang:process_info/1,2 of a process of this scheduler: true where a C
 * process has the thing, else what a BEAM says of a process that has none of
 * it. Reductions are handled messages. Adding an item is one row of the table.
 */
#ifndef CNODE_NODE_PROCESS_INFO_H
#define CNODE_NODE_PROCESS_INFO_H

#include "base/buf.h"
#include "runtime/process.h"

struct node;

/* All of process_info/1: a list of {Item, Value}. */
void process_info_put_all(struct node *node, const struct process *process,
                          struct buf *buf);

/* process_info/2: the answer for an item, an atom or {dictionary, Key}, or a
 * list of items. 0; CNODE_EINVALID (badarg) for what no BEAM knows. */
MUST_USE int process_info_put(struct node *node, const struct process *process,
                              struct cnode_term what, struct buf *buf);

/* What its class says. */
struct process_about process_about(const struct process *process);
/* PID_NONE: it has none. */
struct pid process_parent(const struct process_about *about);
/* Bytes of it, its state, and the messages that wait. */
size_t process_bytes(const struct process *process,
                     const struct process_about *about);
/* [{'$initial_call', MFA}, {'$ancestors', Pids}, ...] */
void process_put_dictionary(const struct process *process,
                            const struct process_about *about, struct buf *buf);
/* {Module, init, 1} or {supervisor, Module, 1}: proc_lib's translation. */
void process_put_initial_call(const struct process_about *about,
                              struct buf *buf);

#endif
