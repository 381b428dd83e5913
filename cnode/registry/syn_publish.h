/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages to all members of a group, and lists of them. A message goes as it
 * is, from the process that publishes. Belongs to scheduler 0.
 */
#ifndef CNODE_REGISTRY_SYN_PUBLISH_H
#define CNODE_REGISTRY_SYN_PUBLISH_H

#include "registry/syn.h"

/* How many it was sent to; CNODE_NOMEM: nobody. */
MUST_USE int syn_publish(struct syn *syn, struct syn_table *groups,
                         struct cnode_term group, bool only_local,
                         struct pid from, struct cnode_term message,
                         uint32_t *count);
/* Appends [{Pid, Meta}]. */
void syn_put_members(struct syn_table *groups, struct cnode_term group,
                     bool only_local, struct buf *buf);

#endif
