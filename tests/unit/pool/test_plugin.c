/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading behaviours, and what may be wrong with them.
 */
#include "pool/plugin.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cnode/error.h>

static struct buf why;
static struct behaviours behaviours;

static int setup(void **state)
{
    (void)state;
    buf_init(&why, 0);
    behaviours_init(&behaviours);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&why);
    behaviours_fini(&behaviours);
    return 0;
}

static const char *why_text(void)
{
    buf_put_u8(&why, 0);
    return (const char *)buf_data(&why);
}

static int ping(struct cnode_worker *w, void *state)
{
    (void)w, (void)state;
    return 0;
}

static void those_that_ship_are_there(void **state)
{
    (void)state;
    assert_non_null(behaviours_find(&behaviours, "echo"));
    assert_non_null(behaviours_find(&behaviours, "counter"));
    assert_non_null(behaviours_find(&behaviours, "kv"));
    assert_null(behaviours_find(&behaviours, "nothing"));
    assert_string_equal(behaviours_name(&behaviours, 0), "counter");
    assert_null(behaviours_name(&behaviours, 99));
}

static void a_shared_object_is_loaded(void **state)
{
    struct behaviours none = {0};
    const struct cnode_behaviour *counter;

    (void)state;
    assert_int_equal(
        behaviours_load(&none, TEST_BEHAVIOUR_DIR "/counter.so", &why), 0);
    counter = behaviours_find(&none, "counter");
    assert_non_null(counter);
    assert_non_null(counter->handle_call);
    assert_null(counter->init);
    behaviours_fini(&none);
}

static void a_name_is_used_once(void **state)
{
    (void)state;
    assert_int_equal(
        behaviours_load(&behaviours, TEST_BEHAVIOUR_DIR "/counter.so", &why),
        CNODE_EXISTS);
    assert_string_equal(why_text(),
                        "there is a behaviour named \"counter\" already");
}

static void what_is_no_plugin_is_refused(void **state)
{
    (void)state;
    assert_int_equal(behaviours_load(&behaviours, "/nowhere.so", &why),
                     CNODE_PLUGIN);
    assert_non_null(strstr(why_text(), "/nowhere.so"));
    buf_clear(&why);
    assert_int_equal(behaviours_load(&behaviours, "libm.so.6", &why),
                     CNODE_PLUGIN);
    assert_non_null(strstr(why_text(), "no symbol cnode_behaviour"));
}

static void another_abi_is_refused(void **state)
{
    struct cnode_behaviour theirs = {
        .abi = CNODE_ABI + 1, .size = sizeof(theirs), .name = "x"};
    struct cnode_behaviour ours;

    (void)state;
    assert_int_equal(behaviour_check(&theirs, &ours, &why), CNODE_BAD_ABI);
    assert_non_null(strstr(why_text(), "built for ABI 2, this node has 1"));
}

/* Built when there were fewer callbacks: behind its end is anything. */
static void an_older_smaller_table_is_filled_up(void **state)
{
    struct cnode_behaviour theirs = {
        .abi = CNODE_ABI,
        .size = offsetof(struct cnode_behaviour, hibernate),
        .name = "old",
        .state_size = 8,
        .ping = ping};
    struct cnode_behaviour ours;

    (void)state;
    memset(&theirs.hibernate, 0xff, sizeof(theirs.hibernate));
    assert_int_equal(behaviour_check(&theirs, &ours, &why), 0);
    assert_ptr_equal(ours.ping, ping);
    assert_null(ours.hibernate);
    assert_int_equal(ours.state_size, 8);
}

static void a_newer_larger_table_may_not_use_what_is_new(void **state)
{
    struct {
        struct cnode_behaviour known;
        void *more;
    } theirs = {
        .known = {.abi = CNODE_ABI, .size = sizeof(theirs), .name = "new"}};
    struct cnode_behaviour ours;

    (void)state;
    assert_int_equal(behaviour_check(&theirs.known, &ours, &why), 0);
    theirs.more = &theirs;
    assert_int_equal(behaviour_check(&theirs.known, &ours, &why),
                     CNODE_BAD_ABI);
    assert_non_null(strstr(why_text(), "callbacks that this node does not"));
}

static void nonsense_about_itself_is_refused(void **state)
{
    static const struct cnode_behaviour wrong[] = {
        {.abi = CNODE_ABI, .size = 0, .name = "x"},
        {.abi = CNODE_ABI, .size = 8, .name = "x"},
        {.abi = CNODE_ABI, .size = 1000000, .name = "x"},
        {.abi = CNODE_ABI, .size = sizeof(wrong[0]), .name = NULL},
        {.abi = CNODE_ABI, .size = sizeof(wrong[0]), .name = ""},
        {.abi = CNODE_ABI, .size = sizeof(wrong[0]), .name = "a b"},
        {.abi = CNODE_ABI,
         .size = sizeof(wrong[0]),
         .name = "x",
         .state_size = (size_t)1 << 40},
    };
    struct cnode_behaviour ours;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        buf_clear(&why);
        assert_int_equal(behaviour_check(&wrong[i], &ours, &why), CNODE_PLUGIN);
        assert_true(buf_size(&why) > 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(those_that_ship_are_there),
        TEST(a_shared_object_is_loaded),
        TEST(a_name_is_used_once),
        TEST(what_is_no_plugin_is_refused),
        TEST(another_abi_is_refused),
        TEST(an_older_smaller_table_is_filled_up),
        TEST(a_newer_larger_table_may_not_use_what_is_new),
        TEST(nonsense_about_itself_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
