/* SPDX-License-Identifier: Apache-2.0
 *
 * The limits of limits.def as one struct. Written once at start, read by all.
 */
#ifndef CNODE_BASE_LIMITS_H
#define CNODE_BASE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

struct limits {
#define LIMIT(name, def, least, most, unit, counter, answer) uint64_t name;
#include "base/limits.def"
#undef LIMIT
};

extern struct limits limits; /* the defaults until the configuration is read */

struct limit_info {
    const char *name;
    uint64_t least, most;
    const char *unit, *counter, *answer;
    size_t offset; /* in struct limits */
};

extern const struct limit_info limit_infos[];
extern const size_t limit_info_count;

#endif
