/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/syn_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "support/random.h"
#include "support/term/terms.h"
#include "term/build.h"

struct fixture {
    struct syn_table table;
    struct syn_owner theirs;
    struct limits limits;
    unsigned retired;
};

static void retire(void *owner, void *memory, retired_free_fn free_it)
{
    struct fixture *f = owner;

    f->retired++;
    free_it(memory);
}

static void init(struct fixture *f, enum syn_kind kind)
{
    *f = (struct fixture){.limits = limits};
    syn_table_init(&f->table, kind, retire, f);
    syn_owner_init(&f->theirs, false);
}

static void fini(struct fixture *f)
{
    limits = f->limits;
    syn_table_fini(&f->table);
}

static struct pid pid_of(uint32_t id)
{
    return (struct pid){atom_intern("a@h", 3), id, 1, 1};
}

/* A claim whose name and metadata are Erlang terms; dead at the next one. */
static struct syn_claim claim_of(const char *name, uint32_t pid,
                                 const char *meta)
{
    static struct buf terms[2];

    buf_fini(&terms[0]);
    buf_fini(&terms[1]);
    if (name == NULL) {
        return (struct syn_claim){0};
    }
    terms[0] = bytes_of_text(name);
    terms[1] = bytes_of_text(meta);
    return (struct syn_claim){.name = term_in(&terms[0]),
                              .pid = pid_of(pid),
                              .meta = term_in(&terms[1]),
                              .time = 100};
}

static struct syn_entry *find(struct fixture *f, const char *name, uint32_t pid)
{
    struct syn_claim claim = claim_of(name, pid, "x");

    return syn_table_find(&f->table, claim.name, claim.pid);
}

/* Puts a claim in the place of what is there. */
static struct syn_entry *put(struct fixture *f, struct syn_owner *owner,
                             const char *name, uint32_t pid, const char *meta)
{
    struct syn_entry *entry = NULL, *old = find(f, name, pid);
    struct syn_claim claim = claim_of(name, pid, meta);

    assert_int_equal(syn_table_put(&f->table, old, owner, &claim, &entry), 0);
    assert_non_null(entry);
    return entry;
}

static int try_put(struct fixture *f, const char *name, const char *meta)
{
    struct syn_entry *entry, *old = find(f, name, 1);
    struct syn_claim claim = claim_of(name, 1, meta);
    uint64_t count = f->table.count, bytes = f->table.bytes;
    int rc = syn_table_put(&f->table, old, &f->theirs, &claim, &entry);

    if (rc != 0) {
        assert_true(f->table.count == count && f->table.bytes == bytes);
    }
    return rc;
}

/* --- registry */

static void a_name_is_found_whatever_its_bytes(void **state)
{
    struct fixture f;
    struct syn_entry *entry;
    /* "ab" as LIST_EXT, and 5 as a big integer: {"ab", 5} */
    struct buf odd =
        bytes_of_hex("68 02 6c 00000002 61 61 61 62 6a 6e 01 00 05");

    (void)state;
    init(&f, SYN_REGISTRY);
    entry = put(&f, &f.table.local, "{\"ab\", 5}", 1, "[m]");
    assert_ptr_equal(syn_table_find(&f.table, term_in(&odd), PID_NONE), entry);
    assert_term_text(syn_entry_name(entry), "{\"ab\",5}");
    assert_term_text(syn_entry_meta(entry), "[m]");
    assert_null(find(&f, "{\"ab\", 5.0}", 1)); /* another name */
    buf_fini(&odd);
    fini(&f);
}

static void other_threads_look_up_with_their_own_scratch(void **state)
{
    struct fixture f;
    struct buf scratch;
    struct syn_entry *entry;

    (void)state;
    init(&f, SYN_REGISTRY);
    buf_init(&scratch, 0);
    entry = put(&f, &f.table.local, "#{a => 1}", 1, "m");
    assert_ptr_equal(syn_table_lookup(&f.table,
                                      claim_of("#{a => 1}", 1, "m").name,
                                      &scratch),
                     entry);
    assert_null(
        syn_table_lookup(&f.table, claim_of("b", 1, "m").name, &scratch));
    buf_fini(&scratch);
    fini(&f);
}

static void many_names_are_looked_up_at_once(void **state)
{
    struct fixture f;
    struct buf scratch, odd = bytes_of_hex("6e 01 00 05"); /* 5 */
    struct buf others = bytes_of_text("\"nobody\"");
    struct syn_entry *a, *five;
    struct cnode_term names[SYN_LOOKUPS];
    const struct syn_entry *entries[SYN_LOOKUPS];

    (void)state;
    init(&f, SYN_REGISTRY);
    buf_init(&scratch, 0);
    for (int i = 0; i < SYN_LOOKUPS; i++) {
        names[i] = term_in(&others);
    }
    syn_table_lookup_many(&f.table, names, SYN_LOOKUPS, &scratch, entries);
    assert_null(entries[0]); /* nothing was ever in it */
    a = put(&f, &f.table.local, "a", 1, "m");
    five = put(&f, &f.theirs, "5", 1, "m");
    names[1] = names[SYN_LOOKUPS - 1] = syn_entry_name(a);
    names[7] = term_in(&odd);
    for (size_t count = 0; count <= SYN_LOOKUPS; count += 8) {
        syn_table_lookup_many(&f.table, names, count, &scratch, entries);
        for (size_t i = 0; i < count; i++) {
            const struct syn_entry *wanted = i == 7 ? five : NULL;
            assert_ptr_equal(entries[i],
                             i == 1 || i == SYN_LOOKUPS - 1 ? a : wanted);
        }
    }
    buf_fini(&scratch);
    buf_fini(&others);
    buf_fini(&odd);
    fini(&f);
}

static void new_metadata_is_a_new_entry_and_the_old_one_is_retired(void **state)
{
    struct fixture f;
    struct syn_entry *old, *entry;
    uint64_t bytes;

    (void)state;
    init(&f, SYN_REGISTRY);
    old = put(&f, &f.table.local, "n", 1, "m1");
    bytes = f.table.bytes;
    entry = put(&f, &f.table.local, "n", 1, "m22");
    assert_ptr_not_equal(entry, old);
    assert_int_equal(f.retired, 1);
    assert_ptr_equal(find(&f, "n", 1), entry);
    assert_true(f.table.count == 1 && f.table.bytes == bytes + 1);
    assert_int_equal(f.table.local.count, 1);
    assert_ptr_equal(syn_table_of_pid(&f.table, pid_of(1)), entry);
    assert_null(syn_table_next_of_pid(&f.table, entry));
    fini(&f);
}

static void an_entry_may_be_put_in_its_own_place(void **state)
{
    struct fixture f;
    struct syn_entry *old, *entry;
    struct syn_claim claim;

    (void)state;
    init(&f, SYN_REGISTRY);
    old = put(&f, &f.table.local, "<<\"name\">>", 1, "m");
    claim = (struct syn_claim){.name = syn_entry_name(old),
                               .pid = old->pid,
                               .meta = syn_entry_meta(old),
                               .time = 200};
    assert_int_equal(
        syn_table_put(&f.table, old, &f.table.local, &claim, &entry), 0);
    assert_term_text(syn_entry_name(entry), "<<\"name\">>");
    assert_term_text(syn_entry_meta(entry), "m");
    assert_true(entry->time == 200);
    fini(&f);
}

static void the_winner_of_a_conflict_takes_the_name_over(void **state)
{
    struct fixture f;
    struct syn_entry *entry;

    (void)state;
    init(&f, SYN_REGISTRY);
    put(&f, &f.table.local, "n", 1, "ours");
    entry = put(&f, &f.theirs, "n", 2, "theirs");
    assert_int_equal(f.table.local.count, 0);
    assert_int_equal(f.theirs.count, 1);
    assert_null(syn_table_of_pid(&f.table, pid_of(1)));
    assert_null(syn_table_of_pid(&f.table, pid_of(2))); /* not ours */
    assert_ptr_equal(find(&f, "n", 0), entry);
    syn_table_remove(&f.table, entry);
    assert_null(find(&f, "n", 0));
    assert_true(f.table.count == 0 && f.table.bytes == 0);
    fini(&f);
}

static void all_names_of_a_process_are_found_and_each_taken_out(void **state)
{
    struct fixture f;
    struct syn_entry *entries[4], *at;
    static const char *const names[] = {"a", "b", "c", "d"};
    unsigned seen = 0;

    (void)state;
    init(&f, SYN_REGISTRY);
    for (int i = 0; i < 4; i++) {
        entries[i] = put(&f, &f.table.local, names[i], 1, "m");
    }
    put(&f, &f.table.local, "other", 2, "m");
    for (at = syn_table_of_pid(&f.table, pid_of(1)); at != NULL;
         at = syn_table_next_of_pid(&f.table, at)) {
        assert_ptr_equal(at, entries[seen++]);
    }
    assert_int_equal(seen, 4);
    syn_table_remove(&f.table, entries[0]); /* the first of all */
    syn_table_remove(&f.table, entries[2]);
    assert_ptr_equal(syn_table_of_pid(&f.table, pid_of(1)), entries[1]);
    assert_ptr_equal(syn_table_next_of_pid(&f.table, entries[1]), entries[3]);
    assert_null(syn_table_next_of_pid(&f.table, entries[3]));
    while ((at = syn_table_of_pid(&f.table, pid_of(1))) != NULL) {
        syn_table_remove(&f.table, at);
    }
    assert_true(f.table.count == 1);
    fini(&f);
}

static void metadata_is_compared_as_terms(void **state)
{
    struct fixture f;
    struct syn_entry *entry;
    struct buf same, other;

    (void)state;
    init(&f, SYN_REGISTRY);
    entry = put(&f, &f.table.local, "n", 1, "{m, 5}");
    same = bytes_of_hex("68 02 64 0001 6d 6e 01 00 05"); /* old, and long */
    other = bytes_of_hex("68 02 64 0001 6d 6e 01 00 06");
    assert_true(syn_entry_has_meta(&f.table, entry, term_in(&same)));
    assert_false(syn_entry_has_meta(&f.table, entry, term_in(&other)));
    assert_false(
        syn_entry_has_meta(&f.table, entry, claim_of("n", 1, "{m, 5.0}").meta));
    assert_true(
        syn_entry_has_meta(&f.table, entry, claim_of("n", 1, "{m, 5}").meta));
    buf_fini(&same);
    buf_fini(&other);
    fini(&f);
}

/* --- limits */

static void what_is_too_large_or_too_much_is_refused_and_counted(void **state)
{
    struct fixture f;
    uint64_t refused = metric_read(METRIC_syn_refused);

    (void)state;
    init(&f, SYN_REGISTRY);
    limits.syn_name_bytes = 10;
    assert_int_equal(try_put(&f, "<<\"123456\">>", "m"), CNODE_TOO_LARGE);
    assert_int_equal(try_put(&f, "<<\"12345\">>", "m"), 0);
    limits.syn_meta_bytes = 10;
    assert_int_equal(try_put(&f, "a", "<<\"123456\">>"), CNODE_TOO_LARGE);
    assert_int_equal(try_put(&f, "a", "<<\"12345\">>"), 0);
    limits.syn_entries = 2;
    assert_int_equal(try_put(&f, "b", "m"), CNODE_LIMIT);
    assert_int_equal(try_put(&f, "a", "other"), 0); /* in place */
    limits.syn_entries = 3;
    limits.syn_bytes = f.table.bytes + 5;
    assert_int_equal(try_put(&f, "b", "mm"), CNODE_LIMIT);
    assert_int_equal(try_put(&f, "a", "<<\"12345\">>"), 0);
    assert_true(metric_read(METRIC_syn_refused) == refused + 4);
    fini(&f);
}

static void without_memory_nothing_changes(void **state)
{
    struct fixture f;

    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        init(&f, (enum syn_kind)kind);
        for (unsigned nth = 1; nth <= 2; nth++) {
            struct syn_claim claim = claim_of("n", 1, "m");
            struct syn_entry *entry;
            mem_fail_after(nth);
            assert_int_equal(
                syn_table_put(&f.table, NULL, &f.theirs, &claim, &entry),
                CNODE_NOMEM);
        }
        mem_fail_after(0);
        assert_true(f.table.count == 0 && f.table.bytes == 0);
        put(&f, &f.theirs, "n", 1, "m");
        fini(&f);
    }
}

/* --- walks */

static void expect_walk(struct syn_walk *walk, const char *names)
{
    char text[100] = "";
    const struct syn_entry *entry;
    size_t len = 0;

    while ((entry = syn_walk_next(walk)) != NULL) {
        text[len++] = (char)syn_entry_name(entry).at[2]; /* of an atom */
    }
    assert_string_equal(text, names);
}

static void a_walk_goes_on_while_the_table_changes(void **state)
{
    struct fixture f;
    struct syn_walk walk, other;

    (void)state;
    init(&f, SYN_REGISTRY);
    for (const char *c = "abcde"; *c != '\0'; c++) {
        put(&f, &f.theirs, (char[]){*c, '\0'}, 1, "m");
    }
    put(&f, &f.table.local, "x", 1, "m"); /* of another owner */
    syn_walk_begin(&walk, &f.table, &f.theirs);
    syn_walk_begin(&other, &f.table, &f.theirs);
    syn_walk_next(&walk);
    syn_walk_next(&walk);
    syn_table_remove(&f.table, find(&f, "b", 1)); /* the last one walked */
    syn_table_remove(&f.table, find(&f, "c", 1)); /* the next one */
    put(&f, &f.theirs, "a", 1, "again");          /* keeps its place */
    put(&f, &f.theirs, "d", 1, "again");
    expect_walk(&walk, "de");
    put(&f, &f.theirs, "f", 1, "m");
    expect_walk(&walk, "f");
    put(&f, &f.theirs, "f", 1, "again");
    expect_walk(&walk, "");
    syn_walk_end(&walk);
    syn_walk_end(&walk);
    expect_walk(&other, "adef");
    syn_walk_end(&other);
    fini(&f);
}

static void what_a_list_does_not_have_is_known(void **state)
{
    struct fixture f;
    struct syn_walk walk;
    struct syn_entry *entry;

    (void)state;
    init(&f, SYN_REGISTRY);
    put(&f, &f.theirs, "a", 1, "m");
    put(&f, &f.theirs, "b", 1, "m");
    put(&f, &f.theirs, "c", 1, "m");
    syn_table_round(&f.theirs);
    syn_table_mark(find(&f, "b", 1));
    put(&f, &f.theirs, "c", 1, "new");
    put(&f, &f.theirs, "d", 1, "m");
    syn_walk_begin(&walk, &f.table, &f.theirs);
    while ((entry = syn_walk_next(&walk)) != NULL) {
        if (entry->round != f.theirs.round) {
            syn_table_remove(&f.table, entry);
        }
    }
    syn_walk_end(&walk);
    syn_walk_begin(&walk, &f.table, &f.theirs);
    expect_walk(&walk, "bcd");
    syn_walk_end(&walk);
    fini(&f);
}

/* --- groups */

static uint32_t count_members(const struct syn_group *group, bool only_local)
{
    const struct syn_entry *entry = NULL;
    uint32_t count = 0;

    while ((entry = syn_group_next(group, entry, only_local)) != NULL) {
        assert_true(!only_local || entry->owner->is_local);
        count++;
    }
    assert_int_equal(count, syn_group_count(group, only_local));
    return count;
}

static void a_group_has_each_process_once(void **state)
{
    struct fixture f;
    struct syn_group *group;
    struct syn_entry *entry;

    (void)state;
    init(&f, SYN_GROUPS);
    put(&f, &f.theirs, "{g, 1}", 1, "m");
    put(&f, &f.table.local, "{g, 1}", 2, "m");
    put(&f, &f.theirs, "{g, 1}", 3, "m");
    put(&f, &f.table.local, "h", 2, "m");
    entry = put(&f, &f.table.local, "{g, 1}", 2, "other");
    group = syn_table_group(&f.table, syn_entry_name(entry));
    assert_int_equal(count_members(group, false), 3);
    assert_int_equal(count_members(group, true), 1);
    assert_ptr_equal(syn_group_next(group, NULL, false), entry);
    assert_ptr_equal(find(&f, "{g, 1}", 2), entry);
    assert_null(find(&f, "{g, 1}", 4));
    assert_null(find(&f, "nobody", 2));
    assert_term_text(syn_entry_name(entry), "{g,1}");
    assert_term_text(syn_entry_meta(entry), "other");
    fini(&f);
}

static void an_empty_group_goes(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, SYN_GROUPS);
    put(&f, &f.theirs, "g", 1, "m");
    put(&f, &f.table.local, "g", 2, "m");
    syn_table_remove(&f.table, find(&f, "g", 2));
    assert_non_null(syn_table_group(&f.table, claim_of("g", 1, "m").name));
    syn_table_remove(&f.table, find(&f, "g", 1));
    assert_null(syn_table_group(&f.table, claim_of("g", 1, "m").name));
    assert_true(f.table.count == 0 && f.table.bytes == 0);
    fini(&f);
}

/* --- at random */

enum { NAMES = 40, PIDS = 8, STEPS = 20000 };

/* Against an array of whose name it is. */
static void random_changes_agree_with_an_array(void **state)
{
    struct fixture f;
    struct syn_owner *owners[] = {&f.table.local, &f.theirs};
    struct {
        struct syn_entry *entry;
    } model[NAMES] = {{0}};
    uint64_t random = random_seed(), count[2];

    (void)state;
    init(&f, SYN_REGISTRY);
    for (int step = 0; step < STEPS; step++) {
        uint32_t n = random_below(&random, NAMES);
        struct syn_claim claim = {.name = term_small_int((uint8_t)n),
                                  .pid = pid_of(random_below(&random, PIDS)),
                                  .meta = term_small_int((uint8_t)step)};
        if (model[n].entry != NULL && random_below(&random, 3) == 0) {
            syn_table_remove(&f.table, model[n].entry);
            model[n].entry = NULL;
        } else {
            assert_int_equal(syn_table_put(&f.table, model[n].entry,
                                           owners[random_below(&random, 2)],
                                           &claim, &model[n].entry),
                             0);
        }
        count[0] = count[1] = 0;
        for (n = 0; n < NAMES; n++) {
            struct syn_entry *entry =
                syn_table_find(&f.table, term_small_int((uint8_t)n), PID_NONE);
            assert_ptr_equal(entry, model[n].entry);
            if (entry != NULL) {
                count[entry->owner == &f.theirs]++;
            }
        }
        assert_true(f.table.count == count[0] + count[1]);
        assert_int_equal(f.table.local.count, count[0]);
        assert_int_equal(f.theirs.count, count[1]);
        for (n = 0; n < PIDS; n++) {
            struct syn_entry *at = syn_table_of_pid(&f.table, pid_of(n));
            for (; at != NULL; at = syn_table_next_of_pid(&f.table, at)) {
                assert_int_equal(at->pid.id, n);
                count[0]--;
            }
        }
        assert_true(count[0] == 0);
    }
    fini(&f);
}

static int set_up(void **state)
{
    (void)state;
    atom_init();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)claim_of(NULL, 0, NULL);
    atom_fini();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_found_whatever_its_bytes),
        cmocka_unit_test(other_threads_look_up_with_their_own_scratch),
        cmocka_unit_test(many_names_are_looked_up_at_once),
        cmocka_unit_test(
            new_metadata_is_a_new_entry_and_the_old_one_is_retired),
        cmocka_unit_test(an_entry_may_be_put_in_its_own_place),
        cmocka_unit_test(the_winner_of_a_conflict_takes_the_name_over),
        cmocka_unit_test(all_names_of_a_process_are_found_and_each_taken_out),
        cmocka_unit_test(metadata_is_compared_as_terms),
        cmocka_unit_test(what_is_too_large_or_too_much_is_refused_and_counted),
        cmocka_unit_test(without_memory_nothing_changes),
        cmocka_unit_test(a_walk_goes_on_while_the_table_changes),
        cmocka_unit_test(what_a_list_does_not_have_is_known),
        cmocka_unit_test(a_group_has_each_process_once),
        cmocka_unit_test(an_empty_group_goes),
        cmocka_unit_test(random_changes_agree_with_an_array),
    };
    return cmocka_run_group_tests_name("syn_table", tests, set_up, tear_down);
}
