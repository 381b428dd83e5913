/* SPDX-License-Identifier: Apache-2.0
 *
 * See hosts.h. Whoever has gone from the group is kept while an answer of his
 * is awaited, and forgotten at the next look.
 */
#include "pool/hosts.h"

#include "base/hash.h"
#include "base/mem.h"
#include "placement/placement.h"
#include "registry/syn_local.h"
#include "term/build.h"

void hosts_fini(struct hosts *hosts)
{
    mem_free(hosts->all);
    *hosts = (struct hosts){0};
}

struct host *hosts_find(const struct hosts *hosts, atom_t node)
{
    for (uint32_t i = 0; i < hosts->count; i++) {
        if (hosts->all[i].node == node) {
            return &hosts->all[i];
        }
    }
    return NULL;
}

/* --- who is there */

static struct host *host_open(struct hosts *hosts, atom_t node)
{
    struct host *host = hosts_find(hosts, node);

    if (host != NULL || hosts->count >= PLACEMENT_CANDIDATES_MAX - 1) {
        return host;
    }
    if (hosts->count == hosts->cap) {
        hosts->cap = hosts->cap == 0 ? 8 : hosts->cap * 2;
        hosts->all = mem_realloc(hosts->all, hosts->cap * sizeof(*hosts->all));
    }
    host = &hosts->all[hosts->count++];
    *host = (struct host){.node = node, .arbiter = PID_NONE};
    return host;
}

struct look {
    struct hosts *hosts;
    atom_t self;
};

static void on_host(void *arg, struct pid pid, struct cnode_term meta)
{
    const struct look *look = arg;
    struct service_status status;
    struct host *host;

    if (pid.node == look->self ||
        !status_parse_service(meta, STATUS_OF_POOL, &status)) {
        return;
    }
    host = host_open(look->hosts, pid.node);
    if (host == NULL || (host->is_listed && !status_is_open(&status))) {
        return; /* two pools of one name: the one that takes workers */
    }
    if (!pid_equal(host->pool, pid) || host->status.count != status.count ||
        host->status.updated_on != status.updated_on) {
        host->sent = host->under_way; /* the count has those that are there */
    }
    host->pool = pid;
    host->status = status;
    look->hosts->listed += !host->is_listed;
    host->is_listed = true;
}

static void on_arbiter(void *arg, struct pid pid, struct cnode_term meta)
{
    const struct look *look = arg;
    uint64_t priority, weight;
    struct host *host;

    if (pid.node == look->self ||
        !cnode_match(meta, "{~u, ~u}", &priority, &weight)) {
        return;
    }
    host = host_open(look->hosts, pid.node);
    if (host != NULL && pid_is_none(host->arbiter)) {
        host->arbiter = pid;
        host->priority = priority;
        host->weight = weight;
        look->hosts->arbiters++;
    }
}

static void put_group(struct buf *buf, atom_t first, atom_t second)
{
    term_format(buf, "{~A, ~A}", first, second);
}

static void each_member(struct syn *syn, atom_t scope, atom_t first,
                        atom_t second, syn_member_fn each, void *arg)
{
    struct buf group;

    buf_init(&group, 0);
    put_group(&group, first, second);
    if (buf_error(&group) == 0) {
        syn_local_members(
            syn, scope, term_at(buf_data(&group), buf_size(&group)), each, arg);
    }
    buf_fini(&group);
}

void hosts_read(struct hosts *hosts, struct syn *syn, atom_t pool)
{
    struct look look = {.hosts = hosts, .self = syn->node->name};
    uint32_t kept = 0;

    for (uint32_t i = 0; i < hosts->count; i++) {
        hosts->all[i].is_listed = false;
        hosts->all[i].arbiter = PID_NONE;
    }
    hosts->listed = hosts->arbiters = 0;
    each_member(syn, A_ClusterManager, A_service, pool, on_host, &look);
    each_member(syn, A_ClusterManager, A_cnode_pools, pool, on_arbiter, &look);
    for (uint32_t i = 0; i < hosts->count; i++) {
        const struct host *host = &hosts->all[i];

        if (host->is_listed || host->under_way > 0 ||
            !pid_is_none(host->arbiter)) {
            hosts->all[kept++] = hosts->all[i];
        }
    }
    hosts->count = kept;
}

/* --- what we send them */

void hosts_sent(struct hosts *hosts, atom_t node)
{
    struct host *host = hosts_find(hosts, node);

    if (host != NULL) {
        host->sent++;
        host->under_way++;
    }
}

void hosts_answered(struct hosts *hosts, atom_t node)
{
    struct host *host = hosts_find(hosts, node);

    if (host != NULL && host->under_way > 0) {
        host->under_way--;
    }
}

/* --- as a candidate */

static uint64_t bound(double value)
{
    return value > 0 ? (value < 1e15 ? (uint64_t)value : (uint64_t)1e15) : 0;
}

struct placement_window window_of(const struct target_window *window)
{
    return (struct placement_window){.low = bound(window->low),
                                     .target = bound(window->target),
                                     .high = bound(window->high)};
}

void host_put_candidate(const struct host *host,
                        struct placement_candidate *out)
{
    const char *name = atom_text(host->node);

    *out = (struct placement_candidate){
        .node = host->node,
        .name_hash = hash_stable(name, strlen(name)),
        .is_online = host->is_listed && status_is_open(&host->status),
        .has_health = host->status.has_health,
        .health = host->status.health,
        .workers = host->status.count,
        .under_way = host->sent,
        .window = window_of(&host->status.window),
        .priority = pid_is_none(host->arbiter) ? HOST_PRIORITY : host->priority,
        .weight = pid_is_none(host->arbiter) ? HOST_WEIGHT : host->weight,
    };
}

/* --- its supervisors */

static void on_supervisor(void *arg, struct pid pid, struct cnode_term meta)
{
    struct host_supervisors *found = arg;
    struct service_status status = {.window = status_face_window};

    if (found->count == HOST_SUPERVISORS_MAX ||
        !status_parse_service(meta, STATUS_OF_FACE, &status)) {
        return;
    }
    found->window = window_of(&status.window);
    found->pids[found->count] = pid;
    found->workers[found->count++] = status.count;
}

void host_read_supervisors(const struct host *host, struct syn *syn,
                           atom_t pool, struct host_supervisors *out)
{
    out->count = 0;
    each_member(syn, pool, host->node, A_worker_sups, on_supervisor, out);
}
