/* SPDX-License-Identifier: Apache-2.0
 *
 * See plugin.h. A shared object exports one `cnode_behaviour`. Only its first
 * fields can be believed before abi and size are checked.
 */
#include "pool/plugin.h"

#include <dlfcn.h>
#include <string.h>

#include "base/mem.h"
#include "pool/elf.h"

struct plugin {
    struct cnode_behaviour behaviour;
    void *library; /* NULL: it ships */
};

#define BUILTIN(name) extern const struct cnode_behaviour cnode_builtin_##name;
#include "pool/builtins.def"
#undef BUILTIN

static const struct cnode_behaviour *const builtins[] = {
#define BUILTIN(name) &cnode_builtin_##name,
#include "pool/builtins.def"
#undef BUILTIN
};

static void add(struct behaviours *behaviours,
                const struct cnode_behaviour *behaviour, void *library)
{
    struct plugin *plugin = mem_alloc(sizeof(*plugin));

    *plugin = (struct plugin){.behaviour = *behaviour, .library = library};
    if (behaviours->count == behaviours->cap) {
        behaviours->cap = behaviours->cap == 0 ? 8 : behaviours->cap * 2;
        behaviours->plugins = mem_realloc(
            behaviours->plugins, behaviours->cap * sizeof(struct plugin *));
    }
    behaviours->plugins[behaviours->count++] = plugin;
}

void behaviours_init(struct behaviours *behaviours)
{
    *behaviours = (struct behaviours){0};
    for (size_t i = 0; i < ARRAY_LEN(builtins); i++) {
        add(behaviours, builtins[i], NULL);
    }
}

void behaviours_fini(struct behaviours *behaviours)
{
    for (size_t i = 0; i < behaviours->count; i++) {
        struct plugin *plugin = behaviours->plugins[i];

        if (plugin->library != NULL) {
            (void)dlclose(plugin->library);
        }
        mem_free(plugin);
    }
    mem_free(behaviours->plugins);
    *behaviours = (struct behaviours){0};
}

/* --- checking */

static bool is_name(const char *name)
{
    size_t len = 0;

    if (name == NULL) {
        return false;
    }
    for (; name[len] != '\0'; len++) {
        if (name[len] <= ' ' || name[len] > '~') {
            return false;
        }
    }
    return len > 0 && len <= 255;
}

/* Built against a newer header: fine as long as it does not use what is new. */
static bool uses_more(const struct cnode_behaviour *theirs)
{
    const char *bytes = (const char *)theirs;

    for (size_t i = sizeof(*theirs); i < theirs->size; i++) {
        if (bytes[i] != 0) {
            return true;
        }
    }
    return false;
}

int behaviour_check(const struct cnode_behaviour *theirs,
                    struct cnode_behaviour *ours, struct buf *why)
{
    enum { LEAST_SIZE = offsetof(struct cnode_behaviour, init) };
    enum { MOST_SIZE = 4096 }; /* larger is no struct of ours */

    if (theirs->abi != CNODE_ABI) {
        buf_printf(why,
                   "it was built for ABI %u, this node has %u: "
                   "build it again with this node's headers",
                   theirs->abi, CNODE_ABI);
        return CNODE_BAD_ABI;
    }
    if (theirs->size < LEAST_SIZE || theirs->size > MOST_SIZE) {
        buf_printf(why, "its size field is %u: define it with CNODE_BEHAVIOUR",
                   theirs->size);
        return CNODE_PLUGIN;
    }
    if (theirs->size > sizeof(*ours) && uses_more(theirs)) {
        buf_printf(why, "it uses callbacks that this node does not have: "
                        "build it with this node's headers");
        return CNODE_BAD_ABI;
    }
    memset(ours, 0, sizeof(*ours));
    memcpy(ours, theirs,
           theirs->size < sizeof(*ours) ? theirs->size : sizeof(*ours));
    if (!is_name(ours->name)) {
        buf_printf(why, "it has no name, or one with other characters than "
                        "printable ASCII");
        return CNODE_PLUGIN;
    }
    if (ours->state_size > BEHAVIOUR_STATE_MOST) {
        buf_printf(why, "its state_size is %zu bytes, at most %d are allowed",
                   ours->state_size, BEHAVIOUR_STATE_MOST);
        return CNODE_PLUGIN;
    }
    return 0;
}

/* --- loading */

int behaviours_load(struct behaviours *behaviours, const char *path,
                    struct buf *why)
{
    const struct cnode_behaviour *theirs;
    struct cnode_behaviour ours;
    void *library;
    int rc = elf_check(path, why);

    if (rc != 0) {
        return rc;
    }
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        /* one thread loads. NOLINTNEXTLINE(concurrency-mt-unsafe) */
        buf_printf(why, "%s", dlerror());
        return CNODE_PLUGIN;
    }
    theirs = dlsym(library, "cnode_behaviour");
    if (theirs == NULL) {
        buf_printf(why,
                   "%s has no symbol cnode_behaviour: define the "
                   "behaviour with CNODE_BEHAVIOUR",
                   path);
        rc = CNODE_PLUGIN;
        goto fail_library;
    }
    rc = behaviour_check(theirs, &ours, why);
    if (rc != 0) {
        goto fail_library;
    }
    if (behaviours_find(behaviours, ours.name) != NULL) {
        buf_printf(why, "there is a behaviour named \"%s\" already", ours.name);
        rc = CNODE_EXISTS;
        goto fail_library;
    }
    add(behaviours, &ours, library);
    return 0;

fail_library:
    (void)dlclose(library);
    return rc;
}

/* --- finding */

const struct cnode_behaviour *
behaviours_find(const struct behaviours *behaviours, const char *name)
{
    for (size_t i = 0; i < behaviours->count; i++) {
        if (strcmp(behaviours->plugins[i]->behaviour.name, name) == 0) {
            return &behaviours->plugins[i]->behaviour;
        }
    }
    return NULL;
}

const char *behaviours_name(const struct behaviours *behaviours, size_t i)
{
    return i < behaviours->count ? behaviours->plugins[i]->behaviour.name
                                 : NULL;
}
