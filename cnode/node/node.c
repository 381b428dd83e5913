/* SPDX-License-Identifier: Apache-2.0
 *
 * See node.h. Start: listen, register at epmd (which gives the creation),
 * ready. End: close the registration and all sockets, then the loop stops.
 */
#include "node/node.h"

#include <string.h>
#include <sys/random.h>

#include <cnode/error.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "dist/flags.h"
#include "node/gen.h"
#include "node/registered.h"
#include "node/system.h"

enum {
    REF_LOW_BITS = 18,
    IDENTS_BYTES = 2048, /* a name or pid, a pid and a reference */
};

static void on_signal(void *owner, struct scheduler *scheduler,
                      const struct signal *signal);
static bool on_system(void *owner, struct scheduler *scheduler,
                      struct process *process, const struct signal *signal);
static void on_undelivered(void *owner, struct scheduler *scheduler,
                           const struct signal *signal, int reason);

static void on_start(struct timer *timer);

static const struct scheduler_events scheduler_events = {
    .signal = on_signal, .system = on_system, .undelivered = on_undelivered};

/* --- open */

static uint64_t random_bits(void)
{
    uint64_t bits = 0;

    CHECK(getrandom(&bits, sizeof(bits), 0) == sizeof(bits));
    return bits;
}

/* The part that every scheduler has. */
static int init_one(struct node *node, uint32_t index)
{
    int rc = scheduler_init(&node->scheduler, index, &scheduler_events, node);

    if (rc != 0) {
        return rc;
    }
    node->index = index;
    node->scheduler.table.shares = node->count;
    node_loop(node)->busy_poll_ns = node->config.busy_poll_ns;
    remotes_init(&node->remotes);
    peers_init(&node->peers, node);
    monitors_init(&node->monitors);
    links_init(&node->links);
    aliases_init(&node->aliases);
    slab_init(&node->relations_slab, sizeof(struct relations));
    list_init(&node->spawn_handlers);
    spawn_requests_init(&node->spawn_requests);
    buf_init(&node->scratch, limits.message_bytes);
    buf_init(&node->idents, 0);
    CHECK(buf_reserve(&node->idents, IDENTS_BYTES) != NULL);
    node->next_ref = random_bits();
    timer_init(&node->start, on_start);
    return 0;
}

/* As epmd would give it: never 0..3, which older nodes have. */
static uint32_t random_creation(void)
{
    enum { LEAST = 4 };

    return LEAST + (uint32_t)(random_bits() % (UINT32_MAX - LEAST + 1ul));
}

static void fini_one(struct node *node)
{
    block_unref(node->scratch_block);
    buf_fini(&node->scratch);
    buf_fini(&node->idents);
    peers_fini(&node->peers);
    remotes_fini(&node->remotes);
    monitors_fini(&node->monitors);
    links_fini(&node->links);
    aliases_fini(&node->aliases);
    spawn_requests_fini(&node->spawn_requests);
    slab_fini(&node->relations_slab);
    scheduler_fini(&node->scheduler);
}

/* All but number 0, which is the caller's. */
static int init_others(struct node *node)
{
    int rc = 0;

    node->all = mem_zalloc(node->count * sizeof(struct node *));
    node->all[0] = node;
    for (uint32_t i = 1; i < node->count && rc == 0; i++) {
        struct node *other = mem_alloc(sizeof(*other));

        *other = *node;
        rc = init_one(other, i);
        if (rc == 0) {
            node->all[i] = other;
        } else {
            mem_free(other);
        }
    }
    return rc;
}

int node_init(struct node *node, const struct node_config *config,
              const struct node_events *events, void *owner)
{
    int rc;

    CHECK(config->schedulers <= SCHEDULERS_MAX);
    *node = (struct node){.config = *config, .events = events, .owner = owner};
    node->count = config->schedulers > 0 ? config->schedulers : 1;
    if (!node_name_is_valid(config->name)) {
        return CNODE_BAD_NAME;
    }
    node->name = atom_intern(config->name, strlen(config->name));
    if (node->name == ATOM_NONE) {
        return CNODE_BAD_NAME;
    }
    rc = init_one(node, 0);
    if (rc != 0) {
        return rc;
    }
    names_init(&node->names);
    rc = init_others(node);
    if (rc != 0) {
        node_fini(node);
    }
    return rc;
}

void node_become(struct node *node, uint32_t creation)
{
    for (uint32_t i = 0; i < node->count; i++) {
        node->all[i]->creation = creation;
    }
}

static void on_registered(void *owner, int rc, uint32_t creation)
{
    struct node *node = owner;

    if (rc == 0) {
        node_become(node, creation);
        node->is_registered = true;
        node->peers.conn_config = (struct conn_config){
            .self = atom_text(node->name),
            .flags = dist_flags_offered(node->config.hidden),
            .creation = creation,
            .setup_ms = node->config.setup_ms,
            .ticktime_ms = node->config.ticktime_ms,
            .tls = node->config.tls};
    }
    node->events->ready(node->owner, rc);
    if (rc != 0) {
        node_close(node);
    } else if (!node->is_closing) {
        for (uint32_t i = 1; i < node->count; i++) {
            scheduler_go(&node->all[i]->scheduler);
        }
    }
}

static void on_start(struct timer *timer)
{
    on_registered(CONTAINER_OF(timer, struct node, start), 0,
                  random_creation());
}

/* Nobody who is connected notices; who looks for us waits. */
static void on_lost(void *owner, int reason)
{
    (void)owner;
    LOG_WARN("epmd_lost", F_ERR(reason));
}

static void on_renewed(void *owner)
{
    (void)owner;
    LOG_INFO("epmd_registered_again");
}

static void on_epmd_closed(void *owner)
{
    struct node *node = owner;

    node->epmd = NULL;
    node_peers_closed(node);
}

static const struct epmd_events epmd_events = {.registered = on_registered,
                                               .lost = on_lost,
                                               .renewed = on_renewed,
                                               .closed = on_epmd_closed};

/* The watchdog, and threads that wait until the node is ready. */
static int open_threads(struct node *node)
{
    struct watch *watches[SCHEDULERS_MAX];
    int rc = 0;

    for (uint32_t i = 0; i < node->count; i++) {
        watches[i] = &node->all[i]->scheduler.watch;
    }
    for (uint32_t i = 1; i < node->count && rc == 0; i++) {
        rc = scheduler_open_thread(&node->all[i]->scheduler);
    }
    return rc != 0 ? rc
                   : watchdog_start(&node->watchdog, watches, node->count,
                                    node->config.callback_budget_ns,
                                    node->config.callback_limit_ns, NULL);
}

int node_open(struct node *node)
{
    const struct node_config *config = &node->config;
    const char *name = atom_text(node->name);
    char alive[NODE_NAME_MAX + 1] = {0};
    int rc;

    rc = open_threads(node);
    if (rc != 0) {
        return rc;
    }
    rc = peers_listen(&node->peers, config->listen_host, config->listen_port);
    if (rc != 0) {
        return rc;
    }
    if (config->without_epmd) {
        loop_timer_start(node_loop(node), &node->start, 0);
        return 0;
    }
    memcpy(alive, name, (size_t)(strchr(name, '@') - name));
    rc = epmd_open(&node->epmd, node_loop(node), config->epmd_port, alive,
                   node_port(node), config->start_epmd, &epmd_events, node);
    if (rc != 0) {
        peers_close(&node->peers);
    }
    return rc;
}

uint16_t node_port(const struct node *node)
{
    return node->peers.listener != NULL ? listener_port(node->peers.listener)
                                        : 0;
}

void node_run(struct node *node)
{
    scheduler_run(&node->scheduler);
}

/* --- close */

void node_leave(struct node *node)
{
    node->is_leaving = true;
    if (node->epmd != NULL) {
        epmd_close(node->epmd);
    }
}

void node_close(struct node *node)
{
    if (node->is_closing) {
        return;
    }
    node->is_closing = true;
    for (uint32_t i = 1; i < node->count; i++) {
        scheduler_join(&node->all[i]->scheduler);
    }
    loop_timer_stop(node_loop(node), &node->start);
    leaders_close(node);
    if (node->epmd != NULL) {
        epmd_close(node->epmd);
    }
    peers_close(&node->peers);
    node_peers_closed(node); /* when there was nothing to close */
}

void node_peers_closed(struct node *node)
{
    if (!node->is_closing || node->is_closed || node->epmd != NULL ||
        !peers_are_closed(&node->peers)) {
        return;
    }
    node->is_closed = true;
    scheduler_stop(&node->scheduler);
    if (node->events->closed != NULL) {
        node->events->closed(node->owner);
    }
}

void node_fini(struct node *node)
{
    watchdog_stop(node->watchdog);
    for (uint32_t i = 1; i < node->count; i++) {
        if (node->all[i] != NULL) {
            fini_one(node->all[i]);
            mem_free(node->all[i]);
        }
    }
    fini_one(node);
    names_fini(&node->names);
    mem_free(node->all);
}

/* --- processes */

int node_spawn(struct node *node, struct process *process,
               const struct process_class *class)
{
    return scheduler_add(&node->scheduler, process, class);
}

void node_exit(struct node *node, struct process *process,
               struct cnode_term reason)
{
    CHECK((process->flags & PROCESS_DEAD) == 0);
    registered_process_ends(node, process, reason);
    names_process_ends(node, process);
    alias_process_ends(node, process);
    spawn_process_ends(node, process);
    link_process_ends(node, process, reason);
    monitor_process_ends(node, process, reason);
    if (process->relations != NULL) {
        group_leader_set(node, process, PID_NONE);
    }
    CHECK(process->relations == NULL);
    scheduler_remove(&node->scheduler, process);
}

int node_spawn_hidden(struct node *node, struct process *process,
                      const struct process_class *class)
{
    int rc = node_spawn(node, process, class);

    if (rc == 0) {
        process_table_hide(&node->scheduler.table, process);
    }
    return rc;
}

struct process *node_find(const struct node *node, struct pid pid)
{
    struct process *process;

    if (pid.node != node->name || pid.creation != node->creation) {
        return NULL;
    }
    process = scheduler_find(&node->scheduler, pid.id, pid.serial);
    return process != NULL && (process->flags & PROCESS_HIDDEN) == 0 ? process
                                                                     : NULL;
}

/* The layout of the BEAM's own: 18 + 32 + 32 bits, the last 6 of which are the
 * number of the scheduler. */
struct ref node_make_ref(struct node *node)
{
    uint64_t n = node->next_ref++;

    return (struct ref){
        .node = node->name,
        .creation = node->creation,
        .len = 3,
        .words = {(uint32_t)n & ((1u << REF_LOW_BITS) - 1),
                  (uint32_t)(n >> REF_LOW_BITS),
                  (uint32_t)(n >> (REF_LOW_BITS + 32)) << PID_SCHEDULER_BITS |
                      node->index}};
}

/* --- a message that came */

static bool lies_in(struct cnode_term term, const struct buf *buf)
{
    return buf != NULL && term.at >= buf_data(buf) &&
           term.at < buf_data(buf) + buf_size(buf);
}

struct block *node_keep(struct node *node, struct cnode_term *term)
{
    size_t size = cnode_term_size(*term);
    struct block *block;

    if (lies_in(*term, node->incoming)) {
        return block_from_buf(node->incoming);
    }
    block = scheduler_keep(&node->scheduler, *term);
    if (block == NULL) {
        block = block_copy(term->at, size);
        if (block != NULL) {
            *term = term_at(block->bytes, size);
        }
    }
    return block;
}

/* --- one outgoing message */

struct buf *node_scratch(struct node *node)
{
    block_unref(node->scratch_block);
    node->scratch_block = NULL;
    buf_clear(&node->scratch);
    return &node->scratch;
}

struct payload node_scratch_payload(struct node *node)
{
    struct buf *buf = &node->scratch;

    if (buf_size(buf) > CHANNEL_FRAGMENT_BYTES) {
        node->scratch_block = block_from_buf(buf);
        if (node->scratch_block != NULL) {
            return (struct payload){.bytes = node->scratch_block->bytes,
                                    .size = node->scratch_block->size,
                                    .block = node->scratch_block};
        }
    }
    return (struct payload){.bytes = buf_data(buf), .size = buf_size(buf)};
}

/* --- what the scheduler hands up */

static void on_signal(void *owner, struct scheduler *scheduler,
                      const struct signal *signal)
{
    (void)scheduler;
    route_local(owner, signal);
}

static bool on_system(void *owner, struct scheduler *scheduler,
                      struct process *process, const struct signal *signal)
{
    (void)scheduler;
    return system_message(owner, process, signal);
}

static void on_undelivered(void *owner, struct scheduler *scheduler,
                           const struct signal *signal, int reason)
{
    (void)scheduler;
    node_undelivered(owner, signal, reason);
}

/* A full mailbox is told to callers; the rest is a dead letter, unless somebody
 * knows where the process went. */
void node_undelivered(struct node *node, const struct signal *signal,
                      int reason)
{
    struct gen_message message;
    bool is_awaited;

    if (signal->kind != SIGNAL_MESSAGE) {
        return;
    }
    if (reason == CNODE_NOPROC) {
        if (node->forward == NULL ||
            !node->forward(node->forward_owner, signal)) {
            METRIC_INC(dead_letters);
        }
        return;
    }
    gen_parse(signal->term, &message);
    is_awaited =
        message.kind == GEN_CALL || system_caller(signal->term, &message.from);
    if (is_awaited) {
        (void)gen_reply(node, NULL, &message.from, "{error, overloaded}");
    }
    if ((node->overflow == NULL ||
         !node->overflow(node->forward_owner, signal)) &&
        !is_awaited) {
        METRIC_INC(dead_letters);
    }
}
