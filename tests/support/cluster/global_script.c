/* SPDX-License-Identifier: Apache-2.0
 *
 * See global_script.h.
 */
#include "support/cluster/global_script.h"

#include <stdarg.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "cluster/global_parts.h"
#include "term/build.h"
#include "term/text.h"

static const char *const role_names[GLOBAL_ROLES] = {"server", "locker",
                                                     "registrar"};

static atom_t atom(const char *text)
{
    return atom_intern(text, strlen(text));
}

/* --- what the machine does */

static void say(struct global_script *s, const char *text)
{
    buf_printf(&s->said, "%s%s", buf_size(&s->said) > 0 ? "\n" : "", text);
}

static void say_term(struct global_script *s, struct cnode_term term)
{
    buf_put_u8(&s->said, ' ');
    term_print(&s->said, term, 0);
}

static void say_format(struct global_script *s, const char *format, ...)
{
    struct buf buf;
    va_list args;

    buf_init(&buf, 0);
    va_start(args, format);
    term_vformat(&buf, format, args);
    va_end(args);
    say_term(s, term_at(buf_data(&buf), buf_size(&buf)));
    buf_fini(&buf);
}

static void on_send(void *owner, enum global_role from, const struct dest *to,
                    struct cnode_term message)
{
    struct global_script *s = owner;

    say(s, role_names[from]);
    if (to->kind == DEST_NAME) {
        say_format(s, "{~A, ~A}", to->name, to->node);
    } else {
        say_format(s, "~p", to->pid);
    }
    buf_printf(&s->said, " !");
    say_term(s, message);
}

static void on_reply(void *owner, const struct gen_from *from,
                     struct cnode_term reply)
{
    (void)from;
    say(owner, "reply");
    say_term(owner, reply);
}

static int on_monitor(void *owner, enum global_role who,
                      const struct dest *target, struct ref *ref)
{
    struct global_script *s = owner;

    *ref = (struct ref){.node = s->global.node,
                        .creation = 7,
                        .len = 3,
                        .words = {s->newest[who].words[0] + 1, who}};
    s->newest[who] = *ref;
    s->monitors++;
    if (target->kind == DEST_NAME) {
        CHECK(s->asked_count[who] < SCRIPT_ASKED);
        s->asked[who][s->asked_count[who]++] = *ref;
    }
    return 0;
}

static void on_demonitor(void *owner, enum global_role who,
                         const struct ref *ref)
{
    struct global_script *s = owner;

    (void)who, (void)ref;
    s->monitors--;
}

static void on_dial(void *owner, atom_t node)
{
    say(owner, "dial");
    say_term(owner, atom_term(node));
}

static void on_disconnect(void *owner, atom_t node)
{
    say(owner, "disconnect");
    say_term(owner, atom_term(node));
}

static void on_resolve(void *owner, const struct global_clash *clash)
{
    struct global_script *s = owner;

    s->clash = clash->serial;
    say(s, "resolve");
    say_term(s, clash->name);
    say_format(s, "~p", clash->pid);
    say_format(s, "~p", clash->pid2);
    buf_printf(&s->said, " by method");
    say_term(s, clash->method);
}

static void on_done(void *owner, uint64_t request, atom_t result)
{
    struct global_script *s = owner;

    say(s, "done");
    buf_printf(&s->said, " %u %s", (unsigned)request, atom_text(result));
}

static const struct global_events events = {
    .send = on_send,
    .reply = on_reply,
    .monitor = on_monitor,
    .demonitor = on_demonitor,
    .dial = on_dial,
    .disconnect = on_disconnect,
    .resolve = on_resolve,
    .done = on_done,
};

/* --- open */

void global_script_open(struct global_script *s)
{
    struct pid pids[GLOBAL_ROLES];

    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    hash_seed(1, 2);
    atom_init();
    memset(s, 0, sizeof(*s));
    buf_init(&s->said, 0);
    s->now = 1000000;
    s->peer = atom("p1@there");
    s->peer2 = atom("p2@there");
    for (uint32_t i = 0; i < GLOBAL_ROLES; i++) {
        pids[i] =
            (struct pid){.node = atom("n1@here"), .id = 1 + i, .creation = 7};
    }
    s->our_process = pids[0];
    s->our_process.id = 21;
    s->his_locker = (struct pid){.node = s->peer, .id = 56, .creation = 3};
    s->his_process = (struct pid){.node = s->peer, .id = 22, .creation = 3};
    global_init(&s->global, pids[0].node, pids, 4711, &events, s);
}

void global_script_close(struct global_script *s)
{
    global_fini(&s->global);
    buf_fini(&s->said);
}

/* --- what is heard */

const char *script_said(struct global_script *s)
{
    static char text[4000];

    CHECK(buf_size(&s->said) < sizeof(text));
    if (buf_size(&s->said) > 0) {
        memcpy(text, buf_data(&s->said), buf_size(&s->said));
    }
    text[buf_size(&s->said)] = 0;
    buf_clear(&s->said);
    return text;
}

static int hear(struct global_script *s, enum global_role role, struct pid from,
                const struct buf *message)
{
    CHECK(buf_error(message) == 0);
    return global_message(&s->global, role, from,
                          term_at(buf_data(message), buf_size(message)),
                          s->now);
}

int script_hear(struct global_script *s, const char *format, ...)
{
    struct buf buf;
    va_list args;
    int rc;

    buf_init(&buf, 0);
    va_start(args, format);
    term_vformat(&buf, format, args);
    va_end(args);
    rc = hear(s, GLOBAL_SERVER, s->his_process, &buf);
    buf_fini(&buf);
    return rc;
}

void script_call(struct global_script *s, struct pid by, const char *format,
                 ...)
{
    struct buf buf;
    va_list args;

    buf_init(&buf, 0);
    term_put_tuple(&buf, 3);
    term_put_atom(&buf, A_gen_call);
    term_format(&buf, "{~p, tag}", by);
    va_start(args, format);
    term_vformat(&buf, format, args);
    va_end(args);
    CHECK(hear(s, GLOBAL_SERVER, by, &buf) == 0);
    buf_fini(&buf);
}

void script_answer(struct global_script *s, enum global_role role,
                   const char *answer)
{
    unsigned count = s->asked_count[role];
    struct ref asked[SCRIPT_ASKED];
    struct buf buf;

    memcpy(asked, s->asked[role], sizeof(asked));
    s->asked_count[role] = 0;
    buf_init(&buf, 0);
    for (unsigned i = 0; i < count; i++) {
        buf_clear(&buf);
        term_format(&buf, "{~r, ~a}", &asked[i], answer);
        (void)hear(s, role, s->his_process, &buf);
    }
    buf_fini(&buf);
}

int script_down(struct global_script *s, enum global_role role)
{
    struct buf buf;
    int rc;

    buf_init(&buf, 0);
    term_format(&buf, "{'DOWN', ~r, process, ~p, gone}", &s->newest[role],
                s->his_process);
    rc = hear(s, role, PID_NONE, &buf);
    s->monitors -= rc == 0;
    buf_fini(&buf);
    return rc;
}

void script_resolved(struct global_script *s, const char *format, ...)
{
    struct buf buf;
    va_list args;

    buf_init(&buf, 0);
    va_start(args, format);
    term_vformat(&buf, format, args);
    va_end(args);
    global_resolved(&s->global, s->peer, s->clash,
                    term_at(buf_data(&buf), buf_size(&buf)), s->now);
    buf_fini(&buf);
}

/* --- longer exchanges */

void script_init_connect(struct global_script *s)
{
    CHECK(script_hear(s,
                      "{'$gen_cast', {init_connect, {8, -7}, 'p1@there', "
                      "{locker, no_longer_a_pid, #{{a, b} => 1}, ~p}}}",
                      s->his_locker) == 0);
}

void script_lock_both(struct global_script *s)
{
    script_call(s, s->his_locker, "{set_lock, {global, [~p, ~p]}}",
                s->global.pids[GLOBAL_LOCKER], s->his_locker);
    CHECK(script_hear(s, "{'$gen_cast', {lock_set, ~p, true, [], 1}}",
                      s->his_locker) == 0);
    CHECK(s->global.locker.state == LOCKER_WAIT_CANCEL);
}

void script_join(struct global_script *s)
{
    global_nodeup(&s->global, s->peer, s->now);
    script_init_connect(s);
    script_lock_both(s);
    CHECK(script_hear(s, "{'$gen_cast', {exchange, 'p1@there', [], [], 1}}") ==
          0);
    CHECK(script_hear(s, "{'$gen_cast', {resolved, 'p1@there', [], [], unused, "
                         "[], 1}}") == 0);
    script_call(s, s->his_locker, "{del_lock, {global, [~p, ~p]}}",
                s->global.pids[GLOBAL_LOCKER], s->his_locker);
    CHECK(s->global.locker.state == LOCKER_IDLE);
    CHECK(s->global.locks.by_resource.count == 0);
    (void)script_said(s);
}

void script_name(struct global_script *s, const char *name, struct pid pid)
{
    struct pid by = s->global.pids[GLOBAL_REGISTRAR];

    script_call(s, by, "{set_lock, {global, script}}");
    script_call(s, by, "{register, ~a, ~p, m}", name, pid);
    script_call(s, by, "{del_lock, {global, script}}");
}

struct pid script_whereis(struct global_script *s, const char *name)
{
    return global_whereis(&s->global, atom_term(atom(name)));
}

int script_request(struct global_script *s, enum global_op op, const char *name)
{
    return global_request(&s->global, op, atom_term(atom(name)), s->our_process,
                          ++s->requests, s->now);
}
