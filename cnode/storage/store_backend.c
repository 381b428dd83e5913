/* SPDX-License-Identifier: Apache-2.0
 *
 * Which kinds of stores this program has: CNODE_LMDB and CNODE_POSTGRES of the
 * build.
 */
#include "storage/store_backend.h"

#include <string.h>

#ifdef CNODE_WITH_LMDB
#include "storage/store_lmdb.h"
#endif
#ifdef CNODE_WITH_POSTGRES
#include "storage/store_postgres.h"
#endif

static const struct store_backend *const backends[] = {
#ifdef CNODE_WITH_LMDB
    &store_lmdb,
#endif
#ifdef CNODE_WITH_POSTGRES
    &store_postgres,
#endif
    NULL,
};

const struct store_backend *store_backend_find(const char *name)
{
    for (size_t i = 0; backends[i] != NULL; i++) {
        if (strcmp(backends[i]->name, name) == 0) {
            return backends[i];
        }
    }
    return NULL;
}

const char *store_backend_names(void)
{
#if defined(CNODE_WITH_LMDB) && defined(CNODE_WITH_POSTGRES)
    return "lmdb postgres";
#elif defined(CNODE_WITH_LMDB)
    return "lmdb";
#elif defined(CNODE_WITH_POSTGRES)
    return "postgres";
#else
    return "none";
#endif
}
