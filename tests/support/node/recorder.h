/* SPDX-License-Identifier: Apache-2.0
 *
 * A process that writes down what it gets, one message a line, and answers
 * calls with {ok, Request}.
 */
#ifndef CNODE_SUPPORT_RECORDER_H
#define CNODE_SUPPORT_RECORDER_H

#include "node/node.h"

struct recorder {
    struct process process;
    struct node *node;
    struct buf seen;
    bool ended; /* set it when the test ends the process itself */
};

void recorder_open(struct recorder *recorder, struct node *node);
/* Ends the process if it still lives. */
void recorder_close(struct recorder *recorder);
/* What it got so far, after settling. */
const char *recorder_seen(struct recorder *recorder);
struct pid recorder_pid(const struct recorder *recorder);

#endif
