/* SPDX-License-Identifier: Apache-2.0
 *
 * A store of keys and values that outlives the node, behind one thread of its
 * own: nobody waits for a disk or a server but that thread.
 *
 *     any scheduler                the store's thread
 *     store_submit(op)   ------>   takes all that waits, in order
 *                                  one transaction, one commit
 *     op->done(op)       <------   for each of them
 *
 * So a thousand writes that come while one commit is under way share the next
 * (group commit), and one that is done is durable. Order is that of
 * store_submit(): a read sees every write submitted before it.
 *
 * A backend that cannot be reached keeps what waits, and is tried again with
 * back-off; reads are given up after a while. Above a limit further operations
 * are refused. Errors belong to operations: a value that does not fit, or whose
 * checksum is wrong, fails alone.
 */
#ifndef CNODE_STORAGE_STORE_H
#define CNODE_STORAGE_STORE_H

#include "base/buf.h"

struct store;
struct store_backend;

/* What the configuration says about one; the strings live as long as it. */
struct store_config {
    const char *name;
    const char *path;   /* lmdb: the folder */
    uint64_t max_bytes; /* lmdb: of its file */
    bool sync;       /* lmdb: a commit is on the disk, not only in the kernel */
    const char *url; /* postgres */
    const char *table;
    uint64_t queue; /* operations that may wait */
};

enum store_kind {
    STORE_PUT,
    STORE_GET,
    STORE_DELETE, /* of what is not there: no error */
    STORE_FLUSH,  /* done when everything before it is */
};

/* In front of each value: version and checksum. The store's. */
enum { STORE_HEADER_BYTES = 12 };

struct store_op {
    struct store_op *next; /* the store's, as this: which it was */
    uint64_t number;
    enum store_kind kind;
    /* 0. GET: CNODE_NOT_FOUND, CNODE_STORE_CORRUPT. All: CNODE_STORE_FULL,
     * CNODE_STORE_UNREACHABLE, CNODE_STORE_FAILED, CNODE_CANCELED (the store
     * was closed). */
    int rc;
    struct buf key;
    struct buf value;     /* PUT: store_op_value(); GET: what was found */
    struct buf short_key; /* when the key is long */
    uint64_t until_ns;    /* GET: loop_clock_ns() of giving up; 0: never */
    /* On the store's thread, once: the op is the submitter's again. */
    void (*done)(struct store_op *op);
};

void store_op_init(struct store_op *op, enum store_kind kind,
                   void (*done)(struct store_op *op));
void store_op_fini(struct store_op *op);
/* The buffer to append the value of a PUT to. */
struct buf *store_op_value(struct store_op *op);

/* Opens the backend and starts the thread. An error: why stands in `why`, for
 * people. CNODE_STORE_LOCKED, CNODE_STORE_CORRUPT, CNODE_STORE_FAILED. */
MUST_USE int store_open(struct store **store,
                        const struct store_backend *backend,
                        const struct store_config *config, struct buf *why);
/* Does what waits (tries once), or cancels it; then ends. Not while others may
 * submit. NULL is fine. */
void store_close(struct store *store);

/* Any thread. The op stays where it is until op->done. CNODE_OVERLOADED: too
 * many operations or bytes wait (counted), and nothing happens with it. */
MUST_USE int store_submit(struct store *store, struct store_op *op);

/* A PUT that still waits gets another value, of store_op_value(), in its place:
 * what was written over nobody needs to write. The buffers are swapped. False:
 * it is under way already, or there is no room. From the thread that gets
 * op->done() only. */
bool store_replace(struct store *store, struct store_op *op, struct buf *value);

/* More than half of what may wait does: whoever can wait should. Any thread. */
bool store_is_busy(const struct store *store);
/* The newest write failed, or the backend is unreachable. Any thread. */
bool store_is_failing(const struct store *store);

#endif
