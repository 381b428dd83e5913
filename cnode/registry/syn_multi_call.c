/* SPDX-License-Identifier: Apache-2.0
 *
 * See syn_multi_call.h. The reference of a member's monitor is that of its
 * question.
 *
 *     ASKED -> REPLIED
 *          \-> BAD      ended, or no room for its reply, or out of time
 */
#include "registry/syn_multi_call.h"

#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "registry/syn_publish.h"
#include "term/build.h"

enum status { ASKED, REPLIED, BAD };

struct member {
    struct ref ref;
    struct pid pid;
    enum status status;
    struct cnode_kept *meta, *reply;
};

struct multi_call {
    struct process process;
    struct syn *syn;
    struct list in_all; /* syn->multi_calls */
    struct timer timer;
    struct cnode_kept *from_kept;
    struct gen_from from;
    struct member *members;
    uint32_t count, waiting;
    uint64_t reply_bytes;
    struct map by_ref; /* struct member: ASKED */
};

static void on_message(struct process *process, const struct signal *signal);
static void on_exit_signal(struct process *process, struct cnode_term reason);
static void on_timeout(struct timer *timer);

static const struct process_class class = {
    .name = "syn_multi_call", .message = on_message, .exit = on_exit_signal};

static bool equal(const void *item, const void *key)
{
    const struct member *member = item;

    return ref_equal(&member->ref, key);
}

static uint64_t hash(const struct ref *ref)
{
    return hash_u64((uint64_t)ref->words[0] << 32 | ref->words[1]);
}

static struct cnode_term term_of(const struct buf *buf)
{
    return term_at(buf_data(buf), buf_size(buf));
}

void syn_multi_calls_init(struct syn *syn)
{
    list_init(&syn->multi_calls);
    syn->multi_call_count = 0;
}

/* Its process has ended. */
static void call_free(struct multi_call *call)
{
    loop_timer_stop(node_loop(call->syn->node), &call->timer);
    list_remove(&call->in_all);
    call->syn->multi_call_count--;
    for (uint32_t i = 0; i < call->count; i++) {
        cnode_term_free(call->members[i].meta);
        cnode_term_free(call->members[i].reply);
    }
    map_fini(&call->by_ref);
    mem_free(call->members);
    cnode_term_free(call->from_kept);
    mem_free(call);
}

static void end(struct multi_call *call, struct cnode_term reason)
{
    node_exit(call->syn->node, &call->process, reason);
    call_free(call);
}

void syn_multi_calls_stop(struct syn *syn)
{
    struct list *it;

    while ((it = list_pop(&syn->multi_calls)) != NULL) {
        end(CONTAINER_OF(it, struct multi_call, in_all), atom_term(A_shutdown));
    }
}

/* --- the result */

static uint32_t count_of(const struct multi_call *call, enum status status)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < call->count; i++) {
        count += call->members[i].status == status;
    }
    return count;
}

static void put_result(const struct multi_call *call, struct buf *buf)
{
    term_put_tuple(buf, 2);
    for (int status = REPLIED; status <= BAD; status++) {
        term_put_list(buf, count_of(call, (enum status)status));
        for (uint32_t i = 0; i < call->count; i++) {
            const struct member *member = &call->members[i];

            if ((int)member->status != status) {
                continue;
            }
            if (status == REPLIED) {
                term_put_tuple(buf, 2);
            }
            term_format(buf, "{~p, ~t}", member->pid,
                        cnode_kept_term(member->meta));
            if (status == REPLIED) {
                term_put_copy(buf, cnode_kept_term(member->reply));
            }
        }
        term_put_nil(buf);
    }
}

static void finish(struct multi_call *call)
{
    struct node *node = call->syn->node;

    put_result(call, gen_reply_begin(node, &call->from));
    if (gen_reply_end(node, &call->process, &call->from) != 0) {
        (void)gen_reply(node, &call->process, &call->from,
                        "{error, system_limit}");
    }
    end(call, atom_term(A_normal));
}

/* --- asking */

static void ask_member(struct multi_call *call, struct member *member,
                       struct cnode_term message)
{
    struct node *node = call->syn->node;
    struct pid self = node_pid(node, &call->process);
    struct dest dest = dest_pid(member->pid);
    struct buf *buf;

    if (member->meta == NULL ||
        monitor_start(node, &call->process, &dest, &member->ref) != 0) {
        member->status = BAD;
        return;
    }
    map_add(&call->by_ref, hash(&member->ref), member);
    call->waiting++;
    buf = node_scratch(node);
    term_format(buf, "{syn_multi_call, ~t, {~p, ~r}, ~t}", message, self,
                &member->ref, cnode_kept_term(member->meta));
    if (buf_error(buf) == 0) { /* else, or when it is lost: out of time */
        (void)route_send(node, self, &dest, node_scratch_payload(node));
    }
}

/* How many there are is up to the other nodes. */
static int take_members(struct multi_call *call, struct syn_group *group)
{
    const struct syn_entry *entry = NULL;
    uint32_t count = group == NULL ? 0 : syn_group_count(group, false);

    if (count == 0) {
        return 0;
    }
    call->members = mem_try(count * sizeof(call->members[0]));
    if (call->members == NULL) {
        return CNODE_NOMEM;
    }
    call->count = count;
    for (uint32_t i = 0; i < count; i++) {
        entry = syn_group_next(group, entry, false);
        call->members[i] = (struct member){
            .pid = entry->pid, .meta = cnode_term_copy(syn_entry_meta(entry))};
    }
    return 0;
}

static int keep_from(struct multi_call *call, const struct gen_from *from)
{
    struct cnode_term parts[2];
    struct buf buf;

    buf_init(&buf, 0);
    term_format(&buf, "{~t, ~t}", from->pid, from->tag);
    if (buf_error(&buf) == 0) {
        call->from_kept = cnode_term_copy(term_of(&buf));
    }
    buf_fini(&buf);
    if (call->from_kept == NULL) {
        return CNODE_NOMEM;
    }
    CHECK(term_get_tuple(cnode_kept_term(call->from_kept), 2, parts));
    call->from = (struct gen_from){.pid = parts[0], .tag = parts[1]};
    return 0;
}

static int call_new(struct syn *syn, const struct gen_from *from,
                    struct multi_call **out)
{
    struct multi_call *call = mem_zalloc(sizeof(*call));
    int rc = keep_from(call, from);

    if (rc == 0) {
        rc = node_spawn(syn->node, &call->process, &class);
    }
    if (rc != 0) {
        cnode_term_free(call->from_kept);
        mem_free(call);
        return rc;
    }
    call->syn = syn;
    map_init(&call->by_ref, equal);
    timer_init(&call->timer, on_timeout);
    list_push_back(&syn->multi_calls, &call->in_all);
    syn->multi_call_count++;
    *out = call;
    return 0;
}

int syn_multi_call(const struct syn_query *query, struct cnode_term group,
                   struct cnode_term message, uint64_t timeout_ms)
{
    struct syn *syn = query->syn;
    struct syn_table *groups = &query->pair->kinds[SYN_GROUPS].scope.table;
    struct multi_call *call;
    int rc;

    if (syn->multi_call_count >= limits.syn_multi_calls) {
        METRIC_INC(syn_refused);
        return CNODE_OVERLOADED;
    }
    rc = call_new(syn, &query->from, &call);
    if (rc != 0) {
        return rc;
    }
    rc = take_members(call, syn_table_group(groups, group));
    if (rc != 0) {
        end(call, atom_term(A_normal));
        return rc;
    }
    for (uint32_t i = 0; i < call->count; i++) {
        ask_member(call, &call->members[i], message);
    }
    if (call->waiting == 0) {
        finish(call);
    } else {
        loop_timer_start(node_loop(syn->node), &call->timer, timeout_ms);
    }
    return 0;
}

/* --- answers */

static void settle(struct multi_call *call, struct member *member,
                   enum status status)
{
    member->status = status;
    map_remove(&call->by_ref, hash(&member->ref), &member->ref);
    if (--call->waiting == 0) {
        finish(call);
    }
}

static void on_reply(struct multi_call *call, struct member *member,
                     struct cnode_term reply)
{
    size_t size = cnode_term_size(reply);

    (void)monitor_stop(call->syn->node, &call->process, &member->ref);
    if (size <= limits.syn_reply_bytes - call->reply_bytes) {
        member->reply = cnode_term_copy(reply);
        call->reply_bytes += size;
    } else {
        METRIC_INC(syn_refused);
    }
    settle(call, member, member->reply != NULL ? REPLIED : BAD);
}

static void on_message(struct process *process, const struct signal *signal)
{
    struct multi_call *call = CONTAINER_OF(process, struct multi_call, process);
    struct cnode_term parts[5];
    struct member *member;
    struct ref ref;
    bool is_reply;

    is_reply = term_get_tuple(signal->term, 3, parts) &&
               term_is_atom(parts[0], A_syn_multi_call_reply);
    if (!is_reply && !(term_get_tuple(signal->term, 5, parts) &&
                       term_is_atom(parts[0], A_DOWN))) {
        return;
    }
    if (!term_get_ref(parts[1], &ref)) {
        return;
    }
    member = map_get(&call->by_ref, hash(&ref), &ref);
    if (member != NULL && is_reply) {
        on_reply(call, member, parts[2]);
    } else if (member != NULL) {
        settle(call, member, BAD);
    }
}

static void on_timeout(struct timer *timer)
{
    struct multi_call *call = CONTAINER_OF(timer, struct multi_call, timer);

    for (uint32_t i = 0; i < call->count; i++) {
        if (call->members[i].status == ASKED) {
            call->members[i].status = BAD;
        }
    }
    finish(call); /* the end of its process stops the monitors */
}

/* Killed by somebody: the caller is told. */
static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    struct multi_call *call = CONTAINER_OF(process, struct multi_call, process);

    (void)gen_reply(call->syn->node, process, &call->from, "{error, ~t}",
                    reason);
    end(call, reason);
}
