/* SPDX-License-Identifier: Apache-2.0
 *
 * A number is decimal digits and nothing else: no sign, no fraction, no space
 * before its unit.
 */
#include "base/units.h"

#include <stdio.h>
#include <string.h>

#include <cnode/error.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit durations[] = {
    {"ns", 1},
    {"us", 1000},
    {"ms", 1000000},
    {"s", 1000000000},
    {"m", UINT64_C(60) * 1000000000},
    {"h", UINT64_C(3600) * 1000000000},
    {"d", UINT64_C(86400) * 1000000000},
};

static const struct unit sizes[] = {
    {"", 1},
    {"B", 1},
    {"KB", 1000},
    {"MB", 1000000},
    {"GB", 1000000000},
    {"KiB", UINT64_C(1) << 10},
    {"MiB", UINT64_C(1) << 20},
    {"GiB", UINT64_C(1) << 30},
};

/* Reads digits; the rest of the text, or NULL when there are none or too many.
 */
static const char *read_number(const char *text, uint64_t *value)
{
    const char *at = text;
    uint64_t n = 0;

    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*at - '0'), &n)) {
            return NULL;
        }
    }
    *value = n;
    return at == text ? NULL : at;
}

static int parse(const char *text, const struct unit *units, size_t count,
                 uint64_t *value)
{
    uint64_t number;
    const char *name = read_number(text, &number);

    if (name == NULL) {
        return CNODE_EINVALID;
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t product;
        if (strcmp(units[i].name, name) != 0) {
            continue;
        }
        if (__builtin_mul_overflow(number, units[i].factor, &product)) {
            return CNODE_EINVALID;
        }
        *value = product;
        return 0;
    }
    return CNODE_EINVALID;
}

int parse_duration(const char *text, uint64_t *ns)
{
    return parse(text, durations, ARRAY_LEN(durations), ns);
}

int parse_size(const char *text, uint64_t *bytes)
{
    return parse(text, sizes, ARRAY_LEN(sizes), bytes);
}

/* The largest unit that divides the value without a rest. */
static void format(uint64_t value, const struct unit *units, size_t count,
                   char out[UNITS_TEXT])
{
    const struct unit *best = &units[0];

    for (size_t i = 1; i < count; i++) {
        if (value != 0 && value % units[i].factor == 0 &&
            units[i].factor > best->factor) {
            best = &units[i];
        }
    }
    (void)snprintf(out, UNITS_TEXT, "%llu%s",
                   (unsigned long long)(value / best->factor), best->name);
}

void format_duration(uint64_t ns, char out[UNITS_TEXT])
{
    format(ns, durations, ARRAY_LEN(durations), out);
}

void format_size(uint64_t bytes, char out[UNITS_TEXT])
{
    format(bytes, sizes, ARRAY_LEN(sizes), out);
}
