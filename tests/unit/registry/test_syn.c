/* SPDX-License-Identifier: Apache-2.0
 *
 * The processes of the scopes: their life, and what peers see of it.
 */
#include "registry/syn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "dist/flags.h"
#include "node/registered.h"
#include "support/registry/syn_node.h"

static struct syn_node n;

static int setup(void **state)
{
    (void)state;
    syn_node_open(&n, 1);
    return 0;
}

static int setup_two(void **state)
{
    (void)state;
    syn_node_open(&n, 2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    syn_node_close(&n);
    return 0;
}

static uint64_t seen_before;

/* How often that happened since the mark. */
static void mark(enum metric metric)
{
    seen_before = metric_read(metric);
}

static uint64_t since(enum metric metric)
{
    return metric_read(metric) - seen_before;
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("\n%s\nhas no\n%s", text, part);
    }
}

static void assert_has_not(const char *text, const char *part)
{
    if (strstr(text, part) != NULL) {
        fail_msg("\n%s\nhas\n%s", text, part);
    }
}

/* --- other nodes */

static void a_new_peer_is_asked_for_both_kinds(void **state)
{
    const char *got = syn_node_up(&n);

    (void)state;
    assert_has(got, "to=syn_registry_s payload={'3.0',discover,<n1@here.");
    assert_has(got, "to=syn_pg_s payload={'3.0',discover,<n1@here.");
}

static void a_hidden_peer_is_not(void **state)
{
    (void)state;
    fake_peer_open_as(&n.peer, &n.node, "p1@there", 3,
                      dist_flags_offered(true) & ~DIST_ALTACT_SIG);
    assert_string_equal(syn_node_up(&n), "");
}

static void two_hidden_nodes_ask_each_other(void **state)
{
    (void)state;
    n.node.config.hidden = true;
    fake_peer_open_as(&n.peer, &n.node, "p1@there", 3,
                      dist_flags_offered(true) & ~DIST_ALTACT_SIG);
    assert_has(syn_node_up(&n),
               "to=syn_registry_s payload={'3.0',discover,<n1@here.");
}

static void a_scope_that_starts_later_asks_all_peers(void **state)
{
    (void)state;
    (void)syn_node_up(&n);
    assert_string_equal(syn_node_ask(&n, &n.local, "{add_scope, late}"), "ok");
    assert_has(fake_peer_got(&n.peer),
               "to=syn_registry_late payload={'3.0',discover,");
}

static void what_a_peer_registers_is_found_here(void **state)
{
    (void)state;
    syn_node_meet(&n);
    syn_node_say(&n, "syn_registry_s",
                 "{'3.0', sync_register, a, ~p, m, 1000, normal}", n.theirs);
    assert_string_equal(syn_node_ask(&n, &n.local, "{lookup, s, a}"),
                        "{<p1@there.5.0>,m}");
    syn_node_down(&n);
    assert_string_equal(syn_node_ask(&n, &n.local, "{lookup, s, a}"),
                        "undefined");
}

static void what_is_registered_here_is_told(void **state)
{
    (void)state;
    syn_node_meet(&n);
    assert_string_equal(syn_node_ask(&n, &n.local, "{register, s, a, m}"),
                        "ok");
    assert_has(fake_peer_got(&n.peer),
               "to=syn_registry_s payload={'3.0',sync_register,a,<n1@here.");
}

static void the_end_of_a_process_is_told(void **state)
{
    (void)state;
    syn_node_meet(&n);
    (void)syn_node_ask(&n, &n.local, "{register, s, a, m}");
    (void)syn_node_ask(&n, &n.local, "{join, s, g, m}");
    (void)fake_peer_got(&n.peer);
    n.local.ended = true;
    node_exit(&n.node, &n.local.process, atom_term(A_kill));
    assert_has(fake_peer_got(&n.peer), ",m,kill}");
    assert_string_equal(syn_node_ask(&n, &n.other, "{count, s}"), "0");
    assert_string_equal(syn_node_ask(&n, &n.other, "{members, s, g}"), "[]");
}

/* Who leaves is lost in a moment: that says it all. */
static void a_node_that_leaves_tells_no_ends(void **state)
{
    (void)state;
    syn_node_meet(&n);
    (void)syn_node_ask(&n, &n.local, "{register, s, a, m}");
    (void)fake_peer_got(&n.peer);
    node_leave(&n.node);
    n.local.ended = true;
    node_exit(&n.node, &n.local.process, atom_term(A_kill));
    assert_string_equal(fake_peer_got(&n.peer), "");
}

static void a_peer_that_is_too_far_behind_is_ended(void **state)
{
    uint64_t before = limits.send_queue_bytes;

    (void)state;
    syn_node_meet(&n);
    limits.send_queue_bytes = 0;
    mark(METRIC_syn_peers_ended);
    (void)syn_node_ask(&n, &n.local, "{register, s, a, m}");
    (void)syn_node_ask(&n, &n.local, "{register, s, b, m}");
    limits.send_queue_bytes = before;
    assert_int_equal(since(METRIC_syn_peers_ended), 1);
    syn_node_advance(&n, 1);
    assert_int_equal(n.peer.closed, CNODE_OVERLOADED);
}

static void a_message_of_nobody_knows_what_is_ignored(void **state)
{
    (void)state;
    syn_node_meet(&n);
    mark(METRIC_syn_ignored);
    syn_node_say(&n, "syn_registry_s", "hello");
    syn_node_say(&n, "syn_registry_s", "{'3.0', discover, nonsense}");
    syn_node_say(&n, "syn_registry_s", "{'$gen_cast', hello}");
    assert_int_equal(since(METRIC_syn_ignored), 3);
    assert_string_equal(fake_peer_got(&n.peer), "");
}

/* --- calls of peers */

static void a_call_is_answered_to_its_alias(void **state)
{
    struct pid pid = recorder_pid(&n.local);
    const char *got;

    (void)state;
    syn_node_meet(&n);
    got = syn_node_call(
        &n, "syn_registry_s",
        "{'3.0', register_or_update_on_node, 'p1@there', a, ~p, m}", pid);
    assert_has(got, "alias_send from=");
    assert_has(got, "{ok,{on_process_registered,undefined,m,");
    assert_has(got, ",syn_registry_by_name_s,syn_registry_by_pid_s}}}");
    assert_has_not(got, "sync_register"); /* to the requester */
}

/* A snapshot that comes from its scope process is how syn 3.3.0 is known. */
static void all_that_a_scope_says_comes_from_one_other_process(void **state)
{
    struct syn_process *p = &syn_node_pair(&n, "s")->kinds[SYN_REGISTRY];
    char from[64];

    (void)state;
    (void)snprintf(from, sizeof(from), "send from=<n1@here.%u.%u> to=syn_reg",
                   p->sender.slot, p->sender.serial);
    assert_has(syn_node_up(&n), from);
    (void)snprintf(from, sizeof(from),
                   "alias_send from=<n1@here.%u.%u> ref=", p->sender.slot,
                   p->sender.serial);
    assert_has(syn_node_call(&n, "syn_registry_s", "what"), from);
}

static void an_unknown_call_is_answered_undefined(void **state)
{
    (void)state;
    syn_node_meet(&n);
    assert_has(syn_node_call(&n, "syn_pg_s", "what"), ",undefined}");
    assert_has(
        syn_node_call(&n, "syn_pg_s", "{'3.0', leave_on_node, n, g, nonsense}"),
        ",{error,badarg}}");
}

static void the_members_are_told_to_who_asks(void **state)
{
    (void)state;
    syn_node_meet(&n);
    assert_has(syn_node_call(&n, "syn_pg_s", "{'3.0', subcluster_nodes}"),
               ",[p1@there]}");
}

static void a_process_of_another_scheduler_may_be_registered(void **state)
{
    struct pid pid = recorder_pid(&n.other);
    const char *format =
        "{'3.0', register_or_update_on_node, 'p1@there', a, ~p, m}";

    (void)state;
    syn_node_meet(&n);
    assert_has(syn_node_call(&n, "syn_registry_s", format, pid),
               "{ok,{on_process_registered,undefined,m,");
    n.other.ended = true;
    node_exit(n.other.node, &n.other.process, atom_term(A_kill));
    assert_has(fake_peer_got(&n.peer), "sync_unregister,a,");
    assert_has(syn_node_call(&n, "syn_registry_s", format, pid),
               "{error,not_alive}");
}

static void a_process_of_a_third_node_may_not(void **state)
{
    struct pid pid = {.node = atom_intern("p3@there", 8), .id = 1};

    (void)state;
    syn_node_meet(&n);
    assert_has(syn_node_call(&n, "syn_registry_s",
                             "{'3.0', register_or_update_on_node, 'p1@there', "
                             "a, ~p, m}",
                             pid),
               "{error,not_alive}");
}

/* The requester may have given up: then it has to be told. */
static void after_a_stall_the_requester_is_told_as_well(void **state)
{
    struct pid pid = recorder_pid(&n.local);
    const char *got;

    (void)state;
    syn_node_meet(&n);
    node_loop(&n.node)->now_ms += 6000; /* no timer has fired */
    got = syn_node_call(
        &n, "syn_registry_s",
        "{'3.0', register_or_update_on_node, 'p1@there', a, ~p, m}", pid);
    assert_has(got, "{ok,{on_process_registered");
    assert_has(got, "sync_register,a,");
    syn_node_advance(&n, 1000);
    for (unsigned i = 0; i < 10; i++) {
        syn_node_advance(&n, 1000);
    }
    got = syn_node_call(
        &n, "syn_registry_s",
        "{'3.0', register_or_update_on_node, 'p1@there', b, ~p, m}", pid);
    assert_has_not(got, "sync_register,b,");
}

/* --- killed */

static void a_killed_scope_comes_back_with_a_new_pid(void **state)
{
    struct pid before = syn_node_scope(&n, SYN_REGISTRY);
    struct signal kill = {
        .kind = SIGNAL_EXIT2, .to = before, .term = atom_term(A_kill)};
    struct ref ref;
    const char *got, *down;

    (void)state;
    syn_node_meet(&n);
    (void)syn_node_ask(&n, &n.local, "{register, s, a, m}");
    syn_node_say(&n, "syn_registry_s",
                 "{'3.0', sync_register, b, ~p, m, 1000, normal}", n.theirs);
    ref = (struct ref){.node = n.theirs.node, .creation = 3, .len = 3};
    fake_peer_send(&n.peer, NULL, "{19, ~p, ~p, ~r}", n.theirs, before, &ref);
    (void)fake_peer_got(&n.peer);
    kill.from = recorder_pid(&n.local);
    (void)route_signal(&n.node, &kill, n.node.name);
    got = fake_peer_got(&n.peer);
    down = strstr(got, "monitor_exit");
    assert_non_null(down);
    assert_has(down, "killed");
    assert_has(down, "to=syn_registry_s payload={'3.0',discover,");
    assert_false(pid_equal(before, syn_node_scope(&n, SYN_REGISTRY)));
    assert_string_equal(syn_node_ask(&n, &n.local, "{dump, registry, s}"),
                        "[{a,<n1@here.6.0>,m}]");
}

static void a_killed_service_comes_back(void **state)
{
    struct signal kill = {.kind = SIGNAL_EXIT2,
                          .to = node_pid(&n.node, &n.syn.process),
                          .term = atom_term(A_kill)};

    (void)state;
    kill.from = recorder_pid(&n.local);
    (void)route_signal(&n.node, &kill, n.node.name);
    assert_string_equal(syn_node_ask(&n, &n.local, "{count, s}"), "0");
}

/* --- start */

static void scopes_have_a_limit(void **state)
{
    uint64_t before = limits.syn_scopes;

    (void)state;
    limits.syn_scopes = 2;
    mark(METRIC_syn_refused);
    assert_string_equal(syn_node_ask(&n, &n.local, "{count, s2}"), "0");
    assert_string_equal(syn_node_ask(&n, &n.local, "{count, s3}"),
                        "{error,system_limit}");
    assert_int_equal(since(METRIC_syn_refused), 1);
    limits.syn_scopes = before;
}

static void a_scope_has_to_be_an_atom_that_makes_names(void **state)
{
    char text[256];

    (void)state;
    memset(text, 'x', 255);
    text[255] = '\0';
    assert_string_equal(syn_node_ask(&n, &n.local, "{count, 17}"),
                        "{error,badarg}");
    assert_string_equal(syn_node_ask(&n, &n.local, "{count, ~a}", text),
                        "{error,system_limit}");
    assert_string_equal(
        syn_node_ask(&n, &n.local, "{count, ~a}", "\xe4\xbd\xa0"),
        "{error,badarg}");
    assert_int_equal(n.syn.count, 1);
}

static void a_taken_name_is_refused_and_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(
        names_register(&n.node, atom_intern("syn_pg_t", 8), &n.local.process),
        0);
    assert_string_equal(syn_node_ask(&n, &n.local, "{count, t}"),
                        "{error,already_exists}");
    assert_string_equal(syn_node_ask(&n, &n.local, "{whereis, t}"),
                        "{error,badarg}");
    assert_int_equal(names_unregister(&n.node, atom_find("syn_pg_t", 8)), 0);
    assert_string_equal(syn_node_ask(&n, &n.local, "{count, t}"), "0");
}

static void a_second_syn_is_refused_and_leaves_nothing(void **state)
{
    static struct syn second;
    const struct syn_config config = {0};

    (void)state;
    assert_int_equal(syn_start(&second, &n.node, &config), CNODE_EXISTS);
    registered_init(&n.node, n.node.ended, &n.syn);
}

/* --- from any scheduler */

static int look_up(struct node *here, const char *scope, struct cnode_term name,
                   struct pid *pid)
{
    struct cnode_term meta;
    struct buf scratch;
    int rc;

    buf_init(&scratch, 0);
    rc = syn_lookup(&n.syn, here, atom_find(scope, strlen(scope)), name,
                    &scratch, pid, &meta);
    buf_fini(&scratch);
    return rc;
}

static void a_name_is_found_from_each_scheduler(void **state)
{
    struct pid pid;

    (void)state;
    (void)syn_node_ask(&n, &n.other, "{register, s, ok, m}");
    for (uint32_t i = 0; i < 2; i++) {
        struct node *here = n.node.all[i];

        assert_int_equal(look_up(here, "s", atom_term(A_ok), &pid), 0);
        assert_true(pid_equal(pid, recorder_pid(&n.other)));
        assert_int_equal(look_up(here, "s", atom_term(A_error), &pid),
                         CNODE_NOT_FOUND);
        assert_int_equal(look_up(here, "t", atom_term(A_ok), &pid),
                         CNODE_NO_SCOPE);
    }
}

/* Its scope does not know of its end yet. */
static void who_has_just_ended_is_not_found(void **state)
{
    struct pid pid;

    (void)state;
    (void)syn_node_ask(&n, &n.local, "{register, s, ok, m}");
    n.local.ended = true;
    node_exit(&n.node, &n.local.process, atom_term(A_kill));
    assert_int_equal(look_up(&n.node, "s", atom_term(A_ok), &pid),
                     CNODE_NOT_FOUND);
}

static void what_readers_may_hold_is_freed_after_a_round(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        (void)syn_node_ask(&n, &n.local, "{register, s, a, ~u}", (uint64_t)i);
    }
    assert_int_equal(n.syn.reclaim.count, 0);
    assert_false(n.syn.reclaim.is_under_way);
    (void)syn_node_ask(&n, &n.local, "{unregister, s, a}");
    syn_reclaim_retire(&n.syn.reclaim, mem_alloc(1),
                       mem_free); /* never gets there */
}

static void a_scope_may_be_wished_for(void **state)
{
    (void)state;
    syn_wish(&n.syn, n.node.all[1], atom_term(A_ok));
    fake_node_settle(&n.node);
    assert_non_null(syn_node_pair(&n, "ok"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TWO(name)  cmocka_unit_test_setup_teardown(name, setup_two, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_new_peer_is_asked_for_both_kinds),
        TEST(a_hidden_peer_is_not),
        TEST(two_hidden_nodes_ask_each_other),
        TEST(a_scope_that_starts_later_asks_all_peers),
        TEST(what_a_peer_registers_is_found_here),
        TEST(what_is_registered_here_is_told),
        TEST(the_end_of_a_process_is_told),
        TWO(the_end_of_a_process_is_told),
        TEST(a_node_that_leaves_tells_no_ends),
        TEST(a_peer_that_is_too_far_behind_is_ended),
        TEST(a_message_of_nobody_knows_what_is_ignored),
        TEST(a_call_is_answered_to_its_alias),
        TEST(all_that_a_scope_says_comes_from_one_other_process),
        TEST(an_unknown_call_is_answered_undefined),
        TEST(the_members_are_told_to_who_asks),
        TWO(a_process_of_another_scheduler_may_be_registered),
        TEST(a_process_of_a_third_node_may_not),
        TEST(after_a_stall_the_requester_is_told_as_well),
        TEST(a_killed_scope_comes_back_with_a_new_pid),
        TEST(a_killed_service_comes_back),
        TEST(scopes_have_a_limit),
        TEST(a_scope_has_to_be_an_atom_that_makes_names),
        TEST(a_taken_name_is_refused_and_leaves_nothing),
        TEST(a_second_syn_is_refused_and_leaves_nothing),
        TWO(a_name_is_found_from_each_scheduler),
        TEST(who_has_just_ended_is_not_found),
        TWO(what_readers_may_hold_is_freed_after_a_round),
        TWO(a_scope_may_be_wished_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
