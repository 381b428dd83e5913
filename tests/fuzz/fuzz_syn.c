/* SPDX-License-Identifier: Apache-2.0
 *
 * A scope of syn that hears anything. The input is a script: messages of the
 * protocol with real pids, whole or with some bytes changed, plain bytes,
 * requests of other nodes, answers of them, ends of processes, judgements,
 * nodes that come and go, no memory. What it holds stays sound and counted, and
 * what it says is what real syn can take.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/mem.h"
#include "registry/syn_parts.h"
#include "support/registry/syn_events.h"
#include "term/build.h"
#include "term/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NODES = 3, PIDS = 3, STEPS_MAX = 300, WATCHED = 8, DEPTH = 100 };

struct watched {
    struct pid pid;
    struct ref ref;
};

struct world {
    const uint8_t *at, *end;
    struct syn_scope scope;
    struct watched watched[WATCHED];
    uint32_t watched_count, refs;
    int64_t now;
    bool is_awake;
    unsigned fail_after; /* allocations of a message */
};

static unsigned next(struct world *w, unsigned below)
{
    return w->at < w->end ? *w->at++ % below : 0;
}

static atom_t node_name(unsigned node)
{
    static const char *const names[] = {"n0@h", "n1@h", "n2@h"};

    return atom_intern(names[node], 4);
}

/* Some of an older life of their node. */
static struct pid a_pid(struct world *w, unsigned node)
{
    return (struct pid){.node = node_name(node),
                        .id = 1 + next(w, PIDS),
                        .creation = next(w, 20) == 0 ? 2 : 3};
}

/* Of another node. */
static struct pid a_scope(struct world *w)
{
    return (struct pid){.node = node_name(1 + next(w, NODES - 1)),
                        .id = 100 + (next(w, 8) == 0),
                        .creation = 3};
}

static struct cnode_term a_name(struct world *w)
{
    return term_small_int((uint8_t)next(w, 4));
}

/* --- what the machine does */

static void check_claim(const struct world *w, const struct syn_claim *claim)
{
    CHECK(claim->pid.node == w->scope.self.node);
    CHECK(!term_is_none(claim->name) && !term_is_none(claim->meta));
}

static void check_list(const struct world *w, struct cnode_term list)
{
    struct cnode_list walk;
    struct cnode_term term;
    struct syn_claim claim;

    CHECK(cnode_list(list, &walk));
    while (cnode_list_next(&walk, &term)) {
        CHECK(syn_claim_parse(term, &claim));
        check_claim(w, &claim);
    }
}

static void on_send(void *owner, atom_t node, struct cnode_term term)
{
    struct world *w = owner;
    struct syn_message message;
    size_t used;

    CHECK(node != w->scope.self.node);
    CHECK(term_validate(term.at, cnode_term_size(term),
                        (uint32_t)limits.term_depth, &used) == 0);
    CHECK(syn_message_parse(w->scope.kind, term, &message) == 0);
    switch (message.what) {
    case SYN_DISCOVER:
        CHECK(pid_equal(message.peer, w->scope.self));
        break;
    case SYN_ACK_SYNC:
        CHECK(pid_equal(message.peer, w->scope.self));
        check_list(w, message.list);
        break;
    case SYN_ADD:
    case SYN_REMOVE:
        check_claim(w, &message.claim);
        break;
    }
}

static void on_send_block(void *owner, atom_t node, struct block *message)
{
    on_send(owner, node, term_at(message->bytes, message->size));
    block_unref(message);
}

static int on_monitor(void *owner, struct pid pid, struct ref *ref)
{
    struct world *w = owner;

    CHECK(pid.node != w->scope.self.node);
    if (w->watched_count == WATCHED || next(w, 10) == 0) {
        return CNODE_LIMIT;
    }
    *ref = (struct ref){.node = w->scope.self.node,
                        .creation = 3,
                        .len = 3,
                        .words = {++w->refs}};
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

static void on_kill(void *owner, struct pid pid, struct cnode_term reason)
{
    struct world *w = owner;

    CHECK(pid.node == w->scope.self.node && !term_is_none(reason));
}

static enum syn_verdict on_judge(void *owner,
                                 const struct syn_conflict *conflict)
{
    CHECK(!pid_equal(conflict->theirs.pid, conflict->ours.pid));
    return next(owner, 3) == 0 ? SYN_LATER : SYN_BY_RULE;
}

static struct block *on_keep(void *owner, struct cnode_term *term)
{
    return next(owner, 10) == 0 ? NULL : syn_events_keep(term);
}

static void on_wake(void *owner)
{
    ((struct world *)owner)->is_awake = true;
}

static int64_t on_now(void *owner)
{
    return ((struct world *)owner)->now;
}

static const struct syn_scope_events events = SYN_EVENTS;

/* --- what it holds */

static uint32_t check_owner(struct world *w, const struct syn_owner *owner,
                            atom_t node)
{
    uint32_t count = 0;

    LIST_EACH(it, &owner->entries) {
        struct syn_entry *entry = CONTAINER_OF(it, struct syn_entry, in_owner);

        CHECK(entry->owner == owner && entry->pid.node == node);
        CHECK(syn_table_find(&w->scope.table, syn_entry_name(entry),
                             entry->pid) == entry);
        count++;
    }
    CHECK(count == owner->count);
    return count;
}

static size_t held_in(const struct list *queue)
{
    size_t bytes = 0;

    LIST_EACH(it, queue) {
        const struct syn_held *held =
            CONTAINER_OF(it, struct syn_held, in_queue);

        bytes += sizeof(*held) + sizeof(*held->block) + held->block->size;
    }
    return bytes;
}

/* Each is found by its name; who has none in the table has no rivals. */
static void check_rivals(struct world *w, const struct syn_remote *remote,
                         size_t *bytes)
{
    LIST_EACH(it, &remote->rivals) {
        struct syn_rival *rival = CONTAINER_OF(it, struct syn_rival, in_remote);
        struct syn_claim claim = syn_rival_claim(rival);

        CHECK(rival->remote == remote && claim.pid.node == remote->node);
        CHECK(syn_rival_find(&w->scope, claim.name, remote) == rival);
        *bytes += sizeof(*rival) + rival->name_bytes + rival->meta_bytes;
    }
}

static void check_remote(struct world *w, const struct syn_remote *remote)
{
    bool is_busy = remote->in != SYN_IN_QUIET || !list_is_empty(&remote->held);

    CHECK(!is_busy || !list_is_empty(&remote->in_jobs));
    CHECK(syn_remote_is_member(remote) || remote->out == SYN_OUT_NOTHING);
    CHECK(syn_remote_is_member(remote) || !remote->has_listed);
    CHECK(remote->out != SYN_OUT_SNAPSHOT || w->scope.snapshot.is_made);
    CHECK(syn_remote_is_member(remote) || remote->is_connected || is_busy);
    CHECK(syn_remote_is_member(remote) || remote->in == SYN_IN_PURGE ||
          remote->owner.count == 0);
}

static void check_all(struct world *w)
{
    const struct syn_remote *remote;
    size_t held = held_in(&w->scope.snapshot.changes), rivals = 0;
    uint32_t count = check_owner(w, &w->scope.table.local, w->scope.self.node);
    uint32_t asks = 0, members = 0;

    MAP_EACH(remote, &w->scope.remotes) {
        count += check_owner(w, &remote->owner, remote->node);
        held += held_in(&remote->held);
        asks += remote->ask_in > 0;
        members += syn_remote_is_member(remote);
        check_rivals(w, remote, &rivals);
        check_remote(w, remote);
    }
    CHECK(count == w->scope.table.count && count <= limits.syn_entries);
    CHECK(held == w->scope.held_bytes && held <= limits.syn_held_bytes);
    CHECK(rivals == w->scope.rival_bytes && rivals <= limits.syn_held_bytes);
    CHECK((rivals == 0) == (w->scope.rivals.count == 0));
    CHECK(asks == w->scope.asks && members == w->watched_count);
}

/* --- steps */

static void put_list(struct world *w, struct buf *buf, struct pid peer)
{
    uint32_t count = next(w, 8);

    (void)syn_put_ack_sync(buf, peer, count);
    for (uint32_t i = 0; i < count; i++) {
        struct syn_claim claim = {
            .name = a_name(w),
            .pid = a_pid(w, next(w, 8) == 0
                                ? next(w, NODES)
                                : (unsigned)(peer.node == node_name(2)) + 1),
            .meta = a_name(w),
            .time = next(w, 16)};

        syn_put_claim(buf, &claim);
    }
    term_put_nil(buf);
}

static void put_message(struct world *w, struct buf *buf, struct pid peer)
{
    unsigned node = (unsigned)(peer.node == node_name(2)) + 1;
    struct syn_claim claim = {.name = a_name(w),
                              .pid = a_pid(w, node),
                              .meta = a_name(w),
                              .time = next(w, 16)};

    switch (next(w, 6)) {
    case 0:
        syn_put_discover(buf, peer);
        return;
    case 1:
        put_list(w, buf, peer);
        return;
    case 2:
        syn_put_remove(buf, w->scope.kind, &claim, atom_term(A_normal));
        return;
    default:
        syn_put_add(buf, w->scope.kind, &claim, atom_term(A_normal));
        return;
    }
}

static void deliver(struct world *w, struct pid from, const uint8_t *bytes,
                    size_t size)
{
    size_t used;

    if (size > 0 && term_validate(bytes, size, DEPTH, &used) == 0) {
        mem_fail_after(w->fail_after);
        (void)syn_scope_message(&w->scope, from, term_at(bytes, used));
        mem_fail_after(0);
    }
}

static void hear(struct world *w)
{
    struct pid peer = a_scope(w), from = peer;
    unsigned changes = next(w, 6) == 0 ? next(w, 4) : 0;
    struct buf buf;

    from.id = next(w, 4) == 0 ? from.id : 99; /* 3.3.0, newer */
    buf_init(&buf, 0);
    put_message(w, &buf, peer);
    CHECK(buf_error(&buf) == 0);
    while (changes-- > 0) {
        buf_data(&buf)[next(w, (unsigned)buf_size(&buf))] =
            (uint8_t)next(w, 256);
    }
    deliver(w, from, buf_data(&buf), buf_size(&buf));
    buf_fini(&buf);
}

static void hear_bytes(struct world *w)
{
    size_t size = next(w, 64);

    if (size > (size_t)(w->end - w->at)) {
        size = (size_t)(w->end - w->at);
    }
    w->at += size;
    deliver(w, a_scope(w), w->at - size, size);
}

/* A watched process ends. */
static void end_scope(struct world *w)
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
    term_format(&buf, "{'DOWN', ~r, process, ~p, ~A}", &gone.ref, gone.pid,
                next(w, 2) ? A_noconnection : A_killed);
    CHECK(syn_scope_message(&w->scope, PID_NONE,
                            term_at(buf_data(&buf), buf_size(&buf))) == 0);
    buf_fini(&buf);
}

static void check_term(const struct buf *buf)
{
    size_t used;

    CHECK(buf_error(buf) != 0 ||
          (term_validate(buf_data(buf), buf_size(buf), DEPTH, &used) == 0 &&
           used == buf_size(buf)));
}

static void request(struct world *w)
{
    struct syn_request request = {
        .ask = next(w, 3),
        .requester = node_name(next(w, NODES)),
        .claim = {.name = a_name(w), .pid = a_pid(w, 0), .meta = a_name(w)}};
    bool is_alive = request.claim.pid.creation == 3 && next(w, 8) != 0;
    struct buf answer;

    buf_init(&answer, 0);
    syn_scope_request(&w->scope, &request, is_alive, next(w, 4) == 0, &answer);
    check_term(&answer);
    buf_fini(&answer);
}

static void answered(struct world *w)
{
    static const char *const answers[] = {
        "{ok, {on_process_registered, undefined, 3, 7, a, b}}",
        "{ok, {x, x, 2, 12, a, b}}",
        "{ok, {x, x, 2, no, a, b}}",
        "{noop, 3}",
        "{error, taken}",
        "{ok, x}",
        "undefined",
    };
    struct syn_request asked = {
        .ask = next(w, 2),
        .requester = node_name(0),
        .claim = {.name = a_name(w),
                  .pid = a_pid(w, 1 + next(w, NODES - 1)),
                  .meta = a_name(w)}};
    struct buf answer, result;

    buf_init(&answer, 0);
    buf_init(&result, 0);
    term_format(&answer, answers[next(w, ARRAY_LEN(answers))]);
    syn_scope_answered(&w->scope, &asked,
                       term_at(buf_data(&answer), buf_size(&answer)), &result);
    check_term(&result);
    buf_fini(&answer);
    buf_fini(&result);
}

static void come_or_go(struct world *w)
{
    atom_t node = node_name(1 + next(w, NODES - 1));

    switch (next(w, 4)) {
    case 0:
        syn_scope_nodedown(&w->scope, node);
        return;
    case 1:
        w->watched_count = 0;
        syn_scope_restart(&w->scope, (struct pid){.node = node_name(0),
                                                  .id = 100 + next(w, 2),
                                                  .creation = 3});
        return;
    default:
        syn_scope_nodeup(&w->scope, node);
        return;
    }
}

static void judge(struct world *w)
{
    struct cnode_term name = a_name(w);
    struct pid theirs = a_pid(w, 1 + next(w, NODES - 1));

    syn_scope_decide(&w->scope, name, theirs, a_pid(w, 0), next(w, 4));
}

static void step(struct world *w)
{
    switch (next(w, 24)) {
    case 0:
        hear_bytes(w);
        return;
    case 1:
        end_scope(w);
        return;
    case 2:
        come_or_go(w);
        return;
    case 3:
        syn_scope_tick(&w->scope);
        return;
    case 4:
        syn_scope_ended(&w->scope, a_pid(w, 0), atom_term(A_killed));
        return;
    case 5:
        judge(w);
        return;
    case 6:
        answered(w);
        return;
    case 7:
        w->fail_after = 1 + next(w, 4);
        hear(w);
        w->fail_after = 0;
        return;
    case 8:
        w->now += next(w, 4);
        return;
    case 9:
    case 10:
    case 11:
        w->is_awake = syn_scope_work(&w->scope);
        return;
    case 12:
    case 13:
    case 14:
    case 15:
        request(w);
        return;
    default:
        hear(w);
        return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.at = data, .end = data + size};
    enum syn_kind kind = next(&w, 4) == 0 ? SYN_GROUPS : SYN_REGISTRY;

    atom_init();
    limits.syn_entries = 12;
    limits.syn_name_bytes = 64;
    limits.syn_held_bytes = 2000;
    CHECK(syn_scope_init(
              &w.scope, kind, A_node,
              (struct pid){.node = node_name(0), .id = 100, .creation = 3},
              &events, &w) == 0);
    w.scope.slice = 1 + next(&w, 4);
    w.scope.is_hidden = next(&w, 4) == 0;
    for (int i = 0; i < STEPS_MAX && w.at < w.end; i++) {
        step(&w);
        check_all(&w);
    }
    while (syn_scope_work(&w.scope)) {
    }
    check_all(&w);
    syn_scope_fini(&w.scope);
    return 0;
}
