/* SPDX-License-Identifier: Apache-2.0
 *
 * Terms as people write them: printing as the Erlang shell does (~0p), reading
 * the same back. Pure, iterative.
 */
#ifndef CNODE_TERM_TEXT_H
#define CNODE_TERM_TEXT_H

#include "base/buf.h"
#include "term/view.h"

/* Appends text; pids as <node.id.serial>, refs as #Ref<node.a.b.c>, funs as
 * #Fun<m.i>. Cut with "..." after `max` bytes (0: never). */
void term_print(struct buf *buf, struct cnode_term term, size_t max);

/* Reads one Erlang term: integers (also 16#ff, big, 1_000), floats, atoms
 * ('Elixir.A', and A.B or Elixir module names as in Elixir.Demo), strings "..."
 * as binaries when `strings_are_binaries`, else as lists, <<"...">>, <<1,2>>,
 * tuples, lists with tails, #{k => v}. Appends external term format.
 * 0; or CNODE_SYNTAX and *where = offset of the mistake, *what = what was
 * expected. */
MUST_USE int term_parse(struct buf *buf, const char *text, size_t len,
                        bool strings_are_binaries, size_t *where,
                        const char **what);

#endif
