/* SPDX-License-Identifier: Apache-2.0
 *
 * See lost.h.
 */
#include "pool/lost.h"

#include <time.h>

#include "base/metric.h"
#include "pool/dead_letters.h"
#include "pool/pools.h"
#include "term/build.h"

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void lost_message(struct pool *pool, const struct gen_message *gen,
                  struct cnode_term reason)
{
    struct dead_letter_facts facts = {.at_ms = now_ms(),
                                      .pool = pool->config->name,
                                      .module = pool->config->worker.module,
                                      .kind = gen->kind,
                                      .reason = reason,
                                      .message = gen->body};
    struct envelope envelope;

    if (gen->kind != GEN_CALL) {
        METRIC_INC(dead_letters);
    }
    if (envelope_parse(gen->body, &envelope)) {
        facts.message = envelope.message;
        if (envelope.has_ref) {
            facts.id = envelope.id;
            facts.module = term_atom(envelope.module);
        }
    }
    if (facts.module == ATOM_NONE) {
        facts.id = TERM_NONE; /* of no pool here: it is in the message */
    }
    if (!dead_letters_add(&pool->pools->dead_letters, &facts)) {
        METRIC_INC(dead_letters_forgotten);
    }
}

void lost_because(struct pool *pool, const struct gen_message *gen,
                  const char *reason)
{
    struct buf buf;

    buf_init(&buf, 0);
    term_format(&buf, "~a", reason);
    lost_message(pool, gen, term_at(buf_data(&buf), buf_size(&buf)));
    buf_fini(&buf);
}
