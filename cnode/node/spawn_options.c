/* SPDX-License-Identifier: Apache-2.0
 *
 * See spawn_options.h.
 */
#include "node/spawn_options.h"

#include "term/build.h"

/* What an option's value may be. */
enum value { NUMBER, PRIORITY, QUEUE, BOOLEAN, HEAP, LIST };

static const struct {
    const char *name;
    enum value value;
} tuning[] = {
    {"priority", PRIORITY},    {"fullsweep_after", NUMBER},
    {"min_heap_size", NUMBER}, {"min_bin_vheap_size", NUMBER},
    {"max_heap_size", HEAP},   {"message_queue_data", QUEUE},
    {"async_dist", BOOLEAN},   {"scheduler", NUMBER},
};

static bool is_one_of(struct cnode_term term, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (cnode_is_atom(term, *names)) {
            return true;
        }
    }
    return false;
}

static bool is_value(struct cnode_term term, enum value value)
{
    static const char *const priorities[] = {"low", "normal", "high", "max",
                                             NULL};
    static const char *const queues[] = {"on_heap", "off_heap", NULL};
    uint64_t number;
    bool boolean;

    switch (value) {
    case NUMBER:
        return cnode_get_uint(term, &number);
    case PRIORITY:
        return is_one_of(term, priorities);
    case QUEUE:
        return is_one_of(term, queues);
    case BOOLEAN:
        return cnode_get_bool(term, &boolean);
    case HEAP:
        return cnode_get_uint(term, &number) ||
               cnode_type(term) == CNODE_TYPE_MAP;
    case LIST:
        break;
    }
    return cnode_type(term) == CNODE_TYPE_LIST ||
           cnode_type(term) == CNODE_TYPE_NIL;
}

static bool read_reply(struct cnode_term term, struct spawn_options *options)
{
    static const char *const names[] = {[SPAWN_REPLY_NO] = "no",
                                        [SPAWN_REPLY_ERROR] = "error_only",
                                        [SPAWN_REPLY_OK] = "success_only",
                                        [SPAWN_REPLY_YES] = "yes"};

    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        if (cnode_is_atom(term, names[i])) {
            options->has_reply = true;
            options->replies = (enum spawn_replies)i;
            return true;
        }
    }
    return false;
}

static bool read_alias(struct cnode_term term, struct spawn_options *options)
{
    static const struct {
        const char *name;
        enum alias_kind kind;
    } kinds[] = {{"explicit_unalias", ALIAS_EXPLICIT},
                 {"demonitor", ALIAS_DEMONITOR},
                 {"reply_demonitor", ALIAS_REPLY_DEMONITOR}};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (cnode_is_atom(term, kinds[i].name)) {
            options->has_alias = true;
            options->alias = kinds[i].kind;
            return true;
        }
    }
    return false;
}

/* Those of monitor/3. What else there may be is for the other node to judge. */
static bool read_monitor(struct cnode_term list, struct spawn_options *options)
{
    struct cnode_term option, pair[2];
    struct cnode_list items;

    options->monitor = true;
    if (!cnode_list(list, &items)) {
        return false;
    }
    while (cnode_list_next(&items, &option)) {
        if (!term_get_tuple(option, 2, pair)) {
            continue;
        }
        if (cnode_is_atom(pair[0], "tag")) {
            options->down_tag = pair[1];
        } else if (term_is_atom(pair[0], A_alias) &&
                   !read_alias(pair[1], options)) {
            return false;
        }
    }
    return true;
}

static bool read_pair(const struct cnode_term pair[2],
                      struct spawn_options *options)
{
    if (term_is_atom(pair[0], A_link)) {
        options->link = true;
        return is_value(pair[1], LIST);
    }
    if (term_is_atom(pair[0], A_monitor)) {
        return read_monitor(pair[1], options);
    }
    if (term_is_atom(pair[0], A_reply)) {
        return read_reply(pair[1], options);
    }
    if (term_is_atom(pair[0], A_reply_tag)) {
        options->has_reply = true;
        options->tag = pair[1];
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(tuning); i++) {
        if (cnode_is_atom(pair[0], tuning[i].name)) {
            return is_value(pair[1], tuning[i].value);
        }
    }
    return false;
}

bool spawn_options_read(struct cnode_term list, struct spawn_options *options)
{
    struct cnode_term option, pair[2];
    struct cnode_list items;

    *options = (struct spawn_options){.replies = SPAWN_REPLY_YES};
    if (!cnode_list(list, &items)) {
        return false;
    }
    while (cnode_list_next(&items, &option)) {
        if (term_is_atom(option, A_link)) {
            options->link = true;
        } else if (term_is_atom(option, A_monitor)) {
            options->monitor = true;
        } else if (!term_get_tuple(option, 2, pair) ||
                   !read_pair(pair, options)) {
            return false;
        }
    }
    return true;
}

struct block *spawn_tag_keep(struct cnode_term tag)
{
    return term_is_none(tag) ? NULL : block_copy(tag.at, cnode_term_size(tag));
}

static bool is_for_the_asker(struct cnode_term option)
{
    struct cnode_term pair[2];

    return term_get_tuple(option, 2, pair) &&
           (term_is_atom(pair[0], A_reply) ||
            term_is_atom(pair[0], A_reply_tag));
}

void spawn_options_put(struct buf *buf, struct cnode_term list)
{
    struct cnode_term option;
    struct cnode_list items;
    uint32_t count = 0;

    CHECK(cnode_list(list, &items));
    while (cnode_list_next(&items, &option)) {
        count += !is_for_the_asker(option);
    }
    term_put_list(buf, count);
    CHECK(cnode_list(list, &items));
    while (cnode_list_next(&items, &option)) {
        if (!is_for_the_asker(option)) {
            term_put_copy(buf, option);
        }
    }
    term_put_nil(buf);
}
