/* SPDX-License-Identifier: Apache-2.0
 *
 * What of a pool can be changed while it runs: those numbers that are read each
 * time they are needed. Values are read as the configuration reads them, so
 * that types, ranges and words about mistakes are the same. The change is gone
 * when the node ends.
 */
#include <string.h>

#include <cnode/error.h>

#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/units.h"
#include "manager/ask_query.h"
#include "manager/manager.h"
#include "pool/parts.h"
#include "pool/pool.h"
#include "pool/pool_config_keys.h"
#include "pool/sweep.h"
#include "term/build.h"

enum { PATH_MOST = 64 };

/* Keys of one object; all their fields are in one struct of pool_config. */
struct section {
    const char *path;
    const struct config_key *keys;
    const size_t *count;
    size_t offset, size; /* of that struct in pool_config */
};

#define SECTION(path_, keys_, count_, field)                                   \
    {                                                                          \
        .path = (path_), .keys = (keys_), .count = &(count_),                  \
        .offset = offsetof(struct pool_config, field),                         \
        .size = sizeof(((struct pool_config *)NULL)->field)                    \
    }

static const struct section sections[] = {
    SECTION("worker", pool_worker_keys, pool_worker_key_count, worker),
    SECTION("worker.target", pool_window_keys, pool_window_key_count,
            worker.target),
    SECTION("cluster", pool_cluster_keys, pool_cluster_key_count, cluster),
    SECTION("node", pool_here_keys, pool_here_key_count, here),
    SECTION("persist", pool_persist_keys, pool_persist_key_count, persist),
    SECTION("health", pool_health_keys, pool_health_key_count, health),
    SECTION("supervisors", pool_supervisors_keys, pool_supervisors_key_count,
            supervisors),
};

static const char *const changeable[] = {
    "worker.max",        "worker.idle_timeout",  "worker.mailbox_limit",
    "worker.target.low", "worker.target.target", "worker.target.high",
    "cluster.strategy",  "node.priority",        "node.weight",
    "persist.interval",  "health.degraded",      "health.critical",
};

/* One key, found. */
struct place {
    const struct section *section;
    const struct config_key *key;
    char path[PATH_MOST];
};

/* --- finding it */

static const struct config_key *find_key(const struct section *section,
                                         const char *name)
{
    for (size_t i = 0; i < *section->count; i++) {
        if (strcmp(section->keys[i].name, name) == 0) {
            return &section->keys[i];
        }
    }
    return NULL;
}

static bool find_place(struct place *place)
{
    const char *dot = strrchr(place->path, '.');
    size_t len = dot != NULL ? (size_t)(dot - place->path) : 0;

    for (size_t i = 0; dot != NULL && i < ARRAY_LEN(sections); i++) {
        if (strlen(sections[i].path) == len &&
            strncmp(sections[i].path, place->path, len) == 0) {
            place->section = &sections[i];
            place->key = find_key(place->section, dot + 1);
            return place->key != NULL;
        }
    }
    return false;
}

static bool is_changeable(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(changeable); i++) {
        if (strcmp(changeable[i], path) == 0) {
            return true;
        }
    }
    return false;
}

/* A binary or an atom. */
static bool read_path(struct place *place, struct cnode_term term)
{
    const char *text;
    size_t len;

    if ((!cnode_get_bytes(term, &text, &len) &&
         !cnode_get_atom(term, &text, &len)) ||
        len >= sizeof(place->path) || memchr(text, 0, len) != NULL) {
        return false;
    }
    memcpy(place->path, text, len);
    place->path[len] = '\0';
    return true;
}

/* --- values */

/* NULL: it is nothing that a key could have. */
static json_t *json_of(struct cnode_term term)
{
    int64_t integer;
    const char *text;
    size_t len;
    bool truth;

    if (ask_is_nothing(term)) {
        return json_null();
    }
    if (cnode_get_bool(term, &truth)) {
        return json_boolean(truth);
    }
    if (cnode_get_int(term, &integer)) {
        return json_integer(integer);
    }
    return cnode_get_bytes(term, &text, &len) ||
                   cnode_get_atom(term, &text, &len)
               ? json_stringn(text, len)
               : NULL;
}

/* null means "none": what the tables have as "leaves the default". */
static void set_none(const struct place *place, void *fields)
{
    bool is_time = place->key->type == CONFIG_DURATION;
    uint64_t none = is_time ? 0 : UINT64_MAX;

    memcpy((char *)fields + place->key->offset, &none, sizeof(none));
}

/* Reads the value into the struct of its section. False: why not, in `why`. */
static bool read_value(const struct place *place, struct cnode_term term,
                       void *fields, struct buf *why)
{
    json_t *value = json_of(term);
    struct config config;
    bool is_good = false;

    if (value == NULL) {
        buf_printf(why, "expected a number, a text or nil");
        return false;
    }
    CHECK(config_parse(&config, "set", "{}") == 0);
    (void)json_object_set(config.root, place->key->name, value);
    if (json_is_null(value) && place->key->or_null) {
        set_none(place, fields);
        is_good = true;
    } else {
        config_read(&config, place->section->path, config.root, place->key, 1,
                    fields);
        is_good = config.error_count == 0;
        buf_put(why, buf_data(&config.errors), buf_size(&config.errors));
    }
    json_decref(value);
    config_fini(&config);
    return is_good;
}

/* Written whole, as others read it meanwhile. */
static void store(const struct place *place, struct pool_config *config,
                  const void *fields)
{
    size_t offset = place->key->offset;
    char *to = (char *)config + place->section->offset + offset;
    const char *from = (const char *)fields + offset;

    if (place->key->type == CONFIG_ENUM) {
        int value;

        memcpy(&value, from, sizeof(value));
        __atomic_store_n((int *)(void *)to, value, __ATOMIC_RELAXED);
    } else {
        uint64_t value;

        memcpy(&value, from, sizeof(value));
        __atomic_store_n((uint64_t *)(void *)to, value, __ATOMIC_RELAXED);
    }
}

static bool fits(const struct place *place, const void *fields, struct buf *why)
{
    const struct pool_window *window = fields;

    if (place->section->keys != pool_window_keys ||
        (window->low <= window->target && window->target <= window->high)) {
        return true;
    }
    buf_printf(why, "expected low <= target <= high");
    return false;
}

/* --- set */

static void wake(struct node *here, void *arg)
{
    struct pool *part = parts_of_scheduler(arg, here->index);

    if (part != NULL) {
        standing_set_workers(part->standing, roll_workers(part->roll),
                             pool_config_now(&part->config->worker.max));
        sweep_wake(part);
    }
}

static void woken(struct node *home, void *arg)
{
    (void)home, (void)arg;
}

static void change(const struct ask_query *query, const struct place *place,
                   const void *fields)
{
    struct pool *pool = query->pool;
    /* the settings are the node's own: const is only for those who read */
    struct pool_config *config = (struct pool_config *)(uintptr_t)pool->config;

    store(place, config, fields);
    LOG_INFO("pool_set", F_STR("pool", atom_text(config->name)),
             F_STR("key", place->path));
    node_go_round(pool->node, wake, woken, pool);
    if (query->ask->manager != NULL) {
        membership_refresh(&query->ask->manager->membership);
    }
}

static int reply_reason(const struct ask_query *query, const char *reason,
                        const void *text, size_t len)
{
    while (len > 0 && ((const char *)text)[len - 1] == '\n') {
        len--;
    }
    return ask_reply(query, "{error, {~a, ~b}}", reason, text, len);
}

int ask_set(const struct ask_query *query)
{
    struct place place = {0};
    struct buf why;
    void *fields;
    int rc;

    if (!read_path(&place, query->args[0])) {
        return CNODE_EINVALID;
    }
    if (!find_place(&place) || !is_changeable(place.path)) {
        return reply_reason(
            query, place.key == NULL ? "unknown_key" : "not_at_run_time",
            place.path, strlen(place.path));
    }
    buf_init(&why, 0);
    fields = mem_alloc(place.section->size);
    memcpy(fields, (const char *)query->pool->config + place.section->offset,
           place.section->size);
    if (read_value(&place, query->args[1], fields, &why) &&
        fits(&place, fields, &why)) {
        change(query, &place, fields);
        rc = ask_reply(query, "ok");
    } else {
        rc = reply_reason(query, "bad_value", buf_data(&why), buf_size(&why));
    }
    mem_free(fields);
    buf_fini(&why);
    return rc;
}

/* --- get */

static void put_value(struct buf *buf, const struct place *place,
                      const struct pool_config *config)
{
    const char *at =
        (const char *)config + place->section->offset + place->key->offset;
    uint64_t value;
    int choice;
    char text[UNITS_TEXT];

    if (place->key->type == CONFIG_ENUM) {
        memcpy(&choice, at, sizeof(choice));
        term_format(buf, "~s", place->key->choices[choice]);
        return;
    }
    memcpy(&value, at, sizeof(value));
    if (value == UINT64_MAX ||
        (value == 0 && place->key->type == CONFIG_DURATION)) {
        term_format(buf, "nil");
    } else if (place->key->type == CONFIG_DURATION) {
        format_duration(value, text);
        term_format(buf, "~s", text);
    } else {
        term_put_uint(buf, value);
    }
}

int ask_get(const struct ask_query *query)
{
    struct buf *buf = ask_begin(query);

    term_put_tuple(buf, 2);
    term_put_atom(buf, A_ok);
    term_put_map(buf, ARRAY_LEN(changeable));
    for (size_t i = 0; i < ARRAY_LEN(changeable); i++) {
        struct place place = {0};

        (void)strncpy(place.path, changeable[i], sizeof(place.path) - 1);
        CHECK(find_place(&place));
        term_put_binary(buf, place.path, strlen(place.path));
        put_value(buf, &place, query->pool->config);
    }
    return ask_end(query);
}
