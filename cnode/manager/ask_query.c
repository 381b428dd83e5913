/* SPDX-License-Identifier: Apache-2.0
 *
 * See ask_query.h.
 */
#include "manager/ask_query.h"

#include <string.h>

#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "pool/pool.h"
#include "term/build.h"

/* --- reading */

static bool has_pool(const struct ask_row *row, uint32_t arity)
{
    return row->about == ASK_POOL || row->about == ASK_ANY ||
           (row->about == ASK_MAYBE_POOL && arity > 1);
}

struct pool *ask_find_pool(const struct ask *ask, struct cnode_term name)
{
    atom_t atom =
        cnode_type(name) == CNODE_TYPE_ATOM ? term_atom(name) : ATOM_NONE;

    for (size_t i = 0; atom != ATOM_NONE && i < ask->head_count; i++) {
        if (ask->heads[i]->config->name == atom) {
            return ask->heads[i];
        }
    }
    return NULL;
}

static const struct ask_row *find(struct cnode_term name,
                                  const struct ask_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (cnode_is_atom(name, rows[i].name)) {
            return &rows[i];
        }
    }
    return NULL;
}

/* A bare atom stands for a tuple of one. */
int ask_query_parse(struct ask_query *query, struct cnode_term request,
                    const struct ask_row *rows, size_t count)
{
    struct cnode_term name = request;
    uint32_t arity = 1, fixed;

    if (cnode_type(request) == CNODE_TYPE_TUPLE &&
        (!cnode_get_tuple(request, &arity, &name) || arity == 0)) {
        return CNODE_NOT_FOUND;
    }
    query->row = find(name, rows, count);
    if (query->row == NULL) {
        return CNODE_NOT_FOUND;
    }
    fixed = has_pool(query->row, arity) ? 2 : 1;
    if (arity < fixed + query->row->least || arity > fixed + query->row->most) {
        return CNODE_EINVALID;
    }
    query->arg_count = arity - fixed;
    query->has_pool = fixed == 2;
    if (query->has_pool) {
        name = cnode_next(name);
        query->pool = ask_find_pool(query->ask, name);
    }
    for (uint32_t i = 0; i < query->arg_count; i++) {
        name = cnode_next(name);
        query->args[i] = name;
    }
    return 0;
}

bool ask_option(struct cnode_term options, const char *name,
                struct cnode_term *value)
{
    struct cnode_term element, pair[2];
    struct cnode_list list;

    if (cnode_map_get(options, name, value)) {
        return true;
    }
    if (!cnode_list(options, &list)) {
        return false;
    }
    while (cnode_list_next(&list, &element)) {
        if (term_get_tuple(element, 2, pair) && cnode_is_atom(pair[0], name)) {
            *value = pair[1];
            return true;
        }
    }
    return false;
}

bool ask_is_nothing(struct cnode_term value)
{
    return term_is_none(value) || cnode_is_atom(value, "nil") ||
           cnode_is_atom(value, "undefined") ||
           cnode_type(value) == CNODE_TYPE_NIL;
}

bool ask_option_uint(struct cnode_term options, const char *name,
                     uint64_t least, uint64_t most, uint64_t otherwise,
                     uint64_t *value)
{
    struct cnode_term term;

    if (!ask_option(options, name, &term) || ask_is_nothing(term)) {
        *value = otherwise;
        return true;
    }
    return cnode_get_uint(term, value) && *value >= least && *value <= most;
}

/* --- answers now */

struct buf *ask_begin(const struct ask_query *query)
{
    return gen_reply_begin(query->ask->node, &query->from);
}

static int reply_end(struct ask *ask, const struct gen_from *from)
{
    return gen_reply_end(ask->node, &ask->process, from);
}

int ask_end(const struct ask_query *query)
{
    return reply_end(query->ask, &query->from);
}

int ask_reply(const struct ask_query *query, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    term_vformat(ask_begin(query), format, args);
    va_end(args);
    return ask_end(query);
}

/* --- answers later */

int ask_keep(const struct ask_query *query, struct ask_caller **out)
{
    const struct gen_from *from = &query->from;
    size_t pid = cnode_term_size(from->pid), tag = cnode_term_size(from->tag);
    struct ask_caller *caller;

    if (query->ask->under_way >= limits.asks) {
        METRIC_INC(asks_refused);
        return CNODE_OVERLOADED;
    }
    caller = mem_try(sizeof(*caller) + pid + tag);
    if (caller == NULL) {
        return CNODE_NOMEM;
    }
    *caller = (struct ask_caller){.ask = query->ask, .from = *from};
    memcpy(caller->bytes, from->pid.at, pid);
    memcpy(caller->bytes + pid, from->tag.at, tag);
    caller->from.pid = term_at(caller->bytes, pid);
    caller->from.tag = term_at(caller->bytes + pid, tag);
    query->ask->under_way++;
    *out = caller;
    return 0;
}

struct buf *ask_caller_begin(const struct ask_caller *caller)
{
    return gen_reply_begin(caller->ask->node, &caller->from);
}

void ask_caller_end(struct ask_caller *caller)
{
    if (reply_end(caller->ask, &caller->from) != 0) {
        term_format(ask_caller_begin(caller), "{error, too_large}");
        (void)reply_end(caller->ask, &caller->from);
    }
    ask_caller_free(caller);
}

void ask_caller_reply(struct ask_caller *caller, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    term_vformat(ask_caller_begin(caller), format, args);
    va_end(args);
    ask_caller_end(caller);
}

void ask_caller_free(struct ask_caller *caller)
{
    caller->ask->under_way--;
    mem_free(caller);
}
