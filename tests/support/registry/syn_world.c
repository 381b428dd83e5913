/* SPDX-License-Identifier: Apache-2.0
 *
 * See syn_world.h.
 */
#include "support/registry/syn_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "registry/syn_parts.h"
#include "support/registry/syn_events.h"
#include "support/term/terms.h"
#include "term/build.h"
#include "term/text.h"

enum { SCOPE_ID = 100, SENDER_ID = 99 };

static struct limits defaults;

atom_t syn_world_node(unsigned node)
{
    char text[16];
    int len = snprintf(text, sizeof(text), "n%u@h", node);

    return atom_intern(text, (size_t)len);
}

struct pid syn_world_pid(unsigned node, uint32_t id)
{
    return (struct pid){
        .node = syn_world_node(node), .id = id, .creation = node};
}

/* --- what the machine does */

static void line(struct syn_world *w)
{
    if (buf_size(&w->said) > 0) {
        buf_put_u8(&w->said, '\n');
    }
}

static void say_pid(struct syn_world *w, struct pid pid)
{
    struct buf buf;

    buf_init(&buf, 0);
    term_put_pid(&buf, pid);
    buf_put_u8(&w->said, ' ');
    term_print(&w->said, term_in(&buf), 0);
    buf_fini(&buf);
}

/* A broadcast goes to the members in the order of a table of theirs, which is
 * none: here by name, all of one length. */
static void sort_last(struct syn_world *w, size_t last, size_t name_len)
{
    size_t len = buf_size(&w->said) - last;

    while (last > len) {
        uint8_t *own = buf_data(&w->said) + last, *other = own - len - 1;

        if ((other > buf_data(&w->said) && other[-1] != '\n') ||
            memcmp(own + name_len, other + name_len, len - name_len) != 0 ||
            memcmp(own, other, name_len) >= 0) {
            return;
        }
        for (size_t i = 0; i < name_len; i++) {
            uint8_t byte = own[i];

            own[i] = other[i];
            other[i] = byte;
        }
        last -= len + 1;
    }
}

static void on_send(void *owner, atom_t node, struct cnode_term message)
{
    struct syn_world *w = owner;
    size_t start;

    line(w);
    start = buf_size(&w->said);
    buf_printf(&w->said, "%s ! ", atom_text(node));
    term_print(&w->said, message, 0);
    sort_last(w, start, atom_len(node));
}

static void on_send_block(void *owner, atom_t node, struct block *message)
{
    on_send(owner, node, term_at(message->bytes, message->size));
    block_unref(message);
}

static int on_monitor(void *owner, struct pid pid, struct ref *ref)
{
    struct syn_world *w = owner;
    struct syn_world_monitor *monitor = w->monitors;

    if (w->monitor_rc != 0) {
        return w->monitor_rc;
    }
    while (!pid_is_none(monitor->pid)) {
        monitor++;
        assert_true(monitor < w->monitors + SYN_WORLD_MONITORS);
    }
    *ref = (struct ref){.node = w->scope.self.node,
                        .creation = 1,
                        .len = 3,
                        .words = {++w->refs}};
    *monitor = (struct syn_world_monitor){.pid = pid, .ref = *ref};
    line(w);
    buf_printf(&w->said, "monitor");
    say_pid(w, pid);
    return 0;
}

static struct syn_world_monitor *find_monitor(struct syn_world *w,
                                              const struct ref *ref)
{
    for (unsigned i = 0; i < SYN_WORLD_MONITORS; i++) {
        if (!pid_is_none(w->monitors[i].pid) &&
            ref_equal(&w->monitors[i].ref, ref)) {
            return &w->monitors[i];
        }
    }
    return NULL;
}

static void on_demonitor(void *owner, const struct ref *ref)
{
    struct syn_world *w = owner;
    struct syn_world_monitor *monitor = find_monitor(w, ref);

    assert_non_null(monitor);
    line(w);
    buf_printf(&w->said, "demonitor");
    say_pid(w, monitor->pid);
    monitor->pid = PID_NONE;
}

static void on_kill(void *owner, struct pid pid, struct cnode_term reason)
{
    struct syn_world *w = owner;

    line(w);
    buf_printf(&w->said, "kill");
    say_pid(w, pid);
    buf_put_u8(&w->said, ' ');
    term_print(&w->said, reason, 0);
}

static enum syn_verdict on_judge(void *owner,
                                 const struct syn_conflict *conflict)
{
    struct syn_world *w = owner;

    if (!w->is_judge) {
        return SYN_BY_RULE;
    }
    line(w);
    buf_printf(&w->said, "judge ");
    term_print(&w->said, conflict->theirs.name, 0);
    say_pid(w, conflict->theirs.pid);
    say_pid(w, conflict->ours.pid);
    return SYN_LATER;
}

static struct block *on_keep(void *owner, struct cnode_term *term)
{
    struct syn_world *w = owner;

    return w->keeps_nothing ? NULL : syn_events_keep(term);
}

static void on_wake(void *owner)
{
    ((struct syn_world *)owner)->is_awake = true;
}

static int64_t on_now(void *owner)
{
    return ((struct syn_world *)owner)->now;
}

static const struct syn_scope_events events = SYN_EVENTS;

void syn_world_open(struct syn_world *w, enum syn_kind kind)
{
    hash_seed(1, 2);
    atom_init();
    memset(w, 0, sizeof(*w));
    w->now = 1000;
    buf_init(&w->said, 0);
    buf_init(&w->printed, 0);
    assert_int_equal(syn_scope_init(&w->scope, kind, atom_intern("s", 1),
                                    syn_world_pid(1, SCOPE_ID), &events, w),
                     0);
}

void syn_world_close(struct syn_world *w)
{
    syn_scope_fini(&w->scope);
    buf_fini(&w->said);
    buf_fini(&w->printed);
}

static int set_up(void **state, enum syn_kind kind)
{
    static struct syn_world world;

    defaults = limits;
    syn_world_open(&world, kind);
    *state = &world;
    return 0;
}

int syn_world_setup(void **state)
{
    return set_up(state, SYN_REGISTRY);
}

int syn_world_setup_groups(void **state)
{
    return set_up(state, SYN_GROUPS);
}

int syn_world_teardown(void **state)
{
    syn_world_close(*state);
    limits = defaults;
    return 0;
}

/* --- messages */

static int hear(struct syn_world *w, struct pid from, const char *format,
                va_list args)
{
    struct buf buf;
    int rc;

    buf_init(&buf, 0);
    term_vformat(&buf, format, args);
    assert_int_equal(buf_error(&buf), 0);
    rc = syn_scope_message(&w->scope, from, term_in(&buf));
    buf_fini(&buf);
    return rc;
}

int syn_world_hear(struct syn_world *w, unsigned node, const char *format, ...)
{
    va_list args;
    int rc;

    va_start(args, format);
    rc = hear(w, syn_world_pid(node, SENDER_ID), format, args);
    va_end(args);
    return rc;
}

int syn_world_hear_scope(struct syn_world *w, unsigned node, const char *format,
                         ...)
{
    va_list args;
    int rc;

    va_start(args, format);
    rc = hear(w, syn_world_pid(node, SCOPE_ID), format, args);
    va_end(args);
    return rc;
}

void syn_world_meet(struct syn_world *w, unsigned node, const char *format, ...)
{
    struct pid scope = syn_world_pid(node, SCOPE_ID);
    struct buf list;
    va_list args;

    buf_init(&list, 0);
    va_start(args, format);
    term_vformat(&list, format, args);
    va_end(args);
    syn_scope_nodeup(&w->scope, scope.node);
    assert_int_equal(syn_world_hear(w, node, "{'3.0', discover, ~p}", scope),
                     0);
    assert_int_equal(syn_world_hear(w, node, "{'3.0', ack_sync, ~p, ~t}", scope,
                                    term_in(&list)),
                     0);
    buf_fini(&list);
    (void)syn_world_said(w);
}

int syn_world_down(struct syn_world *w, unsigned node, atom_t reason)
{
    for (unsigned i = 0; i < SYN_WORLD_MONITORS; i++) {
        struct syn_world_monitor monitor = w->monitors[i];

        if (monitor.pid.node == syn_world_node(node)) {
            struct buf buf;
            int rc;

            w->monitors[i].pid = PID_NONE;
            buf_init(&buf, 0);
            term_format(&buf, "{'DOWN', ~r, process, ~p, ~A}", &monitor.ref,
                        monitor.pid, reason);
            rc = syn_scope_message(&w->scope, PID_NONE, term_in(&buf));
            buf_fini(&buf);
            return rc;
        }
    }
    return CNODE_NOT_FOUND;
}

/* --- requests */

static const char *printed(struct syn_world *w)
{
    buf_put_u8(&w->printed, 0);
    assert_int_equal(buf_error(&w->printed), 0);
    return (const char *)buf_data(&w->printed);
}

static const char *request(struct syn_world *w, struct syn_request *asked,
                           unsigned node, const char *name, uint32_t id,
                           const char *meta)
{
    struct buf name_bytes = bytes_of_text(name);
    struct buf meta_bytes = bytes_of_text(meta);
    struct buf answer;

    buf_init(&answer, 0);
    asked->requester = syn_world_node(node);
    asked->claim.name = term_in(&name_bytes);
    asked->claim.meta = term_in(&meta_bytes);
    asked->claim.pid = syn_world_pid(1, id);
    syn_scope_request(&w->scope, asked, id != 0, false, &answer);
    assert_int_equal(buf_error(&answer), 0);
    buf_clear(&w->printed);
    term_print(&w->printed, term_in(&answer), 0);
    buf_fini(&name_bytes);
    buf_fini(&meta_bytes);
    buf_fini(&answer);
    return printed(w);
}

const char *syn_world_add(struct syn_world *w, unsigned node, const char *name,
                          uint32_t id, const char *meta)
{
    struct syn_request asked = {.ask = SYN_ASK_ADD};

    return request(w, &asked, node, name, id, meta);
}

const char *syn_world_remove(struct syn_world *w, unsigned node,
                             const char *name, uint32_t id)
{
    struct syn_request asked = {.ask = SYN_ASK_REMOVE};

    return request(w, &asked, node, name, id, "[]");
}

/* --- what can be seen */

const char *syn_world_said(struct syn_world *w)
{
    buf_clear(&w->printed);
    buf_put(&w->printed, buf_data(&w->said), buf_size(&w->said));
    buf_clear(&w->said);
    return printed(w);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void print_entries(const struct syn_owner *owner, char **lines,
                          size_t *count, size_t most)
{
    LIST_EACH(it, &owner->entries) {
        struct syn_claim claim =
            syn_claim_of(CONTAINER_OF(it, struct syn_entry, in_owner));
        struct buf bytes, text;

        assert_true(*count < most);
        buf_init(&bytes, 0);
        buf_init(&text, 0);
        syn_put_claim(&bytes, &claim);
        term_print(&text, term_in(&bytes), 0);
        buf_put_u8(&text, 0);
        lines[(*count)++] = mem_strdup((const char *)buf_data(&text));
        buf_fini(&bytes);
        buf_fini(&text);
    }
}

const char *syn_world_table(struct syn_world *w)
{
    const struct syn_remote *remote;
    char *lines[64];
    size_t count = 0;

    print_entries(&w->scope.table.local, lines, &count, ARRAY_LEN(lines));
    MAP_EACH(remote, &w->scope.remotes) {
        print_entries(&remote->owner, lines, &count, ARRAY_LEN(lines));
    }
    qsort(lines, count, sizeof(lines[0]), compare);
    buf_clear(&w->printed);
    for (size_t i = 0; i < count; i++) {
        buf_printf(&w->printed, "%s%s", i > 0 ? " " : "", lines[i]);
        mem_free(lines[i]);
    }
    return printed(w);
}

int syn_world_discover(struct syn_world *w, unsigned node)
{
    return syn_world_hear(w, node, "{'3.0', discover, ~p}",
                          syn_world_pid(node, SCOPE_ID));
}
