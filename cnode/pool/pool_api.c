/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions of <cnode/behaviour.h> about workers of pools. A pool that this
 * node hosts is asked by its name, one of other nodes through cnode_pools
 * (broker.h): both find the worker, or have it started, and pass on what is
 * sent.
 */
#include <cnode/behaviour.h>

#include "node/node.h"
#include "pool/api.h"
#include "pool/envelope.h"
#include "pool/pools.h"
#include "term/build.h"

enum { START_MS = 60000 };

/* --- the pool */

/* NULL: this node does not host it. */
static const struct pool_config *hosted(struct cnode_worker *w,
                                        struct cnode_term pool)
{
    const struct pool_settings *settings =
        worker_pool(w)->pools->root->settings;

    for (size_t i = 0; settings != NULL && i < settings->count; i++) {
        const struct pool_config *config = &settings->pools[i];

        if (!config->is_service && term_is_atom(pool, config->name)) {
            return config;
        }
    }
    return NULL;
}

static struct cnode_term broker(struct cnode_worker *w)
{
    return cnode_make(w, "cnode_pools");
}

/* {ref, Module, Id} */
static struct cnode_term make_ref(struct cnode_worker *w,
                                  const struct pool_config *config,
                                  struct cnode_term pool, struct cnode_term id)
{
    const char *text;
    size_t len;
    struct buf module;
    struct cnode_term ref;

    if (config != NULL) {
        return cnode_make(w, "{ref, ~t, ~t}", atom_term(config->worker.module),
                          id);
    }
    if (!cnode_get_atom(pool, &text, &len)) {
        return TERM_NONE;
    }
    buf_init(&module, 0);
    buf_printf(&module, "%.*s.Worker", (int)len, text);
    buf_put_u8(&module, 0);
    ref = buf_error(&module) == 0
              ? cnode_make(w, "{ref, ~a, ~t}", (const char *)buf_data(&module),
                           id)
              : TERM_NONE;
    buf_fini(&module);
    return ref;
}

/* --- the envelope */

/* As the handler has it of its own, so that it travels on. */
static struct cnode_term context_of(struct cnode_worker *w)
{
    struct cnode_term context = cnode_context(w);

    return term_is_none(context) || term_is_atom(context, A_undefined)
               ? atom_term(A_nil)
               : context;
}

static struct cnode_term make_timeout(struct cnode_worker *w, uint64_t ms)
{
    return ms == CNODE_INFINITY ? cnode_make(w, "infinity")
                                : cnode_make(w, "~u", ms);
}

static struct cnode_term make_envelope(struct cnode_worker *w, const char *type,
                                       struct cnode_term ref,
                                       struct cnode_term timeout,
                                       struct cnode_term message)
{
    return cnode_make(w,
                      "{msg_envelope, {~t, 0}, ~a, ~t, {settings, nil, true, "
                      "nil, nil, nil, ~t}, {s, ~t, ~t, nil}}",
                      cnode_self(w), type, ref, timeout, message,
                      context_of(w));
}

static struct cnode_term make_message(struct cnode_worker *w, const char *what,
                                      const char *format, va_list args, int *rc)
{
    struct run *run = api_run(w);
    struct buf *buf = &run->made;

    buf_clear(buf);
    term_vformat(buf, format, args);
    *rc = api_rc(w, what, format, buf_error(buf));
    return *rc == 0 ? run_keep(run, api_term(buf)) : TERM_NONE;
}

static int check(struct cnode_worker *w, struct cnode_term pool,
                 struct cnode_term id)
{
    return api_run(w) == NULL || cnode_type(pool) != CNODE_TYPE_ATOM ||
                   term_is_none(id)
               ? CNODE_EINVALID
               : 0;
}

/* --- what behaviours call */

int cnode_pool_call(struct cnode_worker *w, struct cnode_term pool,
                    struct cnode_term id, uint64_t timeout_ms,
                    cnode_answer_fn fn, void *context, const char *format, ...)
{
    const struct pool_config *config;
    struct cnode_term message, envelope;
    va_list args;
    int rc = check(w, pool, id);

    if (rc != 0) {
        return rc;
    }
    va_start(args, format);
    message = make_message(w, "cnode_pool_call", format, args, &rc);
    va_end(args);
    if (rc != 0) {
        return rc;
    }
    config = hosted(w, pool);
    envelope = make_envelope(w, "call", make_ref(w, config, pool, id),
                             make_timeout(w, timeout_ms), message);
    if (term_is_none(envelope)) {
        return CNODE_NOMEM;
    }
    return config != NULL
               ? cnode_call(w, pool, timeout_ms, fn, context, "~t", envelope)
               : cnode_call(w, broker(w), timeout_ms, fn, context,
                            "{cnode_pool, ~t, ~t, ~t}", pool, id, envelope);
}

int cnode_pool_cast(struct cnode_worker *w, struct cnode_term pool,
                    struct cnode_term id, const char *format, ...)
{
    const struct pool_config *config;
    struct cnode_term message, envelope;
    va_list args;
    int rc = check(w, pool, id);

    if (rc != 0) {
        return rc;
    }
    va_start(args, format);
    message = make_message(w, "cnode_pool_cast", format, args, &rc);
    va_end(args);
    if (rc != 0) {
        return rc;
    }
    config = hosted(w, pool);
    envelope = make_envelope(w, "cast", make_ref(w, config, pool, id),
                             make_timeout(w, CNODE_INFINITY), message);
    if (term_is_none(envelope)) {
        return CNODE_NOMEM;
    }
    return config != NULL ? cnode_cast(w, pool, "~t", envelope)
                          : cnode_cast(w, broker(w), "{cnode_pool, ~t, ~t, ~t}",
                                       pool, id, envelope);
}

int cnode_pool_start(struct cnode_worker *w, struct cnode_term pool,
                     struct cnode_term id, struct cnode_term args,
                     cnode_answer_fn fn, void *context)
{
    struct cnode_term call;
    int rc = check(w, pool, id);

    if (rc != 0) {
        return rc;
    }
    call = cnode_make(w, "{cnode_start, ~t, ~t, ~t}", id, args, context_of(w));
    if (term_is_none(call)) {
        return CNODE_EINVALID;
    }
    return hosted(w, pool) != NULL
               ? cnode_call(w, pool, START_MS, fn, context, "~t", call)
               : cnode_call(w, broker(w), START_MS, fn, context,
                            "{cnode_pool, ~t, ~t, ~t}", pool, id, call);
}

int cnode_pool_whereis(struct cnode_worker *w, struct cnode_term pool,
                       struct cnode_term id, cnode_answer_fn fn, void *context)
{
    int rc = check(w, pool, id);

    if (rc != 0) {
        return rc;
    }
    return hosted(w, pool) != NULL
               ? cnode_call(w, pool, START_MS, fn, context,
                            "{cnode_whereis, ~t}", id)
               : cnode_call(w, broker(w), START_MS, fn, context,
                            "{whereis, ~t, ~t}", pool, id);
}
