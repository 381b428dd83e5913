/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole clusters of full members of global, on virtual time, through cuts,
 * restarts, names that come and go on both sides of a cut. Whatever happened,
 * once everything is connected and time has passed: all know all, nobody waits,
 * no lock is left, all have the same names, of processes that live.
 *
 * Two kinds of clusters: of nodes that tell of lost connections, as BEAM nodes
 * do, where any connection may be cut at any time; and of nodes that do not, as
 * we, where nodes are cut off as a whole.
 */
#include "cluster/global.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "cluster/global_parts.h"
#include "support/node/sim_net.h"
#include "support/random.h"
#include "term/build.h"

enum {
    NODES = 4,
    WORKERS = 3,
    NAMES = 4,
    STEPS = 600,
    ROUNDS = 60,
    DEFERRED = 32,
    HEAL_MS = 400000,
};

struct node {
    struct global global;
    struct sim_process roles[GLOBAL_ROLES];
    struct sim_process workers[WORKERS];
    uint32_t asked, answered;
    int64_t losses;
};

/* What the machine wants done, but not at once. */
struct deferred {
    bool is_used;
    enum { DEFERRED_DISCONNECT, DEFERRED_MONITOR, DEFERRED_CLASH } kind;
    unsigned node;
    enum global_role role;
    atom_t other; /* to disconnect from, to dial; the session of a clash */
    struct ref ref;
    struct cnode_kept *call; /* that follows a monitor */
    uint64_t serial;
    struct pid pid, pid2;
};

static struct sim_net net;
static struct node nodes[NODES];
static struct deferred deferred[DEFERRED];
static bool are_cut[NODES][NODES]; /* no dial gets through */
static bool is_off[NODES];         /* cut off from all */
static bool tell_losses;

/* --- what the machine does */

static unsigned index_of(const struct node *node)
{
    return (unsigned)(node - nodes);
}

static struct deferred *defer(void)
{
    size_t i = 0;

    while (deferred[i].is_used) {
        i++;
        CHECK(i < DEFERRED);
    }
    deferred[i] = (struct deferred){.is_used = true};
    return &deferred[i];
}

/* What is sent to a node that is dialled because of a monitor waits too. */
static void on_send(void *owner, enum global_role from, const struct dest *to,
                    struct cnode_term message)
{
    struct node *node = owner;

    if (sim_send(&net, node->roles[from].pid, to, message) == 0) {
        return;
    }
    for (size_t i = 0; i < DEFERRED; i++) {
        struct deferred *d = &deferred[i];

        if (d->is_used && d->kind == DEFERRED_MONITOR && d->role == from &&
            d->node == index_of(node) && d->other == to->node &&
            to->kind == DEST_NAME && d->call == NULL) {
            d->call = cnode_term_copy(message);
            return;
        }
    }
}

static void on_reply(void *owner, const struct gen_from *from,
                     struct cnode_term reply)
{
    struct node *node = owner;
    struct buf buf;
    struct pid pid;
    struct dest to;

    CHECK(term_get_pid(from->pid, &pid));
    to = dest_pid(pid);
    buf_init(&buf, 0);
    term_format(&buf, "{~t, ~t}", from->tag, reply);
    (void)sim_send(&net, node->roles[GLOBAL_SERVER].pid, &to,
                   term_at(buf_data(&buf), buf_size(&buf)));
    buf_fini(&buf);
}

static void on_dial(void *owner, atom_t other)
{
    unsigned a = index_of(owner), b = sim_node_of(&net, other);

    if (b < NODES && !are_cut[a][b] && net.nodes[b].is_up) {
        sim_connect(&net, a, b);
    }
    if (b >= NODES || !net.links[a][b]) {
        global_dial_failed(&nodes[a].global, other, net.now_ms);
    }
}

/* A monitor dials too. */
static int on_monitor(void *owner, enum global_role who,
                      const struct dest *target, struct ref *ref)
{
    struct node *node = owner;
    unsigned a = index_of(node), b = sim_node_of(&net, target->node);
    struct deferred *d;

    if (a == b || b >= NODES || net.links[a][b]) {
        sim_monitor(&net, node->roles[who].pid, target, ref);
        return 0;
    }
    sim_monitor_later(&net, node->roles[who].pid, target, ref);
    d = defer();
    d->kind = DEFERRED_MONITOR;
    d->role = who;
    d->node = a;
    d->other = target->node;
    d->ref = *ref;
    return 0;
}

static void on_demonitor(void *owner, enum global_role who,
                         const struct ref *ref)
{
    (void)owner, (void)who;
    sim_demonitor(&net, ref);
}

static void on_disconnect(void *owner, atom_t other)
{
    struct deferred *d = defer();

    d->node = index_of(owner);
    d->other = other;
}

static struct sim_process *worker_of(struct pid pid)
{
    for (unsigned i = 0; i < NODES * WORKERS; i++) {
        struct sim_process *worker = &nodes[i / WORKERS].workers[i % WORKERS];

        if (worker->is_alive && pid_equal(worker->pid, pid)) {
            return worker;
        }
    }
    return NULL;
}

/* random_exit_name/3, when its node can be reached. */
static void resolve(const struct deferred *d)
{
    unsigned decider = sim_node_of(&net, d->pid2.node);
    struct pid least =
        global_node_is_less(d->pid.node, d->pid2.node) ? d->pid : d->pid2;
    struct sim_process *greatest =
        worker_of(pid_equal(least, d->pid) ? d->pid2 : d->pid);
    struct buf buf;

    if (decider != d->node && !net.links[d->node][decider]) {
        global_resolved(&nodes[d->node].global, d->other, d->serial, TERM_NONE,
                        net.now_ms);
        return;
    }
    if (greatest != NULL) {
        sim_exit(greatest, A_killed);
    }
    buf_init(&buf, 0);
    term_put_pid(&buf, least);
    global_resolved(&nodes[d->node].global, d->other, d->serial,
                    term_at(buf_data(&buf), buf_size(&buf)), net.now_ms);
    buf_fini(&buf);
}

static void on_resolve(void *owner, const struct global_clash *clash)
{
    struct deferred d = {.kind = DEFERRED_CLASH,
                         .node = index_of(owner),
                         .other = clash->session,
                         .serial = clash->serial,
                         .pid = clash->pid,
                         .pid2 = clash->pid2};

    CHECK(!pid_equal(clash->pid, clash->pid2));
    if (random_below(&net.random, 2) == 0) {
        resolve(&d);
    } else {
        d.is_used = true;
        *defer() = d;
    }
}

static void on_done(void *owner, uint64_t request, atom_t result)
{
    struct node *node = owner;

    CHECK(request == node->answered + 1); /* in order */
    CHECK(result == A_yes || result == A_no || result == A_ok);
    node->answered++;
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

static void do_one(const struct deferred *d)
{
    unsigned other = sim_node_of(&net, d->other);

    switch (d->kind) {
    case DEFERRED_CLASH:
        resolve(d);
        return;
    case DEFERRED_DISCONNECT:
        sim_cut(&net, d->node, other);
        return;
    case DEFERRED_MONITOR:
        if (!are_cut[d->node][other]) {
            sim_connect(&net, d->node, other);
        }
        sim_monitor_go(&net, &d->ref);
        if (d->call != NULL) {
            struct dest to = dest_name(A_global_name_server, d->other);

            (void)sim_send(&net, nodes[d->node].roles[d->role].pid, &to,
                           cnode_kept_term(d->call));
            cnode_term_free(d->call);
        }
        return;
    }
}

static void do_deferred(void)
{
    for (size_t i = 0; i < DEFERRED; i++) {
        struct deferred d = deferred[i];

        deferred[i] = (struct deferred){.is_used = false};
        if (d.is_used) {
            do_one(&d);
        }
    }
}

/* --- nodes */

static void on_message(struct sim_process *self, struct pid from,
                       struct cnode_term message)
{
    struct node *node = self->owner;
    int role = (int)(self - node->roles);

    (void)global_message(&node->global, (enum global_role)role, from, message,
                         net.now_ms);
}

static void on_worker_message(struct sim_process *self, struct pid from,
                              struct cnode_term message)
{
    (void)self, (void)from, (void)message;
}

static void start(unsigned i)
{
    struct node *node = &nodes[i];
    struct pid pids[GLOBAL_ROLES];

    node->asked = node->answered = 0;
    for (int role = 0; role < GLOBAL_ROLES; role++) {
        sim_spawn(&node->roles[role], &net, i,
                  role == GLOBAL_SERVER ? A_global_name_server : ATOM_NONE,
                  on_message, node);
        pids[role] = node->roles[role].pid;
    }
    for (int w = 0; w < WORKERS; w++) {
        sim_spawn(&node->workers[w], &net, i, ATOM_NONE, on_worker_message,
                  NULL);
    }
    global_init(&node->global, net.nodes[i].name, pids, random_u64(&net.random),
                &events, node);
}

static void stop(unsigned i)
{
    struct node *node = &nodes[i];

    for (int w = 0; w < WORKERS; w++) {
        sim_exit(&node->workers[w], A_shutdown);
    }
    for (int role = 0; role < GLOBAL_ROLES; role++) {
        sim_exit(&node->roles[role], A_shutdown);
    }
    global_fini(&node->global);
    for (size_t d = 0; d < DEFERRED; d++) {
        if (deferred[d].is_used && deferred[d].node == i) {
            cnode_term_free(deferred[d].call);
            deferred[d] = (struct deferred){.is_used = false};
        }
    }
}

static void on_nodeup(struct sim_net *n, unsigned here, unsigned there)
{
    global_nodeup(&nodes[here].global, n->nodes[there].name, n->now_ms);
}

/* As OTP's server does: before it forgets the node itself. */
static void tell_loss(unsigned here, unsigned there)
{
    struct node *node = &nodes[here];
    struct global_peer *lost =
        global_peer_find(&node->global, net.nodes[there].name);
    const struct global_peer *peer;
    struct buf buf;

    if (lost == NULL || lost->is_removing) {
        return;
    }
    buf_init(&buf, 0);
    term_format(&buf, "{lost_connection, ~A, ~i, ~i, ~A}", net.nodes[here].name,
                (int64_t)net.nodes[here].creation, ++node->losses,
                net.nodes[there].name);
    MAP_EACH(peer, &node->global.peers) {
        struct dest to = dest_name(A_global_name_server, peer->node);

        if ((peer->is_known || peer->is_pending) && peer != lost) {
            (void)sim_send(&net, node->roles[GLOBAL_SERVER].pid, &to,
                           term_at(buf_data(&buf), buf_size(&buf)));
        }
    }
    buf_fini(&buf);
}

static void on_nodedown(struct sim_net *n, unsigned here, unsigned there)
{
    if (tell_losses && n->nodes[here].is_up) {
        tell_loss(here, there);
    }
    global_nodedown(&nodes[here].global, n->nodes[there].name, n->now_ms);
}

/* --- what happens */

static struct cnode_term name_term(unsigned i)
{
    return term_small_int((uint8_t)i);
}

static void ask(unsigned i)
{
    static const enum global_op ops[] = {GLOBAL_REGISTER, GLOBAL_REGISTER,
                                         GLOBAL_RE_REGISTER, GLOBAL_UNREGISTER};
    struct node *node = &nodes[i];
    struct sim_process *worker =
        &node->workers[random_below(&net.random, WORKERS)];

    if (!worker->is_alive) {
        sim_spawn(worker, &net, i, ATOM_NONE, on_worker_message, NULL);
    }
    if (node->asked - node->answered < 5) {
        CHECK(global_request(&node->global, ops[random_below(&net.random, 4)],
                             name_term(random_below(&net.random, NAMES)),
                             worker->pid, ++node->asked, net.now_ms) == 0);
    }
}

static void pass(uint64_t ms)
{
    net.now_ms += ms;
    for (unsigned i = 0; i < NODES; i++) {
        if (net.now_ms >= global_deadline(&nodes[i].global)) {
            global_tick(&nodes[i].global, net.now_ms);
        }
    }
}

/* The rest of the cluster does not see node `a` any more, or does again. */
static void cut_off(unsigned a, bool is)
{
    is_off[a] = is;
    for (unsigned b = 0; b < NODES; b++) {
        are_cut[a][b] = are_cut[b][a] = a != b && (is || is_off[b]);
        if (are_cut[a][b]) {
            sim_cut(&net, a, b);
        }
    }
}

static void let_be(void)
{
    for (int i = 0; i < 40; i++) {
        sim_settle(&net);
        do_deferred();
        pass(50);
    }
}

static bool has_session(void)
{
    const struct global_peer *peer;

    for (unsigned i = 0; i < NODES; i++) {
        MAP_EACH(peer, &nodes[i].global.peers) {
            if (peer->session != NULL || peer->is_wanted) {
                return true;
            }
        }
    }
    return false;
}

/* Without tales of lost connections a node that is lost while two parts become
 * one, or while it registers a name, may leave names that only some know, as
 * with OTP's own nodes: so then it is waited for the end of that. */
static bool may_lose_a_node(void)
{
    if (tell_losses) {
        return true;
    }
    for (int i = 0; i < 20 && has_session(); i++) {
        let_be();
    }
    sim_settle(&net);
    return !has_session();
}

static void cut_something(unsigned a, unsigned b)
{
    if (tell_losses) {
        are_cut[a][b] = are_cut[b][a] = a != b;
        sim_cut(&net, a, b);
    } else if (may_lose_a_node()) {
        cut_off(a, true);
    }
}

static void connect_something(unsigned a, unsigned b)
{
    if (!tell_losses) {
        cut_off(a, false);
    } else {
        are_cut[a][b] = are_cut[b][a] = false;
    }
    if (!are_cut[a][b]) {
        sim_connect(&net, a, b);
    }
}

static void act(void)
{
    unsigned a = random_below(&net.random, NODES);
    unsigned b = random_below(&net.random, NODES);

    switch (random_below(&net.random, 60)) {
    case 0:
        if (may_lose_a_node()) {
            sim_node_down(&net, a);
            stop(a);
            sim_node_up(&net, a);
            start(a);
        }
        break;
    case 1:
        cut_something(a, b);
        break;
    case 2:
    case 3:
    case 4:
        connect_something(a, b);
        break;
    case 5:
    case 6:
    case 7:
        ask(a);
        break;
    case 8:
        sim_exit(&nodes[a].workers[b % WORKERS], A_normal);
        break;
    case 9:
    case 10:
    case 11:
    case 12:
        pass(random_below(&net.random, 400));
        break;
    default:
        (void)sim_step(&net);
        break;
    }
    if (random_below(&net.random, 4) == 0) {
        do_deferred();
    }
}

/* --- in the end */

/* Nobody waits for anything. */
static bool is_calm(const struct node *node)
{
    const struct global *g = &node->global;

    return g->locker.state == LOCKER_IDLE &&
           g->registrar.state == REGISTRAR_IDLE &&
           g->locks.by_resource.count == 0 && node->asked == node->answered;
}

static bool knows_all(const struct node *node)
{
    const struct global_peer *peer;
    uint32_t known = 0;

    MAP_EACH(peer, &node->global.peers) {
        known += peer->is_known && peer->is_up && peer->session == NULL;
    }
    return known == NODES - 1 && node->global.peers.count == NODES - 1;
}

static bool all_are(bool (*is)(const struct node *node))
{
    for (unsigned i = 0; i < NODES; i++) {
        if (!is(&nodes[i])) {
            return false;
        }
    }
    return true;
}

static bool is_quiet(const struct node *node)
{
    return is_calm(node) && knows_all(node);
}

static void connect_all(void)
{
    for (unsigned i = 0; i < NODES * NODES; i++) {
        sim_connect(&net, i / NODES, i % NODES);
    }
}

/* All connections are there, and stay; time passes until `is` is true. */
static bool heal_until(bool (*is)(const struct node *node))
{
    uint64_t end = net.now_ms + HEAL_MS;

    memset(are_cut, 0, sizeof(are_cut));
    do {
        connect_all();
        let_be();
    } while (net.now_ms < end && !all_are(is));
    sim_settle(&net);
    return all_are(is);
}

/* What BEAM nodes say to each other of lost connections, while these come
 * back, may leave two nodes of which one knows the other: until they lose each
 * other once more. */
static bool heal(void)
{
    if (!tell_losses) {
        return heal_until(is_quiet);
    }
    if (!heal_until(is_calm)) {
        return false;
    }
    tell_losses = false;
    for (unsigned i = 0; i < NODES * NODES; i++) {
        sim_cut(&net, i / NODES, i % NODES);
    }
    let_be();
    return heal_until(is_quiet);
}

static void print_node(const struct node *node)
{
    const struct global *g = &node->global;
    const struct global_peer *peer;

    print_message("%s locker %d registrar %d locks %u asked %u answered %u "
                  "names %u\n",
                  atom_text(g->node), (int)g->locker.state,
                  (int)g->registrar.state, g->locks.by_resource.count,
                  node->asked, node->answered, g->names.by_name.count);
    MAP_EACH(peer, &g->peers) {
        print_message("  %s up %d known %d pending %d session %d\n",
                      atom_text(peer->node), peer->is_up, peer->is_known,
                      peer->is_pending, peer->session != NULL);
    }
}

static void print_name(unsigned n)
{
    for (unsigned i = 0; i < NODES; i++) {
        struct pid pid = global_whereis(&nodes[i].global, name_term(n));

        print_message("name %u at n%u: %s %u\n", n, i + 1, atom_text(pid.node),
                      pid.id);
    }
}

static void check_names(void)
{
    for (unsigned n = 0; n < NAMES; n++) {
        struct pid pid = global_whereis(&nodes[0].global, name_term(n));

        for (unsigned i = 0; i < NODES; i++) {
            if (!pid_equal(pid,
                           global_whereis(&nodes[i].global, name_term(n))) ||
                (!pid_is_none(pid) && !sim_is_alive(&net, pid))) {
                print_name(n);
                fail_msg("the nodes do not agree about name %u", n);
            }
        }
    }
}

static void run(uint64_t seed, bool tells)
{
    tell_losses = tells;
    memset(are_cut, 0, sizeof(are_cut));
    memset(is_off, 0, sizeof(is_off));
    memset(deferred, 0, sizeof(deferred));
    sim_init(&net, NODES, seed);
    net.nodeup = on_nodeup;
    net.nodedown = on_nodedown;
    for (unsigned i = 0; i < NODES; i++) {
        start(i);
    }
    for (int i = 0; i < STEPS; i++) {
        act();
    }
    if (!heal()) {
        for (unsigned i = 0; i < NODES; i++) {
            print_node(&nodes[i]);
        }
        fail_msg("not quiet after %d ms", HEAL_MS);
    }
    check_names();
    for (unsigned i = 0; i < NODES; i++) {
        stop(i);
    }
    sim_fini(&net);
}

static void nodes_that_are_cut_off_become_one_again(void **state)
{
    uint64_t seed = random_seed();

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        run(random_u64(&seed), false);
    }
}

static void nodes_that_tell_of_lost_connections_become_one_again(void **state)
{
    uint64_t seed = random_seed();

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        run(random_u64(&seed), true);
    }
}

static int group_setup(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    hash_seed(1, 2);
    atom_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_that_are_cut_off_become_one_again),
        cmocka_unit_test(nodes_that_tell_of_lost_connections_become_one_again),
    };
    return cmocka_run_group_tests(tests, group_setup, NULL);
}
