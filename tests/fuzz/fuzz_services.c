/* SPDX-License-Identifier: Apache-2.0
 *
 * What a peer asks the services: spawns with any function and arguments, calls
 * and messages to rex, system messages, casts to observer's appmon_info. The
 * first byte says which and to whom; the rest is one term. Every answer must be
 * well-formed (fake_peer.c reads it), and nothing may be left behind.
 */
#include "base/log.h"
#include "cluster/cluster.h"
#include "node/door.h"
#include "node/receive.h"
#include "support/node/fake_peer.h"
#include "term/build.h"
#include "term/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KINDS = 7, TURNS = 4, TURN_MS = 700 };

struct world {
    struct node node;
    struct cluster cluster;
    struct fake_peer peer;
    struct pid caller;
    struct ref ref;
};

static void ignore_log(const char *line, size_t len, void *user)
{
    (void)line, (void)len, (void)user;
}

static void world_open(struct world *w)
{
    static const struct cluster_config config;

    log_capture(ignore_log, NULL);
    fake_node_open_with(&w->node, 2);
    node_loop(&w->node)->is_stale = false; /* time stands still */
    CHECK(cluster_start(&w->cluster, &w->node, &config) == 0);
    fake_peer_open(&w->peer, &w->node, "p1@there");
    w->caller =
        (struct pid){.node = w->peer.peer->name, .id = 5, .creation = 3};
    w->ref = (struct ref){
        .node = w->caller.node, .creation = 3, .len = 3, .words = {1, 2, 3}};
}

/* Time passes: slices, statistics, looks at applications. */
static void settle(struct world *w)
{
    struct loop *loop = node_loop(&w->node);

    for (int i = 0; i < TURNS; i++) {
        fake_node_settle(&w->node);
        loop->now_ms += TURN_MS;
        (void)wheel_advance(&loop->wheel, loop->now_ms);
    }
    fake_node_settle(&w->node);
    if (w->peer.closed == 0) {
        (void)fake_peer_got(&w->peer);
    }
}

/* {M, F, Args}; else the term is the arguments of execute_call. */
static void spawn(struct world *w, struct cnode_term term)
{
    struct control control = {.kind = CONTROL_SPAWN_REQUEST, .payload = term};
    struct cnode_term mfa[3], parts[5];
    struct cnode_list list;
    struct buf head;

    buf_init(&head, 0);
    if (term_get_tuple(term, 3, mfa) && cnode_list(mfa[2], &list)) {
        control.payload = mfa[2];
        term_format(&head, "{~r, ~p, ~p, {~t, ~t, ~u}, [link, monitor]}",
                    &w->ref, w->caller, w->caller, mfa[0], mfa[1],
                    (uint64_t)list.left);
    } else {
        term_format(&head, "{~r, ~p, ~p, {erpc, execute_call, 4}, [monitor]}",
                    &w->ref, w->caller, w->caller);
    }
    CHECK(term_get_tuple(term_at(buf_data(&head), buf_size(&head)), 5, parts));
    control.ref = parts[0];
    control.from = parts[1];
    control.leader = parts[2];
    control.mfa = parts[3];
    control.opts = parts[4];
    receive_control(&w->node, w->peer.peer, &control);
    buf_fini(&head);
}

static void put_message(struct world *w, unsigned kind, struct cnode_term term,
                        struct buf *buf)
{
    switch (kind) {
    case 1:
        term_format(buf, "{~p, ~t}", w->caller, term);
        return;
    case 2:
        term_format(buf, "{'$gen_call', {~p, [alias | ~r]}, ~t}", w->caller,
                    &w->ref, term);
        return;
    case 3:
        term_format(buf, "{system, {~p, [alias | ~r]}, ~t}", w->caller, &w->ref,
                    term);
        return;
    case 4:
        term_format(buf, "{'$gen_cast', ~t}", term);
        return;
    case 5:
        term_format(buf, "{~p, {~p, [alias | ~r]}, ~t}", w->caller, w->caller,
                    &w->ref, term);
        return;
    default:
        term_put_copy(buf, term);
        return;
    }
}

static const struct process *receiver(struct world *w, unsigned choice)
{
    struct buf args;

    if (choice == 0) {
        return &w->cluster.rex.process;
    }
    if (choice == 1) {
        return &w->cluster.net_kernel.process;
    }
    buf_init(&args, 0);
    term_format(&args, "{appmon_info, start_link2, [~p, ~p, []]}", w->caller,
                w->caller);
    spawn(w, term_at(buf_data(&args), buf_size(&args)));
    buf_fini(&args);
    fake_node_settle(&w->node);
    return w->cluster.appmon.is_up ? &w->cluster.appmon.process
                                   : &w->cluster.rex.process;
}

static void send_message(struct world *w, unsigned kind, unsigned choice,
                         struct cnode_term term)
{
    struct signal signal = {.kind = SIGNAL_MESSAGE, .from = w->caller};
    struct buf buf;

    buf_init(&buf, 0);
    put_message(w, kind, term, &buf);
    if (buf_error(&buf) == 0) { /* else the depth is at its limit */
        signal.term = term_at(buf_data(&buf), buf_size(&buf));
        signal.to = node_pid(&w->node, receiver(w, choice));
        CHECK(door_deliver(&w->node, &signal) == 0);
    }
    buf_fini(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    unsigned kind;
    size_t used;

    if (size < 2 || term_validate(data + 1, size - 1, 100, &used) != 0) {
        return 0;
    }
    world = (struct world){0};
    world_open(&world);
    kind = data[0] % KINDS;
    if (kind == 0) {
        spawn(&world, term_at(data + 1, used));
    } else {
        send_message(&world, kind, data[0] / KINDS % 3,
                     term_at(data + 1, used));
    }
    settle(&world);
    if (world.peer.closed == 0) {
        fake_peer_close(&world.peer);
    }
    fake_node_settle(&world.node);
    CHECK(list_is_empty(&world.cluster.rpc.processes));
    CHECK(list_is_empty(&world.cluster.observer.backends));
    cluster_stop(&world.cluster);
    fake_node_close(&world.node);
    return 0;
}
