/* SPDX-License-Identifier: Apache-2.0
 *
 * Terms for tests. Wrong input fails the test. Each makes a buffer that the
 * caller frees with buf_fini().
 */
#ifndef CNODE_TEST_TERM_TERMS_H
#define CNODE_TEST_TERM_TERMS_H

#include "base/buf.h"
#include "support/random.h"
#include "term/view.h"

struct buf bytes_of_hex(const char *hex);   /* spaces are skipped */
struct buf bytes_of_text(const char *text); /* an Erlang term */

/* The term that fills the buffer. */
struct cnode_term term_in(const struct buf *buf);

/* Fails unless the term prints as this text. */
void assert_term_text(struct cnode_term term, const char *text);

/* Fails unless the buffer holds exactly these bytes. */
void assert_hex(const struct buf *buf, const char *hex);

/* The same random term twice: as we encode it, and as ei does (`ei` is an
 * ei_x_buff, NULL for none). */
void random_term(uint64_t *state, struct buf *ours, void *ei, int depth);

#endif
