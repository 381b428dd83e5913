/* SPDX-License-Identifier: Apache-2.0
 *
 * A scope of pg that hears anything. The input is a script: messages of the
 * protocol with real pids, whole or with some bytes changed, plain bytes, joins
 * and ends of processes here, nodes that come and go. The tables stay sound,
 * and what it says is valid.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "cluster/pg.h"
#include "term/build.h"
#include "term/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NODES = 3, PIDS = 3, STEPS_MAX = 300, WATCHED = 64, DEPTH = 100 };

struct watched {
    struct pid pid;
    struct ref ref;
};

struct world {
    const uint8_t *at, *end;
    struct pg pg;
    struct watched watched[WATCHED];
    uint32_t watched_count, refs;
};

static unsigned next(struct world *w, unsigned below)
{
    return w->at < w->end ? *w->at++ % below : 0;
}

static struct pid a_pid(struct world *w, unsigned node)
{
    static const char *const names[] = {"n0@h", "n1@h", "n2@h"};

    return (struct pid){.node = atom_intern(names[node], 4),
                        .id = 1 + next(w, PIDS),
                        .creation = 3};
}

static struct cnode_term a_group(struct world *w)
{
    return term_small_int((uint8_t)next(w, 4));
}

/* --- what the machine does */

static int on_send(void *owner, const struct dest *to,
                   struct cnode_term message)
{
    size_t used;

    CHECK(to->node != ((struct world *)owner)->pg.self.node);
    CHECK(term_validate(message.at, cnode_term_size(message),
                        (uint32_t)limits.term_depth, &used) == 0);
    return next(owner, 8) == 0 ? CNODE_OVERLOADED : 0;
}

static int on_monitor(void *owner, struct pid pid, struct ref *ref)
{
    struct world *w = owner;

    if (w->watched_count == WATCHED) {
        return CNODE_LIMIT;
    }
    *ref = (struct ref){
        .node = w->pg.self.node, .creation = 3, .len = 3, .words = {++w->refs}};
    w->watched[w->watched_count++] = (struct watched){.pid = pid, .ref = *ref};
    return 0;
}

static void on_demonitor(void *owner, const struct ref *ref)
{
    struct world *w = owner;
    uint32_t i = 0;

    while (!ref_equal(&w->watched[i].ref, ref)) {
        i++;
        CHECK(i < w->watched_count);
    }
    w->watched[i] = w->watched[--w->watched_count];
}

static const struct pg_events events = {
    .send = on_send, .monitor = on_monitor, .demonitor = on_demonitor};

/* --- the tables */

static void check_tables(const struct world *w)
{
    const struct pg_group *group;
    uint64_t all = 0;
    uint32_t members = 0;

    MAP_EACH(group, &w->pg.view.groups) {
        uint32_t count = 0, local = 0;

        LIST_EACH(it, &group->members) {
            const struct pg_member *member =
                CONTAINER_OF(it, struct pg_member, in_group);

            CHECK(member->times > 0);
            count += member->times;
            local += member->owner->is_local ? member->times : 0;
            members++;
        }
        CHECK(count > 0 && count == group->count);
        CHECK(local == group->local_count);
        CHECK((local > 0) == !list_is_empty(&group->in_local));
        all += count;
    }
    CHECK(all == w->pg.view.memberships && all <= limits.pg_members);
    CHECK(members == w->pg.view.members.count);
    CHECK(w->pg.view.slab.used == members);
    CHECK(w->pg.untold <= w->pg.remotes.count);
    CHECK(w->watched_count == w->pg.remotes.count + w->pg.locals.count);
}

/* --- steps */

static void put_message(struct world *w, struct buf *buf, struct pid peer)
{
    static const char *const formats[] = {
        "{discover, ~p}",
        "{discover, ~p, 1}",
        "{'$gen_cast', {sync, ~p, [{~t, [~p]}]}}",
        "{'$gen_cast', {local_data, ~p, 1, #{~t => [~p]}}}",
        "{join, ~p, ~t, ~p}",
        "{join, ~p, ~t, [~p]}",
        "{update, ~p, [{~t, [~p], []}]}",
        "{update, ~p, [{~t, [], [~p]}]}",
    };
    unsigned which = next(w, ARRAY_LEN(formats) + 1);
    struct cnode_term group = a_group(w);
    struct pid member = a_pid(w, next(w, NODES));

    if (which == ARRAY_LEN(formats)) {
        term_format(buf, "{leave, ~p, ~p, [~t, ~t]}", peer, member, group,
                    a_group(w));
    } else if (which < 2) {
        term_format(buf, formats[which], peer);
    } else {
        term_format(buf, formats[which], peer, group, member);
    }
}

static void hear(struct world *w)
{
    struct pid peer = a_pid(w, next(w, NODES));
    unsigned changes = next(w, 4) == 0 ? next(w, 4) : 0;
    struct buf buf;
    size_t used;

    buf_init(&buf, 0);
    put_message(w, &buf, peer);
    CHECK(buf_error(&buf) == 0);
    while (changes-- > 0) {
        buf_data(&buf)[next(w, (unsigned)buf_size(&buf))] =
            (uint8_t)next(w, 256);
    }
    if (term_validate(buf_data(&buf), buf_size(&buf), DEPTH, &used) == 0) {
        (void)pg_message(&w->pg, next(w, 4) == 0 ? PID_NONE : peer,
                         term_at(buf_data(&buf), used));
    }
    buf_fini(&buf);
}

static void hear_bytes(struct world *w)
{
    size_t size = next(w, 64), used;

    if (size > (size_t)(w->end - w->at)) {
        size = (size_t)(w->end - w->at);
    }
    if (term_validate(w->at, size, DEPTH, &used) == 0) {
        (void)pg_message(&w->pg, PID_NONE, term_at(w->at, used));
    }
    w->at += size;
}

/* A watched process ends. */
static void end_one(struct world *w)
{
    struct watched gone;
    struct buf buf;
    uint32_t i;

    if (w->watched_count == 0) {
        return;
    }
    i = next(w, w->watched_count);
    gone = w->watched[i];
    w->watched[i] = w->watched[--w->watched_count];
    buf_init(&buf, 0);
    term_format(&buf, "{'DOWN', ~r, process, ~p, normal}", &gone.ref, gone.pid);
    CHECK(pg_message(&w->pg, PID_NONE,
                     term_at(buf_data(&buf), buf_size(&buf))) == 0);
    buf_fini(&buf);
}

static void step(struct world *w)
{
    switch (next(w, 12)) {
    case 0:
        hear_bytes(w);
        return;
    case 1:
        end_one(w);
        return;
    case 2:
        pg_nodedown(&w->pg, a_pid(w, next(w, NODES)).node);
        return;
    case 3:
        (void)!pg_nodeup(&w->pg, a_pid(w, 1).node);
        return;
    case 4:
        pg_resync(&w->pg);
        return;
    case 5:
    case 6:
        (void)!pg_join(&w->pg, a_group(w), a_pid(w, 0));
        return;
    case 7:
        (void)!pg_leave(&w->pg, a_group(w), a_pid(w, 0));
        return;
    default:
        hear(w);
        return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.at = data, .end = data + size};

    atom_init();
    limits.pg_members = 12;
    limits.pg_groups = 4;
    limits.pg_group_bytes = 64;
    pg_init(
        &w.pg, A_node,
        (struct pid){.node = atom_intern("n0@h", 4), .id = 100, .creation = 3},
        &events, &w);
    for (int i = 0; i < STEPS_MAX && w.at < w.end; i++) {
        step(&w);
        check_tables(&w);
    }
    pg_fini(&w.pg);
    return 0;
}
