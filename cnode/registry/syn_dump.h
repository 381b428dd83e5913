/* SPDX-License-Identifier: Apache-2.0
 *
 * All entries of a scope, for people and tests. On scheduler 0.
 */
#ifndef CNODE_REGISTRY_SYN_DUMP_H
#define CNODE_REGISTRY_SYN_DUMP_H

#include "registry/syn.h"

/* Answers the call: [{NameOrGroup, Pid, Meta}]; later when workers of other
 * schedulers are among them. CNODE_NOMEM: it does not. */
MUST_USE int syn_dump(struct syn *syn, const struct syn_scope *scope,
                      struct cnode_term call);

#endif
