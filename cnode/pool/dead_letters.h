/* SPDX-License-Identifier: Apache-2.0
 *
 * The newest messages for workers that could not be delivered, with the reason:
 * a ring of bounded texts, so that an operator sees what was lost. What is
 * pushed out is counted. Each scheduler has its own. Pure; the time is handed
 * in.
 */
#ifndef CNODE_POOL_DEAD_LETTERS_H
#define CNODE_POOL_DEAD_LETTERS_H

#include "node/gen.h"
#include "term/view.h"

/* Bytes that are kept at most: of a message as text, of an id or reason as a
 * term. What is larger is cut text. */
enum { DEAD_LETTER_MESSAGE = 400, DEAD_LETTER_TERM = 256 };

struct dead_letter {
    uint64_t at_ms; /* since 1970 */
    uint32_t size;
    uint8_t bytes[]; /* one term: the row that is shown */
};

struct dead_letters {
    struct dead_letter **ring; /* NULL until the first one */
    uint32_t most;             /* places of it; 0: none is kept */
    uint32_t next;             /* where the next one goes */
    uint32_t count;
    uint64_t total; /* ever */
};

/* What was not delivered. Terms may be TERM_NONE. */
struct dead_letter_facts {
    uint64_t at_ms;
    atom_t pool, module;
    enum gen_kind kind;
    struct cnode_term id, reason, message;
};

void dead_letters_init(struct dead_letters *letters, uint32_t most);
void dead_letters_fini(struct dead_letters *letters);

/* False: an older one was pushed out (or there is no memory for this one). */
bool dead_letters_add(struct dead_letters *letters,
                      const struct dead_letter_facts *facts);

/* Number 0 is the newest; NULL behind the oldest. */
const struct dead_letter *dead_letters_at(const struct dead_letters *letters,
                                          uint32_t number);

#endif
