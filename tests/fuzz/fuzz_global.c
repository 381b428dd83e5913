/* SPDX-License-Identifier: Apache-2.0
 *
 * A member of global that hears anything. The input is a script: messages of
 * the protocol from three nodes, with tags and pids that mostly fit, whole or
 * with some bytes changed; answers to its calls; nodes that come and go;
 * requests of its own; time. It stays sound, all that it says is valid, and
 * when all nodes are gone nothing is left locked or waiting.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "cluster/global_parts.h"
#include "term/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NODES = 4, STEPS_MAX = 300, WATCHED = 200, DEPTH = 100 }; /* 0: we */

struct watched {
    struct ref ref;
    enum global_role who;
    struct dest target;
};

struct world {
    const uint8_t *at, *end;
    struct global g;
    uint64_t now, requests, done, clash;
    atom_t session, nodes[NODES];
    bool is_up[NODES];
    struct watched watched[WATCHED];
    uint32_t watched_count, refs;
    uint32_t to_drop; /* bits: nodes that it wants disconnected */
};

static unsigned next(struct world *w, unsigned below)
{
    return w->at < w->end ? *w->at++ % below : 0;
}

static struct pid a_pid(struct world *w, unsigned node)
{
    return (struct pid){
        .node = w->nodes[node], .id = 1 + next(w, 4), .creation = 3};
}

/* --- what the machine does */

static void check_term(struct cnode_term term)
{
    size_t used;

    CHECK(term_validate(term.at, cnode_term_size(term),
                        (uint32_t)limits.term_depth, &used) == 0);
}

static void on_send(void *owner, enum global_role from, const struct dest *to,
                    struct cnode_term message)
{
    struct world *w = owner;

    (void)from;
    CHECK(to->node != w->nodes[0]);
    check_term(message);
}

static void on_reply(void *owner, const struct gen_from *from,
                     struct cnode_term reply)
{
    (void)owner;
    CHECK(cnode_type(from->pid) == CNODE_TYPE_PID);
    check_term(reply);
}

static int on_monitor(void *owner, enum global_role who,
                      const struct dest *target, struct ref *ref)
{
    struct world *w = owner;

    if (w->watched_count == WATCHED || next(w, 32) == 31) {
        return -1;
    }
    *ref = (struct ref){
        .node = w->nodes[0], .creation = 3, .len = 3, .words = {++w->refs}};
    w->watched[w->watched_count++] =
        (struct watched){.ref = *ref, .who = who, .target = *target};
    return 0;
}

static void on_demonitor(void *owner, enum global_role who,
                         const struct ref *ref)
{
    struct world *w = owner;
    uint32_t i = 0;

    while (!ref_equal(&w->watched[i].ref, ref)) {
        i++;
        CHECK(i < w->watched_count);
    }
    CHECK(w->watched[i].who == who);
    w->watched[i] = w->watched[--w->watched_count];
}

static void on_dial(void *owner, atom_t node)
{
    struct world *w = owner;

    CHECK(node != w->nodes[0]);
    if (next(w, 2) == 0) {
        global_dial_failed(&w->g, node, w->now);
    }
}

static void on_disconnect(void *owner, atom_t node)
{
    struct world *w = owner;

    for (unsigned i = 1; i < NODES; i++) {
        w->to_drop |= w->nodes[i] == node ? BIT(i) : 0;
    }
}

static void on_resolve(void *owner, const struct global_clash *clash)
{
    struct world *w = owner;

    check_term(clash->method);
    w->clash = clash->serial;
    w->session = clash->session;
    if (next(w, 2) == 0) {
        global_resolved(&w->g, clash->session, clash->serial, TERM_NONE,
                        w->now);
    }
}

static void on_done(void *owner, uint64_t request, atom_t result)
{
    struct world *w = owner;

    CHECK(request == ++w->done);
    CHECK(result == A_yes || result == A_no || result == A_ok);
}

static const struct global_events events = {
    .send = on_send,
    .reply = on_reply,
    .monitor = on_monitor,
    .demonitor = on_demonitor,
    .dial = on_dial,
    .disconnect = on_disconnect,
    .resolve = on_resolve,
    .done = on_done,
};

/* --- messages */

static int64_t our_tag(struct world *w, unsigned node)
{
    const struct global_peer *peer = global_peer_find(&w->g, w->nodes[node]);

    if (peer == NULL || peer->session == NULL || next(w, 8) == 0) {
        return next(w, 4);
    }
    return peer->session->my_tag;
}

static void put_cast(struct world *w, struct buf *buf, unsigned node)
{
    atom_t name = w->nodes[node];
    atom_t other = w->nodes[next(w, NODES)];
    int64_t tag = our_tag(w, node);
    struct pid locker = {.node = name, .id = 9, .creation = 3};
    struct pid pid = a_pid(w, next(w, NODES));
    struct pid ours = w->g.pids[GLOBAL_LOCKER];
    int64_t key = next(w, 3);

    switch (next(w, 10)) {
    case 0:
    case 1:
        term_format(buf,
                    "{'$gen_cast', {init_connect, {8, ~i}, ~A, {locker, x, "
                    "#{}, ~p}}}",
                    key, name, locker);
        return;
    case 2:
        term_format(buf, "{init_connect_ack, ~A, ~i, ~i}", name, tag, key);
        return;
    case 3:
        term_format(buf, "{'$gen_cast', {lock_set, ~p, ~a, [~A], ~i}}", locker,
                    next(w, 4) == 0 ? "false" : "true", other, tag);
        return;
    case 4:
        term_format(buf, "{'$gen_cast', {exchange, ~A, [{~i, ~p, m}], [], ~i}}",
                    name, key, pid, tag);
        return;
    case 5:
        term_format(buf,
                    "{'$gen_cast', {resolved, ~A, [{insert, {~i, ~p, m}}], "
                    "[{~A, 8}], unused, [], ~i}}",
                    name, key, pid, other, tag);
        return;
    case 6:
        term_format(buf, "{'$gen_cast', {in_sync, ~A, true}}", name);
        return;
    case 7:
        term_format(buf,
                    "{'$gen_cast', {new_nodes, ~A, [{insert, {~i, ~p, m}}, "
                    "{delete, ~i}], [], [{~A, 8}], [{lock, {global, [~p, "
                    "~p]}}]}}",
                    name, key, pid, key + 1, other, locker, ours);
        return;
    case 8:
        term_format(buf, "{lost_connection, ~A, 1, ~i, ~A}", name,
                    (int64_t)next(w, 16), other);
        return;
    default:
        term_format(buf,
                    next(w, 2) == 0 ? "{remove_connection, ~A}"
                                    : "{cancel_connect, ~A, ~i}",
                    name, tag);
        return;
    }
}

static void put_call(struct world *w, struct buf *buf, unsigned node)
{
    static const char *const formats[] = {
        "{set_lock, {global, [~p, ~p]}}", "{del_lock, {global, [~p, ~p]}}",
        "{set_lock, {~p, ~p}}",           "{del_lock, {~p, ~p}}",
        "{register, x, ~p, ~p}",          "{unregister, {~p, ~p}}",
        "{register_ext, y, ~p, m, ~p}",
    };
    struct pid by = {.node = w->nodes[node], .id = 9, .creation = 3};

    term_put_tuple(buf, 3);
    term_put_atom(buf, A_gen_call);
    term_format(buf, "{~p, tag}", by);
    term_format(buf, formats[next(w, ARRAY_LEN(formats))], by,
                w->g.pids[GLOBAL_LOCKER]);
}

static void hear(struct world *w)
{
    unsigned node = 1 + next(w, NODES - 1);
    unsigned changes = next(w, 6) == 0 ? 1 + next(w, 3) : 0;
    struct buf buf;
    size_t used;

    buf_init(&buf, 0);
    if (next(w, 4) == 0) {
        put_call(w, &buf, node);
    } else {
        put_cast(w, &buf, node);
    }
    CHECK(buf_error(&buf) == 0);
    while (changes-- > 0) {
        buf_data(&buf)[next(w, (unsigned)buf_size(&buf))] =
            (uint8_t)next(w, 256);
    }
    if (term_validate(buf_data(&buf), buf_size(&buf), DEPTH, &used) == 0) {
        (void)global_message(
            &w->g, (enum global_role)(next(w, 16) == 0 ? next(w, 3) : 0),
            (struct pid){.node = w->nodes[node], .id = 1, .creation = 3},
            term_at(buf_data(&buf), used), w->now);
    }
    buf_fini(&buf);
}

/* One of its calls is answered, or a watched process ends. */
static void answer(struct world *w, bool is_down)
{
    struct watched gone;
    struct buf buf;
    uint32_t i;

    if (w->watched_count == 0) {
        return;
    }
    i = next(w, w->watched_count);
    gone = w->watched[i];
    buf_init(&buf, 0);
    if (!is_down && gone.target.kind == DEST_NAME) {
        term_format(&buf, "{~r, ~a}", &gone.ref,
                    next(w, 4) == 0 ? "false" : "true");
    } else {
        w->watched[i] = w->watched[--w->watched_count];
        term_format(&buf, "{'DOWN', ~r, process, x, y}", &gone.ref);
    }
    (void)global_message(&w->g, gone.who, PID_NONE,
                         term_at(buf_data(&buf), buf_size(&buf)), w->now);
    buf_fini(&buf);
}

/* --- steps */

/* Monitors on a node, or ATOM_NONE: on any but ours, fire. */
static void fire(struct world *w, atom_t node)
{
    for (uint32_t i = 0; i < w->watched_count;) {
        struct watched gone = w->watched[i];
        struct buf buf;

        if (node == ATOM_NONE ? gone.target.node == w->nodes[0]
                              : gone.target.node != node) {
            i++;
            continue;
        }
        w->watched[i] = w->watched[--w->watched_count];
        buf_init(&buf, 0);
        term_format(&buf, "{'DOWN', ~r, process, x, noconnection}", &gone.ref);
        (void)global_message(&w->g, gone.who, PID_NONE,
                             term_at(buf_data(&buf), buf_size(&buf)), w->now);
        buf_fini(&buf);
        i = 0;
    }
}

/* Monitors fire after the nodedown, as in a node. */
static void node_down(struct world *w, unsigned node)
{
    if (w->is_up[node]) {
        w->is_up[node] = false;
        global_nodedown(&w->g, w->nodes[node], w->now);
    }
    fire(w, w->nodes[node]);
}

static void drop(struct world *w)
{
    for (unsigned i = 1; i < NODES; i++) {
        if (w->to_drop & BIT(i)) {
            node_down(w, i);
        }
    }
    w->to_drop = 0;
}

static void resolved(struct world *w)
{
    struct buf buf;

    buf_init(&buf, 0);
    if (next(w, 3) == 0) {
        term_put_atom(&buf, A_none);
    } else {
        term_put_pid(&buf, a_pid(w, next(w, NODES)));
    }
    if (w->session != ATOM_NONE) {
        global_resolved(&w->g, w->session, w->clash,
                        term_at(buf_data(&buf), buf_size(&buf)), w->now);
    }
    buf_fini(&buf);
}

static void step(struct world *w)
{
    unsigned node = 1 + next(w, NODES - 1);

    switch (next(w, 16)) {
    case 0:
    case 1:
        if (!w->is_up[node]) {
            w->is_up[node] = true;
            global_nodeup(&w->g, w->nodes[node], w->now);
        }
        return;
    case 2:
        node_down(w, node);
        return;
    case 3:
        w->now += 50 * (uint64_t)next(w, 100);
        global_tick(&w->g, w->now);
        return;
    case 4:
        if (global_request(&w->g, (enum global_op)next(w, 3),
                           term_small_int((uint8_t)next(w, 3)), a_pid(w, 0),
                           w->requests + 1, w->now) == 0) {
            w->requests++;
        }
        return;
    case 5:
        resolved(w);
        return;
    case 6:
    case 7:
    case 8:
        answer(w, false);
        return;
    case 9:
        answer(w, true);
        return;
    default:
        hear(w);
        return;
    }
}

static void check(const struct world *w)
{
    const struct global_peer *peer;

    CHECK(w->g.names.by_name.count == w->g.names.by_monitor.count);
    CHECK(w->g.names.by_name.count <= limits.global_names);
    CHECK(w->g.locks.by_monitor.count <= limits.global_locks);
    CHECK(w->g.locks.by_resource.count <= w->g.locks.by_monitor.count);
    CHECK(w->g.peers.count <= limits.mesh_nodes + NODES);
    MAP_EACH(peer, &w->g.peers) {
        CHECK(peer->node != w->nodes[0]);
        CHECK(peer->session == NULL || peer->is_up);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"n1@h", "n0@h", "n2@h", "n3@g"};
    struct world w = {.at = data, .end = data + size, .now = 1000};
    struct pid pids[GLOBAL_ROLES];

    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    atom_init();
    limits.global_names = limits.global_locks = 4;
    limits.global_requests = limits.mesh_nodes = 4;
    for (unsigned i = 0; i < NODES; i++) {
        w.nodes[i] = atom_intern(names[i], 4);
    }
    for (uint32_t i = 0; i < GLOBAL_ROLES; i++) {
        pids[i] =
            (struct pid){.node = w.nodes[0], .id = 100 + i, .creation = 3};
    }
    global_init(&w.g, w.nodes[0], pids, size, &events, &w);
    for (int i = 0; i < STEPS_MAX && w.at < w.end; i++) {
        step(&w);
        drop(&w);
        check(&w);
    }
    for (unsigned i = 1; i < NODES; i++) {
        node_down(&w, i);
    }
    fire(&w, ATOM_NONE);
    CHECK(w.g.locker.state == LOCKER_IDLE);
    global_fini(&w.g);
    return 0;
}
