/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions that other nodes may call here (functions.def), answered with
 * true values in the shapes of a BEAM. Belongs to scheduler 0; what needs
 * others visits them, so a result may come later.
 */
#ifndef CNODE_CLUSTER_FUNCTIONS_H
#define CNODE_CLUSTER_FUNCTIONS_H

#include "cluster/tally.h"
#include "node/node.h"

enum { FUNCTION_ARGS_MOST = 3 };

enum function_place {
    FUNCTION_HERE,
    FUNCTION_TALLY,
    FUNCTION_PID,
    FUNCTION_NAMED,
    FUNCTION_EACH,
    FUNCTION_REX,
    FUNCTION_SPAWN
};

struct appmon;
struct trace_relays;

struct function;

struct functions {
    struct node *node;
    const struct function *more; /* of the layers above; NULL: none */
    size_t more_count;
    void *more_owner;
    struct appmon *appmon;
    struct trace_relays *trace_relays;
    uint64_t start_ns;
    /* since statistics/1 was asked last, as a BEAM has it */
    uint64_t last_wall_ms, last_runtime_ms, last_reductions;
};

enum function_class {
    FUNCTION_RETURN,
    FUNCTION_ERROR,
    FUNCTION_EXIT,
    FUNCTION_THROW,
};

/* One run on one scheduler. */
struct function_run {
    struct functions *functions; /* to be touched by HERE and TALLY only */
    struct node *node;           /* the scheduler it runs on */
    struct cnode_term args[FUNCTION_ARGS_MOST];
    struct pid pid;
    struct process *process;   /* PID, NAMED: NULL when it is not there */
    const struct tally *tally; /* TALLY */
    uint32_t count;            /* EACH: how many elements it appended, */
    uint32_t slot;             /* where it goes on in the process table, */
    bool has_more;             /* and whether it has to */
    enum function_class class; /* RETURN, unless it says otherwise */
    struct buf *out;           /* one term is to be appended */
};

struct function {
    const char *module, *name;
    uint32_t arity;
    enum function_place place;
    /* 0; a negative error: error:badarg and the like. */
    int (*run)(struct function_run *run);
};

extern const struct function function_table[];
extern const size_t function_count;

void functions_init(struct functions *functions, struct node *node);
/* Functions of the layers above, once; the table lives as long. Their owner is
 * functions->more_owner. */
void functions_add(struct functions *functions, const struct function *table,
                   size_t count, void *owner);

/* What came of a call; the term dies on return. */
struct function_result {
    enum function_class class;
    struct cnode_term term;
};
/* Exactly once; before functions_call() returns, or later. `result` is NULL
 * when the node ended first: only to free the owner. */
typedef void (*function_done_fn)(void *owner,
                                 const struct function_result *result);

/* Calls Module:Function with a proper list of arguments. False: nobody here
 * knows it (undef), and `done` does not run. */
bool functions_call(struct functions *functions, struct cnode_term module,
                    struct cnode_term function, struct cnode_term args,
                    function_done_fn done, void *owner);
/* The same for who asks rex. */
bool functions_call_by_rex(struct functions *functions,
                           struct cnode_term module, struct cnode_term function,
                           struct cnode_term args, function_done_fn done,
                           void *owner);

/* Whether Module:Name/Arity is one that may be called or spawned here. */
bool functions_has(const struct functions *functions, struct cnode_term module,
                   struct cnode_term name, uint64_t arity);
/* Whether there is such a module: of this list, or the one a process says it
 * began with. `is_supervisor` may be NULL. */
bool functions_has_module(const struct functions *functions,
                          struct cnode_term module, bool *is_supervisor);

#endif
