/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals on the heap: header and term bytes in one allocation.
 */
#include "runtime/signal.h"

#include <string.h>

#include "base/mem.h"
#include "runtime/mailbox.h"

struct signal *signal_copy(const struct signal *signal)
{
    size_t bytes = 0;
    struct signal *copy;

    if (!term_is_none(signal->term)) {
        bytes = cnode_term_size(signal->term);
    }
    copy = mem_try(sizeof(*copy) + bytes);
    if (copy == NULL) {
        return NULL;
    }
    *copy = *signal;
    copy->next = NULL;
    if (bytes > 0) {
        memcpy(copy + 1, signal->term.at, bytes);
        copy->term = term_at(copy + 1, bytes);
    }
    return copy;
}

bool signal_is_system(const struct signal *signal)
{
    struct cnode_term parts[3], from[2];

    return signal_may_be_system(signal) &&
           term_get_tuple(signal->term, 3, parts) &&
           term_is_atom(parts[0], A_system) &&
           term_get_tuple(parts[1], 2, from) &&
           term_type(from[0]) == CNODE_TYPE_PID;
}

void signal_run(struct signal *signal, void *owner)
{
    struct signal_task *task = CONTAINER_OF(signal, struct signal_task, signal);
    void (*run)(struct signal_task * task, void *owner) = task->run;

    task->run = NULL;
    if (run != NULL) {
        run(task, owner);
    }
}

void signal_free(struct signal *signal)
{
    if (signal->kind == SIGNAL_TASK) {
        signal_run(signal, NULL);
    }
    mem_free(signal);
}

uint32_t mailbox_clear(struct mailbox *box)
{
    struct signal *signal;
    uint32_t count = 0;

    while ((signal = mailbox_pop(box)) != NULL) {
        signal_free(signal);
        count++;
    }
    return count;
}
