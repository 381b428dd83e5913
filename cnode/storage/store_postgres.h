/* SPDX-License-Identifier: Apache-2.0
 *
 * A store in a table of a PostgreSQL server, which the nodes of a cluster may
 * share: a worker finds its state on whatever node it is started next.
 *
 *     key bytea primary key | value bytea | updated_at timestamptz
 *
 * A batch is one transaction and one round trip: its statements are sent
 * together (pipeline mode), each with as many rows as there are operations of
 * one kind in a row.
 */
#ifndef CNODE_STORAGE_STORE_POSTGRES_H
#define CNODE_STORAGE_STORE_POSTGRES_H

#include "storage/store_backend.h"

extern const struct store_backend store_postgres;

#endif
