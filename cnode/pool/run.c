/* SPDX-License-Identifier: Apache-2.0
 *
 * See run.h.
 */
#include "pool/run.h"

#include <string.h>

#include <cnode/error.h>

#include "base/mem.h"
#include "base/poison.h"
#include "node/node.h"
#include "pool/persist.h"
#include "pool/pools.h"
#include "term/build.h"

enum { CHUNK_BYTES = 4096, MADE_BYTES = 65536 };

/* Memory for the terms of one callback after the other. */
struct run_chunk {
    struct run_chunk *next; /* older ones */
    size_t used, size;
    uint8_t bytes[];
};

static void free_chunk(struct run *run)
{
    struct run_chunk *chunk = run->chunks;

    run->chunks = chunk->next;
    UNPOISON(chunk->bytes, chunk->size);
    mem_free(chunk);
}

/* The first chunk stays. */
static void drop_terms(struct run *run)
{
    if (run->chunks == NULL) {
        return;
    }
    while (run->chunks->next != NULL) {
        free_chunk(run);
    }
    run->chunks->used = 0;
    POISON(run->chunks->bytes, run->chunks->size);
    if (run->made.cap > MADE_BYTES) {
        buf_fini(&run->made);
    }
}

/* The first one, which stays, is small. */
static int add_chunk(struct run *run, size_t size)
{
    size_t all = run->chunks == NULL || size < CHUNK_BYTES ? CHUNK_BYTES : size;
    struct run_chunk *chunk = mem_try(sizeof(*chunk) + all);

    if (chunk == NULL) {
        return CNODE_NOMEM;
    }
    *chunk = (struct run_chunk){.next = run->chunks, .size = all};
    POISON(chunk->bytes, all);
    run->chunks = chunk;
    return 0;
}

static uint8_t *take_bytes(struct run *run, size_t size)
{
    struct run_chunk *chunk = run->chunks;
    uint8_t *bytes;

    while (chunk == NULL || chunk->size - chunk->used < size) {
        if (add_chunk(run, size) != 0) {
            return NULL;
        }
        chunk = run->chunks;
    }
    bytes = chunk->bytes + chunk->used;
    chunk->used += size;
    UNPOISON(bytes, size);
    return bytes;
}

struct cnode_term run_keep(struct run *run, struct cnode_term term)
{
    size_t size = cnode_term_size(term);
    uint8_t *bytes = take_bytes(run, size);

    if (bytes == NULL) {
        return TERM_NONE;
    }
    memcpy(bytes, term.at, size);
    return term_at(bytes, size);
}

void run_init(struct run *run)
{
    *run = (struct run){0};
    buf_init(&run->reason, 0);
    buf_init(&run->self, 0);
    buf_init(&run->id, 0);
    buf_init(&run->ref, 0);
    buf_init(&run->made, 0);
}

void run_fini(struct run *run)
{
    buf_fini(&run->reason);
    buf_fini(&run->self);
    buf_fini(&run->id);
    buf_fini(&run->ref);
    while (run->chunks != NULL) {
        free_chunk(run);
    }
    buf_fini(&run->made);
    held_drop(&run->held);
}

void run_begin(struct run *run, struct cnode_worker *w)
{
    drop_terms(run);
    run->worker = w;
    run->gen.kind = GEN_INFO;
    run->by_ref = run->is_safe = false;
    run->context = run->options = atom_term(A_undefined);
    run->is_answered = false;
    run->holds = persist_holds(worker_pool(w)->persist);
    run->may_stop = true;
    run->is_stopping = false;
    run->may_wait = run->waits = false;
    run->after = AFTER_RULE;
    buf_clear(&run->self);
    buf_clear(&run->id);
    buf_clear(&run->ref);
}

void run_end(struct run *run)
{
    run->worker = NULL;
    drop_terms(run);
}

struct run *run_of(const struct cnode_worker *w)
{
    return &worker_pool(w)->pools->run;
}

static int hold(struct run *run, const struct gen_from *from, bool by_ref,
                const char *format, va_list args)
{
    struct buf *buf = node_scratch(worker_pool(run->worker)->node);
    int rc;

    term_vformat(buf, format, args);
    rc = buf_error(buf);
    return rc != 0 ? rc
                   : held_add(&run->held, from, by_ref,
                              term_at(buf_data(buf), buf_size(buf)));
}

int run_vreply_to(struct run *run, const struct gen_from *from, bool by_ref,
                  const char *format, va_list args)
{
    struct node *node = worker_pool(run->worker)->node;

    if (run->holds) {
        return hold(run, from, by_ref, format, args);
    }
    term_vformat(gen_reply_begin(node, from), format, args);
    return gen_reply_end(node, &run->worker->process, from);
}

int run_vreply(struct run *run, const char *format, va_list args)
{
    int rc;

    if (run->gen.kind != GEN_CALL || run->is_answered) {
        return CNODE_EINVALID;
    }
    rc = run_vreply_to(run, &run->gen.from, run->by_ref, format, args);
    run->is_answered = rc == 0;
    return rc;
}

int run_reply(struct run *run, const char *format, ...)
{
    va_list args;
    int rc;

    va_start(args, format);
    rc = run_vreply(run, format, args);
    va_end(args);
    return rc;
}

int run_vstop(struct run *run, enum worker_after after, const char *format,
              va_list args)
{
    int rc;

    if (!run->may_stop) {
        return CNODE_EINVALID;
    }
    if (run->is_stopping) {
        return 0;
    }
    buf_clear(&run->reason);
    term_vformat(&run->reason, format, args);
    rc = buf_error(&run->reason);
    if (rc != 0) {
        return rc;
    }
    run->is_stopping = true;
    run->after = after;
    return 0;
}

int run_stop(struct run *run, enum worker_after after, const char *format, ...)
{
    va_list args;
    int rc;

    va_start(args, format);
    rc = run_vstop(run, after, format, args);
    va_end(args);
    return rc;
}

void run_result(struct run *run, int rc)
{
    if (rc < 0) {
        (void)run_stop(run, AFTER_RULE, "{error, ~a}", cnode_error_atom(rc));
    }
}

struct cnode_term run_reason(const struct run *run)
{
    return term_at(buf_data(&run->reason), buf_size(&run->reason));
}

/* relaxed: only this thread writes what it reads here. */
struct run_watch run_watch_pause(struct node *node)
{
    struct watch *watch = &node->scheduler.watch;
    struct run_watch before = {.watch = watch};

    if (atomic_load_explicit(&watch->runs, memory_order_relaxed) % 2 == 1) {
        before.what = atomic_load_explicit(&watch->what, memory_order_relaxed);
        before.pid = atomic_load_explicit(&watch->pid, memory_order_relaxed);
        watch_end(watch);
    }
    return before;
}

void run_watch_resume(struct run_watch *before)
{
    if (before->what != NULL) {
        watch_begin(before->watch, before->what, (uint32_t)(before->pid >> 32),
                    (uint32_t)before->pid);
    }
}

struct run_watch run_watch_begin(struct cnode_worker *w)
{
    struct run_watch before = run_watch_pause(worker_pool(w)->node);

    watch_begin(before.watch, w->process.class->name, w->process.slot,
                w->process.serial);
    return before;
}

void run_watch_end(struct run_watch *before)
{
    watch_end(before->watch);
    run_watch_resume(before);
}
