/* SPDX-License-Identifier: Apache-2.0
 *
 * Status records: written as AdvancedPool does, read with suspicion. */
#include "placement/status.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "term/build.h"
#include "term/print.h"
#include "term/text.h"

static struct buf buf, text;

static int setup(void **state)
{
    (void)state;
    atom_init();
    buf_init(&buf, 0);
    buf_init(&text, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&buf);
    buf_fini(&text);
    return 0;
}

static struct cnode_term term(void)
{
    assert_int_equal(buf_error(&buf), 0);
    return term_at(buf_data(&buf), buf_size(&buf));
}

static const char *printed(void)
{
    buf_clear(&text);
    term_print(&text, term(), 0);
    buf_put_u8(&text, '\0');
    return (const char *)buf_data(&text);
}

static struct cnode_term read(const char *format)
{
    buf_clear(&buf);
    term_format(&buf, format);
    return term();
}

static struct service_status status_of(const char *state)
{
    return (struct service_status){.state = state[0] == 'o' ? STATUS_ONLINE
                                                            : STATUS_OFFLINE,
                                   .service = atom_intern("Elixir.P", 8),
                                   .node = atom_intern("n@h", 3),
                                   .window = status_pool_window,
                                   .updated_on = 17};
}

static void a_pool_is_written_as_advanced_pool_does(void **state)
{
    struct service_status status = status_of("online");

    (void)state;
    buf_clear(&buf);
    status_put_service(&buf, STATUS_OF_POOL, &status);
    assert_string_equal(printed(),
                        "{pool_status,online,'Elixir.P',initializing,n@h,0,"
                        "{target_window,50000,10000,100000},17}");
    status.is_locked = status.has_health = true;
    status.health = 8.0;
    status.count = 2;
    buf_clear(&buf);
    status_put_service(&buf, STATUS_OF_FACE, &status);
    assert_string_equal(printed(),
                        "{worker_sup_status,{locked,online},'Elixir.P',8.0,"
                        "n@h,2,{target_window,50000,10000,100000},17}");
}

static void what_is_written_is_read(void **state)
{
    struct service_status status = status_of("online"), back;

    (void)state;
    status.has_health = status.is_locked = true;
    status.health = -0.5;
    status.count = 123456;
    buf_clear(&buf);
    status_put_service(&buf, STATUS_OF_POOL, &status);
    assert_true(status_parse_service(term(), STATUS_OF_POOL, &back));
    assert_true(status_is_same(&status, &back));
    assert_int_equal(back.updated_on, 17);
    assert_false(status_parse_service(term(), STATUS_OF_FACE, &back));
}

static void states_are_read(void **state)
{
    static const struct {
        const char *term;
        enum status_state state;
        bool is_locked, is_open;
    } rows[] = {
        {"online", STATUS_ONLINE, false, true},
        {"offline", STATUS_OFFLINE, false, false},
        {"initializing", STATUS_INITIALIZING, false, false},
        {"{locked, online}", STATUS_ONLINE, true, false},
        {"{locked, {locked, offline}}", STATUS_OFFLINE, true, false},
        {"maintenance", STATUS_OTHER, false, false},
    };
    struct service_status status;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char record[200];

        (void)snprintf(record, sizeof(record),
                       "{pool_status, %s, 'P', initializing, n@h, 0, nil, nil}",
                       rows[i].term);
        assert_true(
            status_parse_service(read(record), STATUS_OF_POOL, &status));
        assert_int_equal(status.state, rows[i].state);
        assert_int_equal(status.is_locked, rows[i].is_locked);
        assert_int_equal(status_is_open(&status), rows[i].is_open);
        assert_true(status.window.high == status_pool_window.high);
    }
}

static void other_shapes_are_refused(void **state)
{
    static const char *const records[] = {
        "rubbish",
        "{}",
        "[]",
        "{pool_status, online, 'P', 1.0, n@h, 0, nil}",
        "{pool_status, online, 'P', 1.0, n@h, 0, nil, 1, 2}",
        "{pool_status, <<\"online\">>, 'P', 1.0, n@h, 0, nil, 1}",
        "{pool_status, {locked}, 'P', 1.0, n@h, 0, nil, 1}",
        "{pool_status, {opened, online}, 'P', 1.0, n@h, 0, nil, 1}",
        "{pool_status, online, <<\"P\">>, 1.0, n@h, 0, nil, 1}",
        "{pool_status, online, 'P', <<\"good\">>, n@h, 0, nil, 1}",
        "{pool_status, online, 'P', 1.0, [], 0, nil, 1}",
        "{pool_status, online, 'P', 1.0, n@h, -1, nil, 1}",
        "{pool_status, online, 'P', 1.0, n@h, 1.5, nil, 1}",
        "{pool_status, online, 'P', 1.0, n@h, "
        "99999999999999999999999999999999999, nil, 1}",
        "{pool_status, online, 'P', 1.0, n@h, 0, {target_window, 1, 2, 3}, 1}",
        "{pool_status, online, 'P', 1.0, n@h, 0, {target_window, a, 0, 9}, 1}",
        "{pool_status, online, 'P', 1.0, n@h, 0, {window, 1, 0, 9}, 1}",
        "{pool_status, {locked, {locked, {locked, {locked, {locked, {locked, "
        "{locked, {locked, {locked, online}}}}}}}}}, 'P', 1.0, n@h, 0, nil, "
        "1}",
    };
    struct service_status status = {.count = 77};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(records); i++) {
        if (status_parse_service(read(records[i]), STATUS_OF_POOL, &status)) {
            fail_msg("%s", records[i]);
        }
    }
    assert_int_equal(status.count, 77);
}

static void windows_may_be_floats(void **state)
{
    struct target_window window;

    (void)state;
    assert_true(
        status_parse_window(read("{target_window, 0.9, 0.75, 1}"), &window));
    assert_true(window.target == 0.9 && window.low == 0.75 && window.high == 1);
}

static void the_time_makes_no_other_status(void **state)
{
    struct service_status a = status_of("online"), b = a;

    (void)state;
    b.updated_on++;
    assert_true(status_is_same(&a, &b));
    b.count++;
    assert_false(status_is_same(&a, &b));
    b = a;
    b.has_health = true;
    assert_false(status_is_same(&a, &b));
}

static void the_rest_is_written_as_advanced_pool_does(void **state)
{
    struct manager_status manager = {.node = atom_intern("n@h", 3),
                                     .status = A_initilizing,
                                     .state = A_init,
                                     .started_on = 1,
                                     .updated_on = 2};
    struct service_config config = {.state = A_online,
                                    .priority = 5,
                                    .supervisors = {1, 2, 3},
                                    .nodes = {4, 5, 6},
                                    .workers = {7, 8, 9},
                                    .health = {0.5, 1, 2},
                                    .pool = atom_intern("P", 1),
                                    .node = atom_intern("n@h", 3)};

    (void)state;
    buf_clear(&buf);
    status_put_manager(&buf, A_node_status, &manager);
    assert_string_equal(printed(),
                        "{node_status,n@h,initilizing,init,0.0,1,2}");
    buf_clear(&buf);
    status_put_node_service(&buf, &config);
    assert_string_equal(printed(),
                        "{node_service,online,5,{target_window,2,1,3},"
                        "{target_window,8,7,9},'P',"
                        "{target_window,1.0,0.5,2.0},n@h}");
    buf_clear(&buf);
    status_put_cluster_service(&buf, &config);
    assert_string_equal(printed(),
                        "{cluster_service,online,5,{target_window,5,4,6},"
                        "{target_window,8,7,9},{target_window,1.0,0.5,2.0},"
                        "'P'}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_pool_is_written_as_advanced_pool_does,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_written_is_read, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(states_are_read, setup, teardown),
        cmocka_unit_test_setup_teardown(other_shapes_are_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(windows_may_be_floats, setup, teardown),
        cmocka_unit_test_setup_teardown(the_time_makes_no_other_status, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            the_rest_is_written_as_advanced_pool_does, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
