/* SPDX-License-Identifier: Apache-2.0
 *
 * A node, two peers and a few processes. The input is a script: each step takes
 * some bytes, and makes a control message (whole or with some bytes changed),
 * something a process does, or the loss of a peer. After each script everything
 * ends, and nothing may be left. What the node sends is checked by fake_peer.c.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "node/gen.h"
#include "support/node/fake_peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    ACTORS = 4,
    PEERS = 2,
    SCHEDULERS_MOST = 3,
    FRAME_MAX = 400,
    STEPS_MAX = 400
};

struct actor {
    struct process process;
    struct node *node;
    struct ref ref; /* of its last monitor or spawn */
    bool is_alive;
};

struct world {
    const uint8_t *at, *end;
    struct node node;
    struct fake_peer peers[PEERS];
    uint32_t creation; /* of the youngest peer */
    struct actor actors[ACTORS];
    struct spawn_handler handler;
};

static const char *const peer_names[PEERS] = {"p0@127.0.0.1", "p1@127.0.0.1"};

static struct node *some_node(struct world *w, unsigned i)
{
    return w->node.all[i % w->node.count];
}

static unsigned next(struct world *w, unsigned below)
{
    return w->at < w->end ? *w->at++ % below : 0;
}

/* --- actors */

static void on_message(struct process *process, const struct signal *signal)
{
    struct actor *actor = CONTAINER_OF(process, struct actor, process);
    struct gen_message message;

    gen_parse(signal->term, &message);
    if (message.kind == GEN_CALL) {
        (void)gen_reply(actor->node, process, &message.from, "{ok, ~t}",
                        message.body);
    } else if (message.kind == GEN_CAST) {
        actor->is_alive = false;
        node_exit(actor->node, process, message.body);
    }
}

static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    struct actor *actor = CONTAINER_OF(process, struct actor, process);

    actor->is_alive = false;
    node_exit(actor->node, process, reason);
}

static const struct process_class actor_class = {
    .name = "actor", .message = on_message, .exit = on_exit_signal};

static void actor_start(struct world *w, unsigned i, struct node *node)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    struct actor *actor = &w->actors[i];

    if (actor->is_alive) {
        return;
    }
    actor->node = node;
    actor->is_alive = true;
    CHECK(node_spawn(node, &actor->process, &actor_class) == 0);
    if (i % 2 != 0) {
        actor->process.flags |= PROCESS_TRAP_EXIT;
    }
    CHECK(names_register(node, atom_intern(names[i], 1), &actor->process) == 0);
}

/* a:b makes an actor that is dead live again, or fails; c:d is unknown. */
static int on_spawn(void *owner, struct node *node,
                    const struct spawn_call *call, struct process **process)
{
    struct world *w = owner;

    if (!cnode_is_atom(call->module, "a")) {
        return CNODE_NOT_FOUND;
    }
    for (unsigned i = 0; i < ACTORS; i++) {
        if (!w->actors[i].is_alive) {
            actor_start(w, i, node);
            *process = &w->actors[i].process;
            return 0;
        }
    }
    return CNODE_UNSUPPORTED;
}

static void on_start(void *owner, struct node *node, struct process *process,
                     const struct spawn_call *call)
{
    (void)owner;
    if (call->arity == 1) {
        on_exit_signal(process, call->args);
    } else {
        CHECK(node_find(node, node_pid(node, process)) == process);
    }
}

/* --- identifiers: mostly real ones */

static struct pid local_pid(struct world *w)
{
    struct pid pid = node_pid(&w->node, &w->actors[next(w, ACTORS)].process);

    switch (next(w, 8)) {
    case 0:
        pid.creation--;
        break;
    case 1:
        pid.serial += 64;
        break;
    default:
        break;
    }
    return pid;
}

static struct pid peer_pid(struct world *w, unsigned peer)
{
    struct pid pid = {.node = atom_intern(peer_names[peer], 12),
                      .id = 1 + next(w, 3),
                      .creation = w->peers[peer].creation};

    if (next(w, 8) == 0) {
        pid.creation--;
    }
    return pid;
}

static struct pid any_pid(struct world *w, unsigned peer)
{
    switch (next(w, 8)) {
    case 0:
        return (struct pid){.node = atom_intern("x@y", 3), .id = 1};
    case 1:
        return peer_pid(w, (peer + 1) % PEERS);
    default:
        return local_pid(w);
    }
}

static struct ref any_ref(struct world *w, unsigned peer)
{
    struct actor *actor = &w->actors[next(w, ACTORS)];

    if (next(w, 4) == 0 && actor->ref.len != 0) {
        return actor->ref;
    }
    return (struct ref){.node = atom_intern(peer_names[peer], 12),
                        .creation = w->peers[peer].creation,
                        .len = 3,
                        .words = {next(w, 4), 0, 0}};
}

/* --- messages of peers */

static void put_payload(struct world *w, struct buf *buf, unsigned peer)
{
    struct ref ref = any_ref(w, peer);
    struct pid pid = peer_pid(w, peer);

    switch (next(w, 7)) {
    case 0:
        term_format(buf, "kill");
        return;
    case 1:
        term_format(buf, "normal");
        return;
    case 2:
        term_format(buf, "{'$gen_call', {~p, [alias | ~r]}, q}", pid, &ref);
        return;
    case 3:
        term_format(buf, "{'$gen_call', {~p, ~r}, q}", any_pid(w, peer), &ref);
        return;
    case 4:
        term_format(buf, "{'$gen_cast', boom}");
        return;
    case 5:
        term_format(buf, "[]");
        return;
    default:
        term_format(buf, "{some, \"thing\", 1.5}");
        return;
    }
}

static void put_spawn(struct world *w, struct buf *buf, struct pid from,
                      const struct ref *ref)
{
    static const char *const what[] = {
        "{c, d, 0}, [monitor]", "{a, b, 0}, [link, monitor]",
        "{a, b, 0}, [{monitor, []} | x]", "{a, b, 3}, [link]"};
    char format[80];

    (void)snprintf(format, sizeof(format), "{29, ~r, ~p, ~p, %s}",
                   what[next(w, ARRAY_LEN(what))]);
    term_format(buf, format, ref, from, from);
}

static void put_control(struct world *w, struct buf *buf, unsigned peer)
{
    static const char *const by_pids[] = {
        "{1, ~p, ~p}", "{22, ~p, ~p}", "{24, ~p, ~p}",    "{26, ~p, ~p}",
        "{4, ~p, ~p}", "{7, ~p, ~p}",  "{37, 17, ~p, ~p}"};
    static const char *const by_name[] = {"{6, ~p, '', a}", "{6, ~p, '', zz}",
                                          "{37, 9, ~p, b}", "{6, ~p, '', c}",
                                          "{37, 24, ~p, d}"};
    static const char *const by_alias[] = {"{33, ~p, ~r}", "{37, 4, ~p, ~r}",
                                           "{37, 20, ~p, ~r}"};
    struct pid from = peer_pid(w, peer);
    struct pid to = any_pid(w, peer);
    struct ref ref = any_ref(w, peer);

    switch (next(w, 14)) {
    case 0:
    case 1:
    case 2:
        term_format(buf, by_pids[next(w, ARRAY_LEN(by_pids))], from, to);
        return;
    case 3:
        term_format(buf, by_name[next(w, ARRAY_LEN(by_name))], from);
        return;
    case 4:
        term_format(buf, "{19, ~p, ~p, ~r}", from, to, &ref);
        return;
    case 5:
        term_format(buf, "{19, ~p, b, ~r}", from, &ref);
        return;
    case 6:
        term_format(buf, "{20, ~p, ~p, ~r}", from, to, &ref);
        return;
    case 7:
        term_format(buf, "{28, ~p, ~p, ~r}", from, to, &ref);
        return;
    case 8:
        term_format(buf, "{35, ~i, ~p, ~p}", (int64_t)1 + next(w, 3), from, to);
        return;
    case 9:
        term_format(buf, "{36, ~i, ~p, ~p}", (int64_t)1 + next(w, 9), from, to);
        return;
    case 10:
        term_format(buf, by_alias[next(w, ARRAY_LEN(by_alias))], from, &ref);
        return;
    case 11:
        term_format(buf, "{31, ~r, ~p, ~i, ~p}", &ref, to, (int64_t)next(w, 4),
                    from);
        return;
    case 12:
        term_format(buf, "{31, ~r, ~p, 0, badopt}", &ref, to);
        return;
    default:
        put_spawn(w, buf, from, &ref);
        return;
    }
}

static void lose_peer(struct world *w, unsigned peer)
{
    struct fake_peer *fake = &w->peers[peer];

    fake_peer_close(fake);
    if (next(w, 2) == 0) {
        fake_node_settle(&w->node);
    }
    w->creation += next(w, 2);
    fake_peer_open_as(fake, &w->node, peer_names[peer], w->creation,
                      fake->channel.flags);
}

static void receive(struct world *w, unsigned peer)
{
    uint8_t bytes[FRAME_MAX];
    unsigned changes = next(w, 4) == 0 ? next(w, 4) : 0;
    struct buf frame;
    size_t used, size;

    buf_init(&frame, 0);
    buf_put_u32(&frame, 0);
    buf_put(&frame, "\x83\x44\x00", 3);
    put_control(w, &frame, peer);
    put_payload(w, &frame, peer);
    CHECK(buf_error(&frame) == 0 && buf_size(&frame) <= FRAME_MAX);
    size = buf_size(&frame);
    memcpy(bytes, buf_data(&frame), size);
    buf_fini(&frame);
    set_u32(bytes, (uint32_t)(size - 4));
    while (changes-- > 0) {
        bytes[4 + next(w, (unsigned)size - 4)] = (uint8_t)next(w, 256);
    }
    if (channel_feed(&w->peers[peer].channel, bytes, size, &used, NULL) != 0) {
        lose_peer(w, peer);
    }
}

/* --- what processes do */

static void start_monitor(struct world *w, struct actor *actor)
{
    struct dest dest =
        dest_pid(next(w, 2) == 0 ? local_pid(w) : peer_pid(w, next(w, PEERS)));

    if (next(w, 4) == 0) {
        dest = dest_name(atom_intern("a", 1), dest.node);
    }
    CHECK(monitor_start(actor->node, &actor->process, &dest, &actor->ref) == 0);
}

static void start_spawn(struct world *w, struct actor *actor)
{
    struct buf opts;
    struct spawn_what what = {
        .module = atom_term(atom_intern(next(w, 2) == 0 ? "a" : "c", 1)),
        .function = atom_term(A_ok),
        .args = term_nil()};
    struct pid where =
        next(w, 2) == 0 ? local_pid(w) : peer_pid(w, next(w, PEERS));

    buf_init(&opts, 0);
    term_format(&opts, next(w, 2) == 0 ? "[link, monitor]" : "[monitor]");
    what.opts = term_at(buf_data(&opts), buf_size(&opts));
    CHECK(spawn_request(actor->node, &actor->process, where.node, &what,
                        &actor->ref) == 0);
    buf_fini(&opts);
}

static void start_alias(struct world *w, struct actor *actor)
{
    enum alias_kind kind = (enum alias_kind)next(w, 4);
    struct dest dest =
        dest_pid(next(w, 2) == 0 ? local_pid(w) : peer_pid(w, next(w, PEERS)));

    if (next(w, 2) == 0) {
        CHECK(alias_start(actor->node, &actor->process, kind, &actor->ref) ==
              0);
    } else {
        CHECK(alias_start_monitor(actor->node, &actor->process, &dest, kind,
                                  &actor->ref) == 0);
    }
}

static void act(struct world *w)
{
    struct actor *actor = &w->actors[next(w, ACTORS)];
    struct pid pid =
        next(w, 2) == 0 ? local_pid(w) : peer_pid(w, next(w, PEERS));
    struct dest dest;

    if (!actor->is_alive) {
        return;
    }
    switch (next(w, 9)) {
    case 0:
        CHECK(link_start(actor->node, &actor->process, pid) == 0);
        return;
    case 1:
        link_stop(actor->node, &actor->process, pid);
        return;
    case 2:
        start_monitor(w, actor);
        return;
    case 3:
        (void)monitor_stop(actor->node, &actor->process, &actor->ref);
        return;
    case 4:
        actor->is_alive = false;
        node_exit(actor->node, &actor->process, atom_term(A_shutdown));
        return;
    case 5:
        start_spawn(w, actor);
        return;
    case 6:
        start_alias(w, actor);
        return;
    case 7:
        (void)alias_stop(actor->node, &actor->process, &actor->ref);
        return;
    default:
        term_format(node_scratch(actor->node), "hello");
        dest = dest_pid(pid);
        (void)route_send(actor->node, node_pid(actor->node, &actor->process),
                         &dest, node_scratch_payload(actor->node));
        return;
    }
}

static void step(struct world *w)
{
    unsigned i;

    switch (next(w, 9)) {
    case 0:
        fake_node_settle(&w->node);
        return;
    case 1:
        (void)fake_peer_got(&w->peers[next(w, PEERS)]);
        return;
    case 8:
        i = next(w, SCHEDULERS_MOST);
        (void)scheduler_turn(&some_node(w, i)->scheduler);
        return;
    case 2:
    case 3:
        act(w);
        return;
    case 4:
        if (next(w, 4) == 0) {
            lose_peer(w, next(w, PEERS));
        } else {
            i = next(w, ACTORS);
            actor_start(w, i, some_node(w, i));
        }
        return;
    default:
        receive(w, next(w, PEERS));
        return;
    }
}

/* --- the end */

/* The two tables of each scheduler agree with the lists of its processes. */
static void check_tables(struct world *w, const struct node *node)
{
    const struct leaders *leaders = &node->leaders;
    uint32_t links = 0;
    size_t ties = 0;

    if (leaders->is_there && leaders->process.relations != NULL) {
        ties++;
        links += leaders->process.relations->link_count;
    }
    for (unsigned i = 0; i < ACTORS; i++) {
        struct process *process = &w->actors[i].process;
        uint32_t counted = 0;

        if (!w->actors[i].is_alive || w->actors[i].node != node ||
            process->relations == NULL) {
            continue;
        }
        ties++;
        LIST_EACH(it, &process->relations->links) {
            counted++;
        }
        CHECK(counted == process->relations->link_count);
        links += counted;
    }
    CHECK(links == node->links.by_pair.count);
    CHECK(node->links.slab.used == links);
    CHECK(node->monitors.slab.used == node->monitors.by_ref.count);
    CHECK(node->relations_slab.used == ties);
}

static void check_nothing_is_left(const struct node *node)
{
    CHECK(node->links.by_pair.count == 0);
    CHECK(node->monitors.by_ref.count == 0);
    CHECK(node->aliases.by_ref.count == 0);
    CHECK(node->aliases.slab.used == 0);
    CHECK(node->spawn_requests.by_ref.count == 0);
    CHECK(node->spawn_requests.slab.used == 0);
    CHECK(node->relations_slab.used == 0);
    CHECK(node->remotes.by_name.count == 0);
}

static void each_node(struct world *w, bool is_over)
{
    for (uint32_t i = 0; i < w->node.count; i++) {
        if (is_over) {
            check_nothing_is_left(w->node.all[i]);
        } else {
            check_tables(w, w->node.all[i]);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.at = data, .end = data + size, .creation = 3};

    limits.atoms = 4096; /* a table of names for each run */
    fake_node_open_with(&w.node, 1 + next(&w, SCHEDULERS_MOST));
    w.handler = (struct spawn_handler){
        .spawn = on_spawn, .start = on_start, .owner = &w};
    node_add_spawn_handler(&w.node, &w.handler);
    for (unsigned i = 0; i < PEERS; i++) {
        fake_peer_open(&w.peers[i], &w.node, peer_names[i]);
    }
    for (unsigned i = 0; i < ACTORS; i++) {
        actor_start(&w, i, some_node(&w, i));
    }
    for (int i = 0; i < STEPS_MAX && w.at < w.end; i++) {
        step(&w);
        each_node(&w, false);
    }
    for (unsigned i = 0; i < PEERS; i++) {
        (void)fake_peer_got(&w.peers[i]);
        fake_peer_close(&w.peers[i]);
    }
    fake_node_settle(&w.node);
    for (unsigned i = 0; i < ACTORS; i++) {
        if (w.actors[i].is_alive) {
            node_exit(w.actors[i].node, &w.actors[i].process,
                      atom_term(A_normal));
        }
    }
    leaders_close(&w.node);
    fake_node_settle(&w.node);
    each_node(&w, true);
    fake_node_close(&w.node);
    return 0;
}
