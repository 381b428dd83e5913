/* SPDX-License-Identifier: Apache-2.0
 *
 * See run_queue.h. Removal walks the queue: it happens only when a process ends
 * with messages waiting.
 */
#include "runtime/run_queue.h"

void run_queue_push(struct run_queue *queue, struct process *process)
{
    if ((process->flags & PROCESS_QUEUED) != 0) {
        return;
    }
    process->flags |= PROCESS_QUEUED;
    process->run_next = NULL;
    if (queue->tail == NULL) {
        queue->head = process;
    } else {
        queue->tail->run_next = process;
    }
    queue->tail = process;
    queue->count++;
}

struct process *run_queue_pop(struct run_queue *queue)
{
    struct process *process = queue->head;

    if (process == NULL) {
        return NULL;
    }
    queue->head = process->run_next;
    if (queue->head == NULL) {
        queue->tail = NULL;
    }
    queue->count--;
    process->run_next = NULL;
    process->flags &= (uint16_t)~PROCESS_QUEUED;
    return process;
}

void run_queue_remove(struct run_queue *queue, struct process *process)
{
    struct process *before = NULL;
    struct process *it;

    if ((process->flags & PROCESS_QUEUED) == 0) {
        return;
    }
    for (it = queue->head; it != process; it = it->run_next) {
        before = it;
    }
    if (before == NULL) {
        queue->head = process->run_next;
    } else {
        before->run_next = process->run_next;
    }
    if (queue->tail == process) {
        queue->tail = before;
    }
    queue->count--;
    process->run_next = NULL;
    process->flags &= (uint16_t)~PROCESS_QUEUED;
}
