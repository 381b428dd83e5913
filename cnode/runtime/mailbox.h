/* SPDX-License-Identifier: Apache-2.0
 *
 * FIFO of heap signals: 16 bytes, no allocation of its own. One thread.
 */
#ifndef CNODE_RUNTIME_MAILBOX_H
#define CNODE_RUNTIME_MAILBOX_H

#include "runtime/signal.h"

struct mailbox {
    struct signal *tail; /* tail->next is the head; NULL: empty */
    uint32_t count;
    uint32_t handled; /* low half of process_handled(), where there is room */
};

static inline bool mailbox_is_empty(const struct mailbox *box)
{
    return box->tail == NULL;
}

static inline void mailbox_push(struct mailbox *box, struct signal *signal)
{
    if (box->tail == NULL) {
        signal->next = signal;
    } else {
        signal->next = box->tail->next;
        box->tail->next = signal;
    }
    box->tail = signal;
    box->count++;
}

/* The oldest, owned by the caller, or NULL. */
static inline struct signal *mailbox_pop(struct mailbox *box)
{
    struct signal *tail = box->tail;
    struct signal *head;

    if (tail == NULL) {
        return NULL;
    }
    head = tail->next;
    if (head == tail) {
        box->tail = NULL;
    } else {
        tail->next = head->next;
    }
    head->next = NULL;
    box->count--;
    return head;
}

/* Takes out the one behind `before`, which is in it (its tail: the oldest). */
static inline struct signal *mailbox_take_behind(struct mailbox *box,
                                                 struct signal *before)
{
    struct signal *signal = before->next;

    if (signal == before) {
        box->tail = NULL;
    } else {
        before->next = signal->next;
        if (box->tail == signal) {
            box->tail = before;
        }
    }
    signal->next = NULL;
    box->count--;
    return signal;
}

/* Frees everything in it; returns how many there were. */
uint32_t mailbox_clear(struct mailbox *box);

#endif
