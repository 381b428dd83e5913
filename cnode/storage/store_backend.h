/* SPDX-License-Identifier: Apache-2.0
 *
 * What a kind of store has to be able to do. Only the thread of the store calls
 * it (open: the one that starts the node, before there is another).
 */
#ifndef CNODE_STORAGE_STORE_BACKEND_H
#define CNODE_STORAGE_STORE_BACKEND_H

#include "storage/store.h"

struct store_backend {
    const char *name;
    /* As store_open(). */
    int (*open)(void **handle, const struct store_config *config,
                struct buf *why);
    void (*close)(void *handle);
    /* Does `count` operations from `op` on, in order, in one transaction; then
     * they are durable, and each one's rc is set. An error: none of them was
     * done. CNODE_STORE_UNREACHABLE: all of it may be tried again later; any
     * other: they are tried in smaller numbers, down to one. */
    int (*run)(void *handle, struct store_op *op, size_t count);
};

/* The key as a backend is to use it: at most this long. */
enum { STORE_KEY_BYTES = 480 };
static inline const struct buf *store_op_key(const struct store_op *op)
{
    return buf_size(&op->short_key) > 0 ? &op->short_key : &op->key;
}

/* The backend of that name, NULL when this program was built without it. */
const struct store_backend *store_backend_find(const char *name);
/* Those there are, separated by spaces; "none". */
const char *store_backend_names(void);

#endif
