/* SPDX-License-Identifier: Apache-2.0
 *
 * Matching terms against patterns as in include/cnode/term.h. Without
 * allocation. Pure (a wrong pattern is logged), any thread.
 */
#ifndef CNODE_TERM_MATCH_H
#define CNODE_TERM_MATCH_H

#include <stdarg.h>

#include "term/view.h"

enum { MATCH_MAX_DEPTH = 16, MATCH_MAX_DIRECTIVES = 16 };

/* cnode_match with the node's own directives:
 *     ~A  atom_t * (ATOM_NONE if not in the table)
 *     ~p  struct pid *   ~r  struct ref * */
bool term_match(struct cnode_term term, const char *pattern, ...);
bool term_vmatch(struct cnode_term term, const char *pattern, va_list args);

#endif
