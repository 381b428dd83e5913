/* SPDX-License-Identifier: Apache-2.0
 *
 * Native records (tag 67) are of OTP 29: an older BEAM ends the connection that
 * brings one. What we got from a newer node and send on to an older one has
 * them written as the tuples that records were before: {Name, Value, ...}.
 * Any thread.
 */
#ifndef CNODE_TERM_RECORDS_H
#define CNODE_TERM_RECORDS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/buf.h"
#include "term/view.h"

/* Whether any term that was ever validated had one: in most clusters none ever
 * has, and nobody needs to look. Relaxed: who sends a term on got it after it
 * was validated, through something that orders the two. */
extern _Atomic bool records_are_about;

static inline void records_note(void)
{
    atomic_store_explicit(&records_are_about, true, memory_order_relaxed);
}

static inline bool records_may_be_about(void)
{
    return atomic_load_explicit(&records_are_about, memory_order_relaxed);
}

/* For valid terms. */
bool term_has_records(struct cnode_term term);
/* Appends the term with tuples for its records. CNODE_UNSUPPORTED: that is no
 * valid term any more (a map has two keys that are the same now);
 * CNODE_NOMEM. */
MUST_USE int term_put_without_records(struct buf *buf, struct cnode_term term);

#endif
