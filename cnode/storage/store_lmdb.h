/* SPDX-License-Identifier: Apache-2.0
 *
 * A store in a folder of this machine: LMDB, a B+ tree in one file that a
 * killed process leaves as the last commit left it.
 *
 * One node has the folder at a time (a lock on cnode.lock, which the kernel
 * drops with the process). LMDB's own lock file is used all the same, so that
 * mdb_copy and mdb_stat work while the node runs.
 */
#ifndef CNODE_STORAGE_STORE_LMDB_H
#define CNODE_STORAGE_STORE_LMDB_H

#include "storage/store_backend.h"

extern const struct store_backend store_lmdb;

#endif
