/* SPDX-License-Identifier: Apache-2.0
 *
 * See names.h. There are few names (pools, services), so the end of a process
 * walks them all.
 */
#include "node/names.h"

#include <cnode/error.h>

#include "base/hash.h"
#include "base/mem.h"

static bool equal(const void *item, const void *key)
{
    const struct name *name = item;

    return name->atom == *(const atom_t *)key;
}

void names_init(struct names *names)
{
    map_init(&names->by_atom, equal);
}

void names_fini(struct names *names)
{
    struct name *name;

    MAP_EACH(name, &names->by_atom) {
        mem_free(name);
    }
    map_fini(&names->by_atom);
}

static struct name *find(const struct names *names, atom_t atom)
{
    return map_get(&names->by_atom, hash_u64(atom), &atom);
}

static struct name *find_or_add(struct names *names, atom_t atom)
{
    struct name *name = find(names, atom);

    if (name == NULL) {
        name = mem_zalloc(sizeof(*name));
        name->atom = atom;
        map_add(&names->by_atom, hash_u64(atom), name);
    }
    return name;
}

/* Frees the entry when nobody is behind it any more. */
static void trim(struct names *names, struct name *name)
{
    if (name->process == NULL && name->router == NULL) {
        atom_t atom = name->atom;

        map_remove(&names->by_atom, hash_u64(atom), &atom);
        mem_free(name);
    }
}

int names_register(struct names *names, atom_t atom, struct process *process)
{
    struct name *name = find_or_add(names, atom);

    if (name->process != NULL) {
        return CNODE_EXISTS;
    }
    name->process = process;
    process->flags |= PROCESS_NAMED;
    return 0;
}

void names_set_router(struct names *names, atom_t atom, struct process *router)
{
    struct name *name = find_or_add(names, atom);

    name->router = router;
    if (router != NULL) {
        router->flags |= PROCESS_NAMED;
    }
    trim(names, name);
}

struct process *names_whereis(const struct names *names, atom_t atom)
{
    struct name *name = find(names, atom);

    return name != NULL ? name->process : NULL;
}

struct process *names_receiver(const struct names *names, atom_t atom)
{
    struct name *name = find(names, atom);

    if (name == NULL) {
        return NULL;
    }
    return name->router != NULL ? name->router : name->process;
}

atom_t names_of(const struct names *names, const struct process *process)
{
    struct name *name;

    if ((process->flags & PROCESS_NAMED) != 0) {
        MAP_EACH(name, &names->by_atom) {
            if (name->process == process) {
                return name->atom;
            }
        }
    }
    return ATOM_NONE;
}

void names_process_ends(struct names *names, struct process *process)
{
    uint32_t pos = 0;
    struct name *name;

    if ((process->flags & PROCESS_NAMED) == 0) {
        return;
    }
    while ((name = map_next(&names->by_atom, &pos)) != NULL) {
        bool was = name->process == process || name->router == process;

        if (name->process == process) {
            name->process = NULL;
        }
        if (name->router == process) {
            name->router = NULL;
        }
        if (was && name->process == NULL && name->router == NULL) {
            trim(names, name);
            pos = 0; /* removing moves entries: walk again */
        }
    }
    process->flags &= (uint16_t)~PROCESS_NAMED;
}
