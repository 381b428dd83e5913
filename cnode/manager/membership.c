/* SPDX-License-Identifier: Apache-2.0
 *
 * See membership.h.
 */
#include "manager/membership.h"

#include <time.h>

#include <cnode/error.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "manager/window.h"
#include "node/node.h"
#include "term/build.h"

enum { TICK_MS = SAID_PAUSE_MS };

static void on_tick(struct timer *timer);

static uint64_t now_ms(const struct membership *membership)
{
    return loop_now_ms(node_loop(membership->node));
}

/* --- the truth */

void membership_status(const struct member *member,
                       struct service_status *status)
{
    const struct pool *pool = member->pool;
    const struct standing *standing = pool->standing;
    uint64_t workers = roll_workers(pool->roll);

    *status = (struct service_status){
        .state = standing_is_online(standing) ? STATUS_ONLINE : STATUS_OFFLINE,
        .service = pool->config->name,
        .node = pool->node->name,
        .count = workers,
        .window = window_of(&pool->config->worker.target)};
    status->is_locked =
        standing_is_locked(standing) ||
        (status->state == STATUS_ONLINE && workers >= pool->config->worker.max);
    status->has_health = standing_health(standing, &status->health);
}

static void face_status(const struct member *member, uint32_t index,
                        struct service_status *status)
{
    membership_status(member, status);
    status->count = roll_face_workers(member->pool->roll, (uint16_t)index);
    status->window = window_of(&member->pool->config->supervisors.target);
}

static struct pid pid_of_face(const struct pool *pool, uint32_t index)
{
    const struct face *face = pool->faces[index];

    return face->state == FACE_UP ? node_pid(pool->node, &face->process)
                                  : PID_NONE;
}

/* --- saying it */

int membership_put(struct syn *syn, enum entry first, enum entry end,
                   atom_t pool, struct pid pid, struct cnode_term meta)
{
    struct buf name;
    int failed = 0;

    buf_init(&name, 0);
    for (enum entry entry = first; entry < end; entry++) {
        int rc;

        buf_clear(&name);
        entry_put_name(&name, entry, syn->node->name, pool);
        rc =
            syn_local_put(syn, entry_kind(entry), entry_scope(entry, pool),
                          term_at(buf_data(&name), buf_size(&name)), pid, meta);
        failed = failed == 0 ? rc : failed;
    }
    buf_fini(&name);
    return failed;
}

/* Once for each pool: the next try is in a moment. */
static void report(struct member *member, int rc)
{
    if (rc != 0 && !member->is_refused) {
        LOG_WARN("membership",
                 F_STR("pool", atom_text(member->pool->config->name)),
                 F_ERR(rc));
    }
    member->is_refused = rc != 0;
}

/* True: it has been said. */
static bool say(struct membership *membership, struct member *member,
                enum status_kind kind, struct pid pid,
                const struct service_status *status)
{
    bool is_pool = kind == STATUS_OF_POOL;
    struct buf meta;
    int rc;

    buf_init(&meta, 0);
    status_put_service(&meta, kind, status);
    rc = buf_error(&meta);
    if (rc == 0) {
        rc = membership_put(membership->syn,
                            is_pool ? ENTRIES_POOL : ENTRIES_FACE,
                            is_pool ? ENTRIES_FACE : ENTRIES_NODE_MANAGER,
                            member->pool->config->name, pid,
                            term_at(buf_data(&meta), buf_size(&meta)));
    }
    buf_fini(&meta);
    report(member, rc);
    return rc == 0;
}

static void refresh(struct membership *membership, struct member *member,
                    struct said *said, enum status_kind kind, struct pid pid,
                    struct service_status *truth)
{
    uint64_t now = now_ms(membership);

    if (pid_is_none(pid)) {
        *said = (struct said){0}; /* its entries have gone with it */
        return;
    }
    if (said_is_due(said, pid, truth, now)) {
        truth->updated_on = (int64_t)time(NULL);
        if (say(membership, member, kind, pid, truth)) {
            said_set(said, pid, truth, now);
        }
    }
}

static void refresh_faces(struct membership *membership, struct member *member)
{
    const struct pool *pool = member->pool;
    struct service_status truth;

    if (member->face_count < pool->face_count) {
        member->faces =
            mem_realloc(member->faces, pool->face_count * sizeof(struct said));
        while (member->face_count < pool->face_count) {
            member->faces[member->face_count++] = (struct said){0};
        }
    }
    for (uint32_t i = 0; i < pool->face_count; i++) {
        face_status(member, i, &truth);
        refresh(membership, member, &member->faces[i], STATUS_OF_FACE,
                pid_of_face(pool, i), &truth);
    }
}

static void refresh_member(struct membership *membership, struct member *member)
{
    const struct pool *pool = member->pool;
    struct service_status truth;

    membership_status(member, &truth);
    if (pool->state == POOL_UP) {
        refresh_faces(membership, member);
    }
    refresh(membership, member, &member->said, STATUS_OF_POOL,
            pool->state == POOL_UP ? pool_pid(pool) : PID_NONE, &truth);
}

void membership_refresh(struct membership *membership)
{
    for (size_t i = 0; i < membership->count; i++) {
        refresh_member(membership, &membership->members[i]);
    }
}

static void on_tick(struct timer *timer)
{
    struct membership *membership =
        CONTAINER_OF(timer, struct membership, tick);

    membership_refresh(membership);
    loop_timer_start(node_loop(membership->node), timer, TICK_MS);
}

/* --- what others write */

static struct member *find_pid(const struct membership *membership,
                               struct pid pid)
{
    for (size_t i = 0; i < membership->count; i++) {
        if (pid_equal(pool_pid(membership->members[i].pool), pid)) {
            return &membership->members[i];
        }
    }
    return NULL;
}

static bool is_face(struct member *member, struct pid pid, struct said **said)
{
    for (uint32_t i = 0; i < member->face_count; i++) {
        if (pid_equal(member->faces[i].pid, pid)) {
            *said = &member->faces[i];
            return true;
        }
    }
    return false;
}

/* Its lock is what we are asked for; whether the pool is full or its node is
 * locked is not theirs to say. */
static void adopt(struct member *member, const struct service_status *wish)
{
    struct standing *standing = member->pool->standing;
    bool has_changed = wish->is_locked
                           ? standing_lock(standing, STANDING_LOCK_POOL)
                           : standing_release(standing, STANDING_LOCK_POOL);

    if (has_changed) {
        LOG_INFO("pool_lock",
                 F_STR("pool", atom_text(member->pool->config->name)),
                 F_STR("is", wish->is_locked ? "locked" : "released"));
    }
}

static void told_of_pool(struct membership *membership, struct member *member,
                         const struct syn_request *request)
{
    struct service_status wish;

    said_doubt(&member->said, now_ms(membership));
    if (request->ask != SYN_ASK_ADD) {
        return;
    }
    if (status_parse_service(request->claim.meta, STATUS_OF_POOL, &wish)) {
        adopt(member, &wish);
    } else {
        METRIC_INC(membership_ignored);
    }
}

void membership_told(struct membership *membership, enum syn_kind kind,
                     atom_t scope, const struct syn_request *request)
{
    struct member *member = find_pid(membership, request->claim.pid);
    struct said *said;

    (void)kind, (void)scope; /* all five mean the same */
    if (member != NULL) {
        told_of_pool(membership, member, request);
        return;
    }
    for (size_t i = 0; i < membership->count; i++) {
        if (is_face(&membership->members[i], request->claim.pid, &said)) {
            METRIC_INC(membership_ignored);
            said_doubt(said, now_ms(membership));
            return;
        }
    }
}

/* --- its life */

static bool is_member(const struct pool *pool)
{
    return pool != NULL && pool->part == 0 && pool->known != NULL;
}

int membership_open_pool(struct syn *syn, atom_t pool)
{
    struct buf registry;
    atom_t scope;
    int rc = syn_local_open(syn, pool);

    if (rc != 0) {
        return rc;
    }
    buf_init(&registry, 0);
    buf_printf(&registry, "%s.Registry", atom_text(pool));
    scope = atom_intern((const char *)buf_data(&registry), buf_size(&registry));
    buf_fini(&registry);
    return scope == ATOM_NONE ? CNODE_LIMIT : syn_local_open(syn, scope);
}

static int open_scopes(struct syn *syn, const struct membership *membership)
{
    static const atom_t scopes[] = {A_ClusterManager, A_ClusterManagerRegistry,
                                    A_NodeManager, A_NodeManagerRegistry};
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(scopes) && rc == 0; i++) {
        rc = syn_local_open(syn, scopes[i]);
    }
    for (size_t i = 0; i < membership->count && rc == 0; i++) {
        rc = membership_open_pool(syn,
                                  membership->members[i].pool->config->name);
    }
    return rc;
}

int membership_start(struct membership *membership, struct pools *pools,
                     struct syn *syn)
{
    int rc;

    *membership = (struct membership){.node = pools->node, .syn = syn};
    timer_init(&membership->tick, on_tick);
    membership->members =
        mem_zalloc((pools->count + 1) * sizeof(*membership->members));
    for (size_t i = 0; i < pools->count; i++) {
        if (is_member(pools->pools[i])) {
            membership->members[membership->count++].pool = pools->pools[i];
        }
    }
    if (membership->count == 0) {
        return 0;
    }
    rc = open_scopes(syn, membership);
    if (rc == 0) {
        on_tick(&membership->tick);
    }
    return rc;
}

void membership_leave(struct membership *membership)
{
    if (!timer_is_active(&membership->tick)) {
        return;
    }
    for (size_t i = 0; i < membership->count; i++) {
        (void)standing_set_state(membership->members[i].pool->standing,
                                 STANDING_OFFLINE);
    }
    membership_refresh(membership);
    membership_stop(membership);
}

void membership_stop(struct membership *membership)
{
    loop_timer_stop(node_loop(membership->node), &membership->tick);
}

void membership_fini(struct membership *membership)
{
    for (size_t i = 0; i < membership->count; i++) {
        mem_free(membership->members[i].faces);
    }
    mem_free(membership->members);
    membership->count = 0;
}

struct member *membership_find(const struct membership *membership, atom_t pool)
{
    for (size_t i = 0; i < membership->count; i++) {
        if (membership->members[i].pool->config->name == pool) {
            return &membership->members[i];
        }
    }
    return NULL;
}
