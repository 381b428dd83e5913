/* SPDX-License-Identifier: Apache-2.0
 *
 * What cnode_admin says of the node as a whole: status, peers, counters.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cnode/cnode.h>
#include <cnode/error.h>

#include "base/mem.h"
#include "base/metric.h"
#include "cluster/tally.h"
#include "manager/ask_query.h"
#include "pool/pools.h"
#include "term/build.h"

/* --- status: what the schedulers count is gathered first */

struct status {
    struct ask_caller *caller;
    struct tally tally;
    uint64_t letters; /* messages that workers did not get */
};

static uint64_t count_workers(const struct ask *ask)
{
    uint64_t workers = 0;

    for (size_t i = 0; i < ask->head_count; i++) {
        workers += ask->heads[i]->config->is_service
                       ? 0
                       : roll_workers(ask->heads[i]->roll);
    }
    return workers;
}

/* Pools, or services. */
static void put_names(struct buf *buf, const struct ask *ask, bool services)
{
    size_t start = term_open_list(buf);
    uint32_t count = 0;

    for (size_t i = 0; i < ask->head_count; i++) {
        const struct pool_config *config = ask->heads[i]->config;

        if (config->is_service == services) {
            term_put_atom(buf, config->name);
            count++;
        }
    }
    term_close_list(buf, start, count);
}

/* Bytes that the kernel has given us pages for. */
static uint64_t resident_bytes(void)
{
    unsigned long long total, pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (file != NULL) {
        if (fscanf(file, "%llu %llu", &total, &pages) != 2) {
            pages = 0;
        }
        (void)fclose(file);
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void put_names_of(struct buf *names, struct buf *services,
                         const struct ask *ask)
{
    buf_init(names, 0);
    buf_init(services, 0);
    put_names(names, ask, false);
    put_names(services, ask, true);
}

static void put_status(struct buf *buf, const struct ask *ask,
                       const struct status *status)
{
    const struct node *node = ask->node;
    struct tally_row sum = tally_sum(&status->tally);
    struct buf pools, services;

    put_names_of(&pools, &services, ask);
    term_format(buf,
                "{ok, #{node => ~A, version => ~s, os_pid => ~u, "
                "uptime_ms => ~u, schedulers => ~u, hidden => ~a, "
                "peers => ~u, pools => ~t, services => ~t, workers => ~u, "
                "processes => ~u, run_queue => ~u, messages => ~u, "
                "memory => ~u, memory_used => ~u, dead_letters => ~u, "
                "undelivered => ~u}}",
                node->name, CNODE_VERSION, (uint64_t)getpid(),
                loop_now_ms(node_loop(ask->node)) - ask->start_ms,
                (uint64_t)node->count, node->config.hidden ? "true" : "false",
                (uint64_t)node->peers.up_count,
                term_at(buf_data(&pools), buf_size(&pools)),
                term_at(buf_data(&services), buf_size(&services)),
                count_workers(ask), sum.processes, sum.queued, sum.handled,
                resident_bytes(), (uint64_t)mem_use().in_use, status->letters,
                metric_read(METRIC_dead_letters));
    buf_fini(&pools);
    buf_fini(&services);
}

static void visit(struct node *here, void *arg)
{
    struct status *status = arg;

    const struct pools *root = status->caller->ask->pools;
    const struct pools *pools =
        here->index == 0 ? root : &root->all[here->index];

    tally_visit(&status->tally, here);
    status->letters += pools->dead_letters.total;
}

static void done(struct node *home, void *arg)
{
    struct status *status = arg;

    if (home == NULL) {
        ask_caller_free(status->caller);
    } else {
        put_status(ask_caller_begin(status->caller), status->caller->ask,
                   status);
        ask_caller_end(status->caller);
    }
    mem_free(status);
}

int ask_status(const struct ask_query *query)
{
    struct ask_caller *caller;
    struct status *status;
    int rc = ask_keep(query, &caller);

    if (rc == 0) {
        status = mem_zalloc(sizeof(*status));
        status->caller = caller;
        node_go_round(query->ask->node, visit, done, status);
    }
    return rc;
}

/* --- counters: all of metrics.def */

int ask_counters(const struct ask_query *query)
{
    struct buf *buf = ask_begin(query);

    term_put_tuple(buf, 2);
    term_put_atom(buf, A_ok);
    term_put_map(buf, METRIC_COUNT);
    for (int i = 0; i < METRIC_COUNT; i++) {
        const char *name = metric_name((enum metric)i);

        term_put_atom_text(buf, name, strlen(name));
        term_put_uint(buf, metric_read((enum metric)i));
    }
    return ask_end(query);
}

/* --- peers */

static const char *const state_names[] = {
    [PEER_IDLE] = "idle",
    [PEER_LOOKUP] = "lookup",
    [PEER_DIALLING] = "dialling",
    [PEER_EXPECTED] = "expected",
    [PEER_UP] = "up",
};

static void put_peer(struct buf *buf, const struct ask *ask,
                     const struct peer *peer)
{
    uint64_t in = 0, out = 0, since_ms = 0;
    uint64_t queued = peer->backlog.bytes + peer->backlog.large_bytes;

    if (peer_is_up(peer)) {
        const struct channel *channel = peer->link.channel;

        queued = channel->queued_bytes + channel->large_bytes;
        since_ms = loop_now_ms(node_loop(ask->node)) - peer->up_ms;
        if (peer->link.traffic != NULL) {
            peer->link.traffic(peer->link.owner, &in, &out);
        }
    }
    term_format(buf,
                "#{node => ~A, state => ~a, hidden => ~a, join => ~a, "
                "since_ms => ~u, bytes_in => ~u, bytes_out => ~u, "
                "queued => ~u, failures => ~u}",
                peer->name, state_names[peer->state],
                peer->is_hidden ? "true" : "false",
                peer->keep ? "true" : "false", since_ms, in, out, queued,
                (uint64_t)peer->failures);
}

int ask_peers(const struct ask_query *query)
{
    const struct peers *peers = &query->ask->node->peers;
    struct buf *buf = ask_begin(query);
    const struct peer *peer;
    uint32_t count = 0;
    size_t start;

    term_put_tuple(buf, 2);
    term_put_atom(buf, A_ok);
    start = term_open_list(buf);
    MAP_EACH(peer, &peers->by_name) {
        put_peer(buf, query->ask, peer);
        count++;
    }
    term_close_list(buf, start, count);
    return ask_end(query);
}
