/* SPDX-License-Identifier: Apache-2.0
 *
 * See registered.h. News of an end is a task with the reason behind it.
 */
#include "node/registered.h"

#include <string.h>

#include "base/mem.h"

void registered_init(struct node *node, node_ended_fn ended, void *owner)
{
    for (uint32_t i = 0; i < node->count; i++) {
        node->all[i]->ended = ended;
        node->all[i]->ended_owner = owner;
    }
}

/* --- is it there? */

struct question {
    struct pid pid;
    uint32_t home;
    bool is_alive;
    void (*done)(struct node *home, void *arg, bool is_alive);
    void *arg;
};

bool registered_find(struct node *node, struct pid pid)
{
    struct process *process = node_find(node, pid);

    if (process != NULL) {
        registered_mark(process);
    }
    return process != NULL;
}

static void answer(struct node *home, void *arg)
{
    struct question *question = arg;

    question->done(home, question->arg, question->is_alive);
    mem_free(question);
}

static void look(struct node *here, void *arg)
{
    struct question *question = arg;

    if (here == NULL) {
        answer(NULL, question);
        return;
    }
    question->is_alive = registered_find(here, question->pid);
    node_post_task(here->all[question->home], answer, question);
}

void registered_ask(struct node *node, struct pid pid,
                    void (*done)(struct node *home, void *arg, bool is_alive),
                    void *arg)
{
    struct node *there = node_of_pid(node, pid);
    struct question *question;

    if (there == node) {
        done(node, arg, registered_find(node, pid));
        return;
    }
    question = mem_alloc(sizeof(*question));
    *question = (struct question){
        .pid = pid, .home = node->index, .done = done, .arg = arg};
    node_post_task(there, look, question);
}

/* --- the end */

struct end {
    struct pid pid;
    size_t size;
    uint8_t reason[];
};

static void tell(struct node *here, void *arg)
{
    struct end *end = arg;

    if (here != NULL) {
        here->ended(here->ended_owner, end->pid,
                    term_at(end->reason, end->size));
    }
    mem_free(end);
}

/* No memory for a long reason must not hide the end. */
static struct end *end_new(struct cnode_term reason)
{
    size_t size = cnode_term_size(reason);
    struct end *end = mem_try(sizeof(*end) + size);

    if (end == NULL) {
        reason = atom_term(A_system_limit);
        size = cnode_term_size(reason);
        end = mem_alloc(sizeof(*end) + size);
    }
    end->size = size;
    memcpy(end->reason, reason.at, size);
    return end;
}

void registered_process_ends(struct node *node, const struct process *process,
                             struct cnode_term reason)
{
    struct end *end;

    if ((process->flags & PROCESS_REGISTERED) == 0 || node->ended == NULL) {
        return;
    }
    end = end_new(reason);
    end->pid = node_pid(node, process);
    node_post_task(node->all[0], tell, end);
}
