/* SPDX-License-Identifier: Apache-2.0
 *
 * See report.h.
 */
#include "manager/report.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "node/door.h"
#include "node/node.h"
#include "term/build.h"

/* --- the numbers */

static bool is_reported(const struct pool *pool)
{
    return pool != NULL && pool->part == 0 && !pool->config->is_service &&
           !pool->config->is_spawned && !pool->config->top.stand_alone;
}

static void take_faces(struct report_pool *row, const struct pool *pool)
{
    row->faces = mem_zalloc((pool->face_count + 1) * sizeof(*row->faces));
    for (uint32_t i = 0; i < pool->face_count; i++) {
        const struct face *face = pool->faces[i];

        if (face->state == FACE_UP) {
            row->faces[row->face_count++] = (struct report_face){
                .pid = node_pid(pool->node, &face->process),
                .workers = roll_face_workers(pool->roll, (uint16_t)i)};
        }
    }
}

static void take_pool(struct report_pool *row, struct pool *pool)
{
    *row = (struct report_pool){.name = pool->config->name,
                                .is_online = standing_is_online(pool->standing),
                                .is_locked = standing_is_locked(pool->standing),
                                .max = pool->config->worker.max};
    grade_now(pool, &row->grade);
    take_faces(row, pool);
}

void report_init(struct report *report, const struct pools *pools)
{
    *report = (struct report){.node = pools->node->name,
                              .started_us = date_time_now()};
    report->pools = mem_zalloc((pools->count + 1) * sizeof(*report->pools));
    for (size_t i = 0; i < pools->count; i++) {
        if (is_reported(pools->pools[i])) {
            take_pool(&report->pools[report->count++], pools->pools[i]);
        }
    }
    report->finished_us = date_time_now();
}

void report_fini(struct report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        mem_free(report->pools[i].faces);
    }
    mem_free(report->pools);
    *report = (struct report){0};
}

/* --- an extended one */

struct rebuild {
    const struct pools *pools;
    int64_t started_us;
    report_done_fn done;
    void *owner;
};

static void on_visit(struct node *here, void *arg)
{
    (void)here, (void)arg; /* that it answers is what we want to know */
}

static void on_round(struct node *home, void *arg)
{
    struct rebuild *rebuild = arg;
    struct report report;

    if (home == NULL) {
        rebuild->done(rebuild->owner, NULL);
        mem_free(rebuild);
        return;
    }
    report_init(&report, rebuild->pools);
    report.is_extended = true;
    report.started_us = rebuild->started_us;
    if (report.finished_us > report.started_us) {
        report.latency_ms =
            (uint64_t)(report.finished_us - report.started_us) / 1000;
    }
    rebuild->done(rebuild->owner, &report);
    report_fini(&report);
    mem_free(rebuild);
}

void report_rebuild(const struct pools *pools, report_done_fn done, void *owner)
{
    struct rebuild *rebuild = mem_alloc(sizeof(*rebuild));

    *rebuild = (struct rebuild){.pools = pools,
                                .started_us = date_time_now(),
                                .done = done,
                                .owner = owner};
    node_go_round(pools->node, on_visit, on_round, rebuild);
}

/* --- as a term */

/* Negative below the target, 1.0 at a whole window above it. */
static double load_of(uint64_t count, const struct pool_window *window)
{
    double width = (double)window->high - (double)window->low;

    return width > 0 ? ((double)count - (double)window->target) / width : 0.0;
}

static void put_tally(struct buf *buf, uint64_t total,
                      const struct pool_window *window, uint32_t more)
{
    term_put_map(buf, 5 + more);
    term_put_atom(buf, A_total);
    term_put_uint(buf, total);
    term_put_atom(buf, A_health);
    term_put_float(buf, load_of(total, window));
    term_put_atom(buf, A_target);
    term_put_uint(buf, window->target);
    term_put_atom(buf, A_low);
    term_put_uint(buf, window->low);
    term_put_atom(buf, A_high);
    term_put_uint(buf, window->high);
}

static void put_extended(struct buf *buf, const struct report *report,
                         const struct report_pool *pool)
{
    term_put_atom(buf, A_extended);
    term_put_map(buf, pool->face_count);
    for (uint32_t i = 0; i < pool->face_count; i++) {
        const struct report_face *face = &pool->faces[i];

        term_put_pid(buf, face->pid);
        term_format(buf,
                    "#{latency => ~u, children => #{active => ~u, specs => "
                    "~u, supervisors => 0, workers => ~u}}",
                    report->latency_ms, face->workers, face->workers,
                    face->workers);
    }
}

static void put_pool(struct buf *buf, const struct report *report,
                     const struct report_pool *pool)
{
    const struct health_facts *facts = &pool->grade.facts;

    term_put_map(buf, 5);
    term_put_atom(buf, A_health);
    term_put_float(buf, pool->grade.health);
    term_put_atom(buf, A_workers);
    put_tally(buf, facts->workers, &facts->worker_target, 0);
    term_put_atom(buf, A_worker_supervisors);
    put_tally(buf, facts->supervisors, &facts->supervisor_target,
              report->is_extended);
    if (report->is_extended) {
        put_extended(buf, report, pool);
    }
    term_put_atom(buf, A_errors_per_second_per_worker);
    term_put_float(buf, facts->errors);
    term_put_atom(buf, A_warnings_per_second_per_worker);
    term_put_float(buf, facts->warnings);
}

void report_put_pools(struct buf *buf, const struct report *report)
{
    term_put_map(buf, (uint32_t)report->count);
    for (size_t i = 0; i < report->count; i++) {
        term_put_atom(buf, report->pools[i].name);
        put_pool(buf, report, &report->pools[i]);
    }
}

static void put_subscribers(struct buf *buf, const struct report_frame *frame)
{
    term_put_list(buf, (uint32_t)frame->subscriber_count);
    for (size_t i = 0; i < frame->subscriber_count; i++) {
        term_put_pid(buf, frame->subscribers[i]);
    }
    term_put_nil(buf);
}

void report_put_frame(struct buf *buf, const struct report_frame *frame,
                      struct cnode_term inside)
{
    term_put_map(buf, 9);
    term_format(buf, "'__struct__'");
    term_put_atom(buf, frame->kind);
    term_put_atom(buf, A_worker);
    term_put_atom(buf, A_nil);
    term_put_atom(buf, A_subscribers);
    put_subscribers(buf, frame);
    term_put_atom(buf, A_status);
    term_put_atom(buf, frame->status);
    term_put_atom(buf, A_started_at);
    date_time_put(buf, frame->started_us);
    term_put_atom(buf, A_finished_at);
    date_time_put(buf, frame->finished_us);
    term_put_atom(buf, A_report);
    term_put_copy(buf, inside);
    term_put_atom(buf, A_book_keeping);
    term_put_atom(buf, A_nil);
    term_put_atom(buf, A_vsn);
    term_put_float(buf, 1.0);
}

void report_put(struct buf *buf, const struct report *report,
                const struct pid *subscribers, size_t subscriber_count)
{
    struct report_frame frame = {.kind = A_NodeHealthReport,
                                 .status = A_ready,
                                 .subscribers = subscribers,
                                 .subscriber_count = subscriber_count,
                                 .started_us = report->started_us,
                                 .finished_us = report->finished_us};
    struct buf inside;

    buf_init(&inside, 0);
    report_put_pools(&inside, report);
    report_put_frame(buf, &frame,
                     term_at(buf_data(&inside), buf_size(&inside)));
    buf_fini(&inside);
}

/* --- for people */

static size_t widest(const struct report *report)
{
    size_t width = strlen("pool");

    for (size_t i = 0; i < report->count; i++) {
        size_t len = strlen(atom_text(report->pools[i].name));

        width = len > width ? len : width;
    }
    return width;
}

static const char *status_text(const struct report_pool *pool)
{
    return !pool->is_online  ? "offline"
           : pool->is_locked ? "locked"
                             : health_condition_name(pool->grade.condition);
}

void report_put_text(struct buf *buf, const struct report *report)
{
    int width = (int)widest(report);
    char at[DATE_TIME_TEXT];

    date_time_text(report->finished_us, at);
    buf_printf(buf, "%s at %s\n\n", atom_text(report->node), at);
    buf_printf(buf, "%-*s  %-8s  %7s  %10s  %10s  %11s  %12s\n", width, "pool",
               "status", "health", "workers", "target", "supervisors",
               "failures/min");
    for (size_t i = 0; i < report->count; i++) {
        const struct report_pool *pool = &report->pools[i];
        const struct health_facts *facts = &pool->grade.facts;

        buf_printf(buf,
                   "%-*s  %-8s  %7.3f  %10" PRIu64 "  %10" PRIu64 "  %11" PRIu64
                   "  %12" PRIu64 "\n",
                   width, atom_text(pool->name), status_text(pool),
                   pool->grade.health, facts->workers,
                   facts->worker_target.target, facts->supervisors,
                   pool->grade.failures);
    }
}
