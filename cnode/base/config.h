/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads a JSON file against a table of keys. Every mistake is collected as one
 * line for people, so that a user mends the file once:
 *
 *     cnode.json:14: pools.demo.worker.max: expected 1..16000000 or null, got
 * "many" cnode.json:9: node.nmae: unknown key, did you mean "name"?
 *
 * A syntax error is reported alone, as file:line:column. One thread.
 */
#ifndef CNODE_BASE_CONFIG_H
#define CNODE_BASE_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/config_path.h"
#include "base/config_table.h"

struct config {
    char *path; /* as the user named it */
    char *dir;  /* folder of the file: relative paths start there */
    char *text; /* kept to find the line of a mistake */
    json_t *root;
    struct buf errors; /* lines, each ended by \n; at most 100 mistakes */
    unsigned error_count;
    struct buf set; /* paths that --set has put in place, NUL after each */
};

/* Reads and parses. 0; CNODE_CONFIG when it cannot be read or parsed, with the
 * reason in `errors`. config_fini() is due in both cases. */
MUST_USE int config_open(struct config *config, const char *path);
MUST_USE int config_parse(struct config *config, const char *path,
                          const char *text); /* same from memory */
void config_fini(struct config *config);

/* Adds a mistake at a JSON path such as "pools.Elixir\\.MyPool.worker": a dot
 * inside a key is written \\. and array elements are [0]. */
void config_error(struct config *config, const char *path, const char *format,
                  ...) __attribute__((format(printf, 3, 4)));

/* --set path=json: puts one value in place before the tables are read. What is
 * not JSON is taken as a string; missing objects are made. 0 or CNODE_CONFIG
 * with a line in errors. Mistakes found in such a value later say "--set" in
 * place of file and line. */
MUST_USE int config_set(struct config *config, const char *assignment);

/* A path of the file system, relative to the folder of the file; mem_free. */
char *config_file(const struct config *config, const char *name);

#endif
