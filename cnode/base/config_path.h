/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON paths such as pools.Elixir\.MyPool.worker or node.join[0]: to name a
 * value in messages, and to find its line in a text. A backslash takes the next
 * character as it is; the top of the document is "". Pure.
 */
#ifndef CNODE_BASE_CONFIG_PATH_H
#define CNODE_BASE_CONFIG_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* Walks the segments of a path. */
struct config_path {
    const char *at; /* the rest */
    bool is_end;
    bool is_key_next; /* behind a dot, where no index can stand */
};

struct config_segment {
    char *key; /* unescaped; NULL: an index. Owned by the caller (mem_free) */
    size_t index; /* of an array element */
};

void config_path_init(struct config_path *walk, const char *path);
/* False at the end and at a malformed index (then is_end is false). */
bool config_path_next(struct config_path *walk, struct config_segment *segment);

/* `path` joined with `key`, escaped; owned by the caller (mem_free). */
char *config_join(const char *path, const char *key);
/* `path` with [index] behind; owned by the caller (mem_free). */
char *config_index(const char *path, size_t index);

/* Line (from 1) of the value at a JSON path, or of its nearest parent that
 * exists. Any text will do, also one that is not JSON. */
unsigned config_line(const char *text, const char *path);

#endif
