/* SPDX-License-Identifier: Apache-2.0
 *
 * One absent worker that is being started somewhere in the cluster. On
 * scheduler 0.
 *
 *     is another C node its arbiter? --ask it--------> what it answers
 *        | no, or we were asked as its arbiter
 *        v
 *     choose ---> here                                 done: PLACED_HERE
 *        ^ \ \--> nobody takes it                      done: PLACED_NOWHERE
 *        |  v
 *        | a supervisor? --none--> ask the pool supervisor there for one
 *        |  |                          | {ok, Pid}
 *        |  v                          v
 *        | start_child -------------------> {ok, Pid}  done: PLACED_AT
 *        |  |                               {error, R} done: PLACED_NOWHERE
 *        +--+ it is dead, lost, full or locked by now; at most 3 nodes
 *
 * A supervisor that does not answer in PLACING_MS: {error, timeout}, and no
 * other node is tried, since the worker may still start there.
 */
#ifndef CNODE_POOL_PLACING_H
#define CNODE_POOL_PLACING_H

#include "base/map.h"
#include "pool/worker_key.h"
#include "term/ident.h"
#include "term/view.h"

struct broker;
struct place;
struct placing;

enum {
    PLACING_MS = 5000,
    PLACING_TRIES = 3,
    ARBITER_MS = PLACING_MS * PLACING_TRIES,
    /* A pool that this node has just asked about: what other nodes know of it
     * is on its way. Nothing is started before the first, and nobody is told
     * that there is no node for it before the second. */
    PLACE_YOUNG_MS = 300,
    PLACE_NEW_MS = 1500,
    PLACE_LOOK_MS = 50,
};

/* What is to be started. Borrowed. */
struct place_order {
    struct worker_key key;
    struct cnode_term args, context;
    bool is_sticky;   /* where it is asked for, if that is healthy: */
    double at_least;  /* below 0: as the pool's configuration says */
    atom_t wanted_by; /* the node where it is asked for */
    bool is_fixed;    /* start it there: it was chosen by somebody else */
    bool is_arbited;  /* we were asked as its arbiter */
};

struct place_result {
    enum { PLACED_HERE, PLACED_AT, PLACED_NOWHERE } outcome;
    struct pid pid;           /* PLACED_AT */
    struct cnode_term reason; /* PLACED_NOWHERE; dies with the callback */
};

/* Once for each placing_begin(), perhaps from inside it. NULL: the node has
 * ended, and `arg` is only to be freed. */
typedef void (*placed_fn)(void *arg, const struct place_result *result);

void placing_begin(struct place *place, const struct place_order *order,
                   placed_fn done, void *arg);

/* An answer or the end of whom we asked, for the broker. False: not ours. */
bool placing_message(struct broker *broker, struct cnode_term message);
/* No answer comes any more: all get {error, Reason}. */
void placing_give_up_all(struct broker *broker, struct cnode_term reason);
/* The schedulers have ended. */
void placing_drop_all(struct broker *broker);

/* place->by_key, and broker->by_ref: the calls under way. */
void placing_map_init(struct map *by_key);
void placing_calls_init(struct map *by_ref);

#endif
