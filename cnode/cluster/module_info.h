/* SPDX-License-Identifier: Apache-2.0
 *
 * Module:module_info/0,1 of the modules that a peer hears of: those of
 * functions.def and those that processes say they began with. Observer looks
 * there for the behaviour of a process.
 */
#ifndef CNODE_CLUSTER_MODULE_INFO_H
#define CNODE_CLUSTER_MODULE_INFO_H

#include "cluster/functions.h"

/* Appends the answer. CNODE_NOT_FOUND: no such module or arity (undef);
 * CNODE_EINVALID: an item that no module has (badarg). */
MUST_USE int module_info_put(const struct functions *functions,
                             struct cnode_term module, struct cnode_term args,
                             struct buf *buf);

#endif
