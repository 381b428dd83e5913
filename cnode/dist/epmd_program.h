/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the epmd program is. Looks at the file system; any thread.
 */
#ifndef CNODE_DIST_EPMD_PROGRAM_H
#define CNODE_DIST_EPMD_PROGRAM_H

#include "base/check.h"

/* The first executable `epmd` in `search` (a list as in PATH; NULL: none), else
 * in the places where Erlang is usually installed. Gives the path (mem_free),
 * or NULL when there is none. */
MUST_USE char *epmd_program_find(const char *search);

#endif
