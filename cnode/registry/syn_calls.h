/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions to the owners of processes on other nodes, as syn asks them: a
 * monitor on the name of the scope's process there, a '$gen_call', and at most
 * 5 seconds. The caller gets what syn's API returns, or {error, Reason} where
 * it raises:
 *
 *     {invalid_remote_scope, Scope, Node}   the node has no such scope
 *     noconnection                          it cannot be reached
 *     timeout
 *
 * An answer that comes after that still counts for what we know: the owner
 * tells everybody but us. Belongs to scheduler 0.
 */
#ifndef CNODE_REGISTRY_SYN_CALLS_H
#define CNODE_REGISTRY_SYN_CALLS_H

#include "registry/syn_service.h"

void syn_calls_init(struct syn *syn);
void syn_calls_stop(struct syn *syn); /* nobody gets an answer any more */

/* Asks for the caller of `query`, who gets the answer. The claim's pid is of
 * another node. Not 0: why it could not even be asked. */
MUST_USE int syn_calls_ask(const struct syn_query *query, enum syn_kind kind,
                           const struct syn_request *request);
/* A message to cnode_syn; false: it is none of these. */
bool syn_calls_message(struct syn *syn, struct cnode_term message);

#endif
