/* SPDX-License-Identifier: Apache-2.0
 *
 * Programs read the ready line: it only ever grows at its end.
 */
#include "admin/announce.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <cnode/error.h>

#include "base/mem.h"

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* " key=a,b,c" */
static void put_names(struct buf *out, const char *key, const char **names,
                      size_t count)
{
    qsort(names, count, sizeof(*names), compare_names);
    buf_printf(out, " %s=", key);
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "%s%s", i == 0 ? "" : ",", names[i]);
    }
}

void announce_put_ready(struct buf *out, const char *name, uint16_t port,
                        uint32_t creation, const struct pool_settings *pools)
{
    const struct behaviours *behaviours = &pools->behaviours;
    const char **names =
        mem_alloc((pools->count + behaviours->count) * sizeof(*names));
    size_t count = 0;

    buf_printf(out, "ready name=%s port=%u creation=%" PRIu32, name,
               (unsigned)port, creation);
    for (size_t i = 0; i < pools->count; i++) {
        if (!pools->pools[i].is_service) {
            names[count++] = atom_text(pools->pools[i].name);
        }
    }
    put_names(out, "pools", names, count);
    for (size_t i = 0; i < behaviours->count; i++) {
        names[i] = behaviours_name(behaviours, i);
    }
    put_names(out, "behaviours", names, behaviours->count);
    buf_printf(out, "\n");
    mem_free(names);
}

void announce_put_failure(struct buf *out, const struct node_config *config,
                          int rc)
{
    unsigned epmd_port = config->epmd_port;

    switch (rc) {
    case CNODE_NAME_IN_USE:
        buf_printf(out,
                   "cnode: the name %s is in use: a node with it is registered "
                   "at epmd (port %u)\n",
                   config->name, epmd_port);
        break;
    case UV_EADDRINUSE:
    case UV_EADDRNOTAVAIL:
    case UV_EACCES:
        buf_printf(out, "cnode: cannot listen on %s port %u: %s\n",
                   config->listen_host, (unsigned)config->listen_port,
                   cnode_strerror(rc));
        break;
    case UV_ECONNREFUSED:
    case CNODE_TIMEOUT:
        buf_printf(out,
                   "cnode: cannot register %s: no epmd answers on port %u (%s)"
                   "\n",
                   config->name, epmd_port, cnode_strerror(rc));
        break;
    default:
        buf_printf(out, "cnode: cannot start %s: %s\n", config->name,
                   cnode_strerror(rc));
    }
}
