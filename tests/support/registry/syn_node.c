/* SPDX-License-Identifier: Apache-2.0 */
#include "support/registry/syn_node.h"

#include <stdarg.h>
#include <string.h>

#include "base/log.h"
#include "dist/flags.h"
#include "term/build.h"
#include "term/text.h"

static void ignore_log(const char *line, size_t len, void *user)
{
    (void)line, (void)len, (void)user;
}

void syn_node_open(struct syn_node *n, uint32_t schedulers)
{
    static const char *const scopes[] = {"s"};
    const struct syn_config config = {.scopes = scopes, .scope_count = 1};

    memset(n, 0, sizeof(*n));
    fake_node_open_with(&n->node, schedulers);
    log_capture(ignore_log, NULL);
    CHECK(syn_start(&n->syn, &n->node, &config) == 0);
    recorder_open(&n->local, &n->node);
    recorder_open(&n->other, n->node.all[schedulers - 1]);
    fake_node_settle(&n->node);
}

void syn_node_close(struct syn_node *n)
{
    syn_node_down(n);
    if (n->peer.node != NULL) {
        fake_peer_close(&n->peer);
    }
    recorder_close(&n->local);
    recorder_close(&n->other);
    fake_node_settle(&n->node);
    syn_stop(&n->syn);
    fake_node_settle(&n->node);
    syn_fini(&n->syn);
    fake_node_close(&n->node);
    log_capture(NULL, NULL);
}

void syn_node_advance(struct syn_node *n, uint64_t ms)
{
    for (uint32_t i = 0; i < n->node.count; i++) {
        struct loop *loop = node_loop(n->node.all[i]);

        loop->is_stale = false;
        loop->now_ms += ms;
        loop->now_ns += ms * 1000000;
        (void)wheel_advance(&loop->wheel, loop->now_ms);
    }
    fake_node_settle(&n->node);
}

/* --- the peer */

const char *syn_node_up(struct syn_node *n)
{
    if (n->peer.peer == NULL) {
        fake_peer_open(&n->peer, &n->node, "p1@there");
    }
    n->theirs = (struct pid){
        .node = atom_intern("p1@there", 8), .id = 5, .creation = 3};
    syn_nodeup(&n->syn, n->peer.peer);
    return fake_peer_got(&n->peer);
}

void syn_node_meet(struct syn_node *n)
{
    struct pid scope;

    (void)syn_node_up(n);
    scope = n->theirs;
    scope.id = 6;
    syn_node_say(n, "syn_registry_s", "{'3.0', ack_sync, ~p, []}", scope);
    scope.id = 7;
    syn_node_say(n, "syn_pg_s", "{'3.0', ack_sync, ~p, []}", scope);
    (void)fake_peer_got(&n->peer);
}

void syn_node_down(struct syn_node *n)
{
    if (n->peer.peer != NULL) {
        syn_nodedown(&n->syn, n->peer.peer);
        peers_detach(n->peer.peer, CNODE_CLOSED);
    }
    fake_node_settle(&n->node);
}

static void feed(struct syn_node *n, struct buf *control, const char *format,
                 va_list args)
{
    struct buf frame;
    size_t used;

    buf_init(&frame, 0);
    buf_put_u32(&frame, 0);
    buf_put(&frame, "\x83\x44\x00", 3);
    buf_put(&frame, buf_data(control), buf_size(control));
    term_vformat(&frame, format, args);
    CHECK(buf_error(&frame) == 0);
    set_u32(buf_data(&frame), (uint32_t)(buf_size(&frame) - 4));
    CHECK(channel_feed(&n->peer.channel, buf_data(&frame), buf_size(&frame),
                       &used, NULL) == 0);
    buf_fini(&frame);
    buf_fini(control);
    fake_node_settle(&n->node);
}

void syn_node_say(struct syn_node *n, const char *to, const char *format, ...)
{
    struct buf control;
    va_list args;

    buf_init(&control, 0);
    term_format(&control, "{6, ~p, '', ~a}", n->theirs, to);
    va_start(args, format);
    feed(n, &control, format, args);
    va_end(args);
}

void syn_node_tell(struct syn_node *n, struct pid to, const char *format, ...)
{
    struct buf control;
    va_list args;

    buf_init(&control, 0);
    term_format(&control, "{22, ~p, ~p}", n->theirs, to);
    va_start(args, format);
    feed(n, &control, format, args);
    va_end(args);
}

void syn_node_reply(struct syn_node *n, const struct ref *alias,
                    const char *format, ...)
{
    struct buf control, text;
    va_list args;

    buf_init(&control, 0);
    buf_init(&text, 0);
    term_format(&control, "{33, ~p, ~r}", n->theirs, alias);
    term_put_tuple(&control, 2);
    term_format(&control, "[alias | ~r]", alias);
    va_start(args, format);
    feed(n, &control, format, args);
    va_end(args);
    buf_fini(&text);
}

const char *syn_node_call(struct syn_node *n, const char *to,
                          const char *format, ...)
{
    struct ref ref = {
        .node = n->theirs.node, .creation = 3, .len = 3, .words = {++n->asked}};
    struct buf control;
    va_list args;

    (void)fake_peer_got(&n->peer);
    buf_init(&control, 0);
    term_format(&control, "{6, ~p, '', ~a}", n->theirs, to);
    term_put_tuple(&control, 3);
    term_format(&control, "'$gen_call'");
    term_format(&control, "{~p, [alias | ~r]}", n->theirs, &ref);
    va_start(args, format);
    feed(n, &control, format, args);
    va_end(args);
    return fake_peer_got(&n->peer);
}

/* --- local processes */

const char *syn_node_ask(struct syn_node *n, struct recorder *who,
                         const char *format, ...)
{
    struct node *node = who->node;
    struct dest dest = dest_name(A_cnode_syn, node->name);
    struct buf *buf = node_scratch(node);
    va_list args;

    fake_node_settle(&n->node);
    buf_clear(&who->seen);
    term_put_tuple(buf, 3);
    term_format(buf, "'$gen_call'");
    term_format(buf, "{~p, t}", recorder_pid(who));
    va_start(args, format);
    term_vformat(buf, format, args);
    va_end(args);
    CHECK(buf_error(buf) == 0);
    CHECK(route_send(node, recorder_pid(who), &dest,
                     node_scratch_payload(node)) == 0);
    return syn_node_seen(who);
}

/* {t,Answer} as Answer */
const char *syn_node_seen(struct recorder *who)
{
    static char text[4096];
    const char *seen = recorder_seen(who);
    size_t len = strlen(seen);

    if (strncmp(seen, "{t,", 3) == 0 && len < sizeof(text)) {
        memcpy(text, seen + 3, len - 4);
        text[len - 4] = '\0';
        seen = text;
    }
    return seen;
}

/* --- looking inside */

/* Of this node, the newest. */
struct ref syn_node_last_ref(struct syn_node *n)
{
    struct ref ref;

    n->node.next_ref--;
    ref = node_make_ref(&n->node);
    return ref;
}

struct syn_pair *syn_node_pair(struct syn_node *n, const char *scope)
{
    LIST_EACH(it, &n->syn.all) {
        struct syn_pair *pair = CONTAINER_OF(it, struct syn_pair, in_all);

        if (strcmp(atom_text(pair->scope), scope) == 0) {
            return pair;
        }
    }
    return NULL;
}

struct pid syn_node_scope(struct syn_node *n, enum syn_kind kind)
{
    return node_pid(&n->node, &syn_node_pair(n, "s")->kinds[kind].process);
}
