/* SPDX-License-Identifier: Apache-2.0
 *
 * Walks the sections of settings.c and of the layers below. Defaults are read
 * from the structs that the reader starts from, so that they cannot be out of
 * date.
 */
#include "admin/reference.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/help.h"
#include "admin/settings.h"
#include "base/units.h"
#include "manager/manager_config.h"
#include "pool/pool_config.h"
#include "storage/stores.h"

enum { WIDTH = 80, ITEM_INDENT = 2, SECTIONS_MAX = 32 };

static size_t add_sections(struct settings_section out[SECTIONS_MAX], size_t at,
                           const struct pool_config_section *sections,
                           size_t count)
{
    CHECK(at + count <= SECTIONS_MAX);
    for (size_t i = 0; i < count; i++) {
        out[at + i] =
            (struct settings_section){.path = sections[i].path,
                                      .doc = sections[i].doc,
                                      .keys = sections[i].keys,
                                      .count = sections[i].count,
                                      .defaults = sections[i].defaults};
    }
    return at + count;
}

/* All sections, ours and those of the layers below; how many. */
static size_t all_sections(struct settings_section out[SECTIONS_MAX])
{
    static struct settings nowhere; /* only addresses in it are taken */
    size_t count = SETTINGS_SECTION_COUNT;

    settings_sections(&nowhere, out);
    out[count++] = (struct settings_section){
        .path = "stores.*",
        .doc = "Where the state of workers is kept (docs/persistence.md).",
        .keys = stores_keys,
        .count = stores_key_count,
        .defaults = &stores_defaults};
    count = add_sections(out, count, pool_config_sections,
                         pool_config_section_count);
    return add_sections(out, count, manager_config_sections,
                        manager_config_section_count);
}

static const char intro[] =
    "# Configuration\n"
    "\n"
    "`cnode start --config FILE` reads one JSON object. `cnode check --config\n"
    "FILE` reports every mistake in it. This page is what `cnode help\n"
    "configuration` prints; `docs/config.schema.json` says the same to "
    "editors.\n"
    "\n"
    "- Durations are strings with a unit: `\"50us\"`, `\"7s\"`, `\"15m\"` "
    "(`ns us ms s m\n"
    "  h d`). Sizes are strings such as `\"64MiB\"` or numbers of bytes (`B KB "
    "MB GB\n"
    "  KiB MiB GiB`).\n"
    "- An unknown key is a mistake.\n"
    "- Paths of files are relative to the folder of the configuration.\n"
    "- `--set PATH=JSON` replaces one value: `--set node.port=9100`, `--set\n"
    "  'node.join[0]=\"a@host\"'`. A dot inside a key is written `\\.`.\n"
    "\n"
    "```json\n"
    "{\n"
    "  \"node\": {\"name\": \"c1@127.0.0.1\", \"join\": [\"first@127.0.0.1\"]},"
    "\n"
    "  \"pools\": {\n"
    "    \"Elixir.Demo.Counters\": {\"behaviour\": \"counter\"}\n"
    "  },\n"
    "  \"services\": {\"echo\": {\"behaviour\": \"echo\"}}\n"
    "}\n"
    "```\n";

/* --- text */

static void put_number(struct buf *out, enum config_type type, uint64_t value)
{
    char text[UNITS_TEXT];

    if (type == CONFIG_DURATION) {
        format_duration(value, text);
    } else if (type == CONFIG_SIZE) {
        format_size(value, text);
    } else {
        (void)snprintf(text, sizeof(text), "%" PRIu64, value);
    }
    buf_printf(out, "%s", text);
}

static void put_type(struct buf *out, const struct config_key *key)
{
    static const char *const names[] = {
        [CONFIG_STRING] = "string", [CONFIG_BOOL] = "true or false",
        [CONFIG_UINT] = "",         [CONFIG_DURATION] = "duration ",
        [CONFIG_SIZE] = "size ",    [CONFIG_ENUM] = "",
        [CONFIG_OBJECT] = "object", [CONFIG_ARRAY] = "array",
        [CONFIG_ANY] = "any value",
    };

    if (key->wanted != NULL) {
        buf_printf(out, "%s", key->wanted);
        return;
    }
    buf_printf(out, "%s", names[key->type]);
    if (key->type == CONFIG_UINT || key->type == CONFIG_DURATION ||
        key->type == CONFIG_SIZE) {
        put_number(out, key->type, key->least);
        buf_printf(out, "..");
        if (key->most != 0) {
            put_number(out, key->type, key->most);
        }
    }
    for (int i = 0; key->type == CONFIG_ENUM && key->choices[i] != NULL; i++) {
        buf_printf(out, "%s\"%s\"", i == 0 ? "" : " | ", key->choices[i]);
    }
    if (key->or_null) {
        buf_printf(out, " or null");
    }
}

static const void *default_of(const struct settings_section *section,
                              const struct config_key *key)
{
    return (const char *)section->defaults + key->offset;
}

/* The default as JSON text; false when the key has none. */
static bool put_default(struct buf *out, const struct settings_section *section,
                        const struct config_key *key)
{
    const void *field = default_of(section, key);
    const char *text;
    uint64_t number;

    switch (key->type) {
    case CONFIG_STRING:
        text = *(const char *const *)field;
        if (text != NULL) {
            buf_printf(out, "\"%s\"", text);
        }
        return text != NULL;
    case CONFIG_BOOL:
        buf_printf(out, *(const bool *)field ? "true" : "false");
        return true;
    case CONFIG_ENUM:
        buf_printf(out, "\"%s\"", key->choices[*(const int *)field]);
        return true;
    case CONFIG_UINT:
    case CONFIG_DURATION:
    case CONFIG_SIZE:
        number = *(const uint64_t *)field;
        if (number < key->least || (key->most != 0 && number > key->most)) {
            buf_printf(out, "%s", key->or_null ? "null" : "");
            return key->or_null; /* else the text says what holds */
        }
        put_number(out, key->type, number);
        return true;
    case CONFIG_OBJECT:
    case CONFIG_ARRAY:
    case CONFIG_ANY:
        break;
    }
    return false;
}

static void put_key(struct buf *out, const struct settings_section *section,
                    const struct config_key *key)
{
    struct buf line, value;

    buf_init(&line, 0);
    buf_init(&value, 0);
    buf_printf(&line, "- `%s%s%s` (", section->path,
               section->path[0] == '\0' ? "" : ".", key->name);
    put_type(&line, key);
    if (key->required) {
        buf_printf(&line, ", required");
    } else if (put_default(&value, section, key)) {
        buf_printf(&line, ", default %.*s", (int)buf_size(&value),
                   (const char *)buf_data(&value));
    }
    buf_printf(&line, "): %s", key->doc);
    buf_put_u8(&line, 0);
    help_put_wrapped(out, (const char *)buf_data(&line), 0, ITEM_INDENT, WIDTH);
    buf_fini(&line);
    buf_fini(&value);
}

static void put_section(struct buf *out, const struct settings_section *section)
{
    buf_printf(out, "\n## %s\n\n",
               section->path[0] == '\0' ? "The file" : section->path);
    help_put_wrapped(out, section->doc, 0, 0, WIDTH);
    buf_printf(out, "\n");
    for (size_t i = 0; i < section->count; i++) {
        put_key(out, section, &section->keys[i]);
    }
}

void reference_put_text(struct buf *out)
{
    struct settings_section sections[SECTIONS_MAX];
    size_t count = all_sections(sections);

    buf_printf(out, "%s", intro);
    for (size_t i = 0; i < count; i++) {
        put_section(out, &sections[i]);
    }
}

/* --- schema */

static const char duration_pattern[] = "^[0-9]+(ns|us|ms|s|m|h|d)$";
static const char size_pattern[] = "^[0-9]+(B|KB|MB|GB|KiB|MiB|GiB)?$";

static json_t *schema_integer(const struct config_key *key)
{
    json_t *schema = json_pack("{s:s, s:I}", "type", "integer", "minimum",
                               (json_int_t)key->least);

    if (key->most != 0) {
        json_object_set_new(schema, "maximum",
                            json_integer((json_int_t)key->most));
    }
    return schema;
}

static json_t *schema_choices(const struct config_key *key)
{
    json_t *choices = json_array();

    for (size_t i = 0; key->choices[i] != NULL; i++) {
        json_array_append_new(choices, json_string(key->choices[i]));
    }
    return json_pack("{s:o}", "enum", choices);
}

static json_t *schema_value(const struct config_key *key)
{
    switch (key->type) {
    case CONFIG_STRING:
        return json_pack("{s:s}", "type", "string");
    case CONFIG_BOOL:
        return json_pack("{s:s}", "type", "boolean");
    case CONFIG_UINT:
        return schema_integer(key);
    case CONFIG_DURATION:
        return json_pack("{s:s, s:s}", "type", "string", "pattern",
                         duration_pattern);
    case CONFIG_SIZE:
        return json_pack("{s:[o, {s:s, s:s}]}", "anyOf", schema_integer(key),
                         "type", "string", "pattern", size_pattern);
    case CONFIG_ENUM:
        return schema_choices(key);
    case CONFIG_OBJECT:
        return json_pack("{s:s}", "type", "object");
    case CONFIG_ARRAY:
        return json_pack("{s:s, s:{s:s}}", "type", "array", "items", "type",
                         "string");
    case CONFIG_ANY:
        break;
    }
    return json_object();
}

/* A value of a key that may also be null. */
static json_t *schema_or_null(json_t *schema)
{
    return json_pack("{s:[o, {s:s}]}", "anyOf", schema, "type", "null");
}

static json_t *schema_default(const struct settings_section *section,
                              const struct config_key *key)
{
    struct buf text;
    json_t *value = NULL;

    buf_init(&text, 0);
    if (put_default(&text, section, key)) {
        value = json_loadb((const char *)buf_data(&text), buf_size(&text),
                           JSON_DECODE_ANY, NULL);
        if (value == NULL) { /* with a unit */
            value =
                json_stringn((const char *)buf_data(&text), buf_size(&text));
        }
    }
    buf_fini(&text);
    return value;
}

static json_t *schema_key(const struct settings_section *section,
                          const struct config_key *key)
{
    json_t *schema = schema_value(key);
    json_t *value = schema_default(section, key);

    if (key->or_null) {
        schema = schema_or_null(schema);
    }
    json_object_set_new(schema, "description", json_string(key->doc));
    if (value != NULL) {
        json_object_set_new(schema, "default", value);
    }
    return schema;
}

/* The member of an object, made when it is missing. */
static json_t *member(json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);

    if (!json_is_object(value)) {
        value = json_object();
        json_object_set_new(object, name, value);
    }
    return value;
}

/* The schema of the object at a path such as pools.*.worker, where * is any
 * name. */
static json_t *schema_at(json_t *root, const char *path)
{
    char segment[64];
    json_t *at = root;

    while (*path != '\0') {
        size_t len = strcspn(path, ".");
        (void)snprintf(segment, sizeof(segment), "%.*s", (int)len, path);
        at = segment[0] == '*' ? member(at, "additionalProperties")
                               : member(member(at, "properties"), segment);
        path += path[len] == '.' ? len + 1 : len;
    }
    return at;
}

static void add_section(json_t *root, const struct settings_section *section)
{
    json_t *schema = schema_at(root, section->path);
    json_t *properties = member(schema, "properties");
    json_t *required = json_array();

    json_object_set_new(schema, "type", json_string("object"));
    json_object_set_new(schema, "additionalProperties", json_false());
    for (size_t i = 0; i < section->count; i++) {
        const struct config_key *key = &section->keys[i];
        json_object_set_new(properties, key->name, schema_key(section, key));
        if (key->required) {
            json_array_append_new(required, json_string(key->name));
        }
    }
    if (json_array_size(required) > 0) {
        json_object_set(schema, "required", required);
    }
    json_decref(required);
}

void reference_put_schema(struct buf *out)
{
    struct settings_section sections[SECTIONS_MAX];
    size_t count = all_sections(sections);
    json_t *root = json_pack("{s:s, s:s}", "$schema",
                             "https://json-schema.org/draft/2020-12/schema",
                             "title", "Configuration of cnode");
    char *text;

    for (size_t i = 0; i < count; i++) {
        add_section(root, &sections[i]);
    }
    text = json_dumps(root, JSON_INDENT(2));
    buf_printf(out, "%s\n", text);
    free(text);
    json_decref(root);
}
