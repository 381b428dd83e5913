/* SPDX-License-Identifier: Apache-2.0
 *
 * Between print.c and print_scalar.c; others include term/text.h.
 */
#ifndef CNODE_TERM_PRINT_H
#define CNODE_TERM_PRINT_H

#include "base/buf.h"
#include "term/view.h"

/* Prints a term that is no tuple, list (but strings), map or record; stops soon
 * after `out` is larger than `limit`. */
void print_scalar(struct buf *out, struct cnode_term term, size_t limit);

#endif
