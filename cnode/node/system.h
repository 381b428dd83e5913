/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages of OTP's sys module, {system, From, Request}: the one place where
 * all processes are asked for their state and status, suspended, resumed and
 * told to end (GenServer.stop, Supervisor.stop, :sys.get_state, observer).
 * What is particular to a process is in its class.
 *
 *     get_state            {ok, State}
 *     get_status           {status, Pid, {module, gen_server}, [PDict, running
 *                          or suspended, Parent, [], Misc]}
 *     {replace_state, _}   {error, {callback_failed, {gen_server,
 *                          system_replace_state}, {error, notsup}}}
 *     suspend, resume      ok
 *     {terminate, Reason}  ok, then it ends with exactly that reason
 *     {debug, _}           ok, or that nothing was recorded
 *     anything else        {error, {unknown_system_msg, Request}}
 *
 * Also answers who takes a process for a gen_event: {Pid, {Pid, Tag}, Query} of
 * gen_event:which_handlers/1 and the like, which waits for ever.
 */
#ifndef CNODE_NODE_SYSTEM_H
#define CNODE_NODE_SYSTEM_H

#include "base/buf.h"
#include "node/gen.h"
#include "runtime/process.h"

struct node;

/* A message for a process, at the top level. True: it was one of these, and the
 * process may be gone. */
bool system_message(struct node *node, struct process *process,
                    const struct signal *signal);

/* Who waits for the answer of {system, From, Request}; false: it is none. */
bool system_caller(struct cnode_term message, struct gen_from *from);

/* The answers of get_state (no tuple around it) and get_status, appended: one
 * term each. At the top level. get_state: 0, or why there is none. */
MUST_USE int system_put_state(struct node *node, struct process *process,
                              struct buf *buf);
void system_put_status(struct node *node, struct process *process,
                       struct buf *buf);

#endif
