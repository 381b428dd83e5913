/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/pg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/metric.h"
#include "term/build.h"
#include "term/text.h"

struct fixture {
    struct pg pg;
    struct buf said;    /* a line for each message and monitor */
    struct buf members; /* as printed last */
    struct pid scope;   /* of another node */
    struct pid theirs, theirs2, ours, ours2;
    struct ref newest; /* monitor */
    uint32_t monitors; /* there are */
    int send_rc;
};

static atom_t atom(const char *text)
{
    return atom_intern(text, strlen(text));
}

/* --- what the machine does */

static int on_send(void *owner, const struct dest *to,
                   struct cnode_term message)
{
    struct fixture *f = owner;
    struct buf term;

    if (f->send_rc != 0) {
        return f->send_rc;
    }
    buf_init(&term, 0);
    if (to->kind == DEST_NAME) {
        term_format(&term, "{~A, ~A}", to->name, to->node);
    } else {
        term_put_pid(&term, to->pid);
    }
    buf_printf(&f->said, "%s", buf_size(&f->said) > 0 ? "\n" : "");
    term_print(&f->said, term_at(buf_data(&term), buf_size(&term)), 0);
    buf_printf(&f->said, " ! ");
    term_print(&f->said, message, 0);
    buf_fini(&term);
    return 0;
}

static int on_monitor(void *owner, struct pid pid, struct ref *ref)
{
    struct fixture *f = owner;

    (void)pid;
    f->newest = (struct ref){.node = f->pg.self.node,
                             .creation = 7,
                             .len = 3,
                             .words = {f->newest.words[0] + 1}};
    *ref = f->newest;
    f->monitors++;
    return 0;
}

static void on_demonitor(void *owner, const struct ref *ref)
{
    struct fixture *f = owner;

    (void)ref;
    f->monitors--;
}

static const struct pg_events events = {
    .send = on_send, .monitor = on_monitor, .demonitor = on_demonitor};

static int setup(void **state)
{
    static struct fixture f;
    struct pid self;

    hash_seed(1, 2);
    atom_init();
    memset(&f, 0, sizeof(f));
    self = (struct pid){.node = atom("n1@here"), .id = 1, .creation = 7};
    f.scope = (struct pid){.node = atom("p1@there"), .id = 9, .creation = 3};
    f.theirs = f.theirs2 = f.scope;
    f.theirs.id = 11;
    f.theirs2.id = 12;
    f.ours = f.ours2 = self;
    f.ours.id = 21;
    f.ours2.id = 22;
    buf_init(&f.said, 0);
    buf_init(&f.members, 0);
    pg_init(&f.pg, atom("pg"), self, &events, &f);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    pg_fini(&f->pg);
    buf_fini(&f->said);
    buf_fini(&f->members);
    limits.pg_members = 1000000;
    limits.pg_groups = 100000;
    limits.pg_group_bytes = 65536;
    return 0;
}

/* What it said since the last time. */
static const char *said(struct fixture *f)
{
    static char text[2000];

    buf_put_u8(&f->said, 0);
    assert_true(buf_size(&f->said) < sizeof(text));
    memcpy(text, buf_data(&f->said), buf_size(&f->said));
    buf_clear(&f->said);
    return text;
}

static int hear(struct fixture *f, const char *format, ...)
{
    struct buf buf;
    va_list args;
    int rc;

    buf_init(&buf, 0);
    va_start(args, format);
    term_vformat(&buf, format, args);
    va_end(args);
    assert_int_equal(buf_error(&buf), 0);
    rc = pg_message(&f->pg, f->scope, term_at(buf_data(&buf), buf_size(&buf)));
    buf_fini(&buf);
    return rc;
}

static const char *members(struct fixture *f, const char *group,
                           bool only_local)
{
    struct buf list;

    buf_init(&list, 0);
    pg_view_put_members(&f->pg.view, atom_term(atom(group)), only_local, &list);
    buf_clear(&f->members);
    term_print(&f->members, term_at(buf_data(&list), buf_size(&list)), 0);
    buf_put_u8(&f->members, 0);
    buf_fini(&list);
    return (const char *)buf_data(&f->members);
}

static int join(struct fixture *f, const char *group, struct pid pid)
{
    return pg_join(&f->pg, atom_term(atom(group)), pid);
}

static int leave(struct fixture *f, const char *group, struct pid pid)
{
    return pg_leave(&f->pg, atom_term(atom(group)), pid);
}

/* --- meeting */

static void a_new_node_is_asked_in_the_form_that_all_releases_know(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(pg_nodeup(&f->pg, f->scope.node), 0);
    assert_string_equal(said(f), "{pg,p1@there} ! {discover,<n1@here.1.0>}");
}

static void who_asks_is_told_all_and_asked(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(join(f, "g", f->ours), 0);
    assert_int_equal(hear(f, "{discover, ~p}", f->scope), 0);
    assert_string_equal(
        said(f), "<p1@there.9.0> ! "
                 "{'$gen_cast',{sync,<n1@here.1.0>,[{g,[<n1@here.21.0>]}]}}\n"
                 "<p1@there.9.0> ! {discover,<n1@here.1.0>}");
    assert_int_equal(f->monitors, 2);
}

static void who_is_known_is_told_all_and_not_asked(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(hear(f, "{discover, ~p}", f->scope), 0);
    (void)said(f);
    assert_int_equal(hear(f, "{discover, ~p}", f->scope), 0);
    assert_string_equal(
        said(f), "<p1@there.9.0> ! {'$gen_cast',{sync,<n1@here.1.0>,[]}}");
    assert_int_equal(f->monitors, 1);
}

static void version_1_is_spoken_to_who_announced_it(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(join(f, "g", f->ours), 0);
    assert_int_equal(hear(f, "{discover, ~p, 1}", f->scope), 0);
    assert_string_equal(
        said(f),
        "<p1@there.9.0> ! "
        "{'$gen_cast',{local_data,<n1@here.1.0>,1,#{g => [<n1@here.21.0>]}}}\n"
        "<p1@there.9.0> ! {discover,<n1@here.1.0>,1}");
}

static void of_a_newer_version_we_speak_our_newest(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(hear(f, "{discover, ~p, 7}", f->scope), 0);
    assert_non_null(strstr(said(f), "{local_data,<n1@here.1.0>,1,#{}}"));
}

static void version_0_with_three_elements_is_version_0(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(hear(f, "{discover, ~p, 0}", f->scope), 0);
    assert_non_null(strstr(said(f), "{sync,<n1@here.1.0>,[]}"));
}

/* Its crash at a leave it cannot place is ours to avoid. */
static void changes_wait_until_all_was_told(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(join(f, "g", f->ours), 0);
    assert_int_equal(hear(f, "{'$gen_cast', {sync, ~p, []}}", f->scope), 0);
    assert_int_equal(leave(f, "g", f->ours), 0);
    assert_string_equal(said(f), "");
    assert_int_equal(f->pg.untold, 1);
    pg_resync(&f->pg);
    assert_string_equal(
        said(f), "<p1@there.9.0> ! {'$gen_cast',{sync,<n1@here.1.0>,[]}}");
    assert_int_equal(f->pg.untold, 0);
}

static void who_missed_a_change_gets_all_again(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(hear(f, "{discover, ~p}", f->scope), 0);
    f->send_rc = CNODE_OVERLOADED;
    assert_int_equal(join(f, "g", f->ours), 0);
    assert_int_equal(f->pg.untold, 1);
    f->send_rc = 0;
    (void)said(f);
    assert_int_equal(join(f, "h", f->ours), 0);
    assert_string_equal(said(f), "");
    pg_resync(&f->pg);
    assert_non_null(strstr(said(f), "{g,[<n1@here.21.0>]}"));
    assert_int_equal(f->pg.untold, 0);
    assert_int_equal(leave(f, "g", f->ours), 0);
    assert_non_null(strstr(said(f), "{leave,"));
}

/* --- what others tell */

static void members_of_others_are_seen(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(hear(f, "{'$gen_cast', {sync, ~p, [{g, [~p, ~p]}]}}",
                          f->scope, f->theirs, f->theirs2),
                     0);
    assert_string_equal(members(f, "g", false),
                        "[<p1@there.12.0>,<p1@there.11.0>]");
    assert_string_equal(members(f, "g", true), "[]");
}

static void a_second_sync_replaces_the_first(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(
        hear(f, "{'$gen_cast', {sync, ~p, [{g, [~p]}]}}", f->scope, f->theirs),
        0);
    assert_int_equal(
        hear(f, "{'$gen_cast', {sync, ~p, [{h, [~p]}]}}", f->scope, f->theirs2),
        0);
    assert_string_equal(members(f, "g", false), "[]");
    assert_string_equal(members(f, "h", false), "[<p1@there.12.0>]");
    assert_int_equal(f->pg.view.groups.count, 1);
}

static void joins_and_leaves_of_one_and_of_many(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(hear(f, "{discover, ~p}", f->scope), 0);
    assert_int_equal(hear(f, "{join, ~p, g, ~p}", f->scope, f->theirs), 0);
    assert_int_equal(
        hear(f, "{join, ~p, g, [~p, ~p]}", f->scope, f->theirs, f->theirs2), 0);
    assert_string_equal(members(f, "g", false),
                        "[<p1@there.12.0>,<p1@there.11.0>,<p1@there.11.0>]");
    assert_int_equal(hear(f, "{leave, ~p, ~p, [g]}", f->scope, f->theirs), 0);
    assert_int_equal(
        hear(f, "{leave, ~p, [~p, ~p], [g]}", f->scope, f->theirs, f->theirs2),
        0);
    assert_string_equal(members(f, "g", false), "[]");
    assert_int_equal(f->pg.view.groups.count, 0);
}

static void updates_of_version_1(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(hear(f, "{'$gen_cast', {local_data, ~p, 1, #{g => [~p]}}}",
                          f->scope, f->theirs),
                     0);
    assert_int_equal(hear(f, "{update, ~p, [{g, [~p], [~p]}, {h, [~p], []}]}",
                          f->scope, f->theirs2, f->theirs, f->theirs),
                     0);
    assert_string_equal(members(f, "g", false), "[<p1@there.12.0>]");
    assert_string_equal(members(f, "h", false), "[<p1@there.11.0>]");
}

static void equal_groups_are_one_however_they_are_written(void **state)
{
    struct fixture *f = *state;
    struct buf buf;

    assert_int_equal(hear(f, "{discover, ~p}", f->scope), 0);
    assert_int_equal(
        hear(f, "{join, ~p, #{a => 1, b => 2}, ~p}", f->scope, f->theirs), 0);
    assert_int_equal(
        hear(f, "{join, ~p, #{b => 2, a => 1}, ~p}", f->scope, f->theirs2), 0);
    assert_int_equal(f->pg.view.groups.count, 1);
    buf_init(&buf, 0);
    pg_view_put_groups(&f->pg.view, &buf);
    buf_clear(&f->members);
    term_print(&f->members, term_at(buf_data(&buf), buf_size(&buf)), 0);
    buf_put_u8(&f->members, 0);
    assert_string_equal((const char *)buf_data(&f->members),
                        "[#{a => 1,b => 2}]");
    buf_fini(&buf);
}

static void a_change_of_an_unknown_scope_is_ignored(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(hear(f, "{join, ~p, g, ~p}", f->scope, f->theirs),
                     CNODE_EINVALID);
    assert_string_equal(members(f, "g", false), "[]");
}

static void a_scope_that_is_lost_takes_its_members_along(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(
        hear(f, "{'$gen_cast', {sync, ~p, [{g, [~p]}]}}", f->scope, f->theirs),
        0);
    assert_int_equal(hear(f, "{'DOWN', ~r, process, ~p, noconnection}",
                          &f->newest, f->scope),
                     0);
    assert_string_equal(members(f, "g", false), "[]");
    assert_int_equal(f->pg.remotes.count, 0);
    assert_int_equal(f->pg.untold, 0);
}

static void a_made_up_down_is_ignored(void **state)
{
    struct fixture *f = *state;
    struct ref other;

    assert_int_equal(
        hear(f, "{'$gen_cast', {sync, ~p, [{g, [~p]}]}}", f->scope, f->theirs),
        0);
    other = f->newest;
    other.words[1]++;
    assert_int_equal(hear(f, "{'DOWN', ~r, process, ~p, x}", &other, f->scope),
                     CNODE_EINVALID);
    assert_string_equal(members(f, "g", false), "[<p1@there.11.0>]");
}

static void a_new_scope_of_a_node_replaces_the_old(void **state)
{
    struct fixture *f = *state;
    struct pid second = f->scope;

    second.id = 10;
    assert_int_equal(
        hear(f, "{'$gen_cast', {sync, ~p, [{g, [~p]}]}}", f->scope, f->theirs),
        0);
    assert_int_equal(hear(f, "{discover, ~p}", second), 0);
    assert_string_equal(members(f, "g", false), "[]");
    assert_int_equal(f->pg.remotes.count, 1);
    assert_int_equal(f->monitors, 1);
}

static void pids_of_a_third_node_are_no_members(void **state)
{
    struct fixture *f = *state;
    struct pid third = {.node = atom("p2@there"), .id = 5, .creation = 3};
    struct pid earlier = f->theirs;

    earlier.creation--;
    assert_int_equal(hear(f,
                          "{'$gen_cast', {sync, ~p, [{g, [~p, ~p, ~p, x]}]}}",
                          f->scope, third, f->theirs, earlier),
                     CNODE_EINVALID);
    assert_string_equal(members(f, "g", false), "[<p1@there.11.0>]");
}

static void nobody_speaks_for_another_node(void **state)
{
    struct fixture *f = *state;
    struct pid third = {.node = atom("p2@there"), .id = 5, .creation = 3};

    assert_int_equal(hear(f, "{discover, ~p}", third), CNODE_EINVALID);
    assert_int_equal(hear(f, "{discover, ~p}", f->ours), CNODE_EINVALID);
    assert_string_equal(said(f), "");
    assert_int_equal(f->monitors, 0);
}

static void junk_is_ignored(void **state)
{
    static const char *const junk[] = {
        "junk",
        "{}",
        "{discover}",
        "{discover, x}",
        "[1, 2]",
        "{'$gen_cast'}",
        "{'$gen_cast', {sync, x, []}}",
        "{join, a, b, c}",
        "{discover, 1, 2, 3, 4}",
        "#{}",
        "<<1, 2, 3>>",
    };
    static const char *const with_pid[] = {
        "{discover, ~p, x}",       "{sync, ~p, x}",
        "{sync, ~p, [x, {g}]}",    "{local_data, ~p, 1, x}",
        "{local_data, ~p, 1}",     "{update, ~p, x}",
        "{update, ~p, [{g, []}]}", "{nonsense, ~p}",
        "{leave, ~p, [], x}",      "{join, ~p, g}",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(junk); i++) {
        assert_int_equal(hear(f, junk[i]), CNODE_UNHANDLED);
    }
    assert_int_equal(hear(f, "{discover, ~p}", f->scope), 0);
    for (size_t i = 0; i < ARRAY_LEN(with_pid); i++) {
        assert_int_not_equal(hear(f, with_pid[i], f->scope), 0);
    }
    assert_int_equal(f->pg.view.groups.count, 0);
}

/* --- our own */

static void our_joins_and_leaves_are_told(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(hear(f, "{discover, ~p}", f->scope), 0);
    (void)said(f);
    assert_int_equal(join(f, "g", f->ours), 0);
    assert_int_equal(leave(f, "g", f->ours), 0);
    assert_string_equal(
        said(f), "<p1@there.9.0> ! {join,<n1@here.1.0>,g,<n1@here.21.0>}\n"
                 "<p1@there.9.0> ! {leave,<n1@here.1.0>,<n1@here.21.0>,[g]}");
    assert_int_equal(f->monitors, 1);
}

static void the_same_in_version_1(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(hear(f, "{discover, ~p, 1}", f->scope), 0);
    (void)said(f);
    assert_int_equal(join(f, "g", f->ours), 0);
    assert_int_equal(leave(f, "g", f->ours), 0);
    assert_string_equal(
        said(f),
        "<p1@there.9.0> ! {update,<n1@here.1.0>,[{g,[<n1@here.21.0>],[]}]}\n"
        "<p1@there.9.0> ! {update,<n1@here.1.0>,[{g,[],[<n1@here.21.0>]}]}");
}

static void a_process_joins_many_times_and_leaves_as_often(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(join(f, "g", f->ours), 0);
    assert_int_equal(join(f, "g", f->ours), 0);
    assert_int_equal(join(f, "g", f->ours2), 0);
    assert_string_equal(members(f, "g", true),
                        "[<n1@here.22.0>,<n1@here.21.0>,<n1@here.21.0>]");
    assert_int_equal(leave(f, "g", f->ours), 0);
    assert_string_equal(members(f, "g", false),
                        "[<n1@here.22.0>,<n1@here.21.0>]");
    assert_int_equal(leave(f, "g", f->ours), 0);
    assert_int_equal(leave(f, "g", f->ours), CNODE_NOT_FOUND);
    assert_int_equal(leave(f, "h", f->ours2), CNODE_NOT_FOUND);
}

static void a_process_that_ends_leaves_as_often_as_it_joined(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(hear(f, "{discover, ~p}", f->scope), 0);
    assert_int_equal(join(f, "g", f->ours), 0);
    assert_int_equal(join(f, "g", f->ours), 0);
    assert_int_equal(join(f, "h", f->ours), 0);
    (void)said(f);
    assert_int_equal(
        hear(f, "{'DOWN', ~r, process, ~p, normal}", &f->newest, f->ours), 0);
    assert_string_equal(
        said(f),
        "<p1@there.9.0> ! {leave,<n1@here.1.0>,<n1@here.21.0>,[g,g,h]}");
    assert_string_equal(members(f, "g", false), "[]");
    assert_int_equal(f->pg.locals.count, 0);
}

static void only_processes_of_ours_join(void **state)
{
    struct fixture *f = *state;
    struct pid earlier = f->ours;

    earlier.creation--;
    assert_int_equal(join(f, "g", f->theirs), CNODE_EINVALID);
    assert_int_equal(join(f, "g", earlier), CNODE_EINVALID);
    assert_int_equal(f->pg.view.groups.count, 0);
}

/* --- limits */

static void above_the_limit_of_members_nobody_joins(void **state)
{
    struct fixture *f = *state;

    uint64_t before = metric_read(METRIC_pg_refused);

    limits.pg_members = 2;
    assert_int_equal(join(f, "g", f->ours), 0);
    assert_int_equal(join(f, "g", f->ours), 0);
    assert_int_equal(join(f, "h", f->ours2), CNODE_LIMIT);
    assert_int_equal(f->pg.view.groups.count, 1);
    assert_int_equal(f->monitors, 1);
    assert_int_equal(
        hear(f, "{'$gen_cast', {sync, ~p, [{g, [~p]}]}}", f->scope, f->theirs),
        CNODE_LIMIT);
    assert_int_equal(metric_read(METRIC_pg_refused) - before, 2);
    assert_int_equal(leave(f, "g", f->ours), 0);
    assert_int_equal(join(f, "h", f->ours2), 0);
}

static void above_the_limit_of_groups_there_are_no_further_ones(void **state)
{
    struct fixture *f = *state;

    limits.pg_groups = 1;
    assert_int_equal(join(f, "g", f->ours), 0);
    assert_int_equal(join(f, "h", f->ours), CNODE_LIMIT);
    assert_int_equal(hear(f,
                          "{'$gen_cast', {sync, ~p, [{g, [~p]}, {h, [~p]}]}}",
                          f->scope, f->theirs, f->theirs),
                     CNODE_LIMIT);
    assert_string_equal(members(f, "g", false),
                        "[<p1@there.11.0>,<n1@here.21.0>]");
    assert_string_equal(members(f, "h", false), "[]");
}

static void a_group_with_a_long_name_is_refused(void **state)
{
    struct fixture *f = *state;

    limits.pg_group_bytes = 64;
    assert_int_equal(
        join(f,
             "a_name_of_a_group_that_is_longer_than_the_sixty_four_bytes_"
             "of_the_limit",
             f->ours),
        CNODE_TOO_LARGE);
    assert_int_equal(f->monitors, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_new_node_is_asked_in_the_form_that_all_releases_know),
        T(who_asks_is_told_all_and_asked),
        T(who_is_known_is_told_all_and_not_asked),
        T(version_1_is_spoken_to_who_announced_it),
        T(of_a_newer_version_we_speak_our_newest),
        T(version_0_with_three_elements_is_version_0),
        T(changes_wait_until_all_was_told),
        T(who_missed_a_change_gets_all_again),
        T(members_of_others_are_seen),
        T(a_second_sync_replaces_the_first),
        T(joins_and_leaves_of_one_and_of_many),
        T(updates_of_version_1),
        T(equal_groups_are_one_however_they_are_written),
        T(a_change_of_an_unknown_scope_is_ignored),
        T(a_scope_that_is_lost_takes_its_members_along),
        T(a_made_up_down_is_ignored),
        T(a_new_scope_of_a_node_replaces_the_old),
        T(pids_of_a_third_node_are_no_members),
        T(nobody_speaks_for_another_node),
        T(junk_is_ignored),
        T(our_joins_and_leaves_are_told),
        T(the_same_in_version_1),
        T(a_process_joins_many_times_and_leaves_as_often),
        T(a_process_that_ends_leaves_as_often_as_it_joined),
        T(only_processes_of_ours_join),
        T(above_the_limit_of_members_nobody_joins),
        T(above_the_limit_of_groups_there_are_no_further_ones),
        T(a_group_with_a_long_name_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
