/* SPDX-License-Identifier: Apache-2.0
 *
 * Pools and services of the configuration, and every mistake in them.
 */
#include "pool/pool_config.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"

static struct config config;
static struct pool_settings settings;

static int setup(void **state)
{
    (void)state;
    atom_init();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pool_settings_fini(&settings);
    config_fini(&config);
    return 0;
}

/* Single quotes stand for double ones. Returns the mistakes. */
static const char *read_json(const char *json)
{
    char *text = mem_strdup(json);

    for (char *p = text; *p != '\0'; p++) {
        if (*p == '\'') {
            *p = '"';
        }
    }
    assert_int_equal(config_parse(&config, "c.json", text), 0);
    mem_free(text);
    pool_settings_read(&settings, &config,
                       json_object_get(config.root, "behaviours"),
                       json_object_get(config.root, "pools"),
                       json_object_get(config.root, "services"),
                       json_object_get(config.root, "spawn"));
    buf_put_u8(&config.errors, 0);
    return (const char *)buf_data(&config.errors);
}

static void defaults_are_those_of_the_documents(void **state)
{
    const struct pool_config *pool;

    (void)state;
    assert_string_equal(
        read_json("{'pools': {'Elixir.My': {'behaviour': 'counter'}}}"), "");
    assert_int_equal(settings.count, 2); /* and its server */
    assert_string_equal(atom_text(settings.pools[1].name), "Elixir.My.Server");
    assert_string_equal(settings.pools[1].behaviour->name, "server");
    pool = &settings.pools[0];
    assert_string_equal(atom_text(pool->name), "Elixir.My");
    assert_string_equal(pool->behaviour->name, "counter");
    assert_string_equal(atom_text(pool->worker.module), "Elixir.My.Worker");
    assert_int_equal(pool->top.registry, REGISTRY_SYN);
    assert_int_equal(pool->worker.restart, RESTART_PERMANENT);
    assert_true(pool->worker.max == UINT64_MAX);
    assert_true(pool->worker.idle_ns == UINT64_C(900000000000));
    assert_int_equal(pool->worker.mailbox_limit, 10000);
    assert_int_equal(pool->worker.target.target, 50000);
    assert_int_equal(pool->supervisors.segments, 64);
    assert_int_equal(pool->supervisors.max_restarts, 1000);
    assert_int_equal(pool->cluster.node_target.high, 1000);
    assert_true(pool->worker.sticky < 0);
}

static void every_key_is_read(void **state)
{
    const struct pool_config *pool;

    (void)state;
    assert_string_equal(
        read_json("{'pools': {'p': {'behaviour': 'kv', 'registry': 'none', "
                  "'worker': {'module': 'm', 'restart': 'transient', 'max': "
                  "7, 'idle_timeout': null, 'spawn': 'async', 'sticky': 1.5, "
                  "'mailbox_limit': 9, 'target': {'low': 1, 'target': 2, "
                  "'high': 3}}, 'supervisors': {'count': 2, 'segments': 3, "
                  "'max_restarts': 4, 'max_seconds': 5}, 'cluster': "
                  "{'priority': 6, 'node_target': {'low': 0, 'target': 0, "
                  "'high': 1}, 'strategy': 'weighted'}}}}"),
        "");
    pool = &settings.pools[0];
    assert_string_equal(atom_text(pool->worker.module), "m");
    assert_int_equal(pool->worker.restart, RESTART_TRANSIENT);
    assert_int_equal(pool->worker.max, 7);
    assert_int_equal(pool->worker.idle_ns, 0);
    assert_int_equal(pool->worker.spawn, SPAWN_ASYNC);
    assert_true(pool->worker.sticky > 1.4);
    assert_int_equal(pool->worker.target.high, 3);
    assert_int_equal(pool->supervisors.count, 2);
    assert_int_equal(pool->cluster.strategy, STRATEGY_WEIGHTED);
    assert_int_equal(pool->cluster.priority, 6);
}

static void a_service_is_one_permanent_worker(void **state)
{
    const struct pool_config *service;

    (void)state;
    assert_string_equal(
        read_json("{'services': {'echo': {'behaviour': 'echo'}}}"), "");
    service = &settings.pools[0];
    assert_true(service->is_service);
    assert_int_equal(service->worker.max, 1);
    assert_int_equal(service->worker.module, service->name);
    assert_int_equal(service->worker.idle_ns, 0);
}

static void unknown_keys_name_the_nearest(void **state)
{
    (void)state;
    assert_string_equal(
        read_json("{'pools': {'p': {'behaviour': 'kv',\n"
                  "'worker': {'restrat': 'permanent'},\n"
                  "'supervisor': {}}}}"),
        "c.json:3: pools.p.supervisor: unknown key, did you mean "
        "\"supervisors\"?\n"
        "c.json:2: pools.p.worker.restrat: unknown key, did you mean "
        "\"restart\"?\n");
}

static void unknown_behaviours_name_the_nearest(void **state)
{
    (void)state;
    assert_string_equal(
        read_json("{'pools': {'p': {'behaviour': 'conter'}},\n"
                  "'services': {'s': {'behaviour': 'nothing_like_it'}, "
                  "'t': {}}}"),
        "c.json:1: pools.p.behaviour: there is no behaviour \"conter\", did "
        "you mean \"counter\"?\n"
        "c.json:2: services.s.behaviour: there is no behaviour "
        "\"nothing_like_it\", only counter, echo, kv, probe\n"
        "c.json:2: services.t.behaviour: missing, expected a string\n");
}

static void what_may_be_spawned_is_read(void **state)
{
    (void)state;
    assert_string_equal(read_json("{'spawn': {'Elixir.My:start': 'kv', "
                                  "'a:b:c': 'echo'}}"),
                        "");
    assert_int_equal(settings.spawn_count, 2);
    assert_string_equal(atom_text(settings.spawns[0].module), "Elixir.My");
    assert_string_equal(atom_text(settings.spawns[0].function), "start");
    assert_string_equal(settings.spawns[0].behaviour->name, "kv");
    assert_string_equal(atom_text(settings.spawns[1].module), "a:b");
}

static void what_may_be_spawned_is_checked(void **state)
{
    (void)state;
    assert_string_equal(
        read_json("{'spawn': {'nothing': 'kv',\n"
                  "':f': 'kv',\n"
                  "'m:f': 'ech',\n"
                  "'m:g': 7}}"),
        "c.json:1: spawn.nothing: expected \"module:function\"\n"
        "c.json:2: spawn.:f: expected an atom of 1..255 characters\n"
        "c.json:3: spawn.m:f: there is no behaviour \"ech\", did you mean "
        "\"echo\"?\n"
        "c.json:4: spawn.m:g: expected the name of a behaviour\n");
}

static void wrong_values_say_what_was_expected(void **state)
{
    const char *errors;

    (void)state;
    errors = read_json(
        "{'pools': {'p': {'behaviour': 'kv', 'worker': {'max': 'many', "
        "'idle_timeout': 5, 'restart': 'never', 'sticky': 'x', 'target': "
        "{'low': 5, 'target': 4}}, 'supervisors': {'segments': 0}, "
        "'cluster': []}, 'q': 1, '': {'behaviour': 'kv'}}}");
    assert_non_null(strstr(errors, "pools.p.worker.max: expected 1..16000000 "
                                   "or null, got \"many\"\n"));
    assert_non_null(strstr(errors, "pools.p.worker.idle_timeout: expected a "
                                   "duration"));
    assert_non_null(strstr(errors, "pools.p.worker.restart: expected "
                                   "\"permanent\", \"transient\" or "
                                   "\"temporary\", got \"never\"\n"));
    assert_non_null(strstr(errors, "pools.p.worker.sticky: expected true, "
                                   "false or a health"));
    assert_non_null(strstr(errors, "pools.p.worker.target: expected low <= "
                                   "target <= high\n"));
    assert_non_null(
        strstr(errors, "pools.p.supervisors.segments: expected 1..4096"));
    assert_non_null(strstr(errors, "pools.p.cluster: expected an object"));
    assert_non_null(strstr(errors, "pools.q: expected an object\n"));
    assert_non_null(strstr(errors, "expected an atom of 1..255 characters"));
}

static void names_are_used_once(void **state)
{
    const char *errors;

    (void)state;
    errors = read_json("{'pools': {'x': {'behaviour': 'kv'}, 'rex': "
                       "{'behaviour': 'kv'}}, 'services': {'x': "
                       "{'behaviour': 'kv'}, 'undefined': {'behaviour': "
                       "'kv'}}}");
    assert_non_null(
        strstr(errors, "pools.rex: the name belongs to the node itself\n"));
    assert_non_null(strstr(errors, "services.x: the name is used twice\n"));
    assert_non_null(
        strstr(errors, "services.undefined: expected another name"));
}

static void a_plugin_that_does_not_load_is_a_mistake(void **state)
{
    const char *errors;

    (void)state;
    errors = read_json("{'behaviours': ['nowhere/at_all.so', 7],\n"
                       "'pools': {}}");
    assert_non_null(strstr(errors, "c.json:1: behaviours[0]: cannot load the "
                                   "behaviour: "));
    assert_non_null(strstr(errors, "nowhere/at_all.so"));
    assert_non_null(strstr(errors, "behaviours[1]: expected the path of a "
                                   "shared object\n"));
}

static void all_keys_are_documented(void **state)
{
    (void)state;
    for (size_t i = 0; i < pool_config_section_count; i++) {
        const struct pool_config_section *section = &pool_config_sections[i];

        assert_non_null(section->doc);
        for (size_t k = 0; k < section->count; k++) {
            assert_non_null(section->keys[k].doc);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_those_of_the_documents),
        TEST(every_key_is_read),
        TEST(a_service_is_one_permanent_worker),
        TEST(unknown_keys_name_the_nearest),
        TEST(unknown_behaviours_name_the_nearest),
        TEST(what_may_be_spawned_is_read),
        TEST(what_may_be_spawned_is_checked),
        TEST(wrong_values_say_what_was_expected),
        TEST(names_are_used_once),
        TEST(a_plugin_that_does_not_load_is_a_mistake),
        cmocka_unit_test(all_keys_are_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
