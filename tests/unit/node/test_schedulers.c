/* SPDX-License-Identifier: Apache-2.0
 *
 * Schedulers of one node, run by hand in a random order: a slice of one, a
 * signal of a peer, the loss of that peer, something that a process does. Held
 * to:
 *
 *   - what one process sends another arrives in order, and all of it
 *   - a monitor gives one DOWN when its target ends or is lost, or was not
 *     there, and none when it was stopped before
 *   - two processes agree on whether they are linked
 *   - when all have ended no table keeps anything
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "dist/flags.h"
#include "support/node/fake_peer.h"
#include "support/random.h"
#include "term/build.h"

#define P1 "p1@127.0.0.1"

enum {
    SCHEDULERS = 3,
    ACTORS = 6, /* two on each */
    TIES = 100, /* monitors an actor ever makes */
    STEPS = 3000,
    RUNS = 40,
};

enum { PEER = ACTORS, NOBODY };

/* What an actor knows of one of its monitors. */
struct tie {
    struct ref ref;
    unsigned target, life; /* an actor in that life, PEER or NOBODY */
    unsigned downs;
    bool is_stopped;
};

struct actor {
    struct process process;
    struct node *node;
    unsigned index, life;
    bool is_alive;
    uint64_t sent[ACTORS], seen[ACTORS]; /* numbers of messages */
    struct tie ties[TIES];
    unsigned tie_count;
};

static struct world {
    uint64_t random;
    struct node node;
    struct fake_peer peer;
    struct pid there; /* a process of the peer */
    struct actor actors[ACTORS];
    unsigned lives;
} w;

static unsigned below(uint32_t limit)
{
    return random_below(&w.random, limit);
}

static atom_t some_name(void)
{
    static const char *const names[] = {"a", "b", "c", "d"};

    return atom_intern(names[below(4)], 1);
}

/* --- actors */

/* {From, Life, Number}: each sender counts for each receiver. */
static void on_number(struct actor *actor, const struct cnode_term parts[3])
{
    int64_t from, life, number;

    assert_true(cnode_get_int(parts[0], &from));
    assert_true(cnode_get_int(parts[1], &life));
    assert_true(cnode_get_int(parts[2], &number));
    if (life == w.actors[from].life) {
        assert_int_equal(number, ++actor->seen[from]);
    }
}

static void on_down(struct actor *actor, struct cnode_term term)
{
    struct ref ref;

    assert_true(term_get_ref(term, &ref));
    for (unsigned i = 0; i < actor->tie_count; i++) {
        if (ref_equal(&actor->ties[i].ref, &ref)) {
            assert_false(actor->ties[i].is_stopped);
            actor->ties[i].downs++;
            return;
        }
    }
    fail_msg("a DOWN for nothing");
}

static void on_message(struct process *process, const struct signal *signal)
{
    struct actor *actor = CONTAINER_OF(process, struct actor, process);
    struct cnode_term parts[5];

    if (term_get_tuple(signal->term, 5, parts)) {
        on_down(actor, parts[1]);
    } else if (term_get_tuple(signal->term, 3, parts) &&
               cnode_type(parts[0]) == CNODE_TYPE_INT) {
        on_number(actor, parts);
    }
}

static void end(struct actor *actor)
{
    actor->is_alive = false;
    node_exit(actor->node, &actor->process, atom_term(A_shutdown));
}

static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    (void)reason;
    end(CONTAINER_OF(process, struct actor, process));
}

static const struct process_class actor_class = {
    .name = "actor", .message = on_message, .exit = on_exit_signal};

/* Who counted for its last life counts anew. */
static void start(unsigned i)
{
    struct actor *actor = &w.actors[i];

    memset(actor, 0, sizeof(*actor));
    actor->index = i;
    actor->life = ++w.lives;
    actor->node = w.node.all[i % SCHEDULERS];
    actor->is_alive = true;
    assert_int_equal(node_spawn(actor->node, &actor->process, &actor_class), 0);
    if (below(2) == 0) {
        actor->process.flags |= PROCESS_TRAP_EXIT;
    }
    if (names_register(actor->node, some_name(), &actor->process) != 0) {
        /* taken: it has none */
    }
    for (unsigned k = 0; k < ACTORS; k++) {
        w.actors[k].sent[i] = w.actors[k].seen[i] = 0;
    }
}

/* --- what they do, outside of all turns, as a timer would */

static struct pid pid_of(unsigned i)
{
    return i == PEER ? w.there
                     : node_pid(w.actors[i].node, &w.actors[i].process);
}

static void tell(struct actor *from, unsigned to)
{
    struct dest dest = dest_pid(pid_of(to));

    if (!w.actors[to].is_alive) {
        return;
    }
    term_format(node_scratch(from->node), "{~i, ~i, ~i}", (int64_t)from->index,
                (int64_t)from->life, (int64_t)++from->sent[to]);
    assert_int_equal(route_send(from->node, pid_of(from->index), &dest,
                                node_scratch_payload(from->node)),
                     0);
}

/* Who is meant by a name now. */
static void resolve(struct tie *tie, atom_t name)
{
    struct pid pid;

    tie->target = NOBODY;
    for (unsigned i = 0; i < ACTORS; i++) {
        if (w.actors[i].is_alive && names_whereis(&w.node, name, &pid) &&
            pid_equal(pid, pid_of(i))) {
            tie->target = i;
        }
    }
}

static void watch(struct actor *actor)
{
    struct tie *tie = &actor->ties[actor->tie_count];
    struct dest dest;

    if (actor->tie_count == TIES) {
        return;
    }
    if (below(3) == 0) {
        dest = dest_name(some_name(), w.node.name);
        resolve(tie, dest.name);
    } else {
        tie->target = below(ACTORS + 1);
        dest = dest_pid(pid_of(tie->target));
    }
    if (tie->target < ACTORS) {
        tie->life =
            w.actors[tie->target].is_alive ? w.actors[tie->target].life : 0;
    }
    assert_int_equal(
        monitor_start(actor->node, &actor->process, &dest, &tie->ref), 0);
    actor->tie_count++;
}

static void unwatch(struct actor *actor)
{
    struct tie *tie;

    if (actor->tie_count > 0) {
        tie = &actor->ties[below(actor->tie_count)];
        if (monitor_stop(actor->node, &actor->process, &tie->ref) == 0) {
            assert_int_equal(tie->downs, 0);
            tie->is_stopped = true;
        }
    }
}

static void act(struct actor *actor)
{
    if (!actor->is_alive) {
        start(actor->index);
        return;
    }
    switch (below(16)) {
    case 0:
        end(actor);
        return;
    case 1:
    case 2:
        watch(actor);
        return;
    case 3:
        unwatch(actor);
        return;
    case 4:
        assert_int_equal(
            link_start(actor->node, &actor->process, pid_of(below(ACTORS + 1))),
            0);
        return;
    case 5:
        link_stop(actor->node, &actor->process, pid_of(below(ACTORS + 1)));
        return;
    default:
        tell(actor, below(ACTORS));
        return;
    }
}

/* --- the peer */

static void attach(void)
{
    fake_peer_open_as(&w.peer, &w.node, P1, w.there.creation,
                      dist_flags_offered(false));
}

/* The connection is lost, and back at once or after a while. */
static void lose(void)
{
    fake_peer_close(&w.peer);
    if (below(2) == 0) {
        fake_node_settle(&w.node);
    }
    attach();
}

/* A DOWN for a monitor on its process. */
static void tell_down(void)
{
    unsigned i = below(ACTORS);

    for (unsigned k = 0; k < w.actors[i].tie_count; k++) {
        const struct tie *tie = &w.actors[i].ties[k];

        if (tie->target == PEER && below(2) == 0) {
            fake_peer_send(&w.peer, "gone", "{28, ~p, ~p, ~r}", w.there,
                           pid_of(i), &tie->ref);
            return;
        }
    }
}

static void peer_acts(void)
{
    struct pid to = pid_of(below(ACTORS));
    struct ref ref = {.node = w.there.node,
                      .creation = w.there.creation,
                      .len = 3,
                      .words = {below(8), 0, 0}};

    switch (below(9)) {
    case 0:
        fake_peer_send(&w.peer, NULL, "{1, ~p, ~p}", w.there, to);
        return;
    case 1:
        fake_peer_send(&w.peer, NULL, "{35, 7, ~p, ~p}", w.there, to);
        return;
    case 2:
        fake_peer_send(&w.peer, NULL, "{19, ~p, ~p, ~r}", w.there, to, &ref);
        return;
    case 3:
        fake_peer_send(&w.peer, NULL, "{19, ~p, b, ~r}", w.there, &ref);
        return;
    case 4:
        fake_peer_send(&w.peer, NULL, "{20, ~p, b, ~r}", w.there, &ref);
        return;
    case 5:
        fake_peer_send(&w.peer, "gone", "{24, ~p, ~p}", w.there, to);
        return;
    case 6:
        tell_down();
        return;
    case 7:
        lose();
        return;
    default:
        (void)fake_peer_got(&w.peer); /* settles */
        return;
    }
}

static void step(void)
{
    switch (below(20)) {
    case 0:
        peer_acts();
        return;
    case 1:
    case 2:
    case 3:
    case 4:
        (void)scheduler_turn(&w.node.all[below(SCHEDULERS)]->scheduler);
        return;
    default:
        act(&w.actors[below(ACTORS)]);
        return;
    }
}

/* --- what holds when nothing is under way, and the peer is gone */

static bool has_ended(const struct tie *tie)
{
    return tie->target >= ACTORS || !w.actors[tie->target].is_alive ||
           w.actors[tie->target].life != tie->life;
}

static void check_actor(const struct actor *actor)
{
    for (unsigned i = 0; i < ACTORS; i++) {
        if (w.actors[i].is_alive) {
            assert_int_equal(actor->seen[i], w.actors[i].sent[actor->index]);
        }
    }
    for (unsigned i = 0; i < actor->tie_count; i++) {
        const struct tie *tie = &actor->ties[i];

        assert_int_equal(tie->downs, !tie->is_stopped && has_ended(tie));
    }
}

static void check_links(struct node *node)
{
    struct link *link, *back;
    bool is_there;

    MAP_EACH(link, &node->links.by_pair) {
        is_there = false;
        assert_int_equal(link->waiting, 0);
        MAP_EACH(back, &node_of_pid(node, link->other)->links.by_pair) {
            is_there = is_there || (pid_equal(back->local, link->other) &&
                                    pid_equal(back->other, link->local));
        }
        assert_true(is_there);
    }
}

static void check_nothing_is_left(void)
{
    for (unsigned i = 0; i < SCHEDULERS; i++) {
        struct node *node = w.node.all[i];

        assert_int_equal(node->monitors.by_ref.count, 0);
        assert_int_equal(node->links.by_pair.count, 0);
        assert_int_equal(node->relations_slab.used, 0);
        assert_int_equal(node->remotes.by_name.count, 0);
        assert_int_equal(atomic_load(&node->scheduler.door_bytes), 0);
    }
    assert_int_equal(w.node.peers.by_name.count, 0);
}

static void run(uint64_t seed)
{
    memset(&w, 0, sizeof(w));
    w.random = seed;
    fake_node_open_with(&w.node, SCHEDULERS);
    w.there = (struct pid){.node = atom_intern(P1, 12), .id = 5, .creation = 3};
    attach();
    for (unsigned i = 0; i < ACTORS; i++) {
        start(i);
    }
    for (int i = 0; i < STEPS; i++) {
        step();
    }
    fake_peer_close(&w.peer);
    fake_node_settle(&w.node);
    for (unsigned i = 0; i < SCHEDULERS; i++) {
        check_links(w.node.all[i]);
    }
    for (unsigned i = 0; i < ACTORS; i++) {
        if (w.actors[i].is_alive) {
            check_actor(&w.actors[i]);
        }
    }
    for (unsigned i = 0; i < ACTORS; i++) {
        if (w.actors[i].is_alive) {
            end(&w.actors[i]);
        }
    }
    fake_node_settle(&w.node);
    check_nothing_is_left();
    fake_node_close(&w.node);
}

static void in_any_order_nothing_is_lost_doubled_or_overtaken(void **state)
{
    uint64_t seed = random_seed();

    (void)state;
    for (unsigned i = 0; i < RUNS; i++) {
        run(seed + i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_any_order_nothing_is_lost_doubled_or_overtaken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
