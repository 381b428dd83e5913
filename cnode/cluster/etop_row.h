/* SPDX-License-Identifier: Apache-2.0
 *
 * One process as a row of observer's and etop's tables: #etop_proc_info{} of
 * OTP's runtime_tools, the same in all releases.
 */
#ifndef CNODE_CLUSTER_ETOP_ROW_H
#define CNODE_CLUSTER_ETOP_ROW_H

#include "node/node.h"

/* `text`: a process without a name is shown by its label, as text, which
 * observer of every release can show; else by {Module, init, 1}, as etop
 * wants. */
void etop_row_put(struct node *here, const struct process *process, bool text,
                  struct buf *buf);

#endif
