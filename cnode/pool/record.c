/* SPDX-License-Identifier: Apache-2.0
 *
 * See record.h.
 */
#include "pool/record.h"

#include "base/mem.h"
#include "node/node.h"
#include "pool/extras.h"
#include "pool/health.h"
#include "pool/pool.h"

static uint64_t now_ms(const struct cnode_worker *w)
{
    return loop_now_ms(node_loop(worker_pool(w)->node));
}

struct record *record_of(struct cnode_worker *w)
{
    struct extras *extras = extras_of(w);

    if (extras->record == NULL) {
        extras->record = mem_zalloc(sizeof(*extras->record));
    }
    return extras->record;
}

struct record *record_find(const struct cnode_worker *w)
{
    return w->extras != NULL ? w->extras->record : NULL;
}

void record_failure(struct cnode_worker *w)
{
    rate_add(&record_of(w)->failures, now_ms(w), 1);
}

void record_report(const struct cnode_worker *w, struct record_report *report)
{
    const struct pool_config *config = worker_pool(w)->config;
    const struct health_thresholds at = {config->health.worker_degraded,
                                         config->health.worker_critical};
    const struct record *record = record_find(w);

    *report = (struct record_report){.condition = STANDING_WELL};
    if (record != NULL) {
        report->failures = rate_per_minute(&record->failures, now_ms(w));
        report->errors = record->errors;
        report->warnings = record->warnings;
        report->memory = record->memory;
    }
    report->condition = health_condition(report->failures, &at);
}

static uint64_t kept_bytes(const struct cnode_kept *kept)
{
    return kept != NULL ? cnode_term_size(cnode_kept_term(kept)) : 0;
}

uint64_t record_bytes(const struct cnode_worker *w)
{
    const struct extras *extras = w->extras;
    uint64_t bytes = worker_pool(w)->slab.stride;

    if (!w->id_is_integer) {
        bytes += sizeof(*w->id.heap) + w->id.heap->size;
    }
    if (extras != NULL) {
        bytes += kept_bytes(extras->args) + kept_bytes(extras->context);
        bytes += extras->record != NULL ? extras->record->memory : 0;
    }
    return bytes;
}
