/* SPDX-License-Identifier: Apache-2.0
 *
 * syn:multi_call/4: a question to all members of a group at once. Each gets
 *
 *     {syn_multi_call, Message, {Caller, Ref}, Meta}
 *
 * and answers {syn_multi_call_reply, Ref, Reply}. The result is
 *
 *     {[{{Pid, Meta}, Reply}], [{Pid, Meta}]}
 *
 * the second for those who ended or did not answer in time. A process for each
 * multi_call, with a monitor for each member; what comes too late goes to a pid
 * that is gone. Belongs to scheduler 0.
 */
#ifndef CNODE_REGISTRY_SYN_MULTI_CALL_H
#define CNODE_REGISTRY_SYN_MULTI_CALL_H

#include "registry/syn_service.h"

void syn_multi_calls_init(struct syn *syn);
void syn_multi_calls_stop(struct syn *syn); /* nobody gets a result any more */

/* The caller of `query` gets the result, within `timeout_ms`. CNODE_OVERLOADED
 * above limits.syn_multi_calls; CNODE_LIMIT, CNODE_NOMEM. */
MUST_USE int syn_multi_call(const struct syn_query *query,
                            struct cnode_term group, struct cnode_term message,
                            uint64_t timeout_ms);

#endif
