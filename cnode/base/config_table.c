/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads a JSON object against a table of keys: every member must be known,
 * every value of its type and in its range, or there is a line that says what
 * was expected and what was found instead.
 */
#include "base/config_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "base/mem.h"
#include "base/units.h"

enum { NAME_BYTES_MAX = 63 }; /* longer names are near to nothing */

/* A value in JSON for a message. */
struct got {
    char text[48];
    size_t len;
    bool is_cut;
};

static bool is_in_range(const struct config_key *key, uint64_t value)
{
    return value >= key->least && (key->most == 0 || value <= key->most);
}

static bool read_size(const json_t *value, uint64_t *bytes)
{
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *bytes = (uint64_t)json_integer_value(value);
        return true;
    }
    return json_is_string(value) &&
           parse_size(json_string_value(value), bytes) == 0;
}

static bool read_choice(const json_t *value, const char *const *choices,
                        int *choice)
{
    for (int i = 0; json_is_string(value) && choices[i] != NULL; i++) {
        if (strcmp(json_string_value(value), choices[i]) == 0) {
            *choice = i;
            return true;
        }
    }
    return false;
}

/* Stores a number when it is one and within the range of its key. */
static bool store_number(const struct config_key *key, bool is_number,
                         uint64_t number, void *field)
{
    if (!is_number || !is_in_range(key, number)) {
        return false;
    }
    *(uint64_t *)field = number;
    return true;
}

/* Stores the value in the field; false when it is not what the key wants. */
static bool store(const struct config_key *key, json_t *value, void *field)
{
    uint64_t number = 0;
    bool is_right = true;

    switch (key->type) {
    case CONFIG_STRING:
        is_right = json_is_string(value);
        if (is_right) {
            *(const char **)field = json_string_value(value);
        }
        return is_right;
    case CONFIG_BOOL:
        is_right = json_is_boolean(value);
        if (is_right) {
            *(bool *)field = json_is_true(value);
        }
        return is_right;
    case CONFIG_UINT:
        is_right = json_is_integer(value) && json_integer_value(value) >= 0;
        return store_number(key, is_right, (uint64_t)json_integer_value(value),
                            field);
    case CONFIG_DURATION:
        is_right = json_is_string(value) &&
                   parse_duration(json_string_value(value), &number) == 0;
        return store_number(key, is_right, number, field);
    case CONFIG_SIZE:
        is_right = read_size(value, &number);
        return store_number(key, is_right, number, field);
    case CONFIG_ENUM:
        return read_choice(value, key->choices, field);
    case CONFIG_OBJECT:
        is_right = json_is_object(value);
        break;
    case CONFIG_ARRAY:
        is_right = json_is_array(value);
        break;
    case CONFIG_ANY:
        break;
    }
    if (is_right) {
        *(json_t **)field = value;
    }
    return is_right;
}

static void put_choices(struct buf *out, const char *const *choices)
{
    for (size_t i = 0; choices[i] != NULL; i++) {
        const char *before = i == 0                   ? ""
                             : choices[i + 1] == NULL ? " or "
                                                      : ", ";
        buf_printf(out, "%s\"%s\"", before, choices[i]);
    }
}

/* The range of a number in its own unit: "1ms..1d", "at least 64KiB". */
static void put_range(struct buf *out, const struct config_key *key)
{
    char least[UNITS_TEXT], most[UNITS_TEXT];

    if (key->type == CONFIG_DURATION) {
        format_duration(key->least, least);
        format_duration(key->most, most);
    } else if (key->type == CONFIG_SIZE) {
        format_size(key->least, least);
        format_size(key->most, most);
    } else {
        (void)snprintf(least, sizeof(least), "%" PRIu64, key->least);
        (void)snprintf(most, sizeof(most), "%" PRIu64, key->most);
    }
    if (key->most == 0) {
        buf_printf(out, "at least %s", least);
    } else {
        buf_printf(out, "%s..%s", least, most);
    }
}

static void put_expected(struct buf *out, const struct config_key *key)
{
    static const char *const names[] = {
        [CONFIG_STRING] = "a string",
        [CONFIG_BOOL] = "true or false",
        [CONFIG_DURATION] = "a duration such as \"15m\", ",
        [CONFIG_SIZE] = "a size such as \"64MiB\", ",
        [CONFIG_OBJECT] = "an object",
        [CONFIG_ARRAY] = "an array",
        [CONFIG_ANY] = "a value",
    };

    if (key->wanted != NULL) {
        buf_printf(out, "expected %s", key->wanted);
        return;
    }
    buf_printf(out, "expected ");
    if (key->type == CONFIG_ENUM) {
        put_choices(out, key->choices);
    } else if (key->type != CONFIG_UINT) {
        buf_printf(out, "%s", names[key->type]);
    }
    if (key->type == CONFIG_UINT || key->type == CONFIG_DURATION ||
        key->type == CONFIG_SIZE) {
        put_range(out, key);
    }
    if (key->or_null) {
        buf_printf(out, " or null");
    }
}

/* Takes what jansson writes until the text is full. */
static int take_text(const char *bytes, size_t size, void *data)
{
    struct got *got = data;
    size_t room = sizeof(got->text) - got->len;
    size_t n = size < room ? size : room;

    memcpy(got->text + got->len, bytes, n);
    got->len += n;
    got->is_cut = got->is_cut || n < size;
    return 0;
}

/* The value as its user wrote it, cut when it is long. */
static void put_got(struct buf *out, const json_t *value)
{
    struct got got = {.len = 0};

    if (json_is_object(value) || json_is_array(value)) {
        buf_printf(out, ", got an %s",
                   json_is_object(value) ? "object" : "array");
        return;
    }
    if (json_dump_callback(value, take_text, &got, JSON_ENCODE_ANY) != 0) {
        return;
    }
    while (got.is_cut && got.len > 0 &&
           ((unsigned char)got.text[got.len - 1] & 0x80) != 0) {
        got.len--; /* a character may have been cut in two */
    }
    buf_printf(out, ", got %.*s%s", (int)got.len, got.text,
               got.is_cut ? "..." : "");
}

/* A key that is missing (value NULL) or holds something else. */
static void report_key(struct config *config, const char *path,
                       const struct config_key *key, const json_t *value)
{
    char *at = config_join(path, key->name);
    struct buf text;

    buf_init(&text, 0);
    if (value == NULL) {
        buf_printf(&text, "missing, ");
    }
    put_expected(&text, key);
    if (value != NULL) {
        put_got(&text, value);
    }
    config_error(config, at, "%.*s", (int)buf_size(&text),
                 (const char *)buf_data(&text));
    buf_fini(&text);
    mem_free(at);
}

static void report_unknown(struct config *config, const char *path,
                           const char *name, const struct config_key *keys,
                           size_t count)
{
    char *at = config_join(path, name);
    const char **names = mem_alloc(count * sizeof(*names));
    const char *nearest;

    for (size_t i = 0; i < count; i++) {
        names[i] = keys[i].name;
    }
    nearest = config_nearest(name, names, count);
    if (nearest != NULL) {
        config_error(config, at, "unknown key, did you mean \"%s\"?", nearest);
    } else {
        config_error(config, at, "unknown key");
    }
    mem_free(names);
    mem_free(at);
}

static bool is_known(const char *name, const struct config_key *keys,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(keys[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

void config_read(struct config *config, const char *path, json_t *object,
                 const struct config_key *keys, size_t count, void *target)
{
    const char *name;
    json_t *value;

    if (object != NULL && !json_is_object(object)) {
        config_error(config, path, "expected an object");
        return;
    }
    json_object_foreach(object, name, value)
    {
        if (!is_known(name, keys, count)) {
            report_unknown(config, path, name, keys, count);
        }
    }
    for (size_t i = 0; i < count; i++) {
        const struct config_key *key = &keys[i];
        value = json_object_get(object, key->name);
        if (value == NULL) {
            if (key->required) {
                report_key(config, path, key, NULL);
            }
        } else if (json_is_null(value) && key->or_null) {
            continue; /* the default stays */
        } else if (!store(key, value, (char *)target + key->offset)) {
            report_key(config, path, key, value);
        }
    }
}

/* --- spelling ------------------------------------------------------------ */

static unsigned least_of(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Edit distance in which swapping two neighbours counts as one edit (optimal
 * string alignment). */
static unsigned edit_distance(const char *a, size_t a_len, const char *b,
                              size_t b_len)
{
    unsigned rows[3][NAME_BYTES_MAX + 1]; /* the newest three, in turn */

    for (unsigned j = 0; j <= b_len; j++) {
        rows[0][j] = j;
    }
    for (unsigned i = 1; i <= a_len; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i - 1) % 3];
        const unsigned *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned change = a[i - 1] == b[j - 1] ? 0 : 1;
            row[j] = least_of(above[j - 1] + change,
                              least_of(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
                a[i - 2] == b[j - 1]) {
                row[j] = least_of(row[j], above2[j - 2] + 1);
            }
        }
    }
    return rows[a_len % 3][b_len];
}

const char *config_nearest(const char *name, const char *const *names,
                           size_t count)
{
    size_t len = strlen(name);
    const char *nearest = NULL;
    unsigned best = 1 + (unsigned)len / 4; /* further away is another word */

    for (size_t i = 0; i < count && len <= NAME_BYTES_MAX; i++) {
        size_t other_len = strlen(names[i]);
        unsigned distance;
        if (other_len > NAME_BYTES_MAX) {
            continue;
        }
        distance = edit_distance(name, len, names[i], other_len);
        if (distance < best || (distance == best && nearest == NULL)) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}
