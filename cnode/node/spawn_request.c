/* SPDX-License-Identifier: Apache-2.0
 *
 * See spawn_request.h. An entry lives from the request to the reply, also when
 * the connection is lost meanwhile: noconnection is a reply that we send
 * ourselves, and a real one that was on its way already comes before it.
 */
#include "node/spawn_request.h"

#include <string.h>

#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/metric.h"
#include "node/node.h"
#include "node/spawn_options.h"
#include "term/build.h"

struct spawn_entry {
    struct ref ref;
    struct pid process; /* who asked */
    atom_t where;
    enum spawn_replies replies;
    struct block *tag;      /* instead of spawn_reply */
    struct block *down_tag; /* instead of 'DOWN' */
    struct list in_process; /* relations.spawns */
    struct list in_remote;  /* remote.spawns; by itself: here, or lost */
};

static bool equal(const void *item, const void *key)
{
    const struct spawn_entry *entry = item;

    return ref_equal(&entry->ref, key);
}

static uint64_t hash(const struct ref *ref)
{
    return hash_u64((uint64_t)ref->words[0] << 32 | ref->words[1]);
}

void spawn_requests_init(struct spawn_requests *requests)
{
    map_init(&requests->by_ref, equal);
    slab_init(&requests->slab, sizeof(struct spawn_entry));
}

void spawn_requests_fini(struct spawn_requests *requests)
{
    map_fini(&requests->by_ref);
    slab_fini(&requests->slab);
}

static struct spawn_entry *find(struct node *node, const struct ref *ref)
{
    return map_get(&node->spawn_requests.by_ref, hash(ref), ref);
}

static struct spawn_entry *add(struct node *node, struct process *process,
                               atom_t where,
                               const struct spawn_options *options)
{
    struct spawn_entry *entry = slab_alloc(&node->spawn_requests.slab);

    *entry = (struct spawn_entry){.ref = node_make_ref(node),
                                  .process = node_pid(node, process),
                                  .where = where,
                                  .replies = options->replies};
    entry->tag = spawn_tag_keep(options->tag);
    entry->down_tag = spawn_tag_keep(options->down_tag);
    list_push_back(&relations_of(node, process)->spawns, &entry->in_process);
    list_init(&entry->in_remote);
    map_add(&node->spawn_requests.by_ref, hash(&entry->ref), entry);
    return entry;
}

static void discard(struct node *node, struct spawn_entry *entry)
{
    map_remove(&node->spawn_requests.by_ref, hash(&entry->ref), &entry->ref);
    list_remove(&entry->in_process);
    list_remove(&entry->in_remote);
    if (entry->where != node->name) {
        remote_trim(node, entry->where);
    }
    block_unref(entry->tag);
    block_unref(entry->down_tag);
    slab_free(&node->spawn_requests.slab, entry);
}

/* --- asking */

static void put_leader(struct buf *buf, struct pid leader)
{
    term_put_tuple(buf, SPAWN_TERMS);
    if (pid_is_none(leader)) {
        term_put_atom(buf, A_undefined);
    } else {
        term_put_pid(buf, leader);
    }
}

void spawn_request_put(struct buf *buf, struct pid leader,
                       struct cnode_term mfa, struct cnode_term opts,
                       struct cnode_term args)
{
    put_leader(buf, leader);
    term_put_copy(buf, mfa);
    term_put_copy(buf, opts);
    term_put_copy(buf, args);
}

static int put_request(struct buf *buf, struct pid leader,
                       const struct spawn_what *what)
{
    struct cnode_list args;

    if (!cnode_list(what->args, &args) ||
        cnode_type(what->module) != CNODE_TYPE_ATOM ||
        cnode_type(what->function) != CNODE_TYPE_ATOM) {
        return CNODE_EINVALID;
    }
    put_leader(buf, leader);
    term_put_tuple(buf, 3);
    term_put_copy(buf, what->module);
    term_put_copy(buf, what->function);
    term_put_uint(buf, args.left);
    spawn_options_put(buf, what->opts);
    term_put_copy(buf, what->args);
    return buf_error(buf);
}

static void ask(struct node *node, struct spawn_entry *entry,
                struct cnode_term request)
{
    struct signal signal = {.kind = SIGNAL_SPAWN_REQUEST,
                            .from = entry->process,
                            .to = node_any_pid(node, 0), /* if it is here */
                            .ref = entry->ref,
                            .term = request};
    int rc = route_signal(node, &signal, entry->where);

    if (rc != 0) {
        spawn_request_fail(node, &signal,
                           rc == CNODE_NOCONN ? A_noconnection
                                              : A_system_limit);
    } else if (entry->where != node->name) {
        list_push_back(&remote_find_or_add(node, entry->where)->spawns,
                       &entry->in_remote);
    }
}

/* An option that nobody knows is answered as if by the other node. */
static void refuse(struct node *node, const struct spawn_entry *entry)
{
    struct signal request = {.from = entry->process, .ref = entry->ref};

    spawn_request_fail(node, &request, A_badopt);
}

/* Its own is handed down, but not one of this node to another node. */
static struct pid leader_for(const struct node *node,
                             const struct process *process, atom_t where,
                             const struct spawn_what *what)
{
    struct pid own = group_leader_of(process);

    if (!pid_is_none(what->leader)) {
        return what->leader;
    }
    return own.node == node->name && where != node->name ? PID_NONE : own;
}

int spawn_request(struct node *node, struct process *process, atom_t where,
                  const struct spawn_what *what, struct ref *id)
{
    struct spawn_options options;
    bool is_known = spawn_options_read(what->opts, &options);
    struct spawn_entry *entry;
    struct cnode_list list;
    struct buf buf;
    int rc;

    if (!cnode_list(what->opts, &list)) {
        return CNODE_EINVALID;
    }
    if (node->spawn_requests.by_ref.count >=
        node_share(node, limits.spawn_requests)) {
        METRIC_INC(spawns_refused);
        return CNODE_LIMIT;
    }
    if (options.has_alias && !alias_has_room(node, process)) {
        return CNODE_LIMIT;
    }
    buf_init(&buf, limits.message_bytes);
    rc = put_request(&buf, leader_for(node, process, where, what), what);
    if (rc == 0) {
        entry = add(node, process, where, &options);
        *id = entry->ref;
        if (options.has_alias) {
            alias_start_at(node, process, options.alias, id);
        }
        if (is_known) {
            ask(node, entry, term_at(buf_data(&buf), buf_size(&buf)));
        } else {
            refuse(node, entry);
        }
    }
    buf_fini(&buf);
    return rc;
}

/* --- the answer */

void spawn_request_fail(struct node *node, const struct signal *request,
                        atom_t error)
{
    struct signal signal = {.kind = SIGNAL_SPAWN_REPLY,
                            .to = request->from,
                            .name = error,
                            .ref = request->ref};

    (void)route_signal(node, &signal, node->name);
}

void spawn_request_abandon(struct node *node, struct process *process,
                           const struct ref *id)
{
    struct spawn_entry *entry = find(node, id);

    if (entry == NULL) {
        (void)monitor_stop(node, process, id);
    } else if (pid_equal(entry->process, node_pid(node, process))) {
        discard(node, entry);
        relations_trim(node, process);
    }
}

/* Nobody is there any more who asked. The child is told as by a link to the
 * dead, and nobody waits for a DOWN. */
static void disown(struct node *node, const struct signal *reply,
                   struct cnode_term reason)
{
    struct signal signal = {.from = reply->to,
                            .to = reply->from,
                            .ref = reply->ref,
                            .term = reason};

    if ((reply->id & SPAWN_FLAG_LINK) != 0) {
        signal.kind = SIGNAL_EXIT;
        (void)route_signal(node, &signal, signal.to.node);
    }
    if ((reply->id & SPAWN_FLAG_MONITOR) != 0) {
        signal.kind = SIGNAL_DEMONITOR;
        signal.term = TERM_NONE;
        (void)route_signal(node, &signal, signal.to.node);
    }
}

static void put_tag(struct buf *buf, const struct spawn_entry *entry)
{
    term_put_tuple(buf, 4);
    if (entry->tag != NULL) {
        buf_put(buf, entry->tag->bytes, entry->tag->size);
    } else {
        term_put_atom(buf, A_spawn_reply);
    }
    term_put_ref(buf, &entry->ref);
}

/* The message, if one is wanted. */
static void put_message(struct buf *buf, const struct spawn_entry *entry,
                        const struct signal *reply)
{
    bool is_ok = !pid_is_none(reply->from);

    if ((entry->replies & (is_ok ? SPAWN_REPLY_OK : SPAWN_REPLY_ERROR)) == 0) {
        return;
    }
    put_tag(buf, entry);
    term_put_atom(buf, is_ok ? A_ok : A_error);
    if (is_ok) {
        term_put_pid(buf, reply->from);
    } else {
        term_put_atom(buf, reply->name);
    }
}

void spawn_on_reply(struct node *node, struct process *process,
                    const struct signal *signal)
{
    struct spawn_entry *entry = find(node, &signal->ref);
    struct signal message = {.kind = SIGNAL_SPAWN_REPLY, .to = signal->to};
    bool is_lost, watches;
    struct buf buf;

    if (process == NULL || entry == NULL) {
        disown(node, signal,
               atom_term(process == NULL ? A_noproc : A_abandoned));
        return;
    }
    if (!pid_equal(entry->process, signal->to) ||
        (!pid_is_none(signal->from) && signal->from.node != entry->where)) {
        METRIC_INC(signals_dropped); /* not theirs to answer */
        return;
    }
    watches =
        (signal->id & SPAWN_FLAG_MONITOR) != 0 && !pid_is_none(signal->from);
    is_lost = entry->where != node->name && list_is_empty(&entry->in_remote);
    if (!pid_is_none(signal->from) && (signal->id & SPAWN_FLAG_LINK) != 0) {
        link_spawned(node, process, signal->from, is_lost);
    }
    if (!watches) {
        alias_monitor_ends(node, process, &signal->ref);
    } else if (!node_owns(node, signal->from)) {
        monitor_spawned(node, process, &signal->ref, signal->from,
                        entry->down_tag, is_lost);
        entry->down_tag = NULL;
    }
    buf_init(&buf, 0);
    put_message(&buf, entry, signal);
    discard(node, entry);
    relations_trim(node, process);
    if (buf_size(&buf) > 0 && buf_error(&buf) == 0) {
        message.term = term_at(buf_data(&buf), buf_size(&buf));
        scheduler_become_message(&node->scheduler, &message);
    }
    buf_fini(&buf);
}

/* --- ends */

void spawn_process_ends(struct node *node, struct process *process)
{
    while (process->relations != NULL &&
           !list_is_empty(&process->relations->spawns)) {
        discard(node, CONTAINER_OF(process->relations->spawns.next,
                                   struct spawn_entry, in_process));
    }
}

void spawn_node_down(struct node *node, struct remote *remote)
{
    struct list *it;

    while ((it = list_pop(&remote->spawns)) != NULL) {
        const struct spawn_entry *entry =
            CONTAINER_OF(it, struct spawn_entry, in_remote);
        struct signal request = {.from = entry->process, .ref = entry->ref};

        spawn_request_fail(node, &request, A_noconnection);
    }
}
