/* SPDX-License-Identifier: Apache-2.0
 *
 * Control messages as lines of text, for tests to compare.
 */
#ifndef CNODE_SUPPORT_WIRE_LINES_H
#define CNODE_SUPPORT_WIRE_LINES_H

#include "base/buf.h"
#include "dist/control.h"

/* Appends a line such as
 *     send from=<n1@here.1.0> to=<p1@there.5.0> payload=hello
 * lines are separated by \n. */
void wire_line(struct buf *lines, const struct control *control);

/* A whole frame without atom cache, as with FRAGMENTS: a control tuple in
 * Erlang text with the directives of term/build.h and, if not NULL, a payload.
 */
void wire_frame(struct buf *frame, const char *payload, const char *control,
                va_list args);

#endif
