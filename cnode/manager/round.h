/* SPDX-License-Identifier: Apache-2.0
 *
 * One round of questions to the managers of all nodes, until each has answered,
 * is lost, or is out of time. Pure.
 *
 *     plain      ASKED ---{ok, Report}---> DONE
 *     rebuild    ASKED ---{ok, _}--------> PROMISED ---Report---> DONE
 *     otherwise  ASKED, PROMISED --------> DONE without an answer: unavailable
 */
#ifndef CNODE_MANAGER_ROUND_H
#define CNODE_MANAGER_ROUND_H

#include "base/buf.h"
#include "term/view.h"

enum round_state { ROUND_ASKED, ROUND_PROMISED, ROUND_DONE };

struct round_node {
    atom_t node;
    struct ref ref; /* of the question, while it is ASKED */
    enum round_state state;
    struct cnode_kept *report; /* NULL: unavailable */
};

struct round {
    bool is_under_way;
    bool rebuild;
    int64_t started_us;
    struct round_node *nodes;
    uint32_t count, open;
};

void round_begin(struct round *round, bool rebuild, int64_t now_us);
/* One more node, unless it is there. NULL: it is. */
struct round_node *round_add(struct round *round, atom_t node);
/* It cannot be asked, or is lost. */
void round_lose(struct round *round, struct round_node *node);

struct round_node *round_find_ref(struct round *round, const struct ref *ref);
/* The answer to the question. A report larger than limits.report_bytes counts
 * as none (counted). */
void round_answer(struct round *round, struct round_node *node,
                  struct cnode_term answer);
/* The report that was promised, said by a process of the node with that name;
 * ignored when none is expected. */
void round_report(struct round *round, atom_t name, struct cnode_term report);

static inline bool round_is_over(const struct round *round)
{
    return round->is_under_way && round->open == 0;
}

/* Appends #{Node => Report | {error, unavailable}}. */
void round_put(const struct round *round, struct buf *buf);
void round_end(struct round *round);

#endif
