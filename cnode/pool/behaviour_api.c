/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions of <cnode/behaviour.h>: what a callback may ask of its worker.
 * Each checks that it is called from a callback of that worker; a plugin's
 * mistake is an error code, never more.
 */
#include <string.h>

#include <cnode/behaviour.h>

#include "base/log.h"
#include "node/node.h"
#include "pool/api.h"
#include "pool/extras.h"
#include "pool/pools.h"
#include "pool/run.h"
#include "registry/syn.h"
#include "term/build.h"
#include "term/text.h"

enum { LOG_TEXT_BYTES = 200 };

int api_rc(struct cnode_worker *w, const char *what, const char *format, int rc)
{
    struct buf id;

    if ((rc == CNODE_EINVALID || rc == CNODE_SYNTAX) &&
        log_enabled(LOG_LEVEL_ERROR)) {
        buf_init(&id, 0);
        term_print(&id, cnode_id(w), LOG_TEXT_BYTES);
        LOG_ERROR("wrong_term", F_STR("pool", cnode_pool_name(w)),
                  F_BYTES("id", buf_data(&id), buf_size(&id)),
                  F_STR("function", what), F_STR("format", format), F_ERR(rc));
        buf_fini(&id);
    }
    return rc;
}

/* Nobody has the name: a pid that no process has. */
static int via_syn(struct cnode_worker *w, struct cnode_term via,
                   struct dest *dest)
{
    struct node *node = api_node(w);
    struct cnode_term parts[2], meta;
    struct pid pid;
    int rc;

    if (!term_get_tuple(via, 2, parts) ||
        cnode_type(parts[0]) != CNODE_TYPE_ATOM) {
        return CNODE_EINVALID;
    }
    rc = api_syn_lookup(w, parts[0], parts[1], &pid, &meta);
    if (rc == CNODE_ELSEWHERE) {
        const struct syn *syn = worker_pool(w)->pools->syn;

        *dest = dest_name(syn_watched_elsewhere(syn, term_atom(parts[0])),
                          node->name);
        return rc;
    }
    *dest = dest_pid(rc == 0 ? pid : node_any_pid(node, node->index));
    return 0;
}

int api_send(struct cnode_worker *w, struct cnode_term term,
             const struct dest *dest, int rc, struct payload message)
{
    struct node *node = api_node(w);
    struct pid self = node_pid(node, &w->process);
    struct cnode_term via[3], name[2];

    if (rc == CNODE_ELSEWHERE) {
        CHECK(term_get_tuple(term, 3, via) && term_get_tuple(via[2], 2, name));
        return syn_send_elsewhere(worker_pool(w)->pools->syn, node,
                                  term_atom(name[0]), name[1], self,
                                  term_at(message.bytes, message.size));
    }
    if (rc != 0) {
        return rc;
    }
    rc = route_send(node, self, dest, message);
    return rc == CNODE_NOCONN ? 0 : rc;
}

int api_dest(struct cnode_worker *w, struct cnode_term term, struct dest *dest)
{
    struct cnode_term parts[3];

    if (term_get_tuple(term, 3, parts) && term_is_atom(parts[0], A_via)) {
        if (term_is_atom(parts[1], A_syn)) {
            return via_syn(w, parts[2], dest);
        }
        LOG_WARN("no_registry", F_STR("pool", cnode_pool_name(w)),
                 F_STR("text", "of names {via, Module, Name} this node knows "
                               "those of the module syn"));
        return CNODE_UNSUPPORTED;
    }
    return term_is_none(term) ? CNODE_EINVALID
                              : dest_parse(term, api_node(w)->name, dest);
}

struct cnode_term api_make_pid(struct cnode_worker *w, struct pid pid)
{
    struct run *run = api_run(w);

    if (run == NULL) {
        return TERM_NONE;
    }
    buf_clear(&run->made);
    term_put_pid(&run->made, pid);
    return run_keep(run, api_term(&run->made));
}

int api_atom(struct cnode_term term, atom_t *atom)
{
    const char *text;
    size_t len;

    if (!cnode_get_atom(term, &text, &len)) {
        return CNODE_EINVALID;
    }
    *atom = atom_intern(text, len);
    return *atom == ATOM_NONE ? CNODE_LIMIT : 0;
}

struct cnode_term cnode_make(struct cnode_worker *w, const char *format, ...)
{
    struct run *run = api_run(w);
    struct buf *buf;
    va_list args;

    if (run == NULL) {
        return TERM_NONE;
    }
    buf = &run->made;
    buf_clear(buf);
    va_start(args, format);
    term_vformat(buf, format, args);
    va_end(args);
    if (api_rc(w, "cnode_make", format, buf_error(buf)) != 0) {
        return TERM_NONE;
    }
    return run_keep(run, api_term(buf));
}

/* --- answering */

bool cnode_is_call(struct cnode_worker *w)
{
    const struct run *run = api_run(w);

    return run != NULL && run->gen.kind == GEN_CALL;
}

int cnode_reply(struct cnode_worker *w, const char *format, ...)
{
    struct run *run = api_run(w);
    va_list args;
    int rc;

    if (run == NULL || run->gen.kind != GEN_CALL) {
        return CNODE_EINVALID;
    }
    if (run->is_answered) {
        return 0; /* only the first answer counts */
    }
    va_start(args, format);
    rc = run_vreply(run, format, args);
    va_end(args);
    return api_rc(w, "cnode_reply", format, rc);
}

struct cnode_from *cnode_from_keep(struct cnode_worker *w)
{
    struct run *run = api_run(w);
    struct cnode_from *from;

    if (run == NULL || run->gen.kind != GEN_CALL || run->is_answered) {
        return NULL;
    }
    from = extras_keep(w, &run->gen.from, run->by_ref, run->is_safe);
    run->is_answered = from != NULL;
    return from;
}

int cnode_reply_to(struct cnode_worker *w, struct cnode_from *from,
                   const char *format, ...)
{
    struct run *run = api_run(w);
    va_list args;
    int rc;

    if (run == NULL || from == NULL) {
        return CNODE_EINVALID;
    }
    va_start(args, format);
    rc = run_vreply_to(run, &from->from, from->by_ref, format, args);
    va_end(args);
    extras_drop_from(w, from);
    return api_rc(w, "cnode_reply_to", format, rc);
}

void cnode_from_free(struct cnode_worker *w, struct cnode_from *from)
{
    if (from != NULL) {
        extras_drop_from(w, from);
    }
}

int cnode_stop(struct cnode_worker *w, const char *reason, ...)
{
    struct run *run = api_run(w);
    va_list args;
    int rc;

    if (run == NULL || !run->may_stop) {
        return CNODE_EINVALID;
    }
    va_start(args, reason);
    rc = run_vstop(run, AFTER_RULE, reason, args);
    va_end(args);
    return api_rc(w, "cnode_stop", reason, rc);
}

/* --- who am I */

struct cnode_term cnode_self(struct cnode_worker *w)
{
    struct run *run = api_run(w);

    if (run == NULL) {
        return TERM_NONE;
    }
    if (buf_size(&run->self) == 0) {
        term_put_pid(&run->self, node_pid(api_node(w), &w->process));
    }
    return api_term(&run->self);
}

struct cnode_term cnode_id(struct cnode_worker *w)
{
    struct run *run = api_run(w);

    if (run == NULL) {
        return TERM_NONE;
    }
    if (buf_size(&run->id) == 0) {
        worker_put_id(&run->id, w);
    }
    return api_term(&run->id);
}

struct cnode_term cnode_ref_term(struct cnode_worker *w)
{
    struct run *run = api_run(w);

    if (run == NULL) {
        return TERM_NONE;
    }
    if (buf_size(&run->ref) == 0) {
        worker_put_ref(&run->ref, w);
    }
    return api_term(&run->ref);
}

const char *cnode_pool_name(struct cnode_worker *w)
{
    return atom_text(worker_pool(w)->config->name);
}

const char *cnode_node_name(struct cnode_worker *w)
{
    return atom_text(api_node(w)->name);
}

struct cnode_term cnode_context(struct cnode_worker *w)
{
    struct run *run = api_run(w);

    return run != NULL ? run->context : atom_term(A_undefined);
}

uint64_t cnode_now_ms(struct cnode_worker *w)
{
    return loop_now_ms(node_loop(api_node(w)));
}

/* --- sending */

static int send_scratch(struct cnode_worker *w, struct cnode_term to,
                        struct buf *message, const char *what,
                        const char *format)
{
    struct node *node = api_node(w);
    struct dest dest;
    int rc = buf_error(message);

    if (api_run(w) == NULL) {
        return CNODE_EINVALID;
    }
    if (rc != 0) {
        return api_rc(w, what, format, rc);
    }
    rc = api_dest(w, to, &dest);
    return api_send(w, to, &dest, rc, node_scratch_payload(node));
}

int cnode_send(struct cnode_worker *w, struct cnode_term dest,
               const char *format, ...)
{
    struct buf *buf = node_scratch(api_node(w));
    va_list args;

    va_start(args, format);
    term_vformat(buf, format, args);
    va_end(args);
    return send_scratch(w, dest, buf, "cnode_send", format);
}

int cnode_cast(struct cnode_worker *w, struct cnode_term dest,
               const char *format, ...)
{
    struct buf *buf = node_scratch(api_node(w));
    va_list args;

    term_put_tuple(buf, 2);
    term_put_atom(buf, A_gen_cast);
    va_start(args, format);
    term_vformat(buf, format, args);
    va_end(args);
    return send_scratch(w, dest, buf, "cnode_cast", format);
}

/* --- timers */

int cnode_timer_start(struct cnode_worker *w, uint64_t ms, uint64_t *timer,
                      const char *format, ...)
{
    struct buf *buf = node_scratch(api_node(w));
    uint64_t number;
    va_list args;
    int rc;

    if (api_run(w) == NULL) {
        return CNODE_EINVALID;
    }
    va_start(args, format);
    term_vformat(buf, format, args);
    va_end(args);
    rc = api_rc(w, "cnode_timer_start", format, buf_error(buf));
    if (rc == 0) {
        rc = extras_timer_start(w, ms, api_term(buf), &number);
    }
    if (rc == 0 && timer != NULL) {
        *timer = number;
    }
    return rc;
}

int cnode_timer_cancel(struct cnode_worker *w, uint64_t timer)
{
    return api_run(w) != NULL ? extras_timer_stop(w, timer) : CNODE_EINVALID;
}

/* --- logging */

void cnode_log(struct cnode_worker *w, enum cnode_log_level level,
               const char *text)
{
    static const enum log_level levels[] = {
        [CNODE_LOG_DEBUG] = LOG_LEVEL_DEBUG,
        [CNODE_LOG_INFO] = LOG_LEVEL_INFO,
        [CNODE_LOG_WARN] = LOG_LEVEL_WARN,
        [CNODE_LOG_ERROR] = LOG_LEVEL_ERROR,
    };
    struct buf id;

    if ((unsigned)level >= ARRAY_LEN(levels) || api_run(w) == NULL ||
        !log_enabled(levels[level])) {
        return;
    }
    buf_init(&id, 0);
    term_print(&id, cnode_id(w), LOG_TEXT_BYTES);
    LOG_AT(levels[level], "behaviour", F_STR("pool", cnode_pool_name(w)),
           F_BYTES("id", buf_data(&id), buf_size(&id)), F_STR("text", text));
    buf_fini(&id);
}
