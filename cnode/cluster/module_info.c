/* SPDX-License-Identifier: Apache-2.0
 *
 * See module_info.h.
 */
#include "cluster/module_info.h"

#include <string.h>

#include <cnode/error.h>

#include "term/build.h"

/* [{Function, Arity}] of the list, and what every module has. */
static void put_exports(struct cnode_term module, struct buf *buf)
{
    size_t start = term_open_list(buf);
    uint32_t count = 3;

    for (size_t i = 0; i < function_count; i++) {
        if (cnode_is_atom(module, function_table[i].module)) {
            term_format(buf, "{~a, ~u}", function_table[i].name,
                        (uint64_t)function_table[i].arity);
            count++;
        }
    }
    term_format(buf, "{init, 1}");
    term_format(buf, "{module_info, 0}");
    term_format(buf, "{module_info, 1}");
    term_close_list(buf, start, count);
}

static void put_attributes(bool is_supervisor, struct buf *buf)
{
    term_format(buf, is_supervisor ? "[{behaviour, [supervisor]}]"
                                   : "[{behaviour, [gen_server]}]");
}

static int put_item(struct cnode_term module, struct cnode_term item,
                    bool is_supervisor, struct buf *buf)
{
    if (cnode_is_atom(item, "module")) {
        term_put_copy(buf, module);
    } else if (cnode_is_atom(item, "exports") ||
               cnode_is_atom(item, "functions")) {
        put_exports(module, buf);
    } else if (cnode_is_atom(item, "attributes")) {
        put_attributes(is_supervisor, buf);
    } else if (cnode_is_atom(item, "compile") || cnode_is_atom(item, "nifs")) {
        term_put_nil(buf);
    } else if (cnode_is_atom(item, "md5")) {
        term_format(buf, "<<>>");
    } else if (cnode_is_atom(item, "native")) {
        term_put_atom(buf, A_false);
    } else {
        return CNODE_EINVALID;
    }
    return 0;
}

static void put_all(struct cnode_term module, bool is_supervisor,
                    struct buf *buf)
{
    term_put_list(buf, 5);
    term_format(buf, "{module, ~t}", module);
    term_put_tuple(buf, 2);
    term_format(buf, "exports");
    put_exports(module, buf);
    term_put_tuple(buf, 2);
    term_format(buf, "attributes");
    put_attributes(is_supervisor, buf);
    term_format(buf, "{compile, []}");
    term_format(buf, "{md5, <<>>}");
    term_put_nil(buf);
}

int module_info_put(const struct functions *f, struct cnode_term module,
                    struct cnode_term args, struct buf *buf)
{
    struct cnode_list list;
    struct cnode_term item;
    bool is_supervisor;

    if (!cnode_list(args, &list) || list.left > 1 ||
        !functions_has_module(f, module, &is_supervisor)) {
        return CNODE_NOT_FOUND;
    }
    if (!cnode_list_next(&list, &item)) {
        put_all(module, is_supervisor, buf);
        return 0;
    }
    return put_item(module, item, is_supervisor, buf);
}
