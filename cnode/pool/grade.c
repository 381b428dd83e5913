/* SPDX-License-Identifier: Apache-2.0
 *
 * See grade.h.
 */
#include "pool/grade.h"

#include "base/log.h"
#include "node/node.h"
#include "pool/pools.h"

enum { TICK_MS = 1000 };

static struct loop *loop_of(const struct pool *head)
{
    return node_loop(head->node);
}

static uint32_t faces_up(const struct pool *head)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < head->face_count; i++) {
        count += head->faces[i]->state == FACE_UP;
    }
    return count;
}

/* What was counted since the last look. */
static void take(struct pool *head, enum standing_event event,
                 struct rate *rate, uint64_t now_ms)
{
    uint64_t counted = standing_counted(head->standing, event);

    rate_add(rate, now_ms, counted - head->grade.seen[event]);
    head->grade.seen[event] = counted;
}

static void look(struct pool *head, struct grade_report *report)
{
    const struct pool_config *config = head->config;
    const struct health_thresholds at = {config->health.degraded,
                                         config->health.critical};
    struct grade *grade = &head->grade;
    uint64_t now_ms = loop_now_ms(loop_of(head));
    uint64_t workers = roll_workers(head->roll);

    take(head, STANDING_FAILURE, &grade->failures, now_ms);
    take(head, STANDING_ERROR, &grade->errors, now_ms);
    take(head, STANDING_WARNING, &grade->warnings, now_ms);
    *report = (struct grade_report){
        .failures = rate_per_minute(&grade->failures, now_ms),
        .errors = rate_per_minute(&grade->errors, now_ms),
        .warnings = rate_per_minute(&grade->warnings, now_ms)};
    report->facts = (struct health_facts){
        .workers = workers,
        .supervisors = faces_up(head),
        .worker_target = config->worker.target,
        .supervisor_target = config->here.supervisor_target,
        .errors = health_per_second(report->errors + report->failures, workers),
        .warnings = health_per_second(report->warnings, workers)};
    report->condition =
        head->state == POOL_DOWN
            ? STANDING_CRITICAL /* for good: it fell too often */
            : health_condition(report->failures, &at);
    report->health =
        health_published(health_number(&report->facts), report->condition);
}

static void log_change(const struct pool *head,
                       const struct grade_report *report)
{
    const char *name = atom_text(head->config->name);

    switch (report->condition) {
    case STANDING_WELL:
        LOG_INFO("pool_recovered", F_STR("pool", name),
                 F_UINT("failures_per_minute", report->failures));
        return;
    case STANDING_DEGRADED:
        LOG_WARN("pool_degraded", F_STR("pool", name),
                 F_UINT("failures_per_minute", report->failures));
        return;
    case STANDING_CRITICAL:
        LOG_ERROR("pool_critical", F_STR("pool", name),
                  F_UINT("failures_per_minute", report->failures));
        return;
    }
}

void grade_now(struct pool *head, struct grade_report *report)
{
    look(head, report);
    if (report->condition != standing_condition(head->standing)) {
        log_change(head, report);
    }
    standing_grade(head->standing, report->health, report->condition);
}

static void on_tick(struct timer *timer)
{
    struct pool *head = CONTAINER_OF(timer, struct pool, grade.timer);
    struct grade_report report;

    grade_now(head, &report);
    loop_timer_start(loop_of(head), timer, TICK_MS);
}

void grade_init(struct pool *head)
{
    timer_init(&head->grade.timer, on_tick);
}

void grade_start(struct pool *head)
{
    if (!head->config->is_spawned && !timer_is_active(&head->grade.timer)) {
        loop_timer_start(loop_of(head), &head->grade.timer, TICK_MS);
    }
}

void grade_stop(struct pool *head)
{
    loop_timer_stop(loop_of(head), &head->grade.timer);
}

enum standing_condition grade_of_all(const struct pools *pools,
                                     uint64_t *failures)
{
    enum standing_condition worst = STANDING_WELL;

    *failures = 0;
    for (size_t i = 0; i < pools->count; i++) {
        struct pool *pool = pools->pools[i];
        enum standing_condition condition;

        if (pool == NULL || pool->part != 0) {
            continue;
        }
        condition = standing_condition(pool->standing);
        worst = condition > worst ? condition : worst;
        *failures +=
            rate_per_minute(&pool->grade.failures, loop_now_ms(loop_of(pool)));
    }
    return worst;
}
