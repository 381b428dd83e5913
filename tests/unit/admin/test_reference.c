/* SPDX-License-Identifier: Apache-2.0
 *
 * The documents about the configuration say what the tables say. After a change
 * of a table:
 *
 *     cnode help configuration >docs/configuration.md
 *     cnode help schema >docs/config.schema.json
 */
#include "admin/reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "admin/settings.h"
#include "base/mem.h"
#include "pool/pool_config.h"

static struct buf made, file;

static int setup(void **state)
{
    (void)state;
    buf_init(&made, 0);
    buf_init(&file, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&made);
    buf_fini(&file);
    return 0;
}

static void read_document(const char *path)
{
    FILE *stream = fopen(path, "r");
    int c;

    assert_non_null(stream);
    while ((c = getc(stream)) != EOF) {
        buf_put_u8(&file, (uint8_t)c);
    }
    assert_int_equal(fclose(stream), 0);
    buf_put_u8(&file, 0);
    buf_put_u8(&made, 0);
}

static void the_page_is_what_the_tables_say(void **state)
{
    (void)state;
    reference_put_text(&made);
    read_document(TEST_DIR "/../docs/configuration.md");
    assert_string_equal(buf_data(&file), buf_data(&made));
}

static void the_schema_is_what_the_tables_say(void **state)
{
    (void)state;
    reference_put_schema(&made);
    read_document(TEST_DIR "/../docs/config.schema.json");
    assert_string_equal(buf_data(&file), buf_data(&made));
}

static void assert_has_keys(const char *text, const char *path,
                            const struct config_key *keys, size_t count)
{
    char item[128];

    for (size_t i = 0; i < count; i++) {
        (void)snprintf(item, sizeof(item), "- `%s%s%s` (", path,
                       path[0] == '\0' ? "" : ".", keys[i].name);
        assert_non_null(strstr(text, item));
    }
}

static void every_key_of_every_layer_is_on_the_page(void **state)
{
    static struct settings settings;
    struct settings_section sections[SETTINGS_SECTION_COUNT];
    const char *text;

    (void)state;
    reference_put_text(&made);
    buf_put_u8(&made, 0);
    text = (const char *)buf_data(&made);
    settings_sections(&settings, sections);
    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        assert_has_keys(text, sections[i].path, sections[i].keys,
                        sections[i].count);
    }
    for (size_t i = 0; i < pool_config_section_count; i++) {
        assert_has_keys(text, pool_config_sections[i].path,
                        pool_config_sections[i].keys,
                        pool_config_sections[i].count);
    }
}

static void defaults_ranges_and_choices_are_shown(void **state)
{
    const char *text;

    (void)state;
    reference_put_text(&made);
    buf_put_u8(&made, 0);
    text = (const char *)buf_data(&made);
    assert_non_null(strstr(text, "- `node.port` (0..65535, default 0)"));
    assert_non_null(strstr(text, "- `node.setup_time` (duration 100ms..2m, "
                                 "default 7s)"));
    assert_non_null(
        strstr(text, "(\"logfmt\" | \"json\", default \"logfmt\")"));
    assert_non_null(strstr(text, "- `limits.atoms` (4096..1000000, default "
                                 "100000)"));
    assert_non_null(strstr(text, "- `limits.frame_bytes` (size 64KiB.."));
}

static void the_page_fits_80_columns(void **state)
{
    const char *line;

    (void)state;
    reference_put_text(&made);
    buf_put_u8(&made, 0);
    for (line = (const char *)buf_data(&made); *line != '\0';) {
        size_t len = strcspn(line, "\n");
        assert_true(len <= 80);
        line += len + 1;
    }
}

/* The value at the end of a chain of keys. */
static json_t *walk(json_t *json, const char *const *keys)
{
    for (; *keys != NULL; keys++) {
        json = json_object_get(json, *keys);
    }
    return json;
}

#define WALK(json, ...) walk(json, (const char *const[]){__VA_ARGS__, NULL})

static void the_schema_nests_as_the_configuration_does(void **state)
{
    json_t *root;

    (void)state;
    reference_put_schema(&made);
    root = json_loadb((const char *)buf_data(&made), buf_size(&made),
                      JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    assert_true(json_is_false(WALK(root, "additionalProperties")));
    assert_int_equal(json_integer_value(WALK(root, "properties", "node",
                                             "properties", "port", "maximum")),
                     65535);
    assert_string_equal(
        json_string_value(WALK(root, "properties", "node", "properties",
                               "ticktime", "default")),
        "1m");
    assert_true(
        json_is_object(WALK(root, "properties", "pools", "additionalProperties",
                            "properties", "worker", "properties", "restart")));
    assert_string_equal(json_string_value(json_array_get(
                            WALK(root, "properties", "services",
                                 "additionalProperties", "required"),
                            0)),
                        "behaviour");
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_page_is_what_the_tables_say, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_schema_is_what_the_tables_say,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(every_key_of_every_layer_is_on_the_page,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(defaults_ranges_and_choices_are_shown,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(the_page_fits_80_columns, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            the_schema_nests_as_the_configuration_does, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
