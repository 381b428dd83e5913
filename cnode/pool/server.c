/* SPDX-License-Identifier: Apache-2.0
 *
 * See server.h.
 */
#include "pool/server.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "pool/pool_config_keys.h"

/* --- the standard one: knows hello. It is in no list of behaviours. */

static int handle_call(struct cnode_worker *w, void *state,
                       struct cnode_term call)
{
    struct cnode_term any;

    (void)state;
    if (cnode_is_atom(call, "hello") ||
        cnode_match(call, "{s, hello, ~t}", &any)) {
        return cnode_reply(w, "world");
    }
    return CNODE_UNHANDLED;
}

static const struct cnode_behaviour standard = {
    .abi = CNODE_ABI,
    .size = sizeof(struct cnode_behaviour),
    .name = "server",
    .handle_call = handle_call,
};

/* --- for each pool */

static atom_t name_of(const struct pool_config *pool)
{
    struct buf buf;
    atom_t name;

    buf_init(&buf, 0);
    buf_printf(&buf, "%s.Server", atom_text(pool->name));
    name = atom_intern((const char *)buf_data(&buf), buf_size(&buf));
    buf_fini(&buf);
    return name;
}

static bool is_taken(const struct pool_settings *settings, atom_t name)
{
    for (size_t i = 0; i < settings->count; i++) {
        if (settings->pools[i].name == name) {
            return true;
        }
    }
    return false;
}

static bool has_server(const struct pool_config *pool)
{
    static const char elixir[] = "Elixir.";

    return !pool->is_service && pool->name != ATOM_NONE &&
           (pool->server != NULL || pool->top.stand_alone ||
            (pool->top.registry == REGISTRY_SYN &&
             strncmp(atom_text(pool->name), elixir, sizeof(elixir) - 1) == 0));
}

void server_add_all(struct pool_settings *settings)
{
    size_t count = settings->count;

    for (size_t i = 0; i < count; i++) {
        const struct pool_config pool = settings->pools[i];
        struct pool_config server = pool_config_service_defaults;

        server.name = has_server(&pool) ? name_of(&pool) : ATOM_NONE;
        if (server.name == ATOM_NONE || is_taken(settings, server.name)) {
            continue;
        }
        server.behaviour = pool.server != NULL ? pool.server : &standard;
        server.worker.module = server.name;
        server.is_server = true;
        if (settings->count == settings->cap) {
            settings->cap *= 2;
            settings->pools = mem_realloc(
                settings->pools, settings->cap * sizeof(*settings->pools));
        }
        settings->pools[settings->count++] = server;
    }
}
