/* SPDX-License-Identifier: Apache-2.0
 *
 * The stores of a node by name: its key "stores" in the configuration, open
 * from the start of the node to its end.
 */
#ifndef CNODE_STORAGE_STORES_H
#define CNODE_STORAGE_STORES_H

#include "base/config.h"
#include "storage/store.h"

struct stores_entry {
    struct stores_settings { /* one object of "stores" */
        int type;
        const char *path, *url, *table;
        uint64_t max_bytes, queue;
        bool sync;
    } settings;
    const char *name;
    char *path; /* relative to the folder of the configuration, resolved */
    struct store *store; /* NULL: it is not open */
};

struct stores {
    struct stores_entry *entries;
    size_t count;
};

extern const struct config_key stores_keys[];
extern const size_t stores_key_count;
extern const struct stores_settings stores_defaults;

/* Reads the value of "stores" (NULL: absent). Mistakes go to `config`, whose
 * strings must live as long. stores_fini() is due in any case. */
void stores_read(struct stores *stores, struct config *config, json_t *json);
void stores_fini(struct stores *stores);

/* Opens all. An error: what is wrong with which, one line, in `why`. */
MUST_USE int stores_open(struct stores *stores, struct buf *why);
/* Does what waits in them; after that nobody may use them. Repeatable. */
void stores_close(struct stores *stores);

/* The entry of that name, of the only one for NULL; or NULL. */
struct stores_entry *stores_find(const struct stores *stores, const char *name);

#endif
