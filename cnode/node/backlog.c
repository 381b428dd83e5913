/* SPDX-License-Identifier: Apache-2.0
 *
 * See backlog.h. An item keeps its bytes in one block: the message, behind it
 * the alias it goes to, if it does; or the term of a signal.
 */
#include "node/backlog.h"

#include <cnode/error.h>

#include "base/block.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "node/route.h"

struct backlog_item {
    struct list node;
    bool is_signal;
    struct signal signal; /* is_signal */
    struct pid from;      /* else */
    struct dest dest;
    struct block *bytes; /* NULL: a signal without a term */
};

void backlog_init(struct backlog *backlog)
{
    *backlog = (struct backlog){0};
    list_init(&backlog->items);
}

static void item_free(struct backlog_item *item)
{
    block_unref(item->bytes);
    mem_free(item);
}

/* Takes the item, also when there is no room for it. */
static int push(struct backlog *backlog, struct backlog_item *item)
{
    size_t bytes =
        sizeof(*item) + (item->bytes != NULL ? item->bytes->size : 0);
    bool is_large = bytes > CHANNEL_FRAGMENT_BYTES;

    if (is_large && backlog->large_bytes + bytes > limits.large_queue_bytes) {
        METRIC_INC(large_sends_dropped);
        item_free(item);
        return CNODE_OVERLOADED;
    }
    if (!is_large && backlog->bytes + bytes > limits.send_queue_bytes) {
        METRIC_INC(sends_dropped);
        item_free(item);
        return CNODE_OVERLOADED;
    }
    *(is_large ? &backlog->large_bytes : &backlog->bytes) += bytes;
    backlog->signals += item->is_signal;
    list_push_back(&backlog->items, &item->node);
    return 0;
}

int backlog_add_message(struct backlog *backlog, struct pid from,
                        const struct dest *dest, struct payload message)
{
    struct backlog_item *item = mem_zalloc(sizeof(*item));
    size_t alias = dest->kind == DEST_ALIAS ? cnode_term_size(dest->alias) : 0;
    struct buf buf;

    buf_init(&buf, 0);
    buf_put(&buf, message.bytes, message.size);
    if (alias > 0) {
        buf_put(&buf, dest->alias.at, alias);
    }
    item->bytes = buf_error(&buf) == 0 ? block_from_buf(&buf) : NULL;
    buf_fini(&buf);
    if (item->bytes == NULL) {
        mem_free(item);
        return CNODE_NOMEM;
    }
    item->from = from;
    item->dest = *dest;
    item->dest.alias = alias == 0
                           ? TERM_NONE
                           : term_at(item->bytes->bytes + message.size, alias);
    return push(backlog, item);
}

int backlog_add_signal(struct backlog *backlog, const struct signal *signal)
{
    struct backlog_item *item = mem_zalloc(sizeof(*item));

    item->is_signal = true;
    item->signal = *signal;
    if (!term_is_none(signal->term)) {
        size_t size = cnode_term_size(signal->term);

        item->bytes = block_copy(signal->term.at, size);
        if (item->bytes == NULL) {
            mem_free(item);
            return CNODE_NOMEM;
        }
        item->signal.term = term_at(item->bytes->bytes, size);
    }
    return push(backlog, item);
}

static void item_send(struct node *node, const struct backlog_item *item,
                      atom_t name)
{
    struct payload message;

    if (item->is_signal) {
        (void)route_signal(node, &item->signal, name);
        return;
    }
    message = (struct payload){.bytes = item->bytes->bytes,
                               .size = item->bytes->size,
                               .block = item->bytes};
    if (item->dest.kind == DEST_ALIAS) {
        message.size -= cnode_term_size(item->dest.alias);
    }
    (void)route_send(node, item->from, &item->dest, message);
}

void backlog_send(struct backlog *backlog, struct node *node, atom_t name)
{
    struct list *it;

    while ((it = list_pop(&backlog->items)) != NULL) {
        struct backlog_item *item = CONTAINER_OF(it, struct backlog_item, node);

        item_send(node, item, name);
        item_free(item);
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

bool backlog_clear(struct backlog *backlog)
{
    bool had_signals = backlog->signals > 0;
    struct list *it;

    while ((it = list_pop(&backlog->items)) != NULL) {
        struct backlog_item *item = CONTAINER_OF(it, struct backlog_item, node);

        if (!item->is_signal) {
            METRIC_INC(dead_letters);
        }
        item_free(item);
    }
    backlog_init(backlog);
    return had_signals;
}
