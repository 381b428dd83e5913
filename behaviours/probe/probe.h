/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the probe share: rows of its table answer, now or later.
 */
#ifndef CNODE_PROBE_H
#define CNODE_PROBE_H

#include <cnode/behaviour.h>

enum { PROBE_ARGS = 6 }; /* of a row at most; what is not there is no term */

/* Answers if it is a call that is being handled. */
int probe_answer(struct cnode_worker *w, struct cnode_term term);

/* What a row asked others, with the caller as context (NULL: it was no call):
 * their answer is the result. */
int probe_on_answer(struct cnode_worker *w, void *state, void *from,
                    const struct cnode_answer *result);
/* After asking: `rc` not 0: the question could not even be asked, and the
 * caller is no longer kept. */
int probe_asked(struct cnode_worker *w, struct cnode_from *from, int rc);

/* {syn, ...}: what follows `syn`. */
int probe_syn(struct cnode_worker *w, const struct cnode_term *args);

#endif
