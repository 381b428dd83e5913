/* SPDX-License-Identifier: Apache-2.0
 *
 * What processes of this node ask of global, through the process cnode_global:
 * see global_service.h.
 */
#ifndef CNODE_CLUSTER_GLOBAL_QUESTIONS_H
#define CNODE_CLUSTER_GLOBAL_QUESTIONS_H

#include "cluster/global_service.h"

MUST_USE int global_questions_start(struct global_service *service);
void global_questions_stop(struct global_service *service);

/* Full mode: a request has its result. */
void global_questions_done(struct global_service *service, uint64_t number,
                           atom_t result);
/* Full mode: global starts again, and has forgotten all requests. */
void global_questions_lost(struct global_service *service);

#endif
