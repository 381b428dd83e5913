/* SPDX-License-Identifier: Apache-2.0
 *
 * probe: does what it is told, so that a test on a BEAM can make a C process do
 * whatever a process may do. It is also the example of everything that a
 * behaviour can ask of its node: one row of the table at the end and one small
 * function for each.
 *
 * A call is answered with the result; a term that fits no row, or whose
 * arguments are wrong, with {error, badarg}. The same terms as casts and plain
 * messages act without a reply. Every other plain message is recorded: `flush`
 * gives them back.
 *
 *     {echo, T}  self  node  nodes  {nodes, visible | hidden | connected}
 *     {spawn, Name}  {exit, Reason}  {defer, Ms, T}  noreply  flush
 *     {send, Dest, T}  {cast, Dest, T}  {call, Dest, T, Ms}
 *     {send_after, Ms, Dest, T}  {burst, Dest, N}  {report_to, Pid}
 *     {monitor, Dest}  {demonitor, Ref}  alias  {unalias, Ref}
 *     {link, Pid}  {unlink, Pid}  {exit, Pid, Reason}  {trap_exit, Bool}
 *     {register, Name}  {unregister, Name}  {whereis, Name}
 *     {spawn_request, Node, {M, F, Args}, Opts}  {erpc, Node, M, F, Args, Ms}
 *     {connect, Node}  {disconnect, Node}
 *     {pg, join | leave | members | local_members, Scope, Group}
 *     {syn, ..}: probe/syn.c
 *     {global, register | unregister | whereis, Name}
 *
 * docs/behaviours.md says what each of them returns.
 */
#include <stdlib.h>
#include <string.h>

#include <cnode/behaviour.h>

#include "probe/probe.h"

enum {
    ARGS_MOST = PROBE_ARGS,
    RECORDS_MOST = 100000, /* later messages are not recorded */
    BURST_MOST = 1000000,
};

/* A message that waits for flush. */
struct record {
    struct record *next;
    struct cnode_kept *message;
};

/* A caller of {defer, Ms, T}; its number is in the message of the timer. */
struct deferred {
    struct deferred *next;
    int64_t number;
    struct cnode_from *from; /* NULL: it was no call */
};

struct probe {
    struct record *oldest, *newest;
    int64_t recorded;
    struct deferred *deferred;
    int64_t last_deferred;
    struct cnode_kept *report_to;
};

/* --- answering, now or later */

int probe_answer(struct cnode_worker *w, struct cnode_term term)
{
    return cnode_is_call(w) ? cnode_reply(w, "~t", term) : 0;
}

static int answer_atom(struct cnode_worker *w, const char *atom)
{
    return probe_answer(w, cnode_make(w, "~a", atom));
}

/* After a function that can fail. */
static int answer_rc(struct cnode_worker *w, int rc, const char *atom)
{
    return rc != 0 ? rc : answer_atom(w, atom);
}

int probe_on_answer(struct cnode_worker *w, void *state, void *from,
                    const struct cnode_answer *result)
{
    (void)state;
    if (from == NULL) {
        return 0; /* it was no call */
    }
    return cnode_reply_to(w, from, result->error == 0 ? "~t" : "{error, ~t}",
                          result->term);
}

/* {ok, Reply} or {error, Why} */
static int on_call_answer(struct cnode_worker *w, void *state, void *from,
                          const struct cnode_answer *result)
{
    (void)state;
    if (from == NULL) {
        return 0;
    }
    return cnode_reply_to(
        w, from, result->error == 0 ? "{ok, ~t}" : "{error, ~t}", result->term);
}

/* {ok, Value} or {error, Class, Reason} */
static int on_erpc_answer(struct cnode_worker *w, void *state, void *from,
                          const struct cnode_answer *result)
{
    (void)state;
    if (from == NULL) {
        return 0;
    }
    if (result->error == 0) {
        return cnode_reply_to(w, from, "{ok, ~t}", result->term);
    }
    return cnode_reply_to(w, from, "{error, ~a, ~t}", result->raised,
                          result->term);
}

/* True: the probe lives on, and who asked is told. */
static bool is_refusal(int rc)
{
    return rc < 0 && rc != CNODE_NOMEM;
}

static const char *refusal(int rc)
{
    return rc == CNODE_LIMIT || rc == CNODE_OVERLOADED || rc == CNODE_TOO_LARGE
               ? cnode_error_atom(rc)
               : "badarg";
}

int probe_asked(struct cnode_worker *w, struct cnode_from *from, int rc)
{
    if (rc != 0 && from != NULL) {
        return cnode_reply_to(w, from, "{error, ~a}", refusal(rc));
    }
    return rc;
}

/* --- about itself */

static int echo(struct cnode_worker *w, struct probe *p,
                const struct cnode_term *args)
{
    (void)p;
    return probe_answer(w, args[0]);
}

static int self(struct cnode_worker *w, struct probe *p,
                const struct cnode_term *args)
{
    (void)p, (void)args;
    return probe_answer(w, cnode_self(w));
}

static int node(struct cnode_worker *w, struct probe *p,
                const struct cnode_term *args)
{
    (void)p, (void)args;
    return answer_atom(w, cnode_node_name(w));
}

static int nodes(struct cnode_worker *w, struct probe *p,
                 const struct cnode_term *args)
{
    (void)p, (void)args;
    return probe_answer(w, cnode_nodes(w, CNODE_NODES_VISIBLE));
}

static int nodes_of(struct cnode_worker *w, struct probe *p,
                    const struct cnode_term *args)
{
    (void)p;
    if (cnode_is_atom(args[0], "visible")) {
        return probe_answer(w, cnode_nodes(w, CNODE_NODES_VISIBLE));
    }
    if (cnode_is_atom(args[0], "hidden")) {
        return probe_answer(w, cnode_nodes(w, CNODE_NODES_HIDDEN));
    }
    if (cnode_is_atom(args[0], "connected")) {
        return probe_answer(w, cnode_nodes(w, CNODE_NODES_CONNECTED));
    }
    return CNODE_EINVALID;
}

static int noreply(struct cnode_worker *w, struct probe *p,
                   const struct cnode_term *args)
{
    (void)w, (void)p, (void)args;
    return 0;
}

static int stop(struct cnode_worker *w, struct probe *p,
                const struct cnode_term *args)
{
    (void)p;
    return cnode_stop(w, "~t", args[0]);
}

static int spawn(struct cnode_worker *w, struct probe *p,
                 const struct cnode_term *args)
{
    struct cnode_term pid;
    int rc = cnode_spawn(w, "probe", args[0], cnode_make(w, "[]"), &pid);

    (void)p;
    return rc != 0 ? rc : probe_answer(w, pid);
}

/* --- messages that wait for flush */

static int record(struct probe *p, struct cnode_term message)
{
    struct record *record;

    if (p->recorded >= RECORDS_MOST) {
        return 0;
    }
    record = calloc(1, sizeof(*record));
    if (record == NULL) {
        return CNODE_NOMEM;
    }
    record->message = cnode_term_copy(message);
    if (record->message == NULL) {
        free(record);
        return CNODE_NOMEM;
    }
    if (p->newest != NULL) {
        p->newest->next = record;
    } else {
        p->oldest = record;
    }
    p->newest = record;
    p->recorded++;
    return 0;
}

static void forget_records(struct probe *p)
{
    struct record *record = p->oldest, *next;

    for (; record != NULL; record = next) {
        next = record->next;
        cnode_term_free(record->message);
        free(record);
    }
    p->oldest = p->newest = NULL;
    p->recorded = 0;
}

/* Also what was recorded of a monitor is flushed with it. */
static void forget_downs(struct probe *p, struct cnode_term monitor)
{
    size_t size = cnode_term_size(monitor);
    struct record **at = &p->oldest;
    struct cnode_term ref;

    p->newest = NULL;
    while (*at != NULL) {
        struct record *record = *at;

        if (cnode_match(cnode_kept_term(record->message),
                        "{'DOWN', ~t, _, _, _}", &ref) &&
            cnode_term_size(ref) == size &&
            memcmp(ref.at, monitor.at, size) == 0) {
            *at = record->next;
            cnode_term_free(record->message);
            free(record);
            p->recorded--;
        } else {
            p->newest = record;
            at = &record->next;
        }
    }
}

static int flush(struct cnode_worker *w, struct probe *p,
                 const struct cnode_term *args)
{
    const struct record *record;
    struct cnode_build list;
    int rc = 0;

    (void)args;
    if (cnode_is_call(w)) {
        cnode_build_init(&list);
        cnode_build_list(&list, (uint32_t)p->recorded);
        for (record = p->oldest; record != NULL; record = record->next) {
            cnode_build_add(&list, "~t", cnode_kept_term(record->message));
        }
        cnode_build_add(&list, "[]");
        rc = list.error != 0 ? list.error
                             : probe_answer(w, cnode_build_term(&list));
        cnode_build_fini(&list);
    }
    forget_records(p);
    return rc;
}

static int report_to(struct cnode_worker *w, struct probe *p,
                     const struct cnode_term *args)
{
    if (cnode_type(args[0]) != CNODE_TYPE_PID) {
        return CNODE_EINVALID;
    }
    cnode_term_free(p->report_to);
    p->report_to = cnode_term_copy(args[0]);
    return p->report_to == NULL ? CNODE_NOMEM : answer_atom(w, "ok");
}

/* --- sending */

static int send(struct cnode_worker *w, struct probe *p,
                const struct cnode_term *args)
{
    (void)p;
    return answer_rc(w, cnode_send(w, args[0], "~t", args[1]), "ok");
}

static int cast(struct cnode_worker *w, struct probe *p,
                const struct cnode_term *args)
{
    (void)p;
    return answer_rc(w, cnode_cast(w, args[0], "~t", args[1]), "ok");
}

static int call(struct cnode_worker *w, struct probe *p,
                const struct cnode_term *args)
{
    struct cnode_from *from;
    uint64_t ms;

    (void)p;
    if (!cnode_get_uint(args[2], &ms)) {
        return CNODE_EINVALID;
    }
    from = cnode_from_keep(w);
    return probe_asked(
        w, from,
        cnode_call(w, args[0], ms, on_call_answer, from, "~t", args[1]));
}

static int burst(struct cnode_worker *w, struct probe *p,
                 const struct cnode_term *args)
{
    int64_t n;
    int rc = 0;

    (void)p;
    if (!cnode_get_int(args[1], &n) || n < 0 || n > BURST_MOST) {
        return CNODE_EINVALID;
    }
    for (int64_t i = 1; i <= n && rc == 0; i++) {
        rc = cnode_send(w, args[0], "{burst, ~i}", i);
    }
    return answer_rc(w, rc, "ok");
}

/* --- later: timers bring these messages back to it */

static int send_after(struct cnode_worker *w, struct probe *p,
                      const struct cnode_term *args)
{
    uint64_t ms;

    (void)p;
    if (!cnode_get_uint(args[0], &ms)) {
        return CNODE_EINVALID;
    }
    return answer_rc(w,
                     cnode_timer_start(w, ms, NULL, "{'$probe_send', ~t, ~t}",
                                       args[1], args[2]),
                     "ok");
}

static int defer(struct cnode_worker *w, struct probe *p,
                 const struct cnode_term *args)
{
    struct deferred *deferred;
    uint64_t ms;
    int rc;

    if (!cnode_get_uint(args[0], &ms)) {
        return CNODE_EINVALID;
    }
    deferred = calloc(1, sizeof(*deferred));
    if (deferred == NULL) {
        return CNODE_NOMEM;
    }
    rc = cnode_timer_start(w, ms, NULL, "{'$probe_reply', ~i, ~t}",
                           p->last_deferred + 1, args[1]);
    if (rc != 0) {
        free(deferred);
        return rc;
    }
    deferred->number = ++p->last_deferred;
    deferred->from = cnode_from_keep(w);
    deferred->next = p->deferred;
    p->deferred = deferred;
    return 0;
}

static int reply_deferred(struct cnode_worker *w, struct probe *p,
                          int64_t number, struct cnode_term term)
{
    for (struct deferred **at = &p->deferred; *at != NULL; at = &(*at)->next) {
        struct deferred *deferred = *at;

        if (deferred->number == number) {
            struct cnode_from *from = deferred->from;

            *at = deferred->next;
            free(deferred);
            return from != NULL ? cnode_reply_to(w, from, "~t", term) : 0;
        }
    }
    return 0;
}

/* --- monitors, aliases, links, exits */

static int monitor(struct cnode_worker *w, struct probe *p,
                   const struct cnode_term *args)
{
    struct cnode_ref ref;
    int rc = cnode_monitor(w, args[0], &ref);

    (void)p;
    return rc != 0 ? rc : probe_answer(w, cnode_ref_value(w, ref));
}

static int demonitor(struct cnode_worker *w, struct probe *p,
                     const struct cnode_term *args)
{
    struct cnode_ref ref;

    if (!cnode_get_ref(w, args[0], &ref)) {
        return CNODE_EINVALID;
    }
    forget_downs(p, args[0]);
    return answer_rc(w, cnode_demonitor(w, ref), "true");
}

static int alias(struct cnode_worker *w, struct probe *p,
                 const struct cnode_term *args)
{
    struct cnode_ref ref;
    int rc = cnode_alias(w, CNODE_ALIAS_EXPLICIT, &ref);

    (void)p, (void)args;
    return rc != 0 ? rc : probe_answer(w, cnode_ref_value(w, ref));
}

static int unalias(struct cnode_worker *w, struct probe *p,
                   const struct cnode_term *args)
{
    struct cnode_ref ref;

    (void)p;
    if (cnode_type(args[0]) != CNODE_TYPE_REF) {
        return CNODE_EINVALID;
    }
    return answer_atom(w, cnode_get_ref(w, args[0], &ref) &&
                                  cnode_unalias(w, ref) == 0
                              ? "true"
                              : "false");
}

static int link_to(struct cnode_worker *w, struct probe *p,
                   const struct cnode_term *args)
{
    (void)p;
    return answer_rc(w, cnode_link(w, args[0]), "true");
}

static int unlink_from(struct cnode_worker *w, struct probe *p,
                       const struct cnode_term *args)
{
    (void)p;
    return answer_rc(w, cnode_unlink(w, args[0]), "true");
}

static int exit_other(struct cnode_worker *w, struct probe *p,
                      const struct cnode_term *args)
{
    (void)p;
    return answer_rc(w, cnode_exit(w, args[0], "~t", args[1]), "true");
}

static int trap_exit(struct cnode_worker *w, struct probe *p,
                     const struct cnode_term *args)
{
    bool trap;

    (void)p;
    if (!cnode_get_bool(args[0], &trap)) {
        return CNODE_EINVALID;
    }
    return answer_atom(w, cnode_trap_exit(w, trap) ? "true" : "false");
}

/* --- names */

static int register_name(struct cnode_worker *w, struct probe *p,
                         const struct cnode_term *args)
{
    (void)p;
    return answer_rc(w, cnode_register(w, args[0]), "true");
}

static int unregister_name(struct cnode_worker *w, struct probe *p,
                           const struct cnode_term *args)
{
    (void)p;
    return answer_rc(w, cnode_unregister(w, args[0]), "true");
}

static int whereis(struct cnode_worker *w, struct probe *p,
                   const struct cnode_term *args)
{
    (void)p;
    if (cnode_type(args[0]) != CNODE_TYPE_ATOM) {
        return CNODE_EINVALID;
    }
    return probe_answer(w, cnode_whereis(w, args[0]));
}

/* --- other nodes */

static int spawn_request(struct cnode_worker *w, struct probe *p,
                         const struct cnode_term *args)
{
    struct cnode_term module, function, list;
    struct cnode_ref ref;
    int rc;

    (void)p;
    if (!cnode_match(args[1], "{~t, ~t, ~t}", &module, &function, &list)) {
        return CNODE_EINVALID;
    }
    rc = cnode_spawn_request(w, args[0], module, function, list, args[2], &ref);
    return rc != 0 ? rc : probe_answer(w, cnode_ref_value(w, ref));
}

static int erpc(struct cnode_worker *w, struct probe *p,
                const struct cnode_term *args)
{
    struct cnode_from *from;
    uint64_t ms;

    (void)p;
    if (!cnode_get_uint(args[4], &ms)) {
        return CNODE_EINVALID;
    }
    from = cnode_from_keep(w);
    return probe_asked(w, from,
                       cnode_erpc(w, args[0], args[1], args[2], args[3], ms,
                                  on_erpc_answer, from));
}

static int connect(struct cnode_worker *w, struct probe *p,
                   const struct cnode_term *args)
{
    struct cnode_from *from = cnode_from_keep(w);

    (void)p;
    return probe_asked(w, from,
                       cnode_connect(w, args[0], probe_on_answer, from));
}

static int disconnect(struct cnode_worker *w, struct probe *p,
                      const struct cnode_term *args)
{
    struct cnode_from *from = cnode_from_keep(w);

    (void)p;
    return probe_asked(w, from,
                       cnode_disconnect(w, args[0], probe_on_answer, from));
}

static int pg(struct cnode_worker *w, struct probe *p,
              const struct cnode_term *args)
{
    static const struct {
        const char *name;
        int (*ask)(struct cnode_worker *w, struct cnode_term scope,
                   struct cnode_term group, cnode_answer_fn fn, void *context);
    } asks[] = {{"join", cnode_pg_join},
                {"leave", cnode_pg_leave},
                {"members", cnode_pg_members},
                {"local_members", cnode_pg_local_members}};

    (void)p;
    for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
        if (cnode_is_atom(args[0], asks[i].name)) {
            struct cnode_from *from = cnode_from_keep(w);

            return probe_asked(
                w, from,
                asks[i].ask(w, args[1], args[2], probe_on_answer, from));
        }
    }
    return CNODE_EINVALID;
}

static int global(struct cnode_worker *w, struct probe *p,
                  const struct cnode_term *args)
{
    static const struct {
        const char *name;
        int (*ask)(struct cnode_worker *w, struct cnode_term name,
                   cnode_answer_fn fn, void *context);
    } asks[] = {{"register", cnode_global_register},
                {"unregister", cnode_global_unregister},
                {"whereis", cnode_global_whereis}};

    (void)p;
    for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
        if (cnode_is_atom(args[0], asks[i].name)) {
            struct cnode_from *from = cnode_from_keep(w);

            return probe_asked(w, from,
                               asks[i].ask(w, args[1], probe_on_answer, from));
        }
    }
    return CNODE_EINVALID;
}

static int syn(struct cnode_worker *w, struct probe *p,
               const struct cnode_term *args)
{
    (void)p;
    return probe_syn(w, args);
}

/* --- the table: an atom, or a tuple of it and so many arguments. What is
 * negative is answered {error, Why}. */

struct row {
    const char *name;
    uint32_t args;
    int (*run)(struct cnode_worker *w, struct probe *p,
               const struct cnode_term *args);
};

static const struct row rows[] = {
    {"echo", 1, echo},
    {"self", 0, self},
    {"node", 0, node},
    {"nodes", 0, nodes},
    {"nodes", 1, nodes_of},
    {"spawn", 1, spawn},
    {"exit", 1, stop},
    {"defer", 2, defer},
    {"noreply", 0, noreply},
    {"flush", 0, flush},
    {"report_to", 1, report_to},
    {"send", 2, send},
    {"cast", 2, cast},
    {"call", 3, call},
    {"send_after", 3, send_after},
    {"burst", 2, burst},
    {"monitor", 1, monitor},
    {"demonitor", 1, demonitor},
    {"alias", 0, alias},
    {"unalias", 1, unalias},
    {"link", 1, link_to},
    {"unlink", 1, unlink_from},
    {"exit", 2, exit_other},
    {"trap_exit", 1, trap_exit},
    {"register", 1, register_name},
    {"unregister", 1, unregister_name},
    {"whereis", 1, whereis},
    {"spawn_request", 3, spawn_request},
    {"erpc", 5, erpc},
    {"connect", 1, connect},
    {"disconnect", 1, disconnect},
    {"pg", 3, pg},
    {"global", 2, global},
    {"syn", 2, syn},
    {"syn", 3, syn},
    {"syn", 4, syn},
    {"syn", 5, syn},
};

/* The row of a term and its arguments; NULL: it fits none. */
static const struct row *find_row(struct cnode_term term,
                                  struct cnode_term args[ARGS_MOST])
{
    struct cnode_term name = term;
    uint32_t arity = 1;

    memset(args, 0, ARGS_MOST * sizeof(args[0]));
    if (cnode_get_tuple(term, &arity, &name)) {
        if (arity < 2 || arity > ARGS_MOST + 1) {
            return NULL;
        }
        args[0] = cnode_next(name);
        for (uint32_t i = 1; i < arity - 1; i++) {
            args[i] = cnode_next(args[i - 1]);
        }
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].args == arity - 1 && cnode_is_atom(name, rows[i].name)) {
            return &rows[i];
        }
    }
    return NULL;
}

/* --- callbacks */

/* Spawned with [Name] it is registered; with anything else it is not. */
static int probe_init(struct cnode_worker *w, void *state, struct cnode_term id,
                      struct cnode_term args)
{
    struct cnode_term name;

    (void)state, (void)id;
    return cnode_match(args, "[~t]", &name) ? cnode_register(w, name) : 0;
}

static int probe_handle_call(struct cnode_worker *w, void *state,
                             struct cnode_term call)
{
    struct cnode_term args[ARGS_MOST];
    const struct row *row = find_row(call, args);
    int rc = row != NULL ? row->run(w, state, args) : CNODE_EINVALID;

    return is_refusal(rc) ? cnode_reply(w, "{error, ~a}", refusal(rc)) : rc;
}

static int probe_handle_cast(struct cnode_worker *w, void *state,
                             struct cnode_term cast)
{
    struct cnode_term args[ARGS_MOST];
    const struct row *row = find_row(cast, args);
    int rc = row != NULL ? row->run(w, state, args) : 0;

    return is_refusal(rc) ? 0 : rc;
}

static int note(struct cnode_worker *w, struct probe *p,
                struct cnode_term message)
{
    if (p->report_to != NULL) {
        (void)cnode_send(w, cnode_kept_term(p->report_to), "{report, ~t, ~t}",
                         cnode_self(w), message);
    }
    return record(p, message);
}

static int probe_handle_info(struct cnode_worker *w, void *state,
                             struct cnode_term message)
{
    struct probe *p = state;
    struct cnode_term args[ARGS_MOST], dest, term;
    const struct row *row = find_row(message, args);
    int64_t number;
    int rc;

    if (cnode_match(message, "{'$probe_send', ~t, ~t}", &dest, &term)) {
        rc = cnode_send(w, dest, "~t", term);
    } else if (cnode_match(message, "{'$probe_reply', ~i, ~t}", &number,
                           &term)) {
        rc = reply_deferred(w, p, number, term);
    } else {
        rc = row != NULL ? row->run(w, p, args) : note(w, p, message);
    }
    return is_refusal(rc) ? 0 : rc;
}

static int probe_dump(struct cnode_worker *w, const void *state,
                      struct cnode_build *out)
{
    const struct probe *p = state;

    (void)w;
    cnode_build_add(out, "#{recorded => ~i}", p->recorded);
    return 0;
}

static void probe_terminate(struct cnode_worker *w, void *state,
                            struct cnode_term reason)
{
    struct probe *p = state;

    (void)w, (void)reason;
    while (p->deferred != NULL) {
        struct deferred *deferred = p->deferred;

        p->deferred = deferred->next;
        free(deferred); /* the callers belong to the worker */
    }
    forget_records(p);
    cnode_term_free(p->report_to);
}

CNODE_BEHAVIOUR(probe, .state_size = sizeof(struct probe), .init = probe_init,
                .handle_call = probe_handle_call,
                .handle_cast = probe_handle_cast,
                .handle_info = probe_handle_info, .terminate = probe_terminate,
                .dump = probe_dump);
