/* SPDX-License-Identifier: Apache-2.0
 *
 * The calls that every worker answers, unless its behaviour does: ping, {fetch,
 * What}, hibernate, persist!, reload!, kill!, crash!.
 */
#ifndef CNODE_POOL_DEFAULTS_H
#define CNODE_POOL_DEFAULTS_H

#include "pool/run.h"

/* 0 when it was such a call, CNODE_UNHANDLED when it was not (or a behaviour
 * leaves it to handle_call), or the error of a callback. */
int defaults_call(struct run *run, struct cnode_term call);

#endif
