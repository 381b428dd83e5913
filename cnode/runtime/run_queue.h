/* SPDX-License-Identifier: Apache-2.0
 *
 * FIFO of processes that have messages. A process is on it at most once
 * (PROCESS_QUEUED). One thread.
 */
#ifndef CNODE_RUNTIME_RUN_QUEUE_H
#define CNODE_RUNTIME_RUN_QUEUE_H

#include "runtime/process.h"

struct run_queue {
    struct process *head, *tail;
    uint32_t count;
};

void run_queue_push(struct run_queue *queue, struct process *process);
struct process *run_queue_pop(struct run_queue *queue); /* NULL: empty */
/* Takes out one that ends; does nothing when it is not queued. */
void run_queue_remove(struct run_queue *queue, struct process *process);

#endif
