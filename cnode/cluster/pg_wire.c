/* SPDX-License-Identifier: Apache-2.0
 *
 * See pg_wire.h.
 */
#include "cluster/pg_wire.h"

#include "cluster/pg.h"
#include "term/build.h"

void pg_put_discover(struct buf *buf, struct pid self, bool speaks_1)
{
    if (speaks_1) {
        term_format(buf, "{discover, ~p, ~i}", self, (int64_t)PG_VERSION);
    } else {
        term_format(buf, "{discover, ~p}", self);
    }
}

void pg_put_all(struct buf *buf, struct pid self, bool speaks_1,
                const struct pg_view *view)
{
    term_put_tuple(buf, 2);
    term_put_atom(buf, A_gen_cast);
    term_put_tuple(buf, speaks_1 ? 4 : 3);
    term_put_atom(buf, speaks_1 ? A_local_data : A_sync);
    term_put_pid(buf, self);
    if (speaks_1) {
        term_put_int(buf, PG_VERSION);
    }
    pg_view_put_local(view, speaks_1, buf);
}

static void put_update(struct buf *buf, struct pid self,
                       const struct pg_change *change)
{
    const char *format = change->is_join ? "{~t, [~p], []}" : "{~t, [], [~p]}";
    struct cnode_term group = change->first;

    term_put_tuple(buf, 3);
    term_put_atom(buf, A_update);
    term_put_pid(buf, self);
    term_put_list(buf, change->count);
    for (uint32_t i = 0; i < change->count; i++) {
        term_format(buf, format, group, change->pid);
        group = cnode_next(group);
    }
    term_put_nil(buf);
}

static void put_leave(struct buf *buf, struct pid self,
                      const struct pg_change *change)
{
    struct cnode_term group = change->first;

    term_put_tuple(buf, 4);
    term_put_atom(buf, A_leave);
    term_put_pid(buf, self);
    term_put_pid(buf, change->pid);
    term_put_list(buf, change->count);
    for (uint32_t i = 0; i < change->count; i++) {
        term_put_copy(buf, group);
        group = cnode_next(group);
    }
    term_put_nil(buf);
}

void pg_put_change(struct buf *buf, struct pid self, bool speaks_1,
                   const struct pg_change *change)
{
    if (speaks_1) {
        put_update(buf, self, change);
    } else if (change->is_join) {
        term_format(buf, "{join, ~p, ~t, ~p}", self, change->first,
                    change->pid);
    } else {
        put_leave(buf, self, change);
    }
}
