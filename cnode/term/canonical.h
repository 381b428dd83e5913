/* SPDX-License-Identifier: Apache-2.0
 *
 * One byte form per value, so that equality is memcmp: shortest integers, 119
 * before 118 for atoms, lists of bytes as 107, maps sorted by key bytes, no old
 * tags. Pure.
 */
#ifndef CNODE_TERM_CANONICAL_H
#define CNODE_TERM_CANONICAL_H

#include "base/buf.h"
#include "term/view.h"

/* True when the bytes are canonical already (as nearly all that a BEAM sends
 * are, maps excepted). */
bool term_is_canonical(struct cnode_term term);

/* Appends the canonical form. 0 or CNODE_NOMEM, CNODE_TOO_LARGE. */
MUST_USE int term_put_canonical(struct buf *buf, struct cnode_term term);

#endif
