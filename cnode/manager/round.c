/* SPDX-License-Identifier: Apache-2.0
 *
 * See round.h.
 */
#include "manager/round.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "term/build.h"

void round_begin(struct round *round, bool rebuild, int64_t now_us)
{
    CHECK(!round->is_under_way);
    *round = (struct round){
        .is_under_way = true, .rebuild = rebuild, .started_us = now_us};
}

static struct round_node *find(struct round *round, atom_t node)
{
    for (uint32_t i = 0; i < round->count; i++) {
        if (round->nodes[i].node == node) {
            return &round->nodes[i];
        }
    }
    return NULL;
}

struct round_node *round_add(struct round *round, atom_t node)
{
    struct round_node *added;

    if (find(round, node) != NULL) {
        return NULL;
    }
    round->nodes =
        mem_realloc(round->nodes, (round->count + 1) * sizeof(*round->nodes));
    added = &round->nodes[round->count++];
    *added = (struct round_node){.node = node};
    round->open++;
    return added;
}

struct round_node *round_find_ref(struct round *round, const struct ref *ref)
{
    for (uint32_t i = 0; round->is_under_way && i < round->count; i++) {
        struct round_node *node = &round->nodes[i];

        if (node->state == ROUND_ASKED && ref_equal(&node->ref, ref)) {
            return node;
        }
    }
    return NULL;
}

static void done(struct round *round, struct round_node *node)
{
    if (node->state != ROUND_DONE) {
        node->state = ROUND_DONE;
        round->open--;
    }
}

void round_lose(struct round *round, struct round_node *node)
{
    done(round, node);
}

static void take(struct round *round, struct round_node *node,
                 struct cnode_term report)
{
    if (cnode_term_size(report) > limits.report_bytes) {
        METRIC_INC(reports_refused);
    } else {
        node->report = cnode_term_copy(report);
    }
    done(round, node);
}

void round_answer(struct round *round, struct round_node *node,
                  struct cnode_term answer)
{
    struct cnode_term parts[2];

    if (!term_get_tuple(answer, 2, parts) || !term_is_atom(parts[0], A_ok)) {
        done(round, node);
    } else if (round->rebuild) {
        node->state = ROUND_PROMISED;
    } else {
        take(round, node, parts[1]);
    }
}

void round_report(struct round *round, atom_t name, struct cnode_term report)
{
    struct round_node *node = round->is_under_way ? find(round, name) : NULL;

    /* it may overtake the answer: that comes from another process */
    if (node != NULL && round->rebuild && node->state != ROUND_DONE) {
        take(round, node, report);
    }
}

void round_put(const struct round *round, struct buf *buf)
{
    term_put_map(buf, round->count);
    for (uint32_t i = 0; i < round->count; i++) {
        const struct round_node *node = &round->nodes[i];

        term_put_atom(buf, node->node);
        if (node->report != NULL) {
            term_put_copy(buf, cnode_kept_term(node->report));
        } else {
            term_format(buf, "{error, unavailable}");
        }
    }
}

void round_end(struct round *round)
{
    for (uint32_t i = 0; i < round->count; i++) {
        cnode_term_free(round->nodes[i].report);
    }
    mem_free(round->nodes);
    *round = (struct round){0};
}
