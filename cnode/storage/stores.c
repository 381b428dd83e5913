/* SPDX-License-Identifier: Apache-2.0
 *
 * See stores.h.
 */
#include "storage/stores.h"

#include <string.h>

#include <cnode/error.h>

#include "base/mem.h"
#include "storage/store_backend.h"

#define KEY(field) .name = #field, .offset = offsetof(SETTINGS, field)
#define KEY_AS(name_, field)                                                   \
    .name = (name_), .offset = offsetof(SETTINGS, field)
#define SETTINGS struct stores_settings

enum store_type { TYPE_LMDB, TYPE_POSTGRES };

static const char *const types[] = {
    [TYPE_LMDB] = "lmdb", [TYPE_POSTGRES] = "postgres", NULL};

/* clang-format off */
const struct config_key stores_keys[] = {
    {KEY(type), .type = CONFIG_ENUM, .choices = types,
     .doc = "in a folder of this machine, for this node only (lmdb), or in a "
            "database that the nodes of a cluster share (postgres)"},
    {KEY(path), .type = CONFIG_STRING,
     .doc = "lmdb: the folder, relative to this file; made when it is not "
            "there"},
    {KEY_AS("size", max_bytes), .type = CONFIG_SIZE, .least = 1 << 20,
     .most = UINT64_C(1) << 46,
     .doc = "lmdb: most bytes of its file, which grows as needed; a write that "
            "finds no room fails with store_full"},
    {KEY(sync), .type = CONFIG_BOOL,
     .doc = "lmdb: a write is done when it is on the disk; false: when the "
            "kernel has it, which survives the end of the node, and not that "
            "of the machine"},
    {KEY(url), .type = CONFIG_STRING,
     .doc = "postgres: as psql takes it; what it leaves out comes from the "
            "environment and ~/.pgpass"},
    {KEY(table), .type = CONFIG_STRING,
     .doc = "postgres: letters, digits and _; made when it is not there"},
    {KEY(queue), .type = CONFIG_UINT, .least = 16, .most = 100000000,
     .doc = "most reads and writes that wait for it; further ones are refused "
            "with overloaded"},
};
/* clang-format on */
const size_t stores_key_count = ARRAY_LEN(stores_keys);

const struct stores_settings stores_defaults = {
    .type = TYPE_LMDB,
    .table = "cnode_state",
    .max_bytes = UINT64_C(1) << 30,
    .sync = true,
    .queue = 100000,
};

/* --- reading */

static bool is_table_name(const char *name)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

    return name[0] != 0 && (name[0] < '0' || name[0] > '9') &&
           strlen(name) <= 63 && name[strspn(name, letters)] == 0;
}

static void check_entry(const struct stores_entry *entry, const char *path,
                        struct config *config)
{
    const struct stores_settings *settings = &entry->settings;

    if (store_backend_find(types[settings->type]) == NULL) {
        config_error(config, path,
                     "this cnode was built without %s (it has: %s)",
                     types[settings->type], store_backend_names());
    }
    if (settings->type == TYPE_LMDB && settings->path == NULL) {
        config_error(config, path,
                     "expected \"path\", the folder of the store");
    }
    if (settings->type == TYPE_POSTGRES && settings->url == NULL) {
        config_error(config, path,
                     "expected \"url\", such as "
                     "\"postgresql://user@host/database\"");
    }
    if (!is_table_name(settings->table)) {
        config_error(config, path,
                     "expected a \"table\" of letters, digits and _");
    }
}

/* Two names for one folder would lock each other out. */
static void check_paths(const struct stores *stores, const char *path,
                        struct config *config)
{
    const struct stores_entry *last = &stores->entries[stores->count - 1];

    for (size_t i = 0; i + 1 < stores->count; i++) {
        if (last->path != NULL && stores->entries[i].path != NULL &&
            strcmp(last->path, stores->entries[i].path) == 0) {
            config_error(config, path,
                         "expected another folder than that of "
                         "\"%s\"",
                         stores->entries[i].name);
        }
    }
}

void stores_read(struct stores *stores, struct config *config, json_t *json)
{
    const char *name;
    json_t *object;

    *stores = (struct stores){0};
    stores->entries =
        mem_zalloc((json_object_size(json) + 1) * sizeof(*stores->entries));
    json_object_foreach(json, name, object)
    {
        struct stores_entry *entry = &stores->entries[stores->count++];
        char *path = config_join("stores", name);

        *entry =
            (struct stores_entry){.settings = stores_defaults, .name = name};
        if (!json_is_object(object)) {
            config_error(config, path, "expected an object");
        } else {
            config_read(config, path, object, stores_keys, stores_key_count,
                        &entry->settings);
            check_entry(entry, path, config);
        }
        if (entry->settings.path != NULL) {
            entry->path = config_file(config, entry->settings.path);
        }
        check_paths(stores, path, config);
        mem_free(path);
    }
}

void stores_fini(struct stores *stores)
{
    stores_close(stores);
    for (size_t i = 0; i < stores->count; i++) {
        mem_free(stores->entries[i].path);
    }
    mem_free(stores->entries);
    *stores = (struct stores){0};
}

struct stores_entry *stores_find(const struct stores *stores, const char *name)
{
    if (name == NULL) {
        return stores->count == 1 ? &stores->entries[0] : NULL;
    }
    for (size_t i = 0; i < stores->count; i++) {
        if (strcmp(stores->entries[i].name, name) == 0) {
            return &stores->entries[i];
        }
    }
    return NULL;
}

/* --- open */

static int open_entry(struct stores_entry *entry, struct buf *why)
{
    const struct stores_settings *settings = &entry->settings;
    struct store_config config = {
        .name = entry->name,
        .path = entry->path,
        .max_bytes = settings->max_bytes,
        .sync = settings->sync,
        .url = settings->url,
        .table = settings->table,
        .queue = settings->queue,
    };

    return store_open(&entry->store, store_backend_find(types[settings->type]),
                      &config, why);
}

int stores_open(struct stores *stores, struct buf *why)
{
    for (size_t i = 0; i < stores->count; i++) {
        struct stores_entry *entry = &stores->entries[i];
        int rc;

        buf_printf(why, "store %s: ", entry->name);
        rc = open_entry(entry, why);
        if (rc != 0) {
            stores_close(stores);
            return rc;
        }
        buf_clear(why);
    }
    return 0;
}

void stores_close(struct stores *stores)
{
    for (size_t i = 0; i < stores->count; i++) {
        store_close(stores->entries[i].store);
        stores->entries[i].store = NULL;
    }
}
