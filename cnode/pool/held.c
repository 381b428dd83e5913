/* SPDX-License-Identifier: Apache-2.0
 *
 * See held.h.
 */
#include "pool/held.h"

#include <string.h>

#include <cnode/error.h>

#include "base/mem.h"
#include "node/node.h"
#include "pool/dispatch.h"
#include "term/build.h"

struct held_reply {
    struct held_reply *next;
    struct gen_from from;
    bool by_ref;
    struct cnode_term reply;
    uint8_t bytes[]; /* of the three terms */
};

static struct cnode_term put(uint8_t **at, struct cnode_term term)
{
    size_t size = cnode_term_size(term);
    struct cnode_term copy = term_at(*at, size);

    memcpy(*at, term.at, size);
    *at += size;
    return copy;
}

int held_add(struct held *held, const struct gen_from *from, bool by_ref,
             struct cnode_term reply)
{
    struct held_reply *one =
        mem_try(sizeof(*one) + cnode_term_size(from->pid) +
                cnode_term_size(from->tag) + cnode_term_size(reply));
    uint8_t *at;

    if (one == NULL) {
        return CNODE_NOMEM;
    }
    *one = (struct held_reply){.from = *from, .by_ref = by_ref};
    at = one->bytes;
    one->from.pid = put(&at, from->pid);
    one->from.tag = put(&at, from->tag);
    one->reply = put(&at, reply);
    if (held->first == NULL) {
        held->first = one;
    } else {
        held->last->next = one;
    }
    held->last = one;
    held->count++;
    return 0;
}

void held_move(struct held *to, struct held *from)
{
    if (from->first == NULL) {
        return;
    }
    if (to->first == NULL) {
        to->first = from->first;
    } else {
        to->last->next = from->first;
    }
    to->last = from->last;
    to->count += from->count;
    *from = (struct held){0};
}

static struct held_reply *pop(struct held *held)
{
    struct held_reply *one = held->first;

    if (one != NULL) {
        held->first = one->next;
        held->count--;
    }
    return one;
}

void held_send(struct held *held, struct node *node, struct process *self)
{
    struct held_reply *one;

    while ((one = pop(held)) != NULL) {
        (void)gen_reply(node, self, &one->from, "~t", one->reply);
        mem_free(one);
    }
}

void held_refuse(struct held *held, struct node *node, struct process *self,
                 const char *atom)
{
    struct held_reply *one;

    while ((one = pop(held)) != NULL) {
        (void)gen_reply(node, self, &one->from, "{error, ~a}", atom);
        mem_free(one);
    }
}

void held_lose(struct held *held, struct pool *pool, struct cnode_term reason)
{
    struct held_reply *one;

    while ((one = pop(held)) != NULL) {
        if (one->by_ref) {
            dispatch_call_lost(pool, &one->from, reason);
        }
        mem_free(one);
    }
}

void held_drop(struct held *held)
{
    struct held_reply *one;

    while ((one = pop(held)) != NULL) {
        mem_free(one);
    }
}
