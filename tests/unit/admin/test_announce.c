/* SPDX-License-Identifier: Apache-2.0
 *
 * The ready line, and the line when there is no node.
 */
#include "admin/announce.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

#include <cnode/error.h>

static struct buf out;

static int setup(void **state)
{
    (void)state;
    buf_init(&out, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&out);
    return 0;
}

static const char *text(void)
{
    buf_put_u8(&out, 0);
    return (const char *)buf_data(&out);
}

static void names_on_the_ready_line_are_sorted(void **state)
{
    struct pool_config pools[] = {
        {.name = atom_intern("b", 1)},
        {.name = atom_intern("svc", 3), .is_service = true},
        {.name = atom_intern("a", 1)}};
    struct pool_settings settings = {.pools = pools, .count = 3};

    (void)state;
    behaviours_init(&settings.behaviours);
    announce_put_ready(&out, "c1@h", 41234, 1795169571, &settings);
    assert_string_equal(text(), "ready name=c1@h port=41234 "
                                "creation=1795169571 pools=a,b "
                                "behaviours=counter,echo,kv,probe\n");
    behaviours_fini(&settings.behaviours);
}

static void without_pools_the_key_stays(void **state)
{
    struct pool_settings settings = {.count = 0};

    (void)state;
    announce_put_ready(&out, "c1@h", 1, 2, &settings);
    assert_string_equal(text(), "ready name=c1@h port=1 creation=2 pools= "
                                "behaviours=\n");
}

static const char *failure(int rc)
{
    struct node_config config = {.name = "c1@h",
                                 .listen_host = "0.0.0.0",
                                 .listen_port = 9100,
                                 .epmd_port = 4369};

    buf_clear(&out);
    announce_put_failure(&out, &config, rc);
    return text();
}

static void failures_name_what_is_in_the_way(void **state)
{
    (void)state;
    assert_string_equal(failure(CNODE_NAME_IN_USE),
                        "cnode: the name c1@h is in use: a node with it is "
                        "registered at epmd (port 4369)\n");
    assert_string_equal(failure(UV_EADDRINUSE),
                        "cnode: cannot listen on 0.0.0.0 port 9100: Address "
                        "already in use\n");
    assert_non_null(strstr(failure(UV_ECONNREFUSED), "port 4369"));
    assert_string_equal(failure(CNODE_NOMEM),
                        "cnode: cannot start c1@h: out of memory\n");
}

static int start(void **state)
{
    (void)state;
    atom_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_on_the_ready_line_are_sorted,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(without_pools_the_key_stays, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(failures_name_what_is_in_the_way, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
