/* SPDX-License-Identifier: Apache-2.0
 *
 * See process_info.h.
 */
#include "node/process_info.h"

#include <string.h>

#include <cnode/error.h>

#include "node/node.h"
#include "term/build.h"

enum { WORD_BYTES = 8 };

struct view {
    struct node *node;
    const struct process *process;
    struct process_about about;
};

/* --- what the class says */

struct process_about process_about(const struct process *process)
{
    struct process_about about = {.module = A_cnode,
                                  .bytes = sizeof(struct process)};

    if (process->class->describe != NULL) {
        process->class->describe(process, &about);
    }
    return about;
}

struct pid process_parent(const struct process_about *about)
{
    return about->ancestor_count > 0 ? about->ancestors[0].pid : PID_NONE;
}

static size_t mail_bytes(const struct mailbox *box)
{
    const struct signal *signal = box->tail;
    size_t bytes = 0;

    for (uint32_t i = 0; i < box->count; i++) {
        bytes += sizeof(*signal) + (size_t)(signal->term.end - signal->term.at);
        signal = signal->next;
    }
    return bytes;
}

size_t process_bytes(const struct process *process,
                     const struct process_about *about)
{
    return about->bytes + mail_bytes(&process->mailbox) +
           (process->relations != NULL ? sizeof(struct relations) : 0);
}

void process_put_initial_call(const struct process_about *about,
                              struct buf *buf)
{
    term_format(buf,
                about->is_supervisor ? "{supervisor, ~A, 1}" : "{~A, init, 1}",
                about->module);
}

static void put_ancestors(const struct process_about *about, struct buf *buf)
{
    term_put_list(buf, about->ancestor_count);
    for (uint32_t i = 0; i < about->ancestor_count; i++) {
        if (about->ancestors[i].name != ATOM_NONE) {
            term_put_atom(buf, about->ancestors[i].name);
        } else {
            term_put_pid(buf, about->ancestors[i].pid);
        }
    }
    term_put_nil(buf);
}

void process_put_dictionary(const struct process *process,
                            const struct process_about *about, struct buf *buf)
{
    bool has_label = process->class->put_label != NULL;

    term_put_list(buf, has_label ? 3 : 2);
    term_put_tuple(buf, 2);
    term_put_atom(buf, A_initial_call_key);
    process_put_initial_call(about, buf);
    term_put_tuple(buf, 2);
    term_put_atom(buf, A_ancestors_key);
    put_ancestors(about, buf);
    if (has_label) {
        term_put_tuple(buf, 2);
        term_put_atom(buf, A_process_label_key);
        process->class->put_label(process, buf);
    }
    term_put_nil(buf);
}

/* --- the items. Each appends the value alone. */

static void put_registered_name(const struct view *v, struct buf *buf)
{
    atom_t name = names_of(v->node, v->process);

    if (name != ATOM_NONE) {
        term_put_atom(buf, name);
    } else {
        term_put_nil(buf);
    }
}

static void put_current_function(const struct view *v, struct buf *buf)
{
    (void)v;
    term_format(buf, "{gen_server, loop, 7}");
}

static void put_current_location(const struct view *v, struct buf *buf)
{
    (void)v;
    term_format(buf, "{gen_server, loop, 7, []}");
}

static void put_current_stacktrace(const struct view *v, struct buf *buf)
{
    (void)v;
    term_format(buf, "[{gen_server, loop, 7, []}, "
                     "{proc_lib, init_p_do_apply, 3, []}]");
}

static void put_initial_call(const struct view *v, struct buf *buf)
{
    (void)v;
    term_format(buf, "{proc_lib, init_p, 5}");
}

static void put_status(const struct view *v, struct buf *buf)
{
    bool is_runnable = (v->process->flags & PROCESS_QUEUED) != 0;

    term_format(buf, is_runnable ? "runnable" : "waiting");
}

static void put_message_queue_len(const struct view *v, struct buf *buf)
{
    term_put_uint(buf, v->process->mailbox.count);
}

static void put_messages(const struct view *v, struct buf *buf)
{
    const struct mailbox *box = &v->process->mailbox;
    const struct signal *signal = box->tail;

    term_put_list(buf, box->count);
    for (uint32_t i = 0; i < box->count; i++) {
        signal = signal->next; /* from the oldest, behind the tail, on */
        term_put_copy(buf, signal->term);
    }
    term_put_nil(buf);
}

static void put_links(const struct view *v, struct buf *buf)
{
    size_t start = term_open_list(buf);
    uint32_t count = 0;

    if (v->process->relations != NULL) {
        LIST_EACH(it, &v->process->relations->links) {
            const struct link *link = CONTAINER_OF(it, struct link, in_local);

            if (link->waiting == 0) {
                term_put_pid(buf, link->other);
                count++;
            }
        }
    }
    term_close_list(buf, start, count);
}

static void put_monitors(const struct view *v, struct buf *buf)
{
    size_t start = term_open_list(buf);
    uint32_t count = 0;

    if (v->process->relations != NULL) {
        LIST_EACH(it, &v->process->relations->watching) {
            const struct monitor *m =
                CONTAINER_OF(it, struct monitor, in_watcher);

            if (m->name != ATOM_NONE) {
                term_format(buf, "{process, {~A, ~A}}", m->name,
                            m->target_node);
            } else {
                term_format(buf, "{process, ~p}", m->target);
            }
            count++;
        }
    }
    term_close_list(buf, start, count);
}

static void put_monitored_by(const struct view *v, struct buf *buf)
{
    size_t start = term_open_list(buf);
    uint32_t count = 0;

    if (v->process->relations != NULL) {
        LIST_EACH(it, &v->process->relations->watchers) {
            const struct monitor *m =
                CONTAINER_OF(it, struct monitor, in_target);

            term_put_pid(buf, m->watcher);
            count++;
        }
    }
    term_close_list(buf, start, count);
}

static void put_dictionary(const struct view *v, struct buf *buf)
{
    process_put_dictionary(v->process, &v->about, buf);
}

static void put_label(const struct view *v, struct buf *buf)
{
    if (v->process->class->put_label != NULL) {
        v->process->class->put_label(v->process, buf);
    } else {
        term_put_atom(buf, A_undefined);
    }
}

static void put_trap_exit(const struct view *v, struct buf *buf)
{
    bool traps = (v->process->flags & PROCESS_TRAP_EXIT) != 0;

    term_put_atom(buf, traps ? A_true : A_false);
}

static void put_group_leader(const struct view *v, struct buf *buf)
{
    struct pid leader = group_leader_of(v->process);

    if (pid_is_none(leader)) { /* nobody: no output goes anywhere */
        leader = node_pid(v->node, v->process);
    }
    term_put_pid(buf, leader);
}

static void put_parent(const struct view *v, struct buf *buf)
{
    struct pid parent = process_parent(&v->about);

    if (pid_is_none(parent)) {
        term_put_atom(buf, A_undefined);
    } else {
        term_put_pid(buf, parent);
    }
}

static void put_reductions(const struct view *v, struct buf *buf)
{
    term_put_uint(buf, process_handled(v->process));
}

static void put_memory(const struct view *v, struct buf *buf)
{
    term_put_uint(buf, process_bytes(v->process, &v->about));
}

static uint64_t words(size_t bytes)
{
    return (bytes + WORD_BYTES - 1) / WORD_BYTES;
}

static void put_heap_size(const struct view *v, struct buf *buf)
{
    term_put_uint(buf, words(v->about.state_bytes));
}

static void put_total_heap_size(const struct view *v, struct buf *buf)
{
    term_put_uint(
        buf, words(v->about.state_bytes + mail_bytes(&v->process->mailbox)));
}

static void put_garbage_collection(const struct view *v, struct buf *buf)
{
    term_format(buf,
                "[{max_heap_size, #{error_logger => true, kill => true, "
                "size => 0}}, {min_bin_vheap_size, 0}, {min_heap_size, ~u}, "
                "{fullsweep_after, 0}, {minor_gcs, 0}]",
                words(v->about.state_bytes));
}

static void put_garbage_collection_info(const struct view *v, struct buf *buf)
{
    uint64_t heap = words(v->about.state_bytes);

    term_format(buf,
                "[{old_heap_block_size, 0}, {heap_block_size, ~u}, "
                "{mbuf_size, ~u}, {recent_size, 0}, {stack_size, 0}, "
                "{old_heap_size, 0}, {heap_size, ~u}, {bin_vheap_size, 0}, "
                "{bin_vheap_block_size, 0}, {bin_old_vheap_size, 0}, "
                "{bin_old_vheap_block_size, 0}]",
                heap, words(mail_bytes(&v->process->mailbox)), heap);
}

struct item {
    const char *name;
    void (*put)(const struct view *v, struct buf *buf);
    const char *constant; /* when put is NULL */
    bool is_in_all;       /* process_info/1 has it; in this order */
};

static const struct item items[] = {
    {"registered_name", put_registered_name, NULL, true},
    {"current_function", put_current_function, NULL, true},
    {"initial_call", put_initial_call, NULL, true},
    {"status", put_status, NULL, true},
    {"message_queue_len", put_message_queue_len, NULL, true},
    {"links", put_links, NULL, true},
    {"dictionary", put_dictionary, NULL, true},
    {"trap_exit", put_trap_exit, NULL, true},
    {"error_handler", NULL, "error_handler", true},
    {"priority", NULL, "normal", true},
    {"group_leader", put_group_leader, NULL, true},
    {"total_heap_size", put_total_heap_size, NULL, true},
    {"heap_size", put_heap_size, NULL, true},
    {"stack_size", NULL, "0", true},
    {"reductions", put_reductions, NULL, true},
    {"garbage_collection", put_garbage_collection, NULL, true},
    {"suspending", NULL, "[]", true},
    {"async_dist", NULL, "false", false},
    {"backtrace", NULL, "<<>>", false},
    {"binary", NULL, "[]", false},
    {"catchlevel", NULL, "0", false},
    {"current_location", put_current_location, NULL, false},
    {"current_stacktrace", put_current_stacktrace, NULL, false},
    {"fullsweep_after", NULL, "0", false},
    {"garbage_collection_info", put_garbage_collection_info, NULL, false},
    {"label", put_label, NULL, false},
    {"last_calls", NULL, "false", false},
    {"magic_ref", NULL, "[]", false},
    {"max_heap_size", NULL, "#{error_logger => true, kill => true, size => 0}",
     false},
    {"memory", put_memory, NULL, false},
    {"message_queue_data", NULL, "on_heap", false},
    {"messages", put_messages, NULL, false},
    {"min_bin_vheap_size", NULL, "0", false},
    {"min_heap_size", put_heap_size, NULL, false},
    {"monitored_by", put_monitored_by, NULL, false},
    {"monitors", put_monitors, NULL, false},
    {"parent", put_parent, NULL, false},
    {"priority_messages", NULL, "false", false},
    {"sequential_trace_token", NULL, "[]", false},
    {"trace", NULL, "0", false},
};

enum { ITEM_COUNT = sizeof(items) / sizeof(items[0]) };

static void put_value(const struct view *v, const struct item *item,
                      struct buf *buf)
{
    if (item->put != NULL) {
        item->put(v, buf);
    } else {
        term_format(buf, item->constant);
    }
}

static void put_item(const struct view *v, const struct item *item,
                     struct buf *buf)
{
    term_put_tuple(buf, 2);
    term_put_atom_text(buf, item->name, strlen(item->name));
    put_value(v, item, buf);
}

static const struct item *find_item(struct cnode_term name)
{
    for (unsigned i = 0; i < ITEM_COUNT; i++) {
        if (cnode_is_atom(name, items[i].name)) {
            return &items[i];
        }
    }
    return NULL;
}

/* --- {dictionary, Key} */

static void put_dictionary_value(const struct view *v, struct cnode_term key,
                                 struct buf *buf)
{
    if (term_is_atom(key, A_initial_call_key)) {
        process_put_initial_call(&v->about, buf);
    } else if (term_is_atom(key, A_ancestors_key)) {
        put_ancestors(&v->about, buf);
    } else if (term_is_atom(key, A_process_label_key)) {
        put_label(v, buf);
    } else {
        term_put_atom(buf, A_undefined);
    }
}

static int put_one(const struct view *v, struct cnode_term what,
                   struct buf *buf)
{
    const struct item *item = find_item(what);
    struct cnode_term parts[2];

    if (item != NULL) {
        put_item(v, item, buf);
        return 0;
    }
    if (!term_get_tuple(what, 2, parts) ||
        !cnode_is_atom(parts[0], "dictionary")) {
        return CNODE_EINVALID;
    }
    term_put_tuple(buf, 2);
    term_put_copy(buf, what);
    put_dictionary_value(v, parts[1], buf);
    return 0;
}

/* --- the functions */

static struct view view_of(struct node *node, const struct process *process)
{
    return (struct view){
        .node = node, .process = process, .about = process_about(process)};
}

void process_info_put_all(struct node *node, const struct process *process,
                          struct buf *buf)
{
    struct view v = view_of(node, process);
    bool has_name = names_of(node, process) != ATOM_NONE;
    size_t start = term_open_list(buf);
    uint32_t count = 0;

    for (unsigned i = 0; i < ITEM_COUNT && items[i].is_in_all; i++) {
        if (i > 0 || has_name) { /* the name comes first */
            put_item(&v, &items[i], buf);
            count++;
        }
    }
    term_close_list(buf, start, count);
}

static int put_list(const struct view *v, struct cnode_list *what,
                    struct buf *buf)
{
    struct cnode_term element;
    size_t start = term_open_list(buf);
    uint32_t count = 0;
    int rc = 0;

    while (rc == 0 && cnode_list_next(what, &element)) {
        rc = put_one(v, element, buf);
        count++;
    }
    term_close_list(buf, start, count);
    return rc;
}

int process_info_put(struct node *node, const struct process *process,
                     struct cnode_term what, struct buf *buf)
{
    struct view v = view_of(node, process);
    struct cnode_list list;

    if (cnode_list(what, &list)) {
        return put_list(&v, &list, buf);
    }
    if (cnode_is_atom(what, "registered_name") &&
        names_of(node, process) == ATOM_NONE) {
        term_put_nil(buf); /* alone it has no tuple around it */
        return 0;
    }
    return put_one(&v, what, buf);
}
