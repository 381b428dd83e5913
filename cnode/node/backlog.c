/* SPDX-License-Identifier: Apache-2.0
 *
 * See backlog.h.
 */
#include "node/backlog.h"

#include <cnode/error.h>

#include "base/limits.h"
#include "base/metric.h"

void backlog_init(struct backlog *backlog)
{
    *backlog = (struct backlog){0};
    list_init(&backlog->items);
}

/* Takes the parcel, also when there is no room for it. */
static int push(struct backlog *backlog, struct parcel *parcel)
{
    size_t bytes;
    bool is_large;

    if (parcel == NULL) {
        return CNODE_NOMEM;
    }
    bytes = parcel_bytes(parcel);
    is_large = bytes > CHANNEL_FRAGMENT_BYTES;
    if (is_large && backlog->large_bytes + bytes > limits.large_queue_bytes) {
        METRIC_INC(large_sends_dropped);
        parcel_free(parcel);
        return CNODE_OVERLOADED;
    }
    if (!is_large && backlog->bytes + bytes > limits.send_queue_bytes) {
        METRIC_INC(sends_dropped);
        parcel_free(parcel);
        return CNODE_OVERLOADED;
    }
    *(is_large ? &backlog->large_bytes : &backlog->bytes) += bytes;
    list_push_back(&backlog->items, &parcel->node);
    return 0;
}

int backlog_add_message(struct backlog *backlog, struct pid from,
                        const struct dest *dest, struct payload message)
{
    return push(backlog, parcel_of_message(from, dest, message));
}

int backlog_add_signal(struct backlog *backlog, const struct signal *signal)
{
    return push(backlog, parcel_of_signal(signal));
}

static struct parcel *pop(struct list *items)
{
    struct list *it = list_pop(items);

    return it != NULL ? CONTAINER_OF(it, struct parcel, node) : NULL;
}

void backlog_send(struct backlog *backlog, struct node *node, atom_t name)
{
    struct parcel *parcel;

    while ((parcel = pop(&backlog->items)) != NULL) {
        parcel_send(node, parcel, name);
        parcel_free(parcel);
    }
    backlog_init(backlog);
}

void backlog_take(struct backlog *to, struct backlog *from)
{
    *to = *from;
    list_init(&to->items);
    list_take(&to->items, &from->items);
    backlog_init(from);
}

void backlog_fail(struct backlog *backlog, struct node *node, atom_t name)
{
    struct parcel *parcel;

    while ((parcel = pop(&backlog->items)) != NULL) {
        parcel_lost(node, parcel, name, CNODE_NOCONN);
        parcel_free(parcel);
    }
    backlog_init(backlog);
}

void backlog_clear(struct backlog *backlog)
{
    struct parcel *parcel;

    while ((parcel = pop(&backlog->items)) != NULL) {
        parcel_free(parcel);
    }
    backlog_init(backlog);
}
