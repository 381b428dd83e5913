/* SPDX-License-Identifier: Apache-2.0
 *
 * Any request to cnode_admin, of a node with a few workers and a dead letter.
 * The input is one term; its answer, if there is one, must be one as well.
 */
#include "manager/ask.h"
#include "support/pool/fuzz_node.h"
#include "term/build.h"
#include "term/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fuzz_node f;
static struct ask ask;

static void tell(const char *format, struct cnode_term term)
{
    struct pid caller = {.node = f.node.name, .id = 77, .creation = 1};
    struct signal signal = {.kind = SIGNAL_MESSAGE};
    struct buf buf;

    buf_init(&buf, 0);
    term_format(&buf, format, caller, term);
    signal.to =
        node_pid(&f.node, term_is_none(term) ? &f.pools.pools[0]->process
                                             : &ask.process);
    signal.term = term_at(buf_data(&buf), buf_size(&buf));
    CHECK(buf_error(&buf) != 0 ||
          scheduler_deliver(&f.node.scheduler, &signal) == 0);
    buf_fini(&buf);
    fuzz_node_settle(&f, 10);
}

/* A worker, and one who is not there. */
static void fill(void)
{
    tell("{'$gen_call', {~p, [alias | 1]}, {msg_envelope, nil, call, "
         "{ref, 'P.Worker', 1}, {settings, nil, true, nil, nil, nil, 5000}, "
         "{s, ping, nil, nil}}}",
         TERM_NONE);
    tell(
        "{'$gen_cast', {msg_envelope, ~p, cast, {ref, 'P.Worker', 2}, nil, x}}",
        TERM_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t used;

    if (size < 1 || term_validate(data, size, 100, &used) != 0) {
        return 0;
    }
    fuzz_node_open(&f, "{\"pools\": {\"P\": {\"behaviour\": \"kv\", "
                       "\"supervisors\": {\"segments\": 2}}}, \"services\": "
                       "{\"s\": {\"behaviour\": \"counter\"}}}");
    fuzz_node_start(&f);
    CHECK(ask_start(&ask, &f.node, &f.pools, NULL) == 0);
    fuzz_node_settle(&f, 10);
    fill();
    tell("{'$gen_call', {~p, [alias | 1]}, ~t}", term_at(data, used));
    tell("{'$gen_cast', {~p, ~t}}", term_at(data, used));
    CHECK(ask.under_way == 0);
    ask_stop(&ask);
    fuzz_node_stop(&f);
    fuzz_node_fini(&f);
    ask_fini(&ask);
    return 0;
}
