/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands of operators: status, pools, workers, and so on. Each is one
 * request to the process cnode_admin of a node (manager/ask.h), and a way to
 * show the answer: a table for people, JSON for programs.
 */
#ifndef CNODE_ADMIN_OPERATE_H
#define CNODE_ADMIN_OPERATE_H

#include "admin/cli.h"
#include "admin/target.h"

/* Runs it; the exit code. */
int operate_run(const struct cli *cli);

/* --- the pure parts */

struct operation {
    const struct cli *cli;
    struct target target;
    const char *pool; /* NULL: none was given */
    uint64_t limit;   /* rows that are wanted */
    struct buf value; /* of set: encoded */
    /* of the page to ask for */
    uint64_t page;
    struct buf cursor; /* encoded; empty: from the start */
};

/* 0; or CNODE_EINVALID, with lines for people in `error`. operate_fini() is due
 * in both cases. */
MUST_USE int operate_read(struct operation *op, const struct cli *cli,
                          struct buf *error);
void operate_fini(struct operation *op);

/* The request as it is sent. */
void operate_put_request(const struct operation *op, struct buf *buf);

/* What the answers (pages, of one that has them) say, on stdout, or on stderr;
 * the exit code. */
int operate_show(const struct operation *op, const struct cnode_term *answers,
                 size_t count, struct buf *out, struct buf *error);

/* The answer has a next page: its cursor is put into the operation. */
bool operate_has_next(struct operation *op, struct cnode_term answer,
                      uint64_t rows);
/* Rows of a page. */
uint64_t operate_rows(const struct operation *op, struct cnode_term answer);

#endif
