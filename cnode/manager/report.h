/* SPDX-License-Identifier: Apache-2.0
 *
 * How the pools of this node do, in numbers: made in a moment, since they are
 * counted where they happen. As AdvancedPool's struct, and as a table for
 * people. An extended one also says how long every scheduler took to answer;
 * report_rebuild() asks them.
 */
#ifndef CNODE_MANAGER_REPORT_H
#define CNODE_MANAGER_REPORT_H

#include "manager/date_time.h"
#include "pool/pools.h"

struct report_face {
    struct pid pid;
    uint64_t workers;
};

struct report_pool {
    atom_t name;
    struct grade_report grade;
    bool is_online, is_locked;
    uint64_t max; /* UINT64_MAX: no limit */
    struct report_face *faces;
    uint32_t face_count;
};

struct report {
    atom_t node;
    int64_t started_us, finished_us;
    bool is_extended;
    uint64_t latency_ms; /* extended: a visit to all schedulers */
    struct report_pool *pools;
    size_t count;
};

/* On scheduler 0; report_fini() is due. */
void report_init(struct report *report, const struct pools *pools);
void report_fini(struct report *report);

/* An extended one, later; NULL when the node ends first, only to free the
 * owner. */
typedef void (*report_done_fn)(void *owner, const struct report *report);
void report_rebuild(const struct pools *pools, report_done_fn done,
                    void *owner);

/* The report of one node inside a struct: #{Pool => #{...}}. */
void report_put_pools(struct buf *buf, const struct report *report);
/* AdvancedPool's NodeManager.HealthReport, ready. */
void report_put(struct buf *buf, const struct report *report,
                const struct pid *subscribers, size_t subscriber_count);
/* Any of its health reports; `pools` is the term inside it, `kind` its module.
 */
struct report_frame {
    atom_t kind;
    atom_t status; /* ready, processing, error */
    const struct pid *subscribers;
    size_t subscriber_count;
    int64_t started_us, finished_us; /* 0: not yet */
};
void report_put_frame(struct buf *buf, const struct report_frame *frame,
                      struct cnode_term inside);

/* A table, ends with a newline. */
void report_put_text(struct buf *buf, const struct report *report);

#endif
