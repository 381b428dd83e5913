/* SPDX-License-Identifier: Apache-2.0
 *
 * The newest dead letters of all schedulers: each gives its own, the newest
 * first, and those are put in order of time.
 */
#include <stdlib.h>

#include <cnode/error.h>

#include "base/mem.h"
#include "manager/ask_query.h"
#include "pool/pools.h"
#include "term/build.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MOST = 1000 };

struct letter {
    uint64_t at_ms;
    uint64_t order; /* of those of one time: as they were gathered */
    size_t start, size;
};

struct gathering {
    struct ask_caller *caller;
    struct pools *root;
    atom_t pool; /* ATOM_NONE: of all */
    uint32_t limit;
    uint64_t total, kept;
    struct letter *letters;
    uint32_t count, cap;
    struct buf bytes;
};

static void add(struct gathering *g, const struct dead_letter *letter)
{
    if (g->count == g->cap) {
        g->cap = g->cap == 0 ? 64 : g->cap * 2;
        g->letters = mem_realloc(g->letters, g->cap * sizeof(*g->letters));
    }
    g->letters[g->count] = (struct letter){.at_ms = letter->at_ms,
                                           .order = g->count,
                                           .start = buf_size(&g->bytes),
                                           .size = letter->size};
    g->count++;
    buf_put(&g->bytes, letter->bytes, letter->size);
}

static bool is_meant(const struct gathering *g,
                     const struct dead_letter *letter)
{
    struct cnode_term pool;

    return g->pool == ATOM_NONE ||
           (cnode_map_get(term_at(letter->bytes, letter->size), "pool",
                          &pool) &&
            term_is_atom(pool, g->pool));
}

static void visit(struct node *here, void *arg)
{
    struct gathering *g = arg;
    const struct pools *pools =
        here->index == 0 ? g->root : &g->root->all[here->index];
    const struct dead_letters *letters = &pools->dead_letters;
    const struct dead_letter *letter;
    uint32_t taken = 0;

    g->total += letters->total;
    g->kept += letters->count;
    for (uint32_t i = 0;
         taken < g->limit && (letter = dead_letters_at(letters, i)) != NULL;
         i++) {
        if (is_meant(g, letter)) {
            add(g, letter);
            taken++;
        }
    }
}

static int newest_first(const void *left, const void *right)
{
    const struct letter *a = left, *b = right;

    if (a->at_ms != b->at_ms) {
        return a->at_ms > b->at_ms ? -1 : 1;
    }
    return a->order < b->order ? -1 : 1;
}

static void put_letters(struct buf *buf, struct gathering *g)
{
    uint32_t count = g->count < g->limit ? g->count : g->limit;

    if (g->count > 0) {
        qsort(g->letters, g->count, sizeof(*g->letters), newest_first);
    }
    term_put_tuple(buf, 2);
    term_put_atom(buf, A_ok);
    term_put_map(buf, 3);
    term_format(buf, "letters");
    term_put_list(buf, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct letter *letter = &g->letters[i];

        buf_put(buf, buf_data(&g->bytes) + letter->start, letter->size);
    }
    term_put_nil(buf);
    term_format(buf, "total");
    term_put_uint(buf, g->total);
    term_format(buf, "dropped");
    term_put_uint(buf, g->total - g->kept);
}

static void done(struct node *home, void *arg)
{
    struct gathering *g = arg;

    if (home == NULL) {
        ask_caller_free(g->caller);
    } else if (buf_error(&g->bytes) != 0) {
        ask_caller_reply(g->caller, "{error, system_limit}");
    } else {
        put_letters(ask_caller_begin(g->caller), g);
        ask_caller_end(g->caller);
    }
    buf_fini(&g->bytes);
    mem_free(g->letters);
    mem_free(g);
}

int ask_dead_letters(const struct ask_query *query)
{
    struct cnode_term options =
        query->arg_count > 0 ? query->args[0] : term_nil();
    struct cnode_term name;
    struct gathering *g;
    const struct pool *pool = NULL;
    struct ask_caller *caller;
    uint64_t limit;
    int rc;

    if (!ask_option_uint(options, "limit", 1, LIMIT_MOST, LIMIT_DEFAULT,
                         &limit)) {
        return CNODE_EINVALID;
    }
    if (ask_option(options, "pool", &name) && !ask_is_nothing(name)) {
        pool = ask_find_pool(query->ask, name);
        if (pool == NULL) {
            return ask_reply(query, "{error, unknown_pool}");
        }
    }
    rc = ask_keep(query, &caller);
    if (rc != 0) {
        return rc;
    }
    g = mem_zalloc(sizeof(*g));
    g->caller = caller;
    g->root = query->ask->pools;
    g->limit = (uint32_t)limit;
    g->pool = pool != NULL ? pool->config->name : ATOM_NONE;
    buf_init(&g->bytes, 0);
    node_go_round(query->ask->node, visit, done, g);
    return 0;
}
