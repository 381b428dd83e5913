/* SPDX-License-Identifier: Apache-2.0
 *
 * See about.h.
 */
#include "pool/about.h"

#include <string.h>

#include <cnode/error.h>

#include "node/node.h"
#include "pool/extras.h"
#include "pool/health.h"
#include "pool/pools.h"
#include "term/build.h"

static void add_ancestor(struct process_about *about, const struct node *node,
                         const struct process *process, atom_t name)
{
    about->ancestors[about->ancestor_count++] =
        (struct process_ancestor){.pid = node_pid(node, process), .name = name};
}

static void add_pool(struct process_about *about, const struct pool *pool)
{
    /* the name of a service is its worker's */
    atom_t name = pool->config->is_service ? ATOM_NONE : pool->config->name;
    struct pid pid = pool_pid(pool);

    if (!pid_is_none(pid)) {
        about->ancestors[about->ancestor_count++] =
            (struct process_ancestor){.pid = pid, .name = name};
    }
}

/* --- workers */

void about_worker(const struct process *process, struct process_about *about)
{
    const struct cnode_worker *w =
        CONTAINER_OF(process, struct cnode_worker, process);
    const struct pool *pool = worker_pool(w);

    about->module = pool->config->worker.module;
    add_ancestor(about, pool->node, &pool->segments[w->segment].process,
                 ATOM_NONE);
    add_pool(about, pool);
    about->state_bytes = pool->behaviour->state_size;
    about->bytes = sizeof(*w) + about->state_bytes;
    if (!w->id_is_integer) {
        about->bytes += sizeof(*w->id.heap) + w->id.heap->size;
    }
    if (w->extras != NULL) {
        about->bytes += sizeof(*w->extras);
    }
}

void about_worker_label(const struct process *process, struct buf *buf)
{
    const struct cnode_worker *w =
        CONTAINER_OF(process, struct cnode_worker, process);

    term_put_tuple(buf, 2);
    worker_put_id(buf, w);
    term_put_atom(buf, worker_pool(w)->config->name);
}

static const char *const status_names[] = {[WORKER_STARTING] = "starting",
                                           [WORKER_INIT] = "init",
                                           [WORKER_LOADED] = "loaded",
                                           [WORKER_RESTARTING] = "restarting"};

/* The behaviour keeps it to itself: what there is to say about it. */
static void put_summary(const struct cnode_worker *w, struct buf *buf)
{
    const struct pool *pool = worker_pool(w);

    term_put_map(buf, 4);
    term_format(buf, "behaviour");
    term_put_atom_text(buf, pool->behaviour->name,
                       strlen(pool->behaviour->name));
    term_format(buf, "ref");
    worker_put_ref(buf, w);
    term_format(buf, "status");
    term_format(buf, status_names[w->status]);
    term_format(buf, "state_bytes");
    term_put_uint(buf, pool->behaviour->state_size);
}

int about_worker_state(struct process *process, struct buf *buf)
{
    struct cnode_worker *w =
        CONTAINER_OF(process, struct cnode_worker, process);
    struct run *run = run_of(w);
    struct run_watch before;
    int rc;

    if (run->worker != NULL) {
        return CNODE_OVERLOADED; /* asked from within a callback */
    }
    run_begin(run, w);
    run->may_stop = false; /* it is only looked at */
    before = run_watch_begin(w);
    rc = worker_dump(w, buf);
    run_watch_end(&before);
    run_end(run);
    if (rc == CNODE_UNHANDLED) {
        put_summary(w, buf);
        rc = 0;
    }
    return rc;
}

/* --- segments and worker supervisors */

void about_segment(const struct process *process, struct process_about *about)
{
    const struct segment *segment =
        CONTAINER_OF(process, struct segment, process);

    about->module = A_WorkerSupervisor;
    about->is_supervisor = true;
    add_pool(about, segment->pool);
    about->bytes = sizeof(*segment) +
                   worker_table_slots(&segment->table) * sizeof(uint32_t);
}

void about_segment_label(const struct process *process, struct buf *buf)
{
    const struct segment *segment =
        CONTAINER_OF(process, struct segment, process);

    term_format(buf, "{segment, ~A, ~u}", segment->pool->config->name,
                (uint64_t)segment->index);
}

int about_segment_state(struct process *process, struct buf *buf)
{
    const struct segment *segment =
        CONTAINER_OF(process, struct segment, process);

    uint64_t failures = rate_per_minute(
        &segment->failures, loop_now_ms(node_loop(segment->pool->node)));

    term_format(buf,
                "#{pool => ~A, segment => ~u, workers => ~u, failures => ~u, "
                "condition => ~a}",
                segment->pool->config->name, (uint64_t)segment->index,
                (uint64_t)worker_table_count(&segment->table), failures,
                health_condition_name(
                    health_of_segment(segment->pool->config, failures)));
    return 0;
}

void about_face(const struct process *process, struct process_about *about)
{
    const struct face *face = CONTAINER_OF(process, struct face, process);

    about->module = A_WorkerSupervisor;
    about->is_supervisor = true;
    add_pool(about, face->pool);
    about->bytes = sizeof(*face);
}

void about_face_label(const struct process *process, struct buf *buf)
{
    const struct face *face = CONTAINER_OF(process, struct face, process);

    term_format(buf, "{worker_supervisor, ~A, ~u}", face->pool->config->name,
                (uint64_t)face->index + 1);
}

int about_face_state(struct process *process, struct buf *buf)
{
    const struct face *face = CONTAINER_OF(process, struct face, process);

    term_format(buf, "#{pool => ~A, worker_supervisor => ~u, workers => ~u}",
                face->pool->config->name, (uint64_t)face->index + 1,
                (uint64_t)roll_face_workers(face->pool->roll, face->index));
    return 0;
}

/* --- pool supervisors */

void about_pool(const struct process *process, struct process_about *about)
{
    const struct pool *pool = CONTAINER_OF(process, struct pool, process);

    about->module = pool->config->name;
    about->is_supervisor = true;
    about->bytes = sizeof(*pool);
}

void about_pool_label(const struct process *process, struct buf *buf)
{
    const struct pool *pool = CONTAINER_OF(process, struct pool, process);

    term_format(buf, "{pool, ~A}", pool->config->name);
}

int about_pool_state(struct process *process, struct buf *buf)
{
    const struct pool *pool = CONTAINER_OF(process, struct pool, process);

    term_format(buf,
                "#{pool => ~A, behaviour => ~a, segments => ~u, "
                "worker_supervisors => ~u, workers => ~u}",
                pool->config->name, pool->behaviour->name,
                pool->config->supervisors.segments, (uint64_t)pool->face_count,
                roll_workers(pool->roll));
    return 0;
}
