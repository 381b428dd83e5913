/* SPDX-License-Identifier: Apache-2.0
 *
 * See names.h. The table has room for every atom that may ever be; pages of it
 * become resident as names in them are used. A word is taken by compare and
 * swap and given back by its holder's scheduler the same way, so that what
 * another one wrote meanwhile stays.
 */
#include "node/names.h"

#include <cnode/error.h>

#include "base/mem.h"
#include "node/node.h"

void names_init(struct names *names)
{
    names->capacity = atom_capacity();
    names->by_atom = mem_zalloc(names->capacity * sizeof(struct name));
}

void names_fini(struct names *names)
{
    mem_free(names->by_atom);
    *names = (struct names){0};
}

static struct name *name_of(const struct node *node, atom_t atom)
{
    CHECK(atom < node->names.capacity);
    return &node->names.by_atom[atom];
}

static uint64_t word_of(const struct process *process)
{
    return (uint64_t)process->slot << 32 | process->serial;
}

/* acquire: who learns a pid here sees what its process did before. */
static bool read_word(const struct node *node, const _Atomic uint64_t *word,
                      struct pid *pid)
{
    uint64_t value = atomic_load_explicit(word, memory_order_acquire);

    *pid = (struct pid){.node = node->name,
                        .id = (uint32_t)(value >> 32),
                        .serial = (uint32_t)value,
                        .creation = node->creation};
    return value != 0;
}

/* release: pairs with read_word(). */
static bool swap_word(_Atomic uint64_t *word, uint64_t from, uint64_t to)
{
    return atomic_compare_exchange_strong_explicit(
        word, &from, to, memory_order_acq_rel, memory_order_relaxed);
}

atom_t names_of(const struct node *node, const struct process *process)
{
    atom_t atom =
        process->relations != NULL ? process->relations->name : ATOM_NONE;
    struct pid pid;

    /* somebody may have taken it away */
    return atom != ATOM_NONE && names_whereis(node, atom, &pid) &&
                   pid_equal(pid, node_pid(node, process))
               ? atom
               : ATOM_NONE;
}

atom_t names_next(const struct node *node, atom_t *at)
{
    uint32_t count = atom_count(); /* the others were never named */
    struct pid pid;

    while (*at < count) {
        atom_t atom = (*at)++;

        if (names_whereis(node, atom, &pid)) {
            return atom;
        }
    }
    return ATOM_NONE;
}

int names_register(struct node *node, atom_t atom, struct process *process)
{
    if (names_of(node, process) != ATOM_NONE ||
        !swap_word(&name_of(node, atom)->holder, 0, word_of(process))) {
        return CNODE_EXISTS;
    }
    relations_of(node, process)->name = atom;
    return 0;
}

int names_unregister(struct node *node, atom_t atom)
{
    struct name *name = name_of(node, atom);

    /* release: as in swap_word() */
    return atomic_exchange_explicit(&name->holder, 0, memory_order_acq_rel) != 0
               ? 0
               : CNODE_NOT_FOUND;
}

void names_set_router(struct node *node, atom_t atom, struct process *router)
{
    CHECK(relations_of(node, router)->routed == ATOM_NONE);
    relations_of(node, router)->routed = atom;
    /* release: as in swap_word() */
    atomic_store_explicit(&name_of(node, atom)->router, word_of(router),
                          memory_order_release);
}

bool names_whereis(const struct node *node, atom_t atom, struct pid *pid)
{
    return read_word(node, &name_of(node, atom)->holder, pid);
}

bool names_receiver(const struct node *node, atom_t atom, struct pid *pid)
{
    return read_word(node, &name_of(node, atom)->router, pid) ||
           names_whereis(node, atom, pid);
}

void names_process_ends(struct node *node, struct process *process)
{
    struct relations *relations = process->relations;

    if (relations == NULL) {
        return;
    }
    if (relations->name != ATOM_NONE) {
        (void)swap_word(&name_of(node, relations->name)->holder,
                        word_of(process), 0);
    }
    if (relations->routed != ATOM_NONE) {
        (void)swap_word(&name_of(node, relations->routed)->router,
                        word_of(process), 0);
    }
    relations->name = relations->routed = ATOM_NONE;
    relations_trim(node, process);
}
