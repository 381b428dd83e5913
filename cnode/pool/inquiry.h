/* SPDX-License-Identifier: Apache-2.0
 *
 * which_children and count_children of those who have workers: of one segment,
 * or of all that count for a worker supervisor, whatever their scheduler. Then
 * the question goes round, and the answer comes when it is back.
 */
#ifndef CNODE_POOL_INQUIRY_H
#define CNODE_POOL_INQUIRY_H

#include "node/gen.h"
#include "pool/segment.h"

enum inquiry_kind { INQUIRY_WHICH, INQUIRY_COUNT };

void inquiry_of_segment(struct segment *segment, enum inquiry_kind kind,
                        const struct gen_from *from);
void inquiry_of_face(struct pool *head, uint16_t face, enum inquiry_kind kind,
                     const struct gen_from *from);

#endif
