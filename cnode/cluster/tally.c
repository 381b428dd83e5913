/* SPDX-License-Identifier: Apache-2.0
 *
 * See tally.h.
 */
#include "cluster/tally.h"

#include <time.h>

static uint64_t thread_ns(void)
{
    struct timespec ts;

    CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) == 0);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void tally_visit(struct tally *tally, const struct node *here)
{
    const struct scheduler *scheduler = &here->scheduler;

    CHECK(tally->count < TALLY_ROWS_MOST);
    tally->rows[tally->count++] = (struct tally_row){
        .processes = scheduler->table.count - scheduler->table.hidden,
        .handled = scheduler->messages,
        .queued = scheduler->run_queue.count,
        .busy_ns = thread_ns()};
}

struct tally_row tally_sum(const struct tally *tally)
{
    struct tally_row sum = {0};

    for (uint32_t i = 0; i < tally->count; i++) {
        sum.processes += tally->rows[i].processes;
        sum.handled += tally->rows[i].handled;
        sum.queued += tally->rows[i].queued;
        sum.busy_ns += tally->rows[i].busy_ns;
    }
    return sum;
}
