/* SPDX-License-Identifier: Apache-2.0
 *
 * Names that a source has and the table has not: {w, N}, with metadata m. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "registry/syn_parts.h"
#include "support/registry/syn_world.h"
#include "support/term/terms.h"
#include "term/build.h"

enum { WORKERS = 8 };

/* The source: worker N has id N. */
static struct {
    struct syn_world *world;
    int64_t times[WORKERS]; /* 0: has no name by it */
    bool is_slow;           /* answers with let_it_answer() */
    unsigned asked;
    struct question {
        syn_found_fn found;
        syn_slice_fn sliced;
        void *arg;
        uint32_t id;
        bool give_up;
    } questions[WORKERS];
    struct buf name, slice;
} source;

static bool id_of(struct cnode_term name, uint32_t *id)
{
    int64_t number;

    *id = WORKERS;
    if (!term_match(name, "{w, ~i}", &number)) {
        return false;
    }
    *id = (uint32_t)number;
    return true;
}

static struct syn_claim claim_of(uint32_t id)
{
    static uint8_t meta[16];
    struct buf text = bytes_of_text("m");
    struct syn_claim claim = {.pid = syn_world_pid(1, id),
                              .time = source.times[id]};

    memcpy(meta, buf_data(&text), buf_size(&text));
    claim.meta = term_at(meta, buf_size(&text));
    buf_fini(&text);
    buf_clear(&source.name);
    term_format(&source.name, "{w, ~i}", (int64_t)id);
    claim.name = term_in(&source.name);
    return claim;
}

static bool on_owns(void *owner, struct cnode_term name)
{
    uint32_t id;

    (void)owner;
    return id_of(name, &id);
}

static uint64_t on_count(void *owner)
{
    uint64_t count = 0;

    (void)owner;
    for (uint32_t id = 0; id < WORKERS; id++) {
        count += source.times[id] != 0;
    }
    return count;
}

static void answer_name(const struct question *q)
{
    struct syn_claim claim = claim_of(q->id);

    if (claim.time == 0) {
        q->found(q->arg, false, NULL);
        return;
    }
    if (q->give_up) {
        source.times[q->id] = 0;
    }
    q->found(q->arg, false, &claim);
}

/* Two places a slice. */
static void answer_list(const struct question *q)
{
    struct syn_slice slice = {.next = q->id + 2 < WORKERS ? q->id + 2 : 0};

    buf_clear(&source.slice);
    for (uint32_t id = q->id; id < q->id + 2; id++) {
        struct syn_claim claim = claim_of(id);

        if (claim.time != 0) {
            syn_put_claim(&source.slice, &claim);
            slice.count++;
        }
    }
    slice.bytes = buf_data(&source.slice);
    slice.size = buf_size(&source.slice);
    q->sliced(q->arg, false, &slice);
}

static void let_it_answer(void)
{
    struct question all[WORKERS];
    unsigned count = source.asked;

    memcpy(all, source.questions, sizeof(all));
    source.asked = 0;
    for (unsigned i = 0; i < count; i++) {
        if (all[i].found != NULL) {
            answer_name(&all[i]);
        } else {
            answer_list(&all[i]);
        }
    }
}

static void ask(struct question question)
{
    source.questions[source.asked++] = question;
    if (!source.is_slow) {
        let_it_answer();
    }
}

static void on_ask(void *owner, struct cnode_term name, bool give_up,
                   syn_found_fn done, void *arg)
{
    struct question question = {.found = done, .arg = arg, .give_up = give_up};

    (void)owner;
    assert_true(id_of(name, &question.id));
    ask(question);
}

static void on_list(void *owner, uint64_t at, syn_slice_fn done, void *arg)
{
    (void)owner;
    ask((struct question){.sliced = done, .arg = arg, .id = (uint32_t)at});
}

static const struct syn_source scripted = {
    .owns = on_owns, .count = on_count, .ask = on_ask, .list = on_list};

static int setup(void **state)
{
    static struct syn_world world;

    memset(&source, 0, sizeof(source));
    buf_init(&source.name, 0);
    buf_init(&source.slice, 0);
    source.world = &world;
    syn_world_open(&world, SYN_REGISTRY);
    syn_scope_use(&world.scope, &scripted, NULL);
    syn_world_meet(&world, 2, "[]");
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    syn_world_close(*state);
    for (unsigned i = 0; i < source.asked; i++) { /* the node ends */
        struct question *q = &source.questions[i];

        if (q->found != NULL) {
            q->found(q->arg, true, NULL);
        } else {
            mem_free(q->arg);
        }
    }
    buf_fini(&source.name);
    buf_fini(&source.slice);
    return 0;
}

/* The worker gets its name; true: somebody else has it. */
static bool start(struct syn_world *w, uint32_t id)
{
    struct syn_claim claim;

    source.times[id] = syn_scope_time(&w->scope);
    claim = claim_of(id);
    return syn_scope_started(&w->scope, &claim);
}

static void settle(struct syn_world *w, uint32_t id)
{
    struct syn_claim claim = claim_of(id);

    syn_scope_fetch(&w->scope, claim.name, NULL, NULL);
}

static void claims(struct syn_world *w, uint32_t id, int64_t time)
{
    assert_int_equal(
        syn_world_hear(
            w, 2, "{'3.0', sync_register, {w, ~i}, ~p, theirs, ~i, normal}",
            (int64_t)id, syn_world_pid(2, 7), time),
        0);
}

/* Until nothing is to be done or answered. */
static void run(struct syn_world *w)
{
    bool is_more = true;

    while (is_more || source.asked > 0) {
        let_it_answer();
        is_more = syn_scope_work(&w->scope);
    }
}

/* --- told */

static void starts_and_ends_are_told_and_cost_no_entry(void **state)
{
    struct syn_world *w = *state;
    struct syn_claim claim;

    assert_false(start(w, 3));
    assert_string_equal(
        syn_world_said(w),
        "n2@h ! {'3.0',sync_register,{w,3},<n1@h.3.0>,m,1000,normal}");
    assert_int_equal(w->scope.table.count, 0);
    assert_int_equal(syn_scope_derived(&w->scope), 1);
    source.times[3] = 0;
    claim = claim_of(3);
    syn_scope_left(&w->scope, &claim, atom_term(A_killed));
    assert_string_equal(
        syn_world_said(w),
        "n2@h ! {'3.0',sync_unregister,{w,3},<n1@h.3.0>,m,killed}");
}

static void a_snapshot_has_them_and_what_starts_meanwhile(void **state)
{
    struct syn_world *w = *state;

    (void)start(w, 0);
    (void)start(w, 5);
    (void)syn_world_add(w, 1, "a", 6, "x");
    (void)syn_world_said(w);
    source.is_slow = true;
    assert_int_equal(
        syn_world_hear(w, 2, "{'3.0', discover, ~p}", syn_world_pid(2, 100)),
        0);
    assert_false(syn_scope_work(&w->scope)); /* it waits */
    (void)start(w, 1);
    run(w);
    assert_string_equal(
        syn_world_said(w),
        "n2@h ! {'3.0',ack_sync,<n1@h.100.0>,[{{w,0},<n1@h.0.0>,m,1000},"
        "{{w,1},<n1@h.1.0>,m,1003},{{w,5},<n1@h.5.0>,m,1001},"
        "{a,<n1@h.6.0>,x,1002}]}\n"
        "n2@h ! {'3.0',sync_register,{w,1},<n1@h.1.0>,m,1003,normal}");
}

static void what_becomes_an_entry_meanwhile_is_in_the_snapshot(void **state)
{
    struct syn_world *w = *state;

    (void)start(w, 6);
    (void)syn_world_said(w);
    source.is_slow = true;
    assert_int_equal(
        syn_world_hear(w, 2, "{'3.0', discover, ~p}", syn_world_pid(2, 100)),
        0);
    let_it_answer();
    settle(w, 6);
    run(w);
    assert_string_equal(syn_world_said(w),
                        "n2@h ! {'3.0',ack_sync,<n1@h.100.0>,[{{w,6},"
                        "<n1@h.6.0>,m,1000}]}");
    assert_int_equal(w->scope.table.local.count, 1);
}

static void a_slice_of_an_older_snapshot_does_not_count(void **state)
{
    struct syn_world *w = *state;

    (void)start(w, 6);
    source.is_slow = true;
    assert_int_equal(
        syn_world_hear(w, 2, "{'3.0', discover, ~p}", syn_world_pid(2, 100)),
        0);
    assert_int_equal(syn_world_down(w, 2, A_noconnection), 0);
    let_it_answer();
    assert_false(syn_scope_work(&w->scope));
    syn_world_meet(w, 2, "[]");
    run(w);
    assert_string_equal(syn_world_said(w),
                        "n2@h ! {'3.0',ack_sync,<n1@h.100.0>,[{{w,6},"
                        "<n1@h.6.0>,m,1000}]}");
}

/* --- somebody else has it */

static void a_later_claim_of_a_member_wins(void **state)
{
    struct syn_world *w = *state;

    (void)start(w, 3);
    (void)syn_world_said(w);
    claims(w, 3, 2000);
    assert_string_equal(syn_world_said(w),
                        "n2@h ! {'3.0',sync_unregister,{w,3},<n1@h.3.0>,m,"
                        "syn_conflict_resolution}\n"
                        "kill <n1@h.3.0> {syn_resolve_kill,{w,3},m}");
    assert_string_equal(syn_world_table(w), "{{w,3},<n2@h.7.0>,theirs,2000}");
    assert_int_equal(syn_scope_derived(&w->scope), 0);
}

static void an_earlier_claim_of_a_member_loses(void **state)
{
    struct syn_world *w = *state;

    (void)start(w, 3);
    (void)syn_world_said(w);
    source.is_slow = true;
    claims(w, 3, 999);
    assert_string_equal(syn_world_said(w), "");
    let_it_answer();
    assert_string_equal(syn_world_said(w),
                        "n2@h ! {'3.0',sync_register,{w,3},<n1@h.3.0>,m,1000,"
                        "syn_conflict_resolution}");
    assert_string_equal(syn_world_table(w), "{{w,3},<n1@h.3.0>,m,1000}");
    assert_int_equal(
        syn_world_hear(w, 2,
                       "{'3.0', sync_unregister, {w, 3}, ~p, theirs, "
                       "syn_conflict_resolution}",
                       syn_world_pid(2, 7)),
        0);
    syn_scope_ended(&w->scope, syn_world_pid(1, 3), atom_term(A_killed));
    assert_string_equal(
        syn_world_said(w),
        "n2@h ! {'3.0',sync_unregister,{w,3},<n1@h.3.0>,m,killed}");
    assert_string_equal(syn_world_table(w), "");
}

static void a_claim_that_is_gone_by_then_is_no_conflict(void **state)
{
    struct syn_world *w = *state;

    (void)start(w, 3);
    source.is_slow = true;
    claims(w, 3, 2000);
    assert_int_equal(
        syn_world_hear(w, 2,
                       "{'3.0', sync_unregister, {w, 3}, ~p, theirs, normal}",
                       syn_world_pid(2, 7)),
        0);
    (void)syn_world_said(w);
    let_it_answer();
    assert_string_equal(syn_world_said(w), "");
    assert_string_equal(syn_world_table(w), "{{w,3},<n1@h.3.0>,m,1000}");
}

static void one_that_starts_beside_a_claim_is_settled(void **state)
{
    struct syn_world *w = *state;

    claims(w, 3, 2000);
    assert_true(start(w, 3));
    settle(w, 3);
    assert_string_equal(
        syn_world_said(w),
        "n2@h ! {'3.0',sync_register,{w,3},<n1@h.3.0>,m,1000,normal}\n"
        "n2@h ! {'3.0',sync_unregister,{w,3},<n1@h.3.0>,m,"
        "syn_conflict_resolution}\n"
        "kill <n1@h.3.0> {syn_resolve_kill,{w,3},m}");
    assert_string_equal(syn_world_table(w), "{{w,3},<n2@h.7.0>,theirs,2000}");
}

static void what_its_list_does_not_have_goes_though_it_won(void **state)
{
    struct syn_world *w = *state;

    source.is_slow = true;
    (void)start(w, 3);
    claims(w, 3, 2000);
    assert_int_equal(syn_world_hear(w, 2, "{'3.0', ack_sync, ~p, []}",
                                    syn_world_pid(2, 100)),
                     0);
    let_it_answer();
    assert_string_equal(syn_world_table(w), "{{w,3},<n1@h.3.0>,m,1000}");
}

static void one_of_ours_that_was_faster_keeps_it(void **state)
{
    struct syn_world *w = *state;

    (void)syn_world_add(w, 1, "{w, 3}", 6, "x");
    (void)syn_world_said(w);
    assert_true(start(w, 3));
    assert_string_equal(syn_world_said(w), "");
    settle(w, 3);
    assert_string_equal(syn_world_said(w),
                        "n2@h ! {'3.0',sync_unregister,{w,3},<n1@h.3.0>,m,"
                        "syn_conflict_resolution}");
    assert_string_equal(syn_world_table(w), "{{w,3},<n1@h.6.0>,x,1000}");
    assert_int_equal(syn_scope_derived(&w->scope), 0);
}

/* --- asked for */

static void a_request_fetches_it_first(void **state)
{
    struct syn_world *w = *state;
    struct syn_claim claim;

    (void)start(w, 3);
    (void)syn_world_said(w);
    claim = claim_of(3);
    assert_true(syn_scope_may_derive(&w->scope, claim.name));
    settle(w, 3);
    claim = claim_of(3);
    assert_false(syn_scope_may_derive(&w->scope, claim.name));
    assert_string_equal(syn_world_add(w, 2, "{w, 3}", 3, "m"), "{noop,m}");
    assert_string_equal(syn_world_add(w, 2, "{w, 3}", 4, "m"), "{error,taken}");
    assert_string_equal(syn_world_said(w), "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(starts_and_ends_are_told_and_cost_no_entry),
        TEST(a_snapshot_has_them_and_what_starts_meanwhile),
        TEST(what_becomes_an_entry_meanwhile_is_in_the_snapshot),
        TEST(a_slice_of_an_older_snapshot_does_not_count),
        TEST(a_later_claim_of_a_member_wins),
        TEST(an_earlier_claim_of_a_member_loses),
        TEST(a_claim_that_is_gone_by_then_is_no_conflict),
        TEST(one_that_starts_beside_a_claim_is_settled),
        TEST(what_its_list_does_not_have_goes_though_it_won),
        TEST(one_of_ours_that_was_faster_keeps_it),
        TEST(a_request_fetches_it_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
