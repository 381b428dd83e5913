/* SPDX-License-Identifier: Apache-2.0
 *
 * See store_lmdb.h.
 */
#include "storage/store_lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cnode/error.h>

#include "base/log.h"
#include "base/mem.h"

enum { FOLDER_MODE = 0700, FILE_MODE = 0600, PROBE_BYTES = 1 << 20 };

struct lmdb {
    struct store_config config;
    MDB_env *env;
    MDB_dbi dbi;
    int lock; /* of cnode.lock */
};

/* LMDB says EIO, too, for a write that the disk, or a limit, had no room for:
 * so it is tried with the file of the lock. */
static bool is_disk_full(const struct lmdb *lmdb)
{
    int rc = posix_fallocate(lmdb->lock, 0, PROBE_BYTES);

    (void)!ftruncate(lmdb->lock, 0);
    return rc == ENOSPC || rc == EFBIG || rc == EDQUOT;
}

static int error_of(int rc)
{
    switch (rc) {
    case MDB_SUCCESS:
        return 0;
    case MDB_NOTFOUND:
        return CNODE_NOT_FOUND;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return CNODE_STORE_FULL;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        return CNODE_STORE_CORRUPT;
    case ENOMEM:
        return CNODE_NOMEM;
    default:
        return CNODE_STORE_FAILED;
    }
}

/* --- open */

/* 0, or CNODE_STORE_LOCKED, CNODE_STORE_FAILED. */
static int lock_folder(struct lmdb *lmdb, const char *path, struct buf *why)
{
    struct buf file;

    if (mkdir(path, FOLDER_MODE) != 0 && errno != EEXIST) {
        buf_printf(why, "the folder %s cannot be made: %s", path,
                   mdb_strerror(errno));
        return CNODE_STORE_FAILED;
    }
    buf_init(&file, 0);
    buf_printf(&file, "%s/cnode.lock", path);
    buf_put_u8(&file, 0);
    lmdb->lock = open((const char *)buf_data(&file),
                      O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE);
    buf_fini(&file);
    if (lmdb->lock < 0) {
        buf_printf(why, "%s/cnode.lock: %s", path, mdb_strerror(errno));
        return CNODE_STORE_FAILED;
    }
    if (flock(lmdb->lock, LOCK_EX | LOCK_NB) != 0) {
        buf_printf(why, "another node uses the folder %s", path);
        return CNODE_STORE_LOCKED;
    }
    return 0;
}

/* Reading behind the end of a file that was cut would end the process. */
static int check_size(MDB_env *env)
{
    MDB_envinfo info;
    MDB_stat stat;
    struct stat file;
    int fd;
    int rc = mdb_env_info(env, &info);

    if (rc == 0) {
        rc = mdb_env_stat(env, &stat);
    }
    if (rc == 0) {
        rc = mdb_env_get_fd(env, &fd);
    }
    if (rc != 0) {
        return rc;
    }
    if (fstat(fd, &file) != 0) {
        return errno;
    }
    return (uint64_t)file.st_size < (info.me_last_pgno + 1) * stat.ms_psize
               ? MDB_CORRUPTED
               : 0;
}

static int open_database(struct lmdb *lmdb)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(lmdb->env, NULL, 0, &txn);

    if (rc != 0) {
        return rc;
    }
    rc = mdb_dbi_open(txn, "state", MDB_CREATE, &lmdb->dbi);
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

static int open_env(struct lmdb *lmdb, const struct store_config *config)
{
    unsigned flags = config->sync ? 0 : MDB_NOSYNC;
    int rc = mdb_env_create(&lmdb->env);

    if (rc == 0) {
        rc = mdb_env_set_mapsize(lmdb->env, config->max_bytes);
    }
    if (rc == 0) {
        rc = mdb_env_set_maxdbs(lmdb->env, 1);
    }
    if (rc == 0) {
        rc = mdb_env_open(lmdb->env, config->path, flags, FILE_MODE);
    }
    if (rc == 0) {
        rc = check_size(lmdb->env);
    }
    if (rc == 0) {
        rc = open_database(lmdb);
    }
    if (rc != 0) {
        mdb_env_close(lmdb->env); /* NULL is fine */
        lmdb->env = NULL;
    }
    return rc;
}

static void lmdb_close(void *handle)
{
    struct lmdb *lmdb = handle;

    if (lmdb->env != NULL) {
        (void)mdb_env_sync(lmdb->env, 1);
        mdb_env_close(lmdb->env);
    }
    if (lmdb->lock >= 0) {
        close(lmdb->lock);
    }
    mem_free(lmdb);
}

static int lmdb_open(void **handle, const struct store_config *config,
                     struct buf *why)
{
    struct lmdb *lmdb = mem_zalloc(sizeof(*lmdb));
    int rc;

    lmdb->config = *config;
    lmdb->lock = -1;
    rc = lock_folder(lmdb, config->path, why);
    if (rc == 0) {
        int mdb_rc = open_env(lmdb, config);

        rc = error_of(mdb_rc);
        if (rc != 0) {
            buf_printf(why, "%s/data.mdb: %s", config->path,
                       mdb_strerror(mdb_rc));
        }
    }
    if (rc != 0) {
        lmdb_close(lmdb);
        return rc;
    }
    *handle = lmdb;
    return 0;
}

/* --- work */

static MDB_val val_of(const struct buf *buf)
{
    return (MDB_val){.mv_size = buf_size(buf), .mv_data = buf_data(buf)};
}

/* 0, an error that concerns this operation only (op->rc), or one of all. */
static int run_op(struct lmdb *lmdb, MDB_txn *txn, struct store_op *op)
{
    MDB_val key = val_of(store_op_key(op));
    MDB_val value;
    int rc;

    op->rc = 0;
    switch (op->kind) {
    case STORE_PUT:
        value = val_of(&op->value);
        return mdb_put(txn, lmdb->dbi, &key, &value, 0);
    case STORE_DELETE:
        rc = mdb_del(txn, lmdb->dbi, &key, NULL);
        return rc == MDB_NOTFOUND ? 0 : rc;
    case STORE_GET:
        rc = mdb_get(txn, lmdb->dbi, &key, &value);
        op->rc = error_of(rc);
        buf_clear(&op->value);
        if (rc == 0) {
            buf_put(&op->value, value.mv_data, value.mv_size);
            op->rc = buf_error(&op->value);
        }
        return 0;
    case STORE_FLUSH:
        break;
    }
    return 0;
}

static bool has_writes(const struct store_op *op, size_t count)
{
    for (; count > 0; count--, op = op->next) {
        if (op->kind == STORE_PUT || op->kind == STORE_DELETE) {
            return true;
        }
    }
    return false;
}

/* After a write that broke off LMDB does nothing more until it is opened again;
 * what was committed is there. */
static int open_again(struct lmdb *lmdb)
{
    mdb_env_close(lmdb->env); /* NULL is fine */
    lmdb->env = NULL;
    return open_env(lmdb, &lmdb->config) == 0 ? 0 : CNODE_STORE_UNREACHABLE;
}

static int failed(struct lmdb *lmdb, int mdb_rc)
{
    int rc = error_of(mdb_rc);

    if (rc == 0) {
        return 0;
    }
    LOG_ERROR("lmdb_failed", F_STR("store", lmdb->config.name),
              F_STR("text", mdb_strerror(mdb_rc)));
    if (mdb_rc == MDB_PANIC) {
        (void)open_again(lmdb);
        return CNODE_STORE_UNREACHABLE;
    }
    return mdb_rc == EIO && is_disk_full(lmdb) ? CNODE_STORE_FULL : rc;
}

static int run(struct lmdb *lmdb, struct store_op *op, size_t count)
{
    bool writes = has_writes(op, count);
    MDB_txn *txn;
    int rc = mdb_txn_begin(lmdb->env, NULL, writes ? 0 : MDB_RDONLY, &txn);

    if (rc != 0) {
        return rc;
    }
    for (; count > 0 && rc == 0; count--, op = op->next) {
        rc = run_op(lmdb, txn, op);
    }
    if (rc != 0 || !writes) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

static int lmdb_run(void *handle, struct store_op *op, size_t count)
{
    struct lmdb *lmdb = handle;

    if (lmdb->env == NULL && open_again(lmdb) != 0) {
        return CNODE_STORE_UNREACHABLE;
    }
    return failed(lmdb, run(lmdb, op, count));
}

const struct store_backend store_lmdb = {
    .name = "lmdb",
    .open = lmdb_open,
    .close = lmdb_close,
    .run = lmdb_run,
};
