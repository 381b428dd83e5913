/* SPDX-License-Identifier: Apache-2.0
 *
 * One term, any: as the options of a spawn, as a message that may be the answer
 * of erpc, as the reason of an exit that may be its result. What is accepted
 * must be accepted again after it was written.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "node/erpc_wire.h"
#include "node/spawn_options.h"
#include "term/build.h"
#include "term/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cnode_term term_of(const struct buf *buf)
{
    return term_at(buf_data(buf), buf_size(buf));
}

static void as_options(struct cnode_term term)
{
    struct spawn_options options, again;
    struct buf buf;
    size_t whole;

    if (!spawn_options_read(term, &options)) {
        return;
    }
    buf_init(&buf, 0);
    spawn_options_put(&buf, term);
    CHECK(buf_error(&buf) == 0);
    CHECK(term_validate(buf_data(&buf), buf_size(&buf), 10000, &whole) == 0);
    CHECK(whole == buf_size(&buf));
    CHECK(spawn_options_read(term_of(&buf), &again));
    CHECK(again.link == options.link && again.monitor == options.monitor);
    CHECK(again.replies == SPAWN_REPLY_YES && term_is_none(again.tag));
    buf_fini(&buf);
}

static void as_arguments(struct cnode_term term)
{
    struct cnode_term parts[3];
    struct spawn_options options;
    struct spawn_what what;
    struct buf buf;

    buf_init(&buf, 0);
    if (term_get_tuple(term, 3, parts) &&
        erpc_put_request(&buf, parts[0], parts[1], parts[2], &what) == 0) {
        CHECK(spawn_options_read(what.opts, &options) && options.monitor);
        CHECK(cnode_type(what.args) == CNODE_TYPE_LIST);
    }
    buf_fini(&buf);
}

static void as_answer(struct cnode_term term)
{
    struct erpc_result result;
    struct cnode_term why;
    struct ref ref;
    struct buf buf;
    bool is_down;

    buf_init(&buf, 0);
    if (erpc_read_message(term, &ref, &why, &is_down)) {
        erpc_read_result(&buf, why, is_down, &result);
        CHECK(cnode_type(result.term) != CNODE_TYPE_NONE);
    }
    erpc_read_result(&buf, term, true, &result);
    CHECK(cnode_type(result.term) != CNODE_TYPE_NONE);
    CHECK(erpc_class_name(result.class) != NULL);
    buf_fini(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cnode_term term;
    size_t used;

    atom_init();
    if (term_validate(data, size, 1000, &used) != 0) {
        return 0;
    }
    term = term_at(data, used);
    as_options(term);
    as_arguments(term);
    as_answer(term);
    return 0;
}
