/* SPDX-License-Identifier: Apache-2.0
 *
 * limits.def spelled out: the values, and what the configuration and the docs
 * need to know about each.
 */
#include "base/limits.h"

#include "base/check.h"

struct limits limits = {
#define LIMIT(name, def, least, most, unit, counter, answer) .name = (def),
#include "base/limits.def"
#undef LIMIT
};

const struct limit_info limit_infos[] = {
#define LIMIT(name, def, least, most, unit, counter, answer)                   \
    {#name,                                                                    \
     (least),                                                                  \
     (most),                                                                   \
     (unit),                                                                   \
     #counter,                                                                 \
     (answer),                                                                 \
     offsetof(struct limits, name)},
#include "base/limits.def"
#undef LIMIT
};

const size_t limit_info_count = ARRAY_LEN(limit_infos);
