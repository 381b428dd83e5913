/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of one JSON object as a table: name, type, range, and where the
 * value goes. Reading, messages, `--help` and docs/configuration.md agree
 * because all come from it.
 */
#ifndef CNODE_BASE_CONFIG_TABLE_H
#define CNODE_BASE_CONFIG_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;

enum config_type {
    CONFIG_STRING,   /* const char *, borrowed from root; NULL when absent */
    CONFIG_BOOL,     /* bool */
    CONFIG_UINT,     /* uint64_t in least..most */
    CONFIG_DURATION, /* uint64_t ns in least..most */
    CONFIG_SIZE,     /* uint64_t bytes in least..most */
    CONFIG_ENUM,     /* int: index into choices */
    CONFIG_OBJECT,   /* json_t *: read by a further table */
    CONFIG_ARRAY,    /* json_t * */
    CONFIG_ANY,      /* json_t *: any value, checked by the caller */
};

/* One key. The field is set to its default by the caller before reading. */
struct config_key {
    const char *name;
    size_t offset;              /* of the field in the target struct */
    uint64_t least, most;       /* most 0: no upper bound */
    const char *const *choices; /* CONFIG_ENUM: NULL terminated */
    const char *wanted;         /* overrides "expected …" in messages */
    const char *doc; /* one line for docs/configuration.md and help */
    enum config_type type;
    bool required;
    bool or_null; /* null is allowed and leaves the default */
};

/* Reads `object` (at JSON path `path`) into `target`. Unknown keys are mistakes
 * and name the nearest known key. NULL object: only required keys are reported.
 */
void config_read(struct config *config, const char *path, json_t *object,
                 const struct config_key *keys, size_t count, void *target);

/* The nearest of `names` by edit distance, NULL when none is near. */
const char *config_nearest(const char *name, const char *const *names,
                           size_t count);

#endif
