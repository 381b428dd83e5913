/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing terms to the end of a struct buf. Errors are the buffer's (sticky).
 * Pure, any thread. Always the shortest encoding OTP itself would choose.
 */
#ifndef CNODE_TERM_BUILD_H
#define CNODE_TERM_BUILD_H

#include <stdarg.h>

#include "base/buf.h"
#include "term/match.h"
#include "term/view.h"

void term_put_int(struct buf *buf, int64_t value);
void term_put_uint(struct buf *buf, uint64_t value);
/* Magnitude least significant byte first, of any length. */
void term_put_big(struct buf *buf, const uint8_t *magnitude, size_t len,
                  bool is_negative);
void term_put_float(struct buf *buf, double value); /* finite, else error */
void term_put_atom(struct buf *buf, atom_t atom);
void term_put_atom_text(struct buf *buf, const char *text, size_t len);
/* A text, UTF-8, as a list of characters. */
void term_put_chars(struct buf *buf, const char *text, size_t len);
void term_put_binary(struct buf *buf, const void *bytes, size_t len);
void term_put_tuple(struct buf *buf, uint32_t arity);
void term_put_list(struct buf *buf, uint32_t n); /* n = 0 writes nothing */
void term_put_nil(struct buf *buf);
/* Closes a list whose head was put at `start` (from the front of the buffer)
 * before its length was known, and whose tail was put: fills in the count, and
 * makes a list of bytes a 107. */
void term_finish_list(struct buf *buf, size_t start, uint32_t count);
/* A proper list whose length is known at its end only: open gives what close
 * wants back. */
size_t term_open_list(struct buf *buf);
void term_close_list(struct buf *buf, size_t start, uint32_t count);
void term_put_map(struct buf *buf, uint32_t pairs);
void term_put_pid(struct buf *buf, struct pid pid);
void term_put_ref(struct buf *buf, const struct ref *ref);
/* TERM_NONE is an error. */
void term_put_copy(struct buf *buf, struct cnode_term term);

/* Formats as in include/cnode/term.h, plus for the node's own use:
 *     ~A  atom_t       ~p  struct pid       ~r  const struct ref *
 * Sets CNODE_SYNTAX in buf->error for a wrong format, CNODE_EINVALID for a
 * wrong argument (NULL, no atom, not finite); nothing is appended then. */
void term_format(struct buf *buf, const char *format, ...);
void term_vformat(struct buf *buf, const char *format, va_list args);
/* The same for several terms, separated by commas. */
void term_vformat_all(struct buf *buf, const char *format, va_list args);

#endif
