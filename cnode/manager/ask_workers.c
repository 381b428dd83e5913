/* SPDX-License-Identifier: Apache-2.0
 *
 * A page of the workers of a pool, in the order of their places in memory, part
 * by part, in slices of a turn. A worker keeps its place for as long as it
 * lives, restarts included: whoever walks from page to page meets each that
 * lives all the while exactly once, whatever starts and ends meanwhile.
 */
#include <string.h>

#include <cnode/error.h>

#include "base/hash.h"
#include "base/mem.h"
#include "manager/ask_cursor.h"
#include "manager/ask_query.h"
#include "pool/extras.h"
#include "pool/pools.h"
#include "pool/waiting.h"
#include "term/build.h"

enum {
    LIMIT_DEFAULT = 100,
    LIMIT_MOST = 1000,
    SLICE_LOOKS = 16000,      /* places looked at in one turn */
    PAGE_BYTES = 1024 * 1024, /* a page ends when it has more */
};

struct walk {
    struct ask_caller *caller;
    struct pool *head;
    struct ask_cursor at;
    uint32_t last_part; /* to walk through */
    uint32_t left;      /* of the page */
    uint32_t segment;   /* UINT32_MAX: all */
    uint16_t face;      /* FACE_NONE: all */
    bool is_done;
    uint32_t count;
    struct buf rows;
    uint32_t face_count;
    struct pid faces[]; /* of the worker supervisors; PID_NONE: not up */
};

/* --- a row */

static const char *status_name(const struct cnode_worker *w)
{
    static const char *const names[] = {
        [WORKER_STARTING] = "starting",     [WORKER_INIT] = "init",
        [WORKER_LOADED] = "loaded",         [WORKER_SPAWNED] = "starting",
        [WORKER_RESTARTING] = "restarting",
    };

    return (w->process.flags & PROCESS_SUSPENDED) != 0 ? "suspended"
                                                       : names[w->status];
}

static void put_pid_or_nil(struct buf *buf, struct pid pid)
{
    if (pid_is_none(pid)) {
        term_format(buf, "nil");
    } else {
        term_put_pid(buf, pid);
    }
}

static uint64_t queue_of(const struct cnode_worker *w)
{
    return worker_is_up(w) ? w->process.mailbox.count
                           : w->extras->waiting->mail.count;
}

static void put_row(struct walk *walk, const struct pool *part,
                    const struct cnode_worker *w)
{
    uint32_t now = worker_clock(loop_now_ms(node_loop(part->node)));
    struct pid supervisor =
        w->face < walk->face_count ? walk->faces[w->face] : PID_NONE;
    struct buf *buf = &walk->rows;

    term_put_map(buf, 7);
    term_format(buf, "ref");
    worker_put_ref(buf, w);
    term_format(buf, "pid");
    put_pid_or_nil(buf, worker_is_up(w) ? node_pid(part->node, &w->process)
                                        : PID_NONE);
    term_format(buf, "status");
    term_format(buf, "~a", status_name(w));
    term_format(buf, "supervisor");
    put_pid_or_nil(buf, supervisor);
    term_format(buf, "segment");
    term_put_uint(buf, part->segments[w->segment].index);
    term_format(buf, "queue");
    term_put_uint(buf, queue_of(w));
    term_format(buf, "idle_ms");
    term_put_uint(buf, (uint64_t)(now - w->last_used) << 8);
    walk->count++;
    walk->left--;
}

/* --- the walk */

static bool is_meant(const struct walk *walk, const struct pool *part,
                     const struct cnode_worker *w)
{
    return (walk->face == FACE_NONE || w->face == walk->face) &&
           (walk->segment == UINT32_MAX ||
            part->segments[w->segment].index == walk->segment);
}

static bool has_room(const struct walk *walk)
{
    return walk->left > 0 && buf_error(&walk->rows) == 0 &&
           buf_size(&walk->rows) < PAGE_BYTES;
}

/* Some places of one part. True: the part is at its end. */
static bool look(struct walk *walk, const struct pool *part)
{
    const struct worker_slab *slab = &part->slab;
    uint32_t looks = SLICE_LOOKS;

    while (walk->at.number < slab->fresh && looks > 0 && has_room(walk)) {
        uint32_t number = walk->at.number++;

        looks--;
        if (worker_slab_has(slab, number)) {
            const struct cnode_worker *w = worker_slab_at(slab, number);

            if (is_meant(walk, part, w)) {
                put_row(walk, part, w);
            }
        }
    }
    return walk->at.number >= slab->fresh;
}

static void finish(struct node *home, void *arg);

static void walk_on(struct node *here, void *arg)
{
    struct walk *walk = arg;
    struct pool *part = walk->head->parts[walk->at.part];

    if (here == NULL) {
        finish(NULL, walk);
        return;
    }
    if (look(walk, part)) {
        if (walk->at.part == walk->last_part) {
            walk->is_done = true;
        } else {
            walk->at = (struct ask_cursor){.part = walk->at.part + 1};
            part = walk->head->parts[walk->at.part];
        }
    }
    if (walk->is_done || !has_room(walk)) {
        node_post_task(here->all[0], finish, walk);
    } else {
        node_post_task(part->node, walk_on, walk);
    }
}

/* --- the answer */

/* Of another life of the node the places are others. */
static uint64_t mark_of(const struct pool *head)
{
    return hash_u64((uint64_t)head->config->name << 32 | head->node->creation);
}

static void put_page(struct buf *buf, const struct walk *walk)
{
    uint8_t cursor[ASK_CURSOR_BYTES];

    term_put_tuple(buf, 2);
    term_put_atom(buf, A_ok);
    term_put_map(buf, 3);
    term_format(buf, "workers");
    term_put_list(buf, walk->count);
    buf_put(buf, buf_data(&walk->rows), buf_size(&walk->rows));
    term_put_nil(buf);
    term_format(buf, "next");
    if (walk->is_done) {
        term_format(buf, "nil");
    } else {
        ask_cursor_put(&walk->at, mark_of(walk->head), cursor);
        term_put_binary(buf, cursor, sizeof(cursor));
    }
    term_format(buf, "total");
    term_put_uint(buf, roll_workers(walk->head->roll));
}

static void finish(struct node *home, void *arg)
{
    struct walk *walk = arg;

    if (home == NULL) {
        ask_caller_free(walk->caller);
    } else if (buf_error(&walk->rows) != 0) {
        ask_caller_reply(walk->caller, "{error, system_limit}");
    } else {
        put_page(ask_caller_begin(walk->caller), walk);
        ask_caller_end(walk->caller);
    }
    buf_fini(&walk->rows);
    mem_free(walk);
}

/* --- the question */

/* The worker supervisors of a service belong to another scheduler. */
static struct walk *walk_new(const struct ask *ask, struct pool *head)
{
    uint32_t faces = head->node == ask->node ? head->face_count : 0;
    struct walk *walk =
        mem_alloc(sizeof(*walk) + faces * sizeof(walk->faces[0]));

    *walk = (struct walk){.head = head,
                          .last_part = head->part_count - 1,
                          .face = FACE_NONE,
                          .segment = UINT32_MAX,
                          .face_count = faces};
    for (uint32_t i = 0; i < faces; i++) {
        walk->faces[i] = head->faces[i]->state == FACE_UP
                             ? node_pid(head->node, &head->faces[i]->process)
                             : PID_NONE;
    }
    buf_init(&walk->rows, 0);
    return walk;
}

/* CNODE_NOT_FOUND: no such worker supervisor or segment. */
static int read_filters(struct walk *walk, struct cnode_term options)
{
    uint64_t segments = walk->head->config->supervisors.segments;
    struct cnode_term value;
    struct pid pid;
    uint64_t number;

    if (ask_option(options, "segment", &value) && !ask_is_nothing(value)) {
        if (!cnode_get_uint(value, &number) || number >= segments) {
            return CNODE_NOT_FOUND;
        }
        walk->segment = (uint32_t)number;
        walk->at.part = walk->last_part =
            (uint32_t)(number % walk->head->part_count);
    }
    if (!ask_option(options, "supervisor", &value) || ask_is_nothing(value)) {
        return 0;
    }
    for (uint32_t i = 0; term_get_pid(value, &pid) && i < walk->face_count;
         i++) {
        if (pid_equal(walk->faces[i], pid)) {
            walk->face = (uint16_t)i;
            return 0;
        }
    }
    return CNODE_NOT_FOUND;
}

static int read_after(struct walk *walk, struct cnode_term options)
{
    struct ask_cursor first = walk->at;
    struct cnode_term value;
    const char *bytes;
    size_t len;

    if (!ask_option(options, "after", &value) || ask_is_nothing(value)) {
        return 0;
    }
    if (!cnode_get_bytes(value, &bytes, &len) ||
        !ask_cursor_get(&walk->at, mark_of(walk->head), (const uint8_t *)bytes,
                        len) ||
        walk->at.part < first.part || walk->at.part > walk->last_part) {
        walk->at = first;
        return CNODE_EINVALID;
    }
    return 0;
}

static int read_options(struct walk *walk, struct cnode_term options)
{
    uint64_t limit;
    int rc;

    if (!ask_option_uint(options, "limit", 1, LIMIT_MOST, LIMIT_DEFAULT,
                         &limit)) {
        return CNODE_EINVALID;
    }
    walk->left = (uint32_t)limit;
    rc = read_filters(walk, options);
    return rc == 0 ? read_after(walk, options) : rc;
}

int ask_workers(const struct ask_query *query)
{
    struct cnode_term options =
        query->arg_count > 0 ? query->args[0] : term_nil();
    struct walk *walk = walk_new(query->ask, query->pool);
    int rc = read_options(walk, options);

    if (rc == 0) {
        rc = ask_keep(query, &walk->caller);
    }
    if (rc == 0) {
        node_post_task(walk->head->parts[walk->at.part]->node, walk_on, walk);
        return 0;
    }
    buf_fini(&walk->rows);
    mem_free(walk);
    return rc == CNODE_NOT_FOUND ? ask_reply(query, "{error, not_found}") : rc;
}
