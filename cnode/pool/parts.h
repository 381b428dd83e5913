/* SPDX-License-Identifier: Apache-2.0
 *
 * A pool over several schedulers. Its segments are dealt out to parts, one on
 * each scheduler; the first part, the head, has the pool supervisor, its name
 * and the worker supervisors, and decides what is restarted. Each part has a
 * process that takes the messages which the head passes on to it.
 *
 *     head              part
 *     open      ------>          its segments are opened
 *               <------ segment  has this pid now, or none
 *               <------ fallen   a segment is down
 *     restart   ------>          of that segment
 *     stop      ------>          all its workers are ended
 *               <------ closed   nothing of it is left
 *
 * A service, and every pool of a node with one scheduler, has only a head.
 */
#ifndef CNODE_POOL_PARTS_H
#define CNODE_POOL_PARTS_H

#include "term/view.h"

struct pool;
struct process;
struct signal;

/* The process of a part that is not the head, for as long as the node lives:
 * hidden, since it is nothing but an address for the head. 0 or CNODE_LIMIT. */
int parts_spawn(struct pool *part);

/* --- what the head tells the others */

/* Before the schedulers run: 0, or why one of them could not. After that they
 * report it. */
int parts_open(struct pool *head);
void parts_stop(struct pool *head);
void parts_restart(struct pool *head, uint32_t index);

/* --- what a part tells the head (itself, when it is that) */

/* The segment has this pid now; PID_NONE: none. */
void parts_segment_is(struct pool *part, uint32_t index, struct pid pid);
void parts_segment_fell(struct pool *part, uint32_t index);
void parts_closed(struct pool *part);
/* It could not be opened. */
void parts_failed(struct pool *part, int rc);

/* --- messages */

/* What a message to the process of a part is for: the low byte of signal->id,
 * which is 0 for all that comes from outside. */
enum part_message {
    PART_ENVELOPE = 0,  /* as the pool gets it */
    PART_REQUEST = 1,   /* to a worker supervisor: its index << 8 */
    PART_CALL_LOST = 2, /* to the head: {{Pid, Tag}, Reason} */
    PART_PASSED = 4,    /* to the head: {{Pid, Tag}, To} */
    PART_NAMED = 3,     /* to the worker that has a name: {Name, Message} */
};

/* The head watches whom a message was passed on to, if that is a call. */
void parts_passed(struct pool *part, const struct signal *signal,
                  struct pid to);
void parts_take_passed(struct pool *head, struct cnode_term message);

/* Refused when too much waits there. */
void parts_pass_on(struct pool *pool, uint32_t part,
                   const struct signal *signal, uint64_t id);
/* The part on a scheduler, for that one to use; NULL: there is none. */
struct pool *parts_of_scheduler(const struct pool *pool, uint32_t scheduler);

#endif
