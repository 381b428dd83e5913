/* SPDX-License-Identifier: Apache-2.0
 *
 * One question to cnode_admin, taken apart, and the ways to answer it. A row
 * either answers before it returns, or keeps the caller and answers later.
 */
#ifndef CNODE_MANAGER_ASK_QUERY_H
#define CNODE_MANAGER_ASK_QUERY_H

#include "manager/ask.h"
#include "node/gen.h"

enum { ASK_ARGS = 4 };

struct ask_row;

struct ask_query {
    struct ask *ask;
    const struct ask_row *row;
    struct gen_from from;
    bool has_pool;                    /* the request names one */
    struct pool *pool;                /* its head; NULL: there is no such one */
    struct cnode_term args[ASK_ARGS]; /* behind the pool, if there is one */
    uint32_t arg_count;
};

enum ask_about {
    ASK_NODE,      /* the request has no pool */
    ASK_POOL,      /* it has one */
    ASK_ANY,       /* a pool, or a service */
    ASK_MAYBE_POOL /* a pool, or nothing: the node */
};

struct ask_row {
    const char *name;
    enum ask_about about;
    uint8_t least, most; /* arguments behind the pool */
    /* 0: it is answered, or will be; a negative error: {error, Atom}. */
    int (*run)(const struct ask_query *query);
};

/* What the request asks for. 0; CNODE_NOT_FOUND: no such request;
 * CNODE_EINVALID: such a request has other arguments. Pure but for the pool,
 * which stays NULL when there is no such one. */
int ask_query_parse(struct ask_query *query, struct cnode_term request,
                    const struct ask_row *rows, size_t count);

/* The head of that pool or service, NULL: there is none. */
struct pool *ask_find_pool(const struct ask *ask, struct cnode_term name);

/* A value of a map or keyword list; false: it is not there. */
bool ask_option(struct cnode_term options, const char *name,
                struct cnode_term *value);
/* A number of such; `otherwise` when it is not there. False: it is none, or
 * not in least..most. */
bool ask_option_uint(struct cnode_term options, const char *name,
                     uint64_t least, uint64_t most, uint64_t otherwise,
                     uint64_t *value);
/* nil, undefined, [], or absent: no value is meant. */
bool ask_is_nothing(struct cnode_term value);

/* --- answers now. Begin gives a buffer for one term. */

struct buf *ask_begin(const struct ask_query *query);
int ask_end(const struct ask_query *query);
int ask_reply(const struct ask_query *query, const char *format, ...);

/* --- answers later */

/* Somebody who waits. */
struct ask_caller {
    struct ask *ask;
    struct gen_from from;
    uint8_t bytes[];
};

/* 0; CNODE_OVERLOADED: limits.asks wait; CNODE_NOMEM. */
MUST_USE int ask_keep(const struct ask_query *query, struct ask_caller **out);
struct buf *ask_caller_begin(const struct ask_caller *caller);
/* The reply goes, and the caller with it. */
void ask_caller_end(struct ask_caller *caller);
void ask_caller_reply(struct ask_caller *caller, const char *format, ...);
/* The node ends: he is freed without an answer. */
void ask_caller_free(struct ask_caller *caller);

/* --- the rows, by file */

int ask_status(const struct ask_query *query);       /* ask_node.c */
int ask_peers(const struct ask_query *query);        /* ask_node.c */
int ask_counters(const struct ask_query *query);     /* ask_node.c */
int ask_pools(const struct ask_query *query);        /* ask_pool.c */
int ask_pool(const struct ask_query *query);         /* ask_pool.c */
int ask_count(const struct ask_query *query);        /* ask_pool.c */
int ask_workers(const struct ask_query *query);      /* ask_workers.c */
int ask_whereis(const struct ask_query *query);      /* ask_where.c */
int ask_alive(const struct ask_query *query);        /* ask_where.c */
int ask_health(const struct ask_query *query);       /* ask_health.c */
int ask_health_text(const struct ask_query *query);  /* ask_health.c */
int ask_forget(const struct ask_query *query);       /* ask_forget.c */
int ask_dead_letters(const struct ask_query *query); /* ask_letters.c */
int ask_get(const struct ask_query *query);          /* ask_set.c */
int ask_set(const struct ask_query *query);          /* ask_set.c */

int ask_lock(const struct ask_query *query); /* ask_control.c, from here on */
int ask_release(const struct ask_query *query);
int ask_online(const struct ask_query *query);
int ask_offline(const struct ask_query *query);
int ask_add_supervisor(const struct ask_query *query);
int ask_remove_supervisor(const struct ask_query *query);

/* An id; or the whole ref of a worker of this pool: its id. ask_where.c */
struct cnode_term ask_id_of(const struct pool *pool, struct cnode_term term);

#endif
