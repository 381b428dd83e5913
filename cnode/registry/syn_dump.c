/* SPDX-License-Identifier: Apache-2.0
 *
 * See syn_dump.h. What a source has comes in slices; then the table is added,
 * at once.
 */
#include "registry/syn_dump.h"

#include <cnode/error.h>

#include "base/mem.h"
#include "node/gen.h"
#include "registry/syn_service.h"
#include "term/build.h"

struct dump {
    struct syn *syn;
    const struct syn_scope *scope;
    struct cnode_kept *call;
    struct buf entries;
    uint64_t count, at;
    bool is_asking; /* the answer came from within */
    bool has_slice;
};

static void go_on(struct dump *dump);

static void dump_free(struct dump *dump)
{
    cnode_term_free(dump->call);
    buf_fini(&dump->entries);
    mem_free(dump);
}

static void finish(struct dump *dump)
{
    struct node *node = dump->syn->node;
    struct gen_message message;
    struct buf *buf;

    gen_parse(cnode_kept_term(dump->call), &message);
    if (buf_error(&dump->entries) != 0) {
        syn_reply_error(dump->syn, &message.from, A_system_limit);
    } else {
        buf = gen_reply_begin(node, &message.from);
        dump->count += dump->scope->table.count;
        if (dump->count > 0) {
            term_put_list(buf, (uint32_t)dump->count);
        }
        buf_put(buf, buf_data(&dump->entries), buf_size(&dump->entries));
        syn_scope_put_all(dump->scope, buf);
        term_put_nil(buf);
        (void)gen_reply_end(node, &dump->syn->process, &message.from);
    }
    dump_free(dump);
}

static void take(struct dump *dump, const struct syn_slice *slice)
{
    struct cnode_term next = term_at(slice->bytes, slice->size);
    struct syn_claim claim;

    for (uint32_t i = 0; i < slice->count; i++) {
        CHECK(syn_claim_parse(next, &claim));
        term_format(&dump->entries, "{~t, ~p, ~t}", claim.name, claim.pid,
                    claim.meta);
        next = cnode_next(next);
    }
    dump->count += slice->count;
    dump->at = slice->next;
    dump->has_slice = true;
}

static void on_slice(void *arg, bool is_over, const struct syn_slice *slice)
{
    struct dump *dump = arg;

    if (is_over || dump->syn->is_over) {
        dump_free(dump);
        return;
    }
    if (slice->error != 0) {
        dump->entries.error = slice->error;
        dump->at = 0;
        dump->has_slice = true;
    } else {
        take(dump, slice);
    }
    if (!dump->is_asking) {
        go_on(dump);
    }
}

/* Slices that come at once are asked for in a loop. */
static void go_on(struct dump *dump)
{
    const struct syn_source *source = dump->scope->source;

    while (dump->at != 0 || !dump->has_slice) {
        dump->has_slice = false;
        dump->is_asking = true;
        source->list(dump->scope->source_owner, dump->at, on_slice, dump);
        dump->is_asking = false;
        if (!dump->has_slice) {
            return; /* it comes later */
        }
    }
    finish(dump);
}

int syn_dump(struct syn *syn, const struct syn_scope *scope,
             struct cnode_term call)
{
    struct cnode_kept *kept = cnode_term_copy(call);
    struct dump *dump;

    if (kept == NULL) {
        return CNODE_NOMEM;
    }
    dump = mem_alloc(sizeof(*dump));
    *dump = (struct dump){.syn = syn, .scope = scope, .call = kept};
    buf_init(&dump->entries, 0);
    dump->has_slice = syn_scope_derived(scope) == 0;
    go_on(dump);
    return 0;
}
