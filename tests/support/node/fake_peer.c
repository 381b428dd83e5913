/* SPDX-License-Identifier: Apache-2.0
 *
 * See fake_peer.h.
 */
#include "support/node/fake_peer.h"

#include <stdarg.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "dist/flags.h"
#include "node/receive.h"
#include "support/node/wire_lines.h"

unsigned fake_nodeups, fake_nodedowns;

static void on_ready(void *owner, int rc)
{
    (void)owner, (void)rc;
}

static void on_nodeup(void *owner, struct peer *peer)
{
    (void)owner, (void)peer;
    fake_nodeups++;
}

static void on_nodedown(void *owner, struct peer *peer)
{
    (void)owner, (void)peer;
    fake_nodedowns++;
}

static const struct node_events node_events = {
    .ready = on_ready, .nodeup = on_nodeup, .nodedown = on_nodedown};

void fake_node_open(struct node *node)
{
    fake_node_open_with(node, 1);
}

void fake_node_open_with(struct node *node, uint32_t schedulers)
{
    const struct node_config config = {
        .name = "n1@here", .cookie = "apple", .schedulers = schedulers};

    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    hash_seed(1, 2);
    atom_init();
    fake_nodeups = fake_nodedowns = 0;
    CHECK(node_init(node, &config, &node_events, NULL) == 0);
    node_become(node, 7);
}

void fake_node_close(struct node *node)
{
    fake_node_settle(node);
    node_close(node);
    while (!node->is_closed) {
        loop_turn(node_loop(node), 10);
    }
    node_fini(node);
}

void fake_node_settle(struct node *node)
{
    bool has_more;

    do {
        has_more = false;
        for (uint32_t i = 0; i < node->count; i++) {
            struct scheduler *scheduler = &node->all[i]->scheduler;

            while (scheduler_turn(scheduler) ||
                   !mailbox_is_empty(&scheduler->outbox)) {
                has_more = true;
            }
        }
        for (uint32_t i = 0; i < node->count; i++) {
            has_more =
                has_more || atomic_load(&node->all[i]->scheduler.door) != NULL;
        }
    } while (has_more);
}

/* --- the peer's end of the wire */

static void check_sender(struct fake_peer *fake, struct cnode_term from)
{
    struct pid pid;

    if (term_get_pid(from, &pid)) {
        CHECK(pid.node == fake->node->name);
    }
}

static void check_exit(struct fake_peer *fake, struct cnode_term to)
{
    struct pid pid;

    CHECK(term_get_pid(to, &pid) && pid.creation == fake->creation);
}

static void on_wire_signal(void *owner, const struct control *control)
{
    struct fake_peer *fake = owner;

    check_sender(fake, control->from);
    if (control->kind == CONTROL_EXIT) {
        check_exit(fake, control->to);
    }
    wire_line(&fake->lines, control);
}

static void on_wire_over_limit(void *owner, const struct control *control,
                               const uint8_t *start, size_t size)
{
    (void)owner, (void)control, (void)start, (void)size;
    CHECK(false);
}

static const struct channel_events wire_events = {
    .signal = on_wire_signal, .over_limit = on_wire_over_limit};

static void on_signal(void *owner, const struct control *control)
{
    struct fake_peer *fake = owner;

    if (fake->peer != NULL) {
        receive_control(fake->node, fake->peer, control);
    }
}

static void on_over_limit(void *owner, const struct control *control,
                          const uint8_t *start, size_t size)
{
    struct fake_peer *fake = owner;

    receive_over_limit(fake->node, fake->peer, control, start, size);
}

static const struct channel_events events = {.signal = on_signal,
                                             .over_limit = on_over_limit};

static void on_flush(void *owner)
{
    (void)owner; /* the test reads when it wants to */
}

static void on_close(void *owner, int reason)
{
    struct fake_peer *fake = owner;

    fake->peer = NULL;
    fake->closed = reason;
}

void fake_peer_open(struct fake_peer *fake, struct node *node, const char *name)
{
    fake_peer_open_as(fake, node, name, 3,
                      dist_flags_offered(false) & ~DIST_ALTACT_SIG);
}

void fake_peer_open_as(struct fake_peer *fake, struct node *node,
                       const char *name, uint32_t creation, uint64_t flags)
{
    struct peer_link link = {.channel = &fake->channel,
                             .flush = on_flush,
                             .close = on_close,
                             .owner = fake,
                             .flags = flags,
                             .creation = creation};

    *fake = (struct fake_peer){.node = node, .creation = creation};
    buf_init(&fake->lines, 0);
    channel_init(&fake->channel, flags, &events, fake);
    channel_init(&fake->wire, flags, &wire_events, fake);
    fake->peer = peers_attach(&node->peers, name, &link);
    CHECK(fake->peer != NULL);
}

void fake_peer_close(struct fake_peer *fake)
{
    if (fake->peer != NULL) {
        peers_detach(fake->peer, CNODE_CLOSED);
    }
    channel_fini(&fake->channel);
    channel_fini(&fake->wire);
    buf_fini(&fake->lines);
}

void fake_peer_send(struct fake_peer *fake, const char *payload,
                    const char *control, ...)
{
    struct buf frame;
    size_t used;
    va_list args;

    buf_init(&frame, 0);
    va_start(args, control);
    wire_frame(&frame, payload, control, args);
    va_end(args);
    CHECK(channel_feed(&fake->channel, buf_data(&frame), buf_size(&frame),
                       &used, NULL) == 0);
    buf_fini(&frame);
}

const char *fake_peer_got(struct fake_peer *fake)
{
    struct channel_vec vecs[CHANNEL_VECS];
    struct buf bytes;
    size_t used;
    int n;

    fake_node_settle(fake->node);
    buf_clear(&fake->lines);
    buf_init(&bytes, 0);
    while ((n = channel_gather(&fake->channel, vecs, CHANNEL_VECS)) > 0) {
        for (int i = 0; i < n; i++) {
            buf_put(&bytes, vecs[i].bytes, vecs[i].size);
        }
        channel_landed(&fake->channel);
    }
    if (buf_size(&bytes) > 0) {
        CHECK(channel_feed(&fake->wire, buf_data(&bytes), buf_size(&bytes),
                           &used, NULL) == 0);
        CHECK(used == buf_size(&bytes));
    }
    buf_fini(&bytes);
    buf_put_u8(&fake->lines, 0);
    return (const char *)buf_data(&fake->lines);
}
