/* SPDX-License-Identifier: Apache-2.0
 *
 * See scope_settings.h.
 */
#include "admin/scope_settings.h"

#include <string.h>

#include "base/mem.h"
#include "term/atom.h"
#include "term/utf8.h"

/* syn makes names of tables of it, by way of Latin-1. */
enum { SYN_SCOPE_CHARS = ATOM_MAX_CHARS - sizeof("syn_registry_by_name_") + 1 };

const struct config_key pg_settings_keys[] = {
    {.name = "scopes",
     .offset = offsetof(struct settings_pg, scopes),
     .type = CONFIG_ARRAY,
     .doc = "scopes to take part in from the start, by default [\"pg\"]; "
            "others are started when a C process uses them"},
};
const size_t pg_settings_key_count = ARRAY_LEN(pg_settings_keys);

const struct config_key syn_settings_keys[] = {
    {.name = "scopes",
     .offset = offsetof(struct settings_syn, scopes),
     .type = CONFIG_ARRAY,
     .doc = "scopes to take part in from the start, as on the BEAM nodes that "
            "share them; others are started when a C process uses them"},
    {.name = "strict_mode",
     .offset = offsetof(struct settings_syn, strict_mode),
     .type = CONFIG_BOOL,
     .doc = "as syn's: C processes register and join themselves only, anything "
            "else is refused with not_self"},
};
const size_t syn_settings_key_count = ARRAY_LEN(syn_settings_keys);

const struct settings_pg pg_settings_defaults;
const struct settings_syn syn_settings_defaults;

static void add(struct cli_list *names, const char *name)
{
    names->items =
        mem_realloc(names->items, (names->count + 1) * sizeof(*names->items));
    names->items[names->count++] = name;
}

static bool has(const struct cli_list *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_pg_scope(const char *name)
{
    return strlen(name) <= ATOM_MAX_CHARS;
}

static bool is_syn_scope(const char *name)
{
    const uint8_t *at = (const uint8_t *)name, *end = at + strlen(name);
    uint32_t point;
    size_t chars = 0;

    for (; at < end; chars++) {
        size_t size = utf8_get(at, end, &point);

        if (size == 0 || point > UINT8_MAX) {
            return false;
        }
        at += size;
    }
    return chars <= SYN_SCOPE_CHARS;
}

static void read(struct config *config, const char *path, json_t *scopes,
                 bool (*is_scope)(const char *name), struct cli_list *names)
{
    json_t *element;
    size_t i;

    json_array_foreach(scopes, i, element)
    {
        const char *name = json_string_value(element);

        if (name == NULL || name[0] == 0 || !is_scope(name) ||
            has(names, name)) {
            char *where = config_index(path, i);

            config_error(config, where,
                         "expected the name of a scope, each once");
            mem_free(where);
        } else {
            add(names, name);
        }
    }
}

void scope_settings_check(struct settings_pg *pg, struct settings_syn *syn,
                          struct config *config)
{
    if (pg->scopes == NULL) {
        add(&pg->names, "pg");
    }
    read(config, "pg.scopes", pg->scopes, is_pg_scope, &pg->names);
    read(config, "syn.scopes", syn->scopes, is_syn_scope, &syn->names);
}

void scope_settings_fini(struct settings_pg *pg, struct settings_syn *syn)
{
    mem_free(pg->names.items);
    mem_free(syn->names.items);
    pg->names = syn->names = (struct cli_list){0};
}
