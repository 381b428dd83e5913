/* SPDX-License-Identifier: Apache-2.0
 *
 * See live_node.h.
 */
#include "support/node/live_node.h"

#include <string.h>

#include "term/text.h"

static void on_ready(void *owner, int rc)
{
    struct live_node *live = owner;

    live->ready++;
    live->ready_rc = rc;
}

static void on_nodeup(void *owner, struct peer *peer)
{
    struct live_node *live = owner;

    live->ups++;
    live->at_once++;
    if (live->at_once > live->most_at_once) {
        live->most_at_once = live->at_once;
    }
    if (live->on_nodeup != NULL) {
        live->on_nodeup(live, peer);
    }
}

static void on_nodedown(void *owner, struct peer *peer)
{
    struct live_node *live = owner;

    live->downs++;
    live->at_once--;
    if (live->on_nodedown != NULL) {
        live->on_nodedown(live, peer);
    }
}

static void on_dial_failed(void *owner, atom_t name, int reason)
{
    struct live_node *live = owner;

    live->dial_failures++;
    live->dial_reason = reason;
    if (live->on_dial_failed != NULL) {
        live->on_dial_failed(live, name);
    }
}

static void on_closed(void *owner)
{
    struct live_node *live = owner;

    live->closed++;
}

static const struct node_events events = {.ready = on_ready,
                                          .nodeup = on_nodeup,
                                          .nodedown = on_nodedown,
                                          .dial_failed = on_dial_failed,
                                          .closed = on_closed};

/* --- the sink */

static void on_message(struct process *process, const struct signal *signal)
{
    struct live_node *live = CONTAINER_OF(process, struct live_node, sink);

    if (buf_size(&live->seen) > 0) {
        buf_put_u8(&live->seen, '\n');
    }
    term_print(&live->seen, signal->term, 0);
}

static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    (void)process, (void)reason; /* outlives everything */
}

static const struct process_class sink_class = {
    .name = "sink", .message = on_message, .exit = on_exit_signal};

const char *live_node_seen(struct live_node *live)
{
    buf_put_u8(&live->seen, 0);
    buf_truncate(&live->seen, buf_size(&live->seen) - 1);
    return (const char *)buf_data(&live->seen);
}

/* --- the node */

void live_node_init(struct live_node *live, const char *name,
                    uint16_t epmd_port)
{
    memset(live, 0, sizeof(*live));
    live->config = (struct node_config){.name = name,
                                        .cookie = "apple",
                                        .listen_host = "127.0.0.1",
                                        .epmd_port = epmd_port,
                                        .setup_ms = 7000,
                                        .ticktime_ms = 60000,
                                        .link_profile = LINK_PROFILE_OFF};
    buf_init(&live->seen, 0);
}

void live_node_open(struct live_node *live)
{
    live->ready = live->closed = 0;
    CHECK(node_init(&live->node, &live->config, &events, live) == 0);
    CHECK(node_open(&live->node) == 0);
    live->is_open = true;
    while (live->ready == 0) {
        loop_turn(live_node_loop(live), 10);
    }
    CHECK(live->ready_rc == 0);
    CHECK(node_spawn(&live->node, &live->sink, &sink_class) == 0);
    live->sink.flags |= PROCESS_TRAP_EXIT;
    CHECK(names_register(&live->node, atom_intern("sink", 4), &live->sink) ==
          0);
}

void live_node_close(struct live_node *live)
{
    if (live->is_open) {
        node_close(&live->node);
        while (live->closed == 0) {
            loop_turn(live_node_loop(live), 10);
        }
        node_exit(&live->node, &live->sink, atom_term(A_shutdown));
        while (scheduler_turn(&live->node.scheduler)) {
        }
        CHECK(live->node.monitors.by_ref.count == 0);
        CHECK(live->node.links.by_pair.count == 0);
        CHECK(live->at_once == 0);
        node_fini(&live->node);
        live->is_open = false;
    }
    buf_fini(&live->seen);
}

void live_node_turn(struct live_node *live)
{
    if (live->is_open) {
        loop_turn(live_node_loop(live), 0);
    }
}

struct loop *live_node_loop(struct live_node *live)
{
    return &live->node.scheduler.loop;
}

struct peer *live_node_peer(struct live_node *live, const char *name)
{
    struct peer *peer =
        peers_find(&live->node.peers, atom_find(name, strlen(name)));

    return peer_is_up(peer) ? peer : NULL;
}
