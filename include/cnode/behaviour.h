/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing a behaviour: what a worker does, in C.
 *
 * A behaviour is a table of callbacks named as in GenServer, plus the size of
 * the state of one worker. The state lies inline in the worker and starts zero
 * filled. Build it as a shared object against this header and name the file
 * under "behaviours" in the configuration:
 *
 *     #include <cnode/behaviour.h>
 *
 *     struct counter { int64_t count; };
 *
 *     static int counter_handle_call(struct cnode_worker *w, void *state,
 *                                    struct cnode_term call)
 *     {
 *         struct counter *c = state;
 *         if (cnode_is_atom(call, "increment")) {
 *             return cnode_reply(w, "~i", ++c->count);
 *         }
 *         return CNODE_UNHANDLED;
 *     }
 *
 *     CNODE_BEHAVIOUR(counter, .state_size = sizeof(struct counter),
 *                     .handle_call = counter_handle_call);
 *
 * Rules, the same for every callback:
 *  - It runs on the thread of the worker's scheduler and must not block: over
 *    runtime.callback_budget it is reported, over runtime.callback_limit the
 *    node ends.
 *  - Terms it is given die when it returns; keep one with cnode_term_copy().
 *  - It returns 0, or a negative error: the worker then ends with the reason
 *    {error, Atom} of that code and is restarted by its rule. CNODE_UNHANDLED
 *    from a handler leaves the message to the default (a call is answered
 *    {unhandled, Msg}).
 *  - What it sends is delivered after it has returned, in order.
 *  - Functions that take a worker may be called from its callbacks only.
 */
#ifndef CNODE_BEHAVIOUR_H
#define CNODE_BEHAVIOUR_H

#include <cnode/error.h>
#include <cnode/term.h>

/* Grows when a struct or a meaning changes; adding a callback at the end does
 * not change it (size tells). Checked at load. */
#define CNODE_ABI 1u

struct cnode_worker;

/* Two processes under one name of syn, this worker's and one of another node.
 * `time`: nanoseconds since 1970, when each was registered. */
struct cnode_syn_claim {
    struct cnode_term pid, meta;
    int64_t time;
};
struct cnode_syn_conflict {
    struct cnode_term scope, name;
    struct cnode_syn_claim theirs, ours;
};

/* A behaviour. Every callback may be NULL. */
struct cnode_behaviour {
    uint32_t abi;  /* CNODE_ABI */
    uint32_t size; /* sizeof(struct cnode_behaviour) of the one who built it */
    const char *name;
    size_t state_size; /* bytes of state inline in each worker */

    /* The worker starts: `id` is the Id of its ref, `args` what the starter
     * gave ([] when it starts by its first message), cnode_context() the
     * context of that start; after a restart once more the same. An error: it
     * does not start, the starter gets {error, Reason}. Refusing is no failure
     * with cnode_stop() and normal, shutdown or {shutdown, _}. */
    int (*init)(struct cnode_worker *w, void *state, struct cnode_term id,
                struct cnode_term args);
    /* Once, before its first message. */
    int (*load)(struct cnode_worker *w, void *state);
    /* A call: answer with cnode_reply(), or later through cnode_from_keep(). A
     * call that was neither answered nor kept is left to the caller's time-out.
     * Envelopes are opened: this is the inner call; its context is
     * cnode_context(). */
    int (*handle_call)(struct cnode_worker *w, void *state,
                       struct cnode_term call);
    int (*handle_cast)(struct cnode_worker *w, void *state,
                       struct cnode_term cast);
    /* Any other message: plain sends, timers, {'DOWN', Ref, process, Pid,
     * Reason}. Unhandled ones are dropped. */
    int (*handle_info)(struct cnode_worker *w, void *state,
                       struct cnode_term message);
    /* The worker ends, for whatever reason, also by an error of another
     * callback or killed (reason killed): free what the state holds. Only not
     * after init failed. With {shutdown, inactive} (idle) or {shutdown,
     * offload} (room is needed) it may live on: cnode_wait(), and nothing may
     * be freed then. */
    void (*terminate)(struct cnode_worker *w, void *state,
                      struct cnode_term reason);
    /* The calls every worker answers; without a callback the default does:
     * {fetch, What} (state: dump's term), ping (pong), reload! (load again),
     * persist! (written to the pool's store, then ok; without one
     * not_supported), hibernate (ok). These reply like handle_call;
     * returning 0 without a reply answers `ok`. */
    int (*fetch)(struct cnode_worker *w, void *state, struct cnode_term what);
    int (*ping)(struct cnode_worker *w, void *state);
    int (*reload)(struct cnode_worker *w, void *state);
    int (*persist)(struct cnode_worker *w, void *state);
    int (*hibernate)(struct cnode_worker *w, void *state);
    /* The state as one term, and back: for {fetch, state}, and for pools whose
     * state is kept in a store (docs/persistence.md). restore runs behind init,
     * before load. */
    int (*dump)(struct cnode_worker *w, const void *state,
                struct cnode_build *out);
    int (*restore)(struct cnode_worker *w, void *state,
                   struct cnode_term dumped);
    /* Which of the two keeps the name: CNODE_SYN_KEEP_OURS, _THEIRS or
     * _NEITHER. Nobody is killed then. Both nodes decide, each on its own: the
     * rule must be the same on all of them (on a BEAM resolve_registry_conflict
     * of syn's event handler). CNODE_UNHANDLED: as without this callback, the
     * later one stays and the other is killed. */
    int (*resolve_conflict)(struct cnode_worker *w, void *state,
                            const struct cnode_syn_conflict *conflict);
    /* The call `health`, or {health, Options}; without it the answer is
     * #{status => online | degraded | critical, failures, errors, warnings,
     * queue, memory}. Replies like handle_call. */
    int (*health)(struct cnode_worker *w, void *state);
};

enum {
    CNODE_SYN_KEEP_OURS = 1,
    CNODE_SYN_KEEP_THEIRS = 2,
    CNODE_SYN_KEEP_NEITHER = 3,
};

/* Defines the behaviour `id` and makes it loadable. In a shared object: once.
 * CNODE_BUILTIN is for those linked into the node itself. */
#ifdef CNODE_BUILTIN
#define CNODE_BEHAVIOUR(id, ...)                                               \
    extern const struct cnode_behaviour cnode_builtin_##id;                    \
    const struct cnode_behaviour cnode_builtin_##id = {                        \
        .abi = CNODE_ABI,                                                      \
        .size = sizeof(struct cnode_behaviour),                                \
        .name = #id,                                                           \
        __VA_ARGS__}
#else
#define CNODE_BEHAVIOUR(id, ...)                                               \
    CNODE_API const struct cnode_behaviour cnode_behaviour;                    \
    const struct cnode_behaviour cnode_behaviour = {                           \
        .abi = CNODE_ABI,                                                      \
        .size = sizeof(struct cnode_behaviour),                                \
        .name = #id,                                                           \
        __VA_ARGS__}
#endif

/* --- answering */

/* A call is being handled, not a cast, a message or anything else. */
CNODE_API bool cnode_is_call(struct cnode_worker *w);

/* Answers the call being handled; format as in <cnode/term.h>. Only the first
 * answer counts. 0, or CNODE_SYNTAX, CNODE_NOMEM, CNODE_TOO_LARGE, or
 * CNODE_EINVALID: an argument is wrong (see "What no BEAM takes" there). The
 * log then says so, as for all that take a format. */
CNODE_API int cnode_reply(struct cnode_worker *w, const char *format, ...);

/* Keeps the caller of the call being handled, to be answered later with
 * cnode_reply_to(). Belongs to the worker: it is freed with it. NULL outside of
 * a call. */
struct cnode_from;
CNODE_API struct cnode_from *cnode_from_keep(struct cnode_worker *w);
/* Answers and frees `from`. */
CNODE_API int cnode_reply_to(struct cnode_worker *w, struct cnode_from *from,
                             const char *format, ...);
/* Gives up without an answer. NULL is fine. */
CNODE_API void cnode_from_free(struct cnode_worker *w, struct cnode_from *from);

/* The worker ends when this callback has returned, with this reason ("normal",
 * "{shutdown, ~a}", ...). */
CNODE_API int cnode_stop(struct cnode_worker *w, const char *reason, ...);

/* In terminate, of a worker that is put aside because nobody uses it: not now.
 * It lives on and is asked again after another such time. CNODE_EINVALID: it
 * ends for another reason, and does. */
CNODE_API int cnode_wait(struct cnode_worker *w);

/* One more error or warning of this worker: they lower the health of its pool
 * and appear in what it answers to `health`. */
CNODE_API int cnode_count_error(struct cnode_worker *w);
CNODE_API int cnode_count_warning(struct cnode_worker *w);

/* The state holds that many bytes outside of itself, for worker.offload_memory;
 * the last figure counts. */
CNODE_API int cnode_memory(struct cnode_worker *w, uint64_t bytes);

/* --- who am I. The terms live as long as the callback. */
CNODE_API struct cnode_term cnode_self(struct cnode_worker *w); /* pid */
CNODE_API struct cnode_term cnode_id(struct cnode_worker *w);
CNODE_API struct cnode_term
cnode_ref_term(struct cnode_worker *w); /* {ref,M,Id} */
CNODE_API const char *cnode_pool_name(struct cnode_worker *w);
CNODE_API const char *cnode_node_name(struct cnode_worker *w);
/* The call context of the envelope being handled; the atom undefined for plain
 * messages. */
CNODE_API struct cnode_term cnode_context(struct cnode_worker *w);
/* Milliseconds of a monotonic clock, the time of this turn. */
CNODE_API uint64_t cnode_now_ms(struct cnode_worker *w);

/* A term made on the way, for what takes terms; lives as long as the callback.
 * at == NULL when the format is wrong or there is no memory. */
CNODE_API struct cnode_term cnode_make(struct cnode_worker *w,
                                       const char *format, ...);

/* --- sending. `dest`: a pid, an alias reference, the atom of a local name,
 * {Name, Node} or {via, syn, {Scope, Name}}: whoever has the name now. To
 * nobody is no error. CNODE_UNSUPPORTED: {via, Module, Name} of another module.
 */
CNODE_API int cnode_send(struct cnode_worker *w, struct cnode_term dest,
                         const char *format, ...);
/* Same as '$gen_cast'. */
CNODE_API int cnode_cast(struct cnode_worker *w, struct cnode_term dest,
                         const char *format, ...);

/* --- references that this node made: monitors, aliases, requests. */
struct cnode_ref {
    uint32_t words[3];
};
CNODE_API bool cnode_is_ref(struct cnode_worker *w, struct cnode_term term,
                            struct cnode_ref ref);
/* The reference as a term, which lives as long as the callback, and back; false
 * for one that this node did not make. */
CNODE_API struct cnode_term cnode_ref_value(struct cnode_worker *w,
                                            struct cnode_ref ref);
CNODE_API bool cnode_get_ref(struct cnode_worker *w, struct cnode_term term,
                             struct cnode_ref *ref);

/* --- monitors: {'DOWN', Ref, process, PidOrName, Reason} to handle_info. An
 * alias cannot be monitored: CNODE_EINVALID. CNODE_ELSEWHERE: a name of syn
 * that only another scheduler knows; cnode_syn_whereis() gives its pid. */
CNODE_API int cnode_monitor(struct cnode_worker *w, struct cnode_term dest,
                            struct cnode_ref *ref);
/* No DOWN of that reference is delivered afterwards. */
CNODE_API int cnode_demonitor(struct cnode_worker *w, struct cnode_ref ref);

/* --- aliases: messages to the reference come to handle_info as long as it is
 * active. CNODE_LIMIT above limits.aliases_per_process. */
enum cnode_alias {
    CNODE_ALIAS_EXPLICIT,        /* until cnode_unalias() */
    CNODE_ALIAS_REPLY,           /* or the first message */
    CNODE_ALIAS_DEMONITOR,       /* or the end of its monitor */
    CNODE_ALIAS_REPLY_DEMONITOR, /* either; a message ends the monitor too */
};
CNODE_API int cnode_alias(struct cnode_worker *w, enum cnode_alias kind,
                          struct cnode_ref *ref);
/* A monitor whose reference is an alias too. */
CNODE_API int cnode_monitor_alias(struct cnode_worker *w,
                                  struct cnode_term dest, enum cnode_alias kind,
                                  struct cnode_ref *ref);
/* CNODE_NOT_FOUND when it was not active. */
CNODE_API int cnode_unalias(struct cnode_worker *w, struct cnode_ref ref);

/* --- links and exit signals. The worker ends with the other process, unless it
 * traps exits: then {'EXIT', Pid, Reason} comes to handle_info. A link to a
 * process that is not there: an exit signal noproc. */
CNODE_API int cnode_link(struct cnode_worker *w, struct cnode_term pid);
CNODE_API int cnode_unlink(struct cnode_worker *w, struct cnode_term pid);
/* Sends an exit signal to a pid or an alias, as exit/2. To itself it works as
 * to others: when this callback has returned. An alias of another node gets it
 * if that knows how to (OTP 28). */
CNODE_API int cnode_exit(struct cnode_worker *w, struct cnode_term dest,
                         const char *reason, ...);
/* Gives the old value. */
CNODE_API bool cnode_trap_exit(struct cnode_worker *w, bool trap);
/* The process that does its output: a pid, or undefined. Changing that of
 * another process, also on another node, is as group_leader/2. */
CNODE_API struct cnode_term cnode_group_leader(struct cnode_worker *w);
CNODE_API int cnode_group_leader_set(struct cnode_worker *w,
                                     struct cnode_term leader,
                                     struct cnode_term pid);

/* --- registered names of this node: atoms. A worker has at most one, as a BEAM
 * process; that of a service is the service's. CNODE_EXISTS: the name is taken,
 * or the worker has one; CNODE_NOT_FOUND: nobody has it; CNODE_EINVALID: no
 * atom, or undefined. */
CNODE_API int cnode_register(struct cnode_worker *w, struct cnode_term name);
CNODE_API int cnode_unregister(struct cnode_worker *w, struct cnode_term name);
/* A pid or undefined. */
CNODE_API struct cnode_term cnode_whereis(struct cnode_worker *w,
                                          struct cnode_term name);

/* --- spawning. A new worker of a behaviour, by its name; init runs with `args`
 * before its first message, and its id is a number. It is not restarted when it
 * ends; its supervisor is registered as <behaviour>_sup (on schedulers other
 * than the first _<number> follows). `name`: the atom it is
 * registered as, or undefined. `pid` lives as long as the callback.
 * CNODE_NOT_FOUND: no such behaviour; CNODE_EXISTS: the name is taken. */
CNODE_API int cnode_spawn(struct cnode_worker *w, const char *behaviour,
                          struct cnode_term name, struct cnode_term args,
                          struct cnode_term *pid);

/* --- asking others: the answer comes to a function of yours, once, as a
 * message would; what it returns counts as what handle_info returns. `context`
 * is handed to it as it is; when the worker ends first nobody frees it, so let
 * it point into the state, or be a struct cnode_from. CNODE_LIMIT above
 * limits.calls_per_worker. */
#define CNODE_INFINITY UINT64_MAX /* a time-out that does not come */

struct cnode_answer {
    int error; /* 0: `term` is what was asked for */
    /* CNODE_RAISED: "throw", "exit" or "error", else NULL. */
    const char *raised;
    struct cnode_term term; /* or why there is no answer */
};
typedef int (*cnode_answer_fn)(struct cnode_worker *w, void *state,
                               void *context,
                               const struct cnode_answer *answer);

/* gen_server:call/3. Errors: CNODE_TIMEOUT (term timeout), CNODE_NOPROC
 * (noproc), CNODE_NOCONN (noconnection), CNODE_ENDED (its exit reason). A reply
 * that comes too late vanishes. */
CNODE_API int cnode_call(struct cnode_worker *w, struct cnode_term dest,
                         uint64_t timeout_ms, cnode_answer_fn fn, void *context,
                         const char *format, ...);
/* erpc:call/5. One error: CNODE_RAISED, with class and term of the exception
 * that erpc:call/5 raises; error:{erpc, timeout} and error:{erpc, noconnection}
 * are two of them. */
CNODE_API int cnode_erpc(struct cnode_worker *w, struct cnode_term node,
                         struct cnode_term module, struct cnode_term function,
                         struct cnode_term args, uint64_t timeout_ms,
                         cnode_answer_fn fn, void *context);
/* spawn_request/5 of the function of a module on a node, with its options:
 * {spawn_reply, Ref, ok, Pid} or {spawn_reply, Ref, error, Why} comes to
 * handle_info, and with the option monitor, later, a DOWN with the same Ref. */
CNODE_API int
cnode_spawn_request(struct cnode_worker *w, struct cnode_term node,
                    struct cnode_term module, struct cnode_term function,
                    struct cnode_term args, struct cnode_term options,
                    struct cnode_ref *ref);

/* --- the cluster. A list of atoms that lives as long as the callback. */
enum cnode_nodes {
    CNODE_NODES_VISIBLE,   /* nodes() */
    CNODE_NODES_HIDDEN,    /* nodes(hidden) */
    CNODE_NODES_CONNECTED, /* both */
};
CNODE_API struct cnode_term cnode_nodes(struct cnode_worker *w,
                                        enum cnode_nodes which);
/* As net_kernel:connect_node/1 and erlang:disconnect_node/1. The answer is true
 * or false. */
CNODE_API int cnode_connect(struct cnode_worker *w, struct cnode_term node,
                            cnode_answer_fn fn, void *context);
CNODE_API int cnode_disconnect(struct cnode_worker *w, struct cnode_term node,
                               cnode_answer_fn fn, void *context);
/* Groups of OTP's pg; the worker itself joins and leaves. The answer is what pg
 * returns: ok, not_joined, a list of pids. */
CNODE_API int cnode_pg_join(struct cnode_worker *w, struct cnode_term scope,
                            struct cnode_term group, cnode_answer_fn fn,
                            void *context);
CNODE_API int cnode_pg_leave(struct cnode_worker *w, struct cnode_term scope,
                             struct cnode_term group, cnode_answer_fn fn,
                             void *context);
CNODE_API int cnode_pg_members(struct cnode_worker *w, struct cnode_term scope,
                               struct cnode_term group, cnode_answer_fn fn,
                               void *context);
CNODE_API int cnode_pg_local_members(struct cnode_worker *w,
                                     struct cnode_term scope,
                                     struct cnode_term group,
                                     cnode_answer_fn fn, void *context);
/* Names of OTP's global, any terms: of the worker itself. The answer is what
 * global returns: yes or no, ok, a pid or undefined. */
CNODE_API int cnode_global_register(struct cnode_worker *w,
                                    struct cnode_term name, cnode_answer_fn fn,
                                    void *context);
CNODE_API int cnode_global_unregister(struct cnode_worker *w,
                                      struct cnode_term name,
                                      cnode_answer_fn fn, void *context);
CNODE_API int cnode_global_whereis(struct cnode_worker *w,
                                   struct cnode_term name, cnode_answer_fn fn,
                                   void *context);

/* --- workers of pools, by their id: of pools that this node hosts, or others,
 * C nodes or BEAMs with AdvancedPool. `pool` is the atom of its name. One that
 * is nowhere is started first, on the node that placement chooses; messages
 * wait meanwhile. The call context of the message being handled goes along. */

/* A call: the answer is what the worker replies, or {error, Reason} when it
 * could not be started ({error, unavailable}: by nobody). Errors as of
 * cnode_call(); CNODE_ENDED: the worker ended before it replied. */
CNODE_API int cnode_pool_call(struct cnode_worker *w, struct cnode_term pool,
                              struct cnode_term id, uint64_t timeout_ms,
                              cnode_answer_fn fn, void *context,
                              const char *format, ...);
CNODE_API int cnode_pool_cast(struct cnode_worker *w, struct cnode_term pool,
                              struct cnode_term id, const char *format, ...);
/* {ok, Pid}, also when it was there; {error, Reason}. `args` reach its init. */
CNODE_API int cnode_pool_start(struct cnode_worker *w, struct cnode_term pool,
                               struct cnode_term id, struct cnode_term args,
                               cnode_answer_fn fn, void *context);
/* Pid, or undefined; starts nothing. */
CNODE_API int cnode_pool_whereis(struct cnode_worker *w, struct cnode_term pool,
                                 struct cnode_term id, cnode_answer_fn fn,
                                 void *context);

/* --- syn: names and groups, any terms, shared with other nodes by scope, an
 * atom; a scope that this node does not take part in yet is started. The answer
 * is what syn returns, {error, Reason} where it raises. `pid` may be the worker
 * itself (cnode_self()), or any other of this or another node, whose node is
 * then asked. What is sent before the answer is there may overtake what was
 * asked for. */
CNODE_API int cnode_syn_register(struct cnode_worker *w,
                                 struct cnode_term scope,
                                 struct cnode_term name, struct cnode_term pid,
                                 struct cnode_term meta, cnode_answer_fn fn,
                                 void *context);
/* `pid`: nobody else is to lose the name ({error, race_condition}); undefined:
 * whoever has it, as syn:unregister/2. */
CNODE_API int cnode_syn_unregister(struct cnode_worker *w,
                                   struct cnode_term scope,
                                   struct cnode_term name,
                                   struct cnode_term pid, cnode_answer_fn fn,
                                   void *context);
/* Who has a name, at once: CNODE_NOT_FOUND: nobody. The terms live as long as
 * the callback. CNODE_ELSEWHERE: a name of a pool's worker, and only another
 * scheduler of this node knows: ask cnode_syn_whereis(). */
CNODE_API int cnode_syn_lookup(struct cnode_worker *w, struct cnode_term scope,
                               struct cnode_term name, struct cnode_term *pid,
                               struct cnode_term *meta);
/* The same for many names, several times as fast as one after the other when
 * there are many in the scope: found[i] is of names[i]. CNODE_EINVALID: a name
 * is none. */
struct cnode_syn_found {
    int rc; /* 0, CNODE_NOT_FOUND, CNODE_ELSEWHERE */
    struct cnode_term pid, meta;
};
CNODE_API int cnode_syn_lookup_many(struct cnode_worker *w,
                                    struct cnode_term scope,
                                    const struct cnode_term names[],
                                    size_t count,
                                    struct cnode_syn_found found[]);
/* The same for any name: the answer is {Pid, Meta} or undefined. */
CNODE_API int cnode_syn_whereis(struct cnode_worker *w, struct cnode_term scope,
                                struct cnode_term name, cnode_answer_fn fn,
                                void *context);
/* Registered names: of a node, or undefined for all. */
CNODE_API int cnode_syn_count(struct cnode_worker *w, struct cnode_term scope,
                              struct cnode_term node, cnode_answer_fn fn,
                              void *context);
CNODE_API int cnode_syn_join(struct cnode_worker *w, struct cnode_term scope,
                             struct cnode_term group, struct cnode_term pid,
                             struct cnode_term meta, cnode_answer_fn fn,
                             void *context);
CNODE_API int cnode_syn_leave(struct cnode_worker *w, struct cnode_term scope,
                              struct cnode_term group, struct cnode_term pid,
                              cnode_answer_fn fn, void *context);
/* {Pid, Meta} or undefined; lists of {Pid, Meta}. */
CNODE_API int cnode_syn_member(struct cnode_worker *w, struct cnode_term scope,
                               struct cnode_term group, struct cnode_term pid,
                               cnode_answer_fn fn, void *context);
CNODE_API int cnode_syn_members(struct cnode_worker *w, struct cnode_term scope,
                                struct cnode_term group, cnode_answer_fn fn,
                                void *context);
CNODE_API int cnode_syn_local_members(struct cnode_worker *w,
                                      struct cnode_term scope,
                                      struct cnode_term group,
                                      cnode_answer_fn fn, void *context);
/* The message itself to all members; {ok, Count}. */
CNODE_API int cnode_syn_publish(struct cnode_worker *w, struct cnode_term scope,
                                struct cnode_term group,
                                struct cnode_term message, cnode_answer_fn fn,
                                void *context);
CNODE_API int cnode_syn_local_publish(struct cnode_worker *w,
                                      struct cnode_term scope,
                                      struct cnode_term group,
                                      struct cnode_term message,
                                      cnode_answer_fn fn, void *context);
/* {Replies, BadReplies}: [{{Pid, Meta}, Reply}] and [{Pid, Meta}], after the
 * last reply or `timeout_ms`. A worker of ours is asked by a call of the
 * message. */
CNODE_API int
cnode_syn_multi_call(struct cnode_worker *w, struct cnode_term scope,
                     struct cnode_term group, struct cnode_term message,
                     uint64_t timeout_ms, cnode_answer_fn fn, void *context);
enum cnode_syn_kind { CNODE_SYN_REGISTRY, CNODE_SYN_PG };
/* The other nodes of the scope; all entries, [{NameOrGroup, Pid, Meta}]. */
CNODE_API int cnode_syn_subcluster_nodes(struct cnode_worker *w,
                                         enum cnode_syn_kind kind,
                                         struct cnode_term scope,
                                         cnode_answer_fn fn, void *context);
CNODE_API int cnode_syn_dump(struct cnode_worker *w, enum cnode_syn_kind kind,
                             struct cnode_term scope, cnode_answer_fn fn,
                             void *context);
/* ok: this node takes part in it. */
CNODE_API int cnode_syn_add_scope(struct cnode_worker *w,
                                  struct cnode_term scope, cnode_answer_fn fn,
                                  void *context);

/* --- its state in the store of its pool (docs/persistence.md). The answer is
 * ok when it is durable, or {error, Reason}; `fn` may be NULL.
 * CNODE_UNSUPPORTED: the pool has no store. */
/* As dump gives it now. */
CNODE_API int cnode_persist(struct cnode_worker *w, cnode_answer_fn fn,
                            void *context);
/* What is kept of it is deleted. As it is now it is not written any more, but
 * when it changes again: for before cnode_stop(). */
CNODE_API int cnode_persist_delete(struct cnode_worker *w, cnode_answer_fn fn,
                                   void *context);

/* --- timers: the message comes to handle_info once after `ms`. *timer may be
 * NULL. Ends with the worker. CNODE_LIMIT above limits.timers_per_worker. */
CNODE_API int cnode_timer_start(struct cnode_worker *w, uint64_t ms,
                                uint64_t *timer, const char *format, ...);
/* CNODE_NOT_FOUND when it fired already or never was. */
CNODE_API int cnode_timer_cancel(struct cnode_worker *w, uint64_t timer);

/* --- a line in the node's log, with pool and id. */
enum cnode_log_level {
    CNODE_LOG_DEBUG,
    CNODE_LOG_INFO,
    CNODE_LOG_WARN,
    CNODE_LOG_ERROR
};
CNODE_API void cnode_log(struct cnode_worker *w, enum cnode_log_level level,
                         const char *text);

#endif
