/* SPDX-License-Identifier: Apache-2.0
 *
 * Terms as JSON, for programs that read what commands print, and back. Pure.
 *
 *     number, true, false    themselves (integers beyond 64 bits: text)
 *     nil, undefined         null
 *     other atoms, binaries  strings
 *     lists, tuples          arrays
 *     maps                   objects; other keys than texts as printed
 *     all else               a string, as the Erlang shell prints it
 */
#ifndef CNODE_ADMIN_TERM_JSON_H
#define CNODE_ADMIN_TERM_JSON_H

#include <jansson.h>

#include "term/view.h"

/* A new reference. What nests deeper than any reader likes is printed. */
json_t *term_json(struct cnode_term term);

/* The other way: strings are binaries, null is nil, keys are binaries. */
struct buf;
void term_put_json(struct buf *buf, const json_t *value);

#endif
