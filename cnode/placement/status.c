/* SPDX-License-Identifier: Apache-2.0
 *
 * See status.h.
 */
#include "placement/status.h"

#include <math.h>

#include "term/build.h"

enum { LOCKS_NESTED_MOST = 8 };

const struct target_window status_pool_window = {10000, 50000, 100000};
const struct target_window status_face_window = {500, 2500, 5000};
const struct target_window status_health_window = {0.75, 0.9, 1.0};

static const atom_t kind_atoms[] = {
    [STATUS_OF_POOL] = A_pool_status,
    [STATUS_OF_FACE] = A_worker_sup_status,
};

/* --- numbers, windows */

static bool get_number(struct cnode_term term, double *value)
{
    int64_t i;

    if (cnode_get_int(term, &i)) {
        *value = (double)i;
        return true;
    }
    return cnode_get_float(term, value) && isfinite(*value);
}

static uint64_t count_of(double value)
{
    return value < 0 ? 0 : value > 1e18 ? (uint64_t)1e18 : (uint64_t)value;
}

void status_put_counts(struct buf *buf, const struct target_window *window)
{
    term_format(buf, "{target_window, ~u, ~u, ~u}", count_of(window->target),
                count_of(window->low), count_of(window->high));
}

void status_put_floats(struct buf *buf, const struct target_window *window)
{
    term_format(buf, "{target_window, ~f, ~f, ~f}", window->target, window->low,
                window->high);
}

bool status_parse_window(struct cnode_term term, struct target_window *window)
{
    struct cnode_term parts[4];
    struct target_window found;

    if (!term_get_tuple(term, 4, parts) ||
        !term_is_atom(parts[0], A_target_window) ||
        !get_number(parts[1], &found.target) ||
        !get_number(parts[2], &found.low) ||
        !get_number(parts[3], &found.high) || found.low > found.target ||
        found.target > found.high) {
        return false;
    }
    *window = found;
    return true;
}

/* --- the status of a pool or worker supervisor */

static void put_state(struct buf *buf, const struct service_status *status)
{
    static const atom_t states[] = {
        [STATUS_INITIALIZING] = A_initializing,
        [STATUS_OFFLINE] = A_offline,
        [STATUS_ONLINE] = A_online,
        [STATUS_OTHER] = A_offline,
    };

    term_format(buf, status->is_locked ? "{locked, ~A}" : "~A",
                states[status->state]);
}

static enum status_state state_of(struct cnode_term term)
{
    return term_is_atom(term, A_online)         ? STATUS_ONLINE
           : term_is_atom(term, A_offline)      ? STATUS_OFFLINE
           : term_is_atom(term, A_initializing) ? STATUS_INITIALIZING
                                                : STATUS_OTHER;
}

static bool parse_state(struct cnode_term term, struct service_status *status)
{
    struct cnode_term parts[2];

    status->is_locked = false;
    for (int i = 0; i < LOCKS_NESTED_MOST; i++) {
        if (term_type(term) == CNODE_TYPE_ATOM) {
            status->state = state_of(term);
            return true;
        }
        if (!term_get_tuple(term, 2, parts) ||
            !term_is_atom(parts[0], A_locked)) {
            return false;
        }
        status->is_locked = true;
        term = parts[1];
    }
    return false;
}

void status_put_service(struct buf *buf, enum status_kind kind,
                        const struct service_status *status)
{
    term_put_tuple(buf, 8);
    term_put_atom(buf, kind_atoms[kind]);
    put_state(buf, status);
    term_put_atom(buf, status->service);
    if (status->has_health) {
        term_put_float(buf, status->health);
    } else {
        term_put_atom(buf, A_initializing);
    }
    term_put_atom(buf, status->node);
    term_put_uint(buf, status->count);
    status_put_counts(buf, &status->window);
    term_put_int(buf, status->updated_on);
}

static bool parse_health(struct cnode_term term, struct service_status *status)
{
    status->health = 0.0;
    status->has_health = get_number(term, &status->health);
    return status->has_health || term_type(term) == CNODE_TYPE_ATOM;
}

/* nil: it was not said. */
static bool parse_target(struct cnode_term term, enum status_kind kind,
                         struct target_window *window)
{
    if (term_is_atom(term, A_nil)) {
        *window =
            kind == STATUS_OF_POOL ? status_pool_window : status_face_window;
        return true;
    }
    return status_parse_window(term, window);
}

bool status_parse_service(struct cnode_term term, enum status_kind kind,
                          struct service_status *status)
{
    struct cnode_term parts[8];
    struct service_status found = {0};

    if (!term_get_tuple(term, 8, parts) ||
        !term_is_atom(parts[0], kind_atoms[kind]) ||
        !parse_state(parts[1], &found) ||
        term_type(parts[2]) != CNODE_TYPE_ATOM ||
        !parse_health(parts[3], &found) ||
        term_type(parts[4]) != CNODE_TYPE_ATOM ||
        !cnode_get_uint(parts[5], &found.count) ||
        !parse_target(parts[6], kind, &found.window)) {
        return false;
    }
    found.service = term_atom(parts[2]);
    found.node = term_atom(parts[4]);
    if (!cnode_get_int(parts[7], &found.updated_on)) {
        found.updated_on = 0; /* nil, or a time of another kind */
    }
    *status = found;
    return true;
}

bool status_is_same(const struct service_status *a,
                    const struct service_status *b)
{
    return a->state == b->state && a->is_locked == b->is_locked &&
           a->service == b->service && a->node == b->node &&
           a->has_health == b->has_health && a->count == b->count &&
           (!a->has_health || a->health == b->health) &&
           a->window.low == b->window.low &&
           a->window.target == b->window.target &&
           a->window.high == b->window.high;
}

/* --- managers, configuration */

void status_put_manager(struct buf *buf, atom_t record,
                        const struct manager_status *status)
{
    term_format(buf, "{~A, ~A, ~A, ~A, ~f, ~i, ~i}", record, status->node,
                status->status, status->state, status->health,
                status->started_on, status->updated_on);
}

void status_put_node_service(struct buf *buf,
                             const struct service_config *config)
{
    term_put_tuple(buf, 8);
    term_put_atom(buf, A_node_service);
    term_put_atom(buf, config->state);
    term_put_uint(buf, config->priority);
    status_put_counts(buf, &config->supervisors);
    status_put_counts(buf, &config->workers);
    term_put_atom(buf, config->pool);
    status_put_floats(buf, &config->health);
    term_put_atom(buf, config->node);
}

void status_put_cluster_service(struct buf *buf,
                                const struct service_config *config)
{
    term_put_tuple(buf, 7);
    term_put_atom(buf, A_cluster_service);
    term_put_atom(buf, config->state);
    term_put_uint(buf, config->priority);
    status_put_counts(buf, &config->nodes);
    status_put_counts(buf, &config->workers);
    status_put_floats(buf, &config->health);
    term_put_atom(buf, config->pool);
}
