/* SPDX-License-Identifier: Apache-2.0
 *
 * See face.h.
 */
#include "pool/face.h"

#include "base/mem.h"
#include "node/node.h"
#include "pool/about.h"
#include "pool/pool.h"
#include "pool/supervisor.h"

static void on_message(struct process *process, const struct signal *signal)
{
    supervisor_face_message(CONTAINER_OF(process, struct face, process),
                            signal);
}

static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    struct face *face = CONTAINER_OF(process, struct face, process);

    face_close(face, reason);
    pool_has_work(face->pool);
}

static const struct process_class face_class = {
    .name = "worker_supervisor",
    .message = on_message,
    .exit = on_exit_signal,
    .describe = about_face,
    .put_label = about_face_label,
    .put_state = about_face_state,
};

struct face *face_new(struct pool *pool, uint16_t index)
{
    struct face *face = mem_zalloc(sizeof(*face));

    face->pool = pool;
    face->index = index;
    return face;
}

int face_name(struct face *face, struct cnode_term id)
{
    face->id = cnode_term_canonical(id);
    return face->id != NULL ? 0 : CNODE_NOMEM;
}

bool face_is_named(const struct face *face, struct cnode_term id)
{
    struct cnode_kept *key;
    bool same;

    if (face->id == NULL || face->state == FACE_REMOVED) {
        return false;
    }
    key = cnode_term_canonical(id);
    same = key != NULL &&
           term_same_bytes(cnode_kept_term(key), cnode_kept_term(face->id));
    cnode_term_free(key);
    return same;
}

int face_open(struct face *face)
{
    int rc = node_spawn(face->pool->node, &face->process, &face_class);

    if (rc == 0) {
        face->process.flags |= PROCESS_TRAP_EXIT;
        face->state = FACE_UP;
        roll_set_face(face->pool->roll, face->index, true);
    }
    return rc;
}

void face_close(struct face *face, struct cnode_term reason)
{
    if (face->state == FACE_UP) {
        face->state = FACE_DOWN;
        roll_set_face(face->pool->roll, face->index, false);
        node_exit(face->pool->node, &face->process, reason);
    }
}

void face_stop(struct face *face)
{
    face_close(face, atom_term(A_shutdown));
    face->state = FACE_STOPPED;
}

void face_remove(struct face *face)
{
    CHECK(face->state == FACE_STOPPED);
    face->state = FACE_REMOVED;
}

void face_free(struct face *face)
{
    face_close(face, atom_term(A_shutdown));
    cnode_term_free(face->id);
    mem_free(face);
}
