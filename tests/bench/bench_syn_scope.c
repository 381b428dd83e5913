/* SPDX-License-Identifier: Apache-2.0
 *
 * A scope of syn with many names: what it takes to register them, to tell them
 * to another node in one ack_sync, to hear them from one, to hear the same
 * again, and to lose that node; and the longest that anything else waits
 * meanwhile (a slice). A JSON line for each.
 *
 *     cmake --preset release -B build/bench -DCNODE_TESTS=ON
 *     cmake --build build/bench --target bench_syn_scope
 *     build/bench/tests/bench_syn_scope [NAMES]
 *
 * Names are integers, each of a process of its own; metadata is `undefined`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"
#include "registry/syn_scope.h"
#include "support/registry/syn_events.h"
#include "term/build.h"

struct side {
    struct syn_scope scope;
    struct block *list; /* its ack_sync, when it was sent */
    int64_t now;
};

/* Each slice of one piece of work. */
struct stop_watch {
    double start, longest, all;
};

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void begin(struct stop_watch *watch)
{
    watch->start = now_s();
}

static void end(struct stop_watch *watch)
{
    double took = now_s() - watch->start;

    watch->all += took;
    watch->longest = took > watch->longest ? took : watch->longest;
}

static void report(const struct stop_watch *watch, const char *what,
                   uint32_t names)
{
    printf("{\"bench\":\"syn_%s\",\"names\":%u,\"per_s\":%.0f,"
           "\"longest_ms\":%.2f}\n",
           what, names, names / watch->all, watch->longest * 1e3);
}

/* --- what the scopes do */

static void on_send(void *owner, atom_t node, struct cnode_term message)
{
    (void)owner, (void)node, (void)message;
}

static void on_send_block(void *owner, atom_t node, struct block *message)
{
    struct side *side = owner;

    (void)node;
    block_unref(side->list);
    side->list = message;
}

static int on_monitor(void *owner, struct pid pid, struct ref *ref)
{
    (void)owner, (void)pid;
    *ref = (struct ref){.node = A_node, .len = 3};
    return 0;
}

static void on_demonitor(void *owner, const struct ref *ref)
{
    (void)owner, (void)ref;
}

static void on_kill(void *owner, struct pid pid, struct cnode_term reason)
{
    (void)owner, (void)pid, (void)reason;
}

static enum syn_verdict on_judge(void *owner,
                                 const struct syn_conflict *conflict)
{
    (void)owner, (void)conflict;
    return SYN_BY_RULE;
}

/* The bytes are in a block already, as those of a large message are. */
static struct block *on_keep(void *owner, struct cnode_term *term)
{
    (void)term;
    return block_ref(((struct side *)owner)->list);
}

static void on_wake(void *owner)
{
    (void)owner;
}

static int64_t on_now(void *owner)
{
    return ++((struct side *)owner)->now;
}

static const struct syn_scope_events events = SYN_EVENTS;

static void open_side(struct side *side, atom_t node)
{
    struct pid self = {.node = node, .id = 1, .creation = 1};

    *side = (struct side){.now = 1};
    CHECK(syn_scope_init(&side->scope, SYN_REGISTRY, A_s, self, &events,
                         side) == 0);
}

/* --- the figures */

static void hear(struct side *side, struct stop_watch *watch, struct pid from,
                 struct cnode_term message)
{
    bool is_more = true;

    begin(watch);
    CHECK(syn_scope_message(&side->scope, from, message) == 0);
    end(watch);
    while (is_more) {
        begin(watch);
        is_more = syn_scope_work(&side->scope);
        end(watch);
    }
}

static void bench_register(struct side *side, uint32_t names)
{
    struct stop_watch watch = {0};
    struct buf name, answer;

    buf_init(&name, 0);
    buf_init(&answer, 0);
    begin(&watch);
    for (uint32_t i = 0; i < names; i++) {
        struct syn_request request = {.ask = SYN_ASK_ADD,
                                      .requester = side->scope.self.node};

        buf_clear(&name);
        buf_clear(&answer);
        term_put_int(&name, 1000000 + i);
        request.claim = (struct syn_claim){
            .name = term_at(buf_data(&name), buf_size(&name)),
            .pid = {side->scope.self.node, i + 2, 0, 1},
            .meta = atom_term(A_undefined)};
        syn_scope_request(&side->scope, &request, true, false, &answer);
    }
    end(&watch);
    watch.longest = 0;
    CHECK(side->scope.table.count == names);
    report(&watch, "register", names);
    buf_fini(&name);
    buf_fini(&answer);
}

/* `asker` asks for all that `side` has. */
static void bench_snapshot(struct side *side, const struct side *asker,
                           uint32_t names)
{
    struct stop_watch watch = {0};
    struct pid from = asker->scope.self;
    struct buf buf;

    buf_init(&buf, 0);
    syn_put_discover(&buf, from);
    from.id++; /* not the scope process itself */
    hear(side, &watch, from, term_at(buf_data(&buf), buf_size(&buf)));
    CHECK(side->list != NULL);
    report(&watch, "snapshot", names);
    buf_fini(&buf);
}

static void bench_merge(struct side *side, const struct side *teller,
                        uint32_t names, const char *what)
{
    struct stop_watch watch = {0};
    struct pid from = teller->scope.self;

    from.id++;
    side->list = block_ref(teller->list);
    hear(side, &watch, from, term_at(teller->list->bytes, teller->list->size));
    CHECK(side->scope.table.count == names);
    report(&watch, what, names);
}

static void bench_purge(struct side *side, atom_t node, uint32_t names)
{
    struct stop_watch watch = {0};
    bool is_more = true;

    begin(&watch);
    syn_scope_nodedown(&side->scope, node);
    end(&watch);
    while (is_more) {
        begin(&watch);
        is_more = syn_scope_work(&side->scope);
        end(&watch);
    }
    CHECK(side->scope.table.count == 0);
    report(&watch, "purge", names);
}

int main(int argc, char **argv)
{
    uint32_t names = argc > 1 ? (uint32_t)atoi(argv[1]) : 1000000;
    static struct side a, b;

    hash_seed(1, 2);
    atom_init();
    open_side(&a, atom_intern("a@h", 3));
    open_side(&b, atom_intern("b@h", 3));
    bench_register(&a, names);
    bench_snapshot(&a, &b, names);
    bench_merge(&b, &a, names, "merge");
    bench_merge(&b, &a, names, "merge_again");
    bench_purge(&b, a.scope.self.node, names);
    block_unref(a.list);
    block_unref(b.list);
    syn_scope_fini(&a.scope);
    syn_scope_fini(&b.scope);
    return 0;
}
