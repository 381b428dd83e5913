/* SPDX-License-Identifier: Apache-2.0
 *
 * See leader.h.
 */
#include "node/leader.h"

#include "node/erpc_wire.h"
#include "node/node.h"
#include "term/build.h"

static void on_message(struct process *process, const struct signal *signal);
static void on_exit_signal(struct process *process, struct cnode_term reason);

static const struct process_class class = {
    .name = "leaders", .message = on_message, .exit = on_exit_signal};

static void on_impatience(struct timer *timer);

void leader_init(struct leader *leader)
{
    *leader = (struct leader){.state = LEADER_UNKNOWN};
    backlog_init(&leader->backlog);
    timer_init(&leader->patience, on_impatience);
}

void leader_clear(struct node *node, struct leader *leader)
{
    loop_timer_stop(node_loop(node), &leader->patience);
    backlog_clear(&leader->backlog);
    leader_init(leader);
}

static int make_asker(struct node *node)
{
    int rc = 0;

    if (!node->leaders.is_there) {
        rc = node_spawn(node, &node->leaders.process, &class);
        node->leaders.is_there = rc == 0;
    }
    return rc;
}

static void end(struct node *node, struct cnode_term reason)
{
    node->leaders.is_there = false;
    node_exit(node, &node->leaders.process, reason);
}

void leaders_close(struct node *node)
{
    if (node->leaders.is_there) {
        end(node, atom_term(A_shutdown));
    }
}

/* --- asking */

/* The question itself has the asker as leader: nothing is printed there. */
static int ask(struct node *node, struct peer *peer)
{
    struct spawn_what what;
    struct buf buf, args;
    int rc = make_asker(node);

    if (rc != 0) {
        return rc;
    }
    buf_init(&buf, 0);
    buf_init(&args, 0);
    term_format(&args, "[user]");
    rc = erpc_put_request(&buf, atom_term(A_erlang), atom_term(A_whereis),
                          term_at(buf_data(&args), buf_size(&args)), &what);
    if (rc == 0) {
        what.leader = node_pid(node, &node->leaders.process);
        rc = spawn_request(node, &node->leaders.process, peer->name, &what,
                           &peer->leader.request);
    }
    buf_fini(&args);
    buf_fini(&buf);
    return rc;
}

bool leader_holds(struct node *node, struct peer *peer,
                  const struct signal *request, struct pid *pid, int *rc)
{
    struct leader *leader = &peer->leader;

    if (leader->state == LEADER_KNOWN) {
        *pid = pid_is_none(leader->user) ? request->from : leader->user;
        return false;
    }
    if (leader->state == LEADER_UNKNOWN) {
        leader->state = LEADER_ASKED;
        *rc = ask(node, peer);
        if (*rc != 0) {
            leader->state = LEADER_UNKNOWN;
            return true;
        }
        loop_timer_start(node_loop(node), &leader->patience,
                         LEADER_PATIENCE_MS);
    }
    *rc = backlog_add_signal(&leader->backlog, request);
    return true;
}

/* --- the answer */

static struct peer *asked(struct node *node, const struct ref *request)
{
    struct peer *peer;

    MAP_EACH(peer, &node->peers.by_name) {
        if (peer_is_up(peer) && peer->leader.state == LEADER_ASKED &&
            ref_equal(&peer->leader.request, request)) {
            return peer;
        }
    }
    return NULL;
}

static void learn(struct node *node, struct peer *peer, struct pid user)
{
    struct backlog waiting;

    loop_timer_stop(node_loop(node), &peer->leader.patience);
    peer->leader.state = LEADER_KNOWN;
    peer->leader.user = user;
    backlog_take(&waiting, &peer->leader.backlog);
    backlog_send(&waiting, node, peer->name);
}

/* It is stuck, or does not know erpc. */
static void on_impatience(struct timer *timer)
{
    struct peer *peer = CONTAINER_OF(timer, struct peer, leader.patience);

    learn(peer->peers->node, peer, PID_NONE);
}

static void on_message(struct process *process, const struct signal *signal)
{
    struct node *node = CONTAINER_OF(process, struct node, leaders.process);
    struct erpc_result result;
    struct cnode_term why;
    struct pid user;
    struct peer *peer;
    struct buf buf;
    struct ref ref;
    bool is_down;

    if (!erpc_read_message(signal->term, &ref, &why, &is_down) ||
        (peer = asked(node, &ref)) == NULL) {
        return;
    }
    buf_init(&buf, 0);
    erpc_read_result(&buf, why, is_down, &result);
    if (result.class != ERPC_RETURN || !term_get_pid(result.term, &user) ||
        user.node != peer->name) {
        user = PID_NONE;
    }
    buf_fini(&buf);
    learn(node, peer, user);
}

/* Killed: those who wait are answered by nobody, so they go out now. */
static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    struct node *node = CONTAINER_OF(process, struct node, leaders.process);
    struct peer *peer;

    end(node, reason);
    MAP_EACH(peer, &node->peers.by_name) {
        if (peer_is_up(peer) && peer->leader.state == LEADER_ASKED) {
            learn(node, peer, PID_NONE);
        }
    }
}
