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
#include "pool/extras.h"
#include "pool/pools.h"
#include "pool/run.h"
#include "term/build.h"
#include "term/text.h"

enum { LOG_TEXT_BYTES = 200 };

/* The run of the worker's callback; NULL when none of its callbacks runs. */
static struct run *own_run(struct cnode_worker *w)
{
    struct run *run = run_of(w);

    return run->worker == w ? run : NULL;
}

static struct node *node_of(struct cnode_worker *w)
{
    return worker_pool(w)->node;
}

static struct cnode_term bytes_of(const struct buf *buf)
{
    return term_at(buf_data(buf), buf_size(buf));
}

/* Callers tend to overlook what a send returns: so a term that was refused is
 * in the log. */
static int term_rc(struct cnode_worker *w, const char *what, const char *format,
                   int rc)
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

/* --- answering */

int cnode_reply(struct cnode_worker *w, const char *format, ...)
{
    struct run *run = own_run(w);
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
    return term_rc(w, "cnode_reply", format, rc);
}

struct cnode_from *cnode_from_keep(struct cnode_worker *w)
{
    struct run *run = own_run(w);
    struct cnode_from *from;

    if (run == NULL || run->gen.kind != GEN_CALL || run->is_answered) {
        return NULL;
    }
    from = extras_keep(w, &run->gen.from, run->by_ref);
    run->is_answered = from != NULL;
    return from;
}

int cnode_reply_to(struct cnode_worker *w, struct cnode_from *from,
                   const char *format, ...)
{
    struct node *node = node_of(w);
    va_list args;
    int rc;

    if (own_run(w) == NULL || from == NULL) {
        return CNODE_EINVALID;
    }
    va_start(args, format);
    term_vformat(gen_reply_begin(node, &from->from), format, args);
    va_end(args);
    rc = gen_reply_end(node, &w->process, &from->from);
    extras_drop_from(w, from);
    return term_rc(w, "cnode_reply_to", format, rc);
}

void cnode_from_free(struct cnode_worker *w, struct cnode_from *from)
{
    if (from != NULL) {
        extras_drop_from(w, from);
    }
}

int cnode_stop(struct cnode_worker *w, const char *reason, ...)
{
    struct run *run = own_run(w);
    va_list args;
    int rc;

    if (run == NULL || !run->may_stop) {
        return CNODE_EINVALID;
    }
    va_start(args, reason);
    rc = run_vstop(run, AFTER_RULE, reason, args);
    va_end(args);
    return term_rc(w, "cnode_stop", reason, rc);
}

/* --- who am I */

struct cnode_term cnode_self(struct cnode_worker *w)
{
    struct run *run = own_run(w);

    if (run == NULL) {
        return TERM_NONE;
    }
    if (buf_size(&run->self) == 0) {
        term_put_pid(&run->self, node_pid(node_of(w), &w->process));
    }
    return bytes_of(&run->self);
}

struct cnode_term cnode_id(struct cnode_worker *w)
{
    struct run *run = own_run(w);

    if (run == NULL) {
        return TERM_NONE;
    }
    if (buf_size(&run->id) == 0) {
        worker_put_id(&run->id, w);
    }
    return bytes_of(&run->id);
}

struct cnode_term cnode_ref_term(struct cnode_worker *w)
{
    struct run *run = own_run(w);

    if (run == NULL) {
        return TERM_NONE;
    }
    if (buf_size(&run->ref) == 0) {
        worker_put_ref(&run->ref, w);
    }
    return bytes_of(&run->ref);
}

const char *cnode_pool_name(struct cnode_worker *w)
{
    return atom_text(worker_pool(w)->config->name);
}

const char *cnode_node_name(struct cnode_worker *w)
{
    return atom_text(node_of(w)->name);
}

struct cnode_term cnode_context(struct cnode_worker *w)
{
    struct run *run = own_run(w);

    return run != NULL ? run->context : atom_term(A_undefined);
}

uint64_t cnode_now_ms(struct cnode_worker *w)
{
    return loop_now_ms(node_loop(node_of(w)));
}

/* --- sending */

static int send_scratch(struct cnode_worker *w, struct cnode_term to,
                        struct buf *message, const char *what,
                        const char *format)
{
    struct node *node = node_of(w);
    struct dest dest;
    int rc = buf_error(message);

    if (own_run(w) == NULL || (rc == 0 && term_is_none(to))) {
        return CNODE_EINVALID;
    }
    if (rc != 0) {
        return term_rc(w, what, format, rc);
    }
    rc = dest_parse(to, node->name, &dest);
    if (rc != 0) {
        return rc;
    }
    rc = route_send(node, node_pid(node, &w->process), &dest,
                    node_scratch_payload(node));
    return rc == CNODE_NOCONN ? 0 : rc; /* to nobody is no error */
}

int cnode_send(struct cnode_worker *w, struct cnode_term dest,
               const char *format, ...)
{
    struct buf *buf = node_scratch(node_of(w));
    va_list args;

    va_start(args, format);
    term_vformat(buf, format, args);
    va_end(args);
    return send_scratch(w, dest, buf, "cnode_send", format);
}

int cnode_cast(struct cnode_worker *w, struct cnode_term dest,
               const char *format, ...)
{
    struct buf *buf = node_scratch(node_of(w));
    va_list args;

    term_put_tuple(buf, 2);
    term_put_atom(buf, A_gen_cast);
    va_start(args, format);
    term_vformat(buf, format, args);
    va_end(args);
    return send_scratch(w, dest, buf, "cnode_cast", format);
}

/* --- monitors */

static struct ref full_ref(struct cnode_worker *w, struct cnode_ref ref)
{
    const struct node *node = node_of(w);

    return (struct ref){
        .node = node->name,
        .creation = node->creation,
        .len = 3,
        .words = {ref.words[0], ref.words[1], ref.words[2]},
    };
}

int cnode_monitor(struct cnode_worker *w, struct cnode_term term,
                  struct cnode_ref *ref)
{
    struct node *node = node_of(w);
    struct dest dest;
    struct ref full;
    int rc;

    if (own_run(w) == NULL || term_is_none(term)) {
        return CNODE_EINVALID;
    }
    rc = dest_parse(term, node->name, &dest);
    if (rc == 0) {
        rc = monitor_start(node, &w->process, &dest, &full);
    }
    if (rc == 0) {
        memcpy(ref->words, full.words, sizeof(ref->words));
    }
    return rc;
}

static bool is_down_of(struct cnode_term message, const struct ref *ref)
{
    struct cnode_term parts[5];
    struct ref other;

    return term_get_tuple(message, 5, parts) &&
           term_is_atom(parts[0], A_DOWN) && term_get_ref(parts[1], &other) &&
           ref_equal(&other, ref);
}

/* The DOWN may wait in the mailbox already. */
static void drop_down(struct cnode_worker *w, const struct ref *ref)
{
    struct mailbox *box = &w->process.mailbox;

    for (uint32_t left = box->count; left > 0; left--) {
        struct signal *signal = mailbox_pop(box);

        if (is_down_of(signal->term, ref)) {
            signal_free(signal);
        } else {
            mailbox_push(box, signal);
        }
    }
}

int cnode_demonitor(struct cnode_worker *w, struct cnode_ref ref)
{
    struct ref full = full_ref(w, ref);

    if (own_run(w) == NULL) {
        return CNODE_EINVALID;
    }
    if (monitor_stop(node_of(w), &w->process, &full) != 0) {
        drop_down(w, &full);
    }
    return 0;
}

bool cnode_is_ref(struct cnode_worker *w, struct cnode_term term,
                  struct cnode_ref ref)
{
    struct ref full = full_ref(w, ref);
    struct ref other;

    return term_get_ref(term, &other) && ref_equal(&other, &full);
}

/* --- timers */

int cnode_timer_start(struct cnode_worker *w, uint64_t ms, uint64_t *timer,
                      const char *format, ...)
{
    struct buf *buf = node_scratch(node_of(w));
    uint64_t number;
    va_list args;
    int rc;

    if (own_run(w) == NULL) {
        return CNODE_EINVALID;
    }
    va_start(args, format);
    term_vformat(buf, format, args);
    va_end(args);
    rc = term_rc(w, "cnode_timer_start", format, buf_error(buf));
    if (rc == 0) {
        rc = extras_timer_start(w, ms, bytes_of(buf), &number);
    }
    if (rc == 0 && timer != NULL) {
        *timer = number;
    }
    return rc;
}

int cnode_timer_cancel(struct cnode_worker *w, uint64_t timer)
{
    return own_run(w) != NULL ? extras_timer_stop(w, timer) : CNODE_EINVALID;
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

    if ((unsigned)level >= ARRAY_LEN(levels) || own_run(w) == NULL ||
        !log_enabled(levels[level])) {
        return;
    }
    buf_init(&id, 0);
    term_print(&id, cnode_id(w), LOG_TEXT_BYTES);
    LOG_AT(levels[level], "behaviour", F_STR("pool", cnode_pool_name(w)),
           F_BYTES("id", buf_data(&id), buf_size(&id)), F_STR("text", text));
    buf_fini(&id);
}
