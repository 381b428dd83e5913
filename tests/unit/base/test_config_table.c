/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading objects against tables.
 */
#include "base/config_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/config.h"

struct target {
    const char *name;
    bool hidden;
    uint64_t max, timeout, size;
    int registry;
    json_t *worker, *join, *any;
};

static const char *const registries[] = {"syn", "pg", "none", NULL};

#define AT(field) offsetof(struct target, field)

static const struct config_key keys[] = {
    {.name = "name", .type = CONFIG_STRING, .offset = AT(name)},
    {.name = "hidden", .type = CONFIG_BOOL, .offset = AT(hidden)},
    {.name = "max",
     .type = CONFIG_UINT,
     .offset = AT(max),
     .least = 1,
     .most = 16000000,
     .or_null = true},
    {.name = "timeout",
     .type = CONFIG_DURATION,
     .offset = AT(timeout),
     .least = 1000000,
     .most = UINT64_C(86400000000000)},
    {.name = "size", .type = CONFIG_SIZE, .offset = AT(size), .least = 1024},
    {.name = "registry",
     .type = CONFIG_ENUM,
     .offset = AT(registry),
     .choices = registries},
    {.name = "worker", .type = CONFIG_OBJECT, .offset = AT(worker)},
    {.name = "join", .type = CONFIG_ARRAY, .offset = AT(join)},
    {.name = "any",
     .type = CONFIG_ANY,
     .offset = AT(any),
     .wanted = "a number of schedulers or \"auto\""},
};

/* Reads `text` and returns the lines of mistakes. */
static const char *read_into(struct target *target, struct config *config,
                             const char *text)
{
    static char lines[8192];
    size_t size;

    assert_int_equal(config_parse(config, "x", text), 0);
    config_read(config, "", config->root, keys, ARRAY_LEN(keys), target);
    size = buf_size(&config->errors);
    assert_true(size < sizeof(lines));
    if (size > 0) {
        memcpy(lines, buf_data(&config->errors), size);
    }
    lines[size] = '\0';
    return lines;
}

static void assert_mistake(const char *text, const char *line)
{
    struct target target = {.max = 77};
    struct config config;

    assert_string_equal(read_into(&target, &config, text), line);
    assert_int_equal(target.max, 77); /* mistakes change nothing */
    config_fini(&config);
}

static void every_type_lands_in_its_field(void **state)
{
    struct target t = {.name = NULL};
    struct config config;

    (void)state;
    assert_string_equal(
        read_into(&t, &config,
                  "{\"name\": \"n\", \"hidden\": true, \"max\": 5,"
                  "\"timeout\": \"15m\", \"size\": \"64MiB\","
                  "\"registry\": \"none\", \"worker\": {\"a\": 1},"
                  "\"join\": [1], \"any\": 3}"),
        "");
    assert_string_equal(t.name, "n");
    assert_true(t.hidden);
    assert_int_equal(t.max, 5);
    assert_true(t.timeout == UINT64_C(900000000000));
    assert_int_equal(t.size, 67108864);
    assert_int_equal(t.registry, 2);
    assert_int_equal(json_object_size(t.worker), 1);
    assert_int_equal(json_array_size(t.join), 1);
    assert_int_equal(json_integer_value(t.any), 3);
    config_fini(&config);
}

static void absent_keys_and_nulls_leave_the_default(void **state)
{
    struct target t = {.max = 9, .timeout = 8, .name = "default"};
    struct config config;

    (void)state;
    assert_string_equal(read_into(&t, &config, "{\"max\": null}"), "");
    assert_int_equal(t.max, 9);
    assert_int_equal(t.timeout, 8);
    assert_string_equal(t.name, "default");
    config_fini(&config);
}

static void sizes_may_be_plain_numbers(void **state)
{
    struct target t = {.size = 0};
    struct config config;

    (void)state;
    assert_string_equal(read_into(&t, &config, "{\"size\": 4096}"), "");
    assert_int_equal(t.size, 4096);
    config_fini(&config);
}

static void messages_say_what_was_expected_and_what_was_there(void **state)
{
    (void)state;
    assert_mistake("{\n\"max\": \"many\"}",
                   "x:2: max: expected 1..16000000 or null, got \"many\"\n");
    assert_mistake("{\"max\": 0}",
                   "x:1: max: expected 1..16000000 or null, got 0\n");
    assert_mistake("{\"max\": -1}",
                   "x:1: max: expected 1..16000000 or null, got -1\n");
    assert_mistake("{\"max\": 1.0}",
                   "x:1: max: expected 1..16000000 or null, got 1.0\n");
    assert_mistake("{\"max\": 16000001}",
                   "x:1: max: expected 1..16000000 or null, got 16000001\n");
    assert_mistake("{\"name\": null}",
                   "x:1: name: expected a string, got null\n");
    assert_mistake("{\"hidden\": \"yes\"}",
                   "x:1: hidden: expected true or false, got \"yes\"\n");
    assert_mistake("{\"timeout\": 15}",
                   "x:1: timeout: expected a duration such as \"15m\", "
                   "1ms..1d, got 15\n");
    assert_mistake("{\"timeout\": \"2d\"}",
                   "x:1: timeout: expected a duration such as \"15m\", "
                   "1ms..1d, got \"2d\"\n");
    assert_mistake("{\"size\": \"1\"}",
                   "x:1: size: expected a size such as \"64MiB\", "
                   "at least 1KiB, got \"1\"\n");
    assert_mistake("{\"registry\": \"sin\"}",
                   "x:1: registry: expected \"syn\", \"pg\" or \"none\", "
                   "got \"sin\"\n");
    assert_mistake("{\"registry\": 1}",
                   "x:1: registry: expected \"syn\", \"pg\" or \"none\", "
                   "got 1\n");
    assert_mistake("{\"worker\": [1]}",
                   "x:1: worker: expected an object, got an array\n");
    assert_mistake("{\"join\": {}}",
                   "x:1: join: expected an array, got an object\n");
}

static void long_values_are_cut_between_characters(void **state)
{
    (void)state;
    assert_mistake(
        "{\"max\": \"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
        "0123456789012345678901234567890123456789\"}",
        "x:1: max: expected 1..16000000 or null, got "
        "\"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
        "012345678901234567890123456789012...\n");
    assert_mistake("{\"max\": \"01234567890123456789012345678901234567890123"
                   "45\xc3\xa4\"}",
                   "x:1: max: expected 1..16000000 or null, got "
                   "\"0123456789012345678901234567890123456789012345...\n");
}

static void unknown_keys_name_the_nearest_known_one(void **state)
{
    (void)state;
    assert_mistake("{\"nmae\": 1}",
                   "x:1: nmae: unknown key, did you mean \"name\"?\n");
    assert_mistake("{\n \"regsitry\": 1}",
                   "x:2: regsitry: unknown key, did you mean \"registry\"?\n");
    assert_mistake("{\"completely_else\": 1}",
                   "x:1: completely_else: unknown key\n");
    assert_mistake("{\"a.b\": 1}", "x:1: a\\.b: unknown key\n");
}

static void all_mistakes_are_reported(void **state)
{
    (void)state;
    assert_mistake("{\"name\": 1,\n\"hidden\": 2,\n\"maks\": 3}",
                   "x:3: maks: unknown key, did you mean \"max\"?\n"
                   "x:1: name: expected a string, got 1\n"
                   "x:2: hidden: expected true or false, got 2\n");
}

static void missing_required_keys_are_reported_at_the_parent(void **state)
{
    static const struct config_key required[] = {
        {.name = "behaviour", .type = CONFIG_STRING, .required = true},
        {.name = "count", .type = CONFIG_UINT, .least = 1, .required = true},
    };
    struct target target = {.name = NULL};
    struct config config;
    static const char wanted[] =
        "x:2: pools.p.behaviour: missing, expected a string\n"
        "x:2: pools.p.count: missing, expected at least 1\n";

    (void)state;
    assert_int_equal(config_parse(&config, "x", "{\n\"pools\": {\"p\": {}}}"),
                     0);
    config_read(&config, "pools.p", NULL, required, 2, &target);
    assert_int_equal(buf_size(&config.errors), sizeof(wanted) - 1);
    assert_memory_equal(buf_data(&config.errors), wanted, sizeof(wanted) - 1);
    config_fini(&config);
}

static void what_is_no_object_is_a_mistake(void **state)
{
    static const char wanted[] = "x:1: a: expected an object\n";
    struct target target = {.name = NULL};
    struct config config;

    (void)state;
    assert_int_equal(config_parse(&config, "x", "{\"a\": 5}"), 0);
    config_read(&config, "a", json_object_get(config.root, "a"), keys,
                ARRAY_LEN(keys), &target);
    assert_int_equal(buf_size(&config.errors), sizeof(wanted) - 1);
    assert_memory_equal(buf_data(&config.errors), wanted, sizeof(wanted) - 1);
    config_fini(&config);
}

static void wanted_overrides_the_expectation(void **state)
{
    static const struct config_key one[] = {
        {.name = "n", .type = CONFIG_UINT, .most = 4, .wanted = "a few"}};
    struct target target = {.name = NULL};
    struct config config;
    static const char wanted[] = "x:1: n: expected a few, got 5\n";

    (void)state;
    assert_int_equal(config_parse(&config, "x", "{\"n\": 5}"), 0);
    config_read(&config, "", config.root, one, 1, &target);
    assert_int_equal(buf_size(&config.errors), sizeof(wanted) - 1);
    assert_memory_equal(buf_data(&config.errors), wanted, sizeof(wanted) - 1);
    config_fini(&config);
}

static void nearest_is_near_or_nothing(void **state)
{
    static const char *const names[] = {"name", "join", "hidden", "x"};
    static char long_name[200];

    (void)state;
    assert_string_equal(config_nearest("name", names, 4), "name");
    assert_string_equal(config_nearest("nam", names, 4), "name");
    assert_string_equal(config_nearest("jion", names, 4), "join");
    assert_string_equal(config_nearest("hiden", names, 4), "hidden");
    assert_string_equal(config_nearest("y", names, 4), "x");
    assert_null(config_nearest("registry", names, 4));
    assert_null(config_nearest("name", names, 0));
    memset(long_name, 'n', sizeof(long_name) - 1);
    assert_null(config_nearest(long_name, names, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_lands_in_its_field),
        cmocka_unit_test(absent_keys_and_nulls_leave_the_default),
        cmocka_unit_test(sizes_may_be_plain_numbers),
        cmocka_unit_test(messages_say_what_was_expected_and_what_was_there),
        cmocka_unit_test(long_values_are_cut_between_characters),
        cmocka_unit_test(unknown_keys_name_the_nearest_known_one),
        cmocka_unit_test(all_mistakes_are_reported),
        cmocka_unit_test(missing_required_keys_are_reported_at_the_parent),
        cmocka_unit_test(what_is_no_object_is_a_mistake),
        cmocka_unit_test(wanted_overrides_the_expectation),
        cmocka_unit_test(nearest_is_near_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
