/* SPDX-License-Identifier: Apache-2.0
 *
 * Intrusive doubly linked ring. The head is a node that belongs to no object.
 * One thread.
 */
#ifndef CNODE_BASE_LIST_H
#define CNODE_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *head)
{
    head->next = head->prev = head;
}

static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_push_back(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

/* Removes; may be called again on a removed or freshly initialised node. */
static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = node->prev = node;
}

/* The first node removed from the list, or NULL. */
static inline struct list *list_pop(struct list *head)
{
    struct list *node = head->next;
    if (node == head) {
        return NULL;
    }
    list_remove(node);
    return node;
}

/* Moves all nodes of `from` to `to` (which must be empty). For walking a list
 * while calling out: the call may change the original (STYLE: rule 6). */
static inline void list_take(struct list *to, struct list *from)
{
    DCHECK(list_is_empty(to));
    if (list_is_empty(from)) {
        return;
    }
    *to = *from;
    to->next->prev = to;
    to->prev->next = to;
    list_init(from);
}

/* for each; the body may remove `it` itself, nothing else. */
#define LIST_EACH(it, head)                                                    \
    for (struct list * (it) = (head)->next, *(it##_next) = (it)->next;         \
         (it) != (head); (it) = (it##_next), (it##_next) = (it)->next)

#endif
