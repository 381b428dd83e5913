/* SPDX-License-Identifier: Apache-2.0
 *
 * `cnode call`: reads the arguments, calls, prints the reply as a term.
 */
#ifndef CNODE_ADMIN_CALL_H
#define CNODE_ADMIN_CALL_H

#include "admin/cli.h"
#include "admin/target.h"
#include "term/text.h"

/* Runs the command; the exit code. */
int call_run(const struct cli *cli);

/* --- the pure parts */

/* What is asked of whom. */
struct call {
    struct target target;
    const char *pool;    /* or the service */
    const char *id_text; /* as it was given; NULL: none */
    bool is_pooled;      /* a worker of a pool: wrapped in an envelope */
    struct buf id, term; /* encoded; id is empty without a pool */
};

/* 0; or CNODE_EINVALID, with lines for people in `error`. call_fini() is due in
 * both cases. */
MUST_USE int call_read(struct call *call, const struct cli *cli,
                       struct buf *error);
void call_fini(struct call *call);

/* The request as it is sent: AdvancedPool's envelope for a worker of a pool,
 * the bare term for a service. `now_ms`: since 1970. */
void call_put_request(const struct call *call, struct buf *buf, struct pid self,
                      int64_t now_ms);

/* Text, the mistake at `where` marked by a caret in a line below. */
void call_put_caret(struct buf *out, const char *text, size_t where);

#endif
