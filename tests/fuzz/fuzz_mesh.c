/* SPDX-License-Identifier: Apache-2.0
 *
 * A mesh that is told anything. The input is a script: nodes that come and go,
 * answers (lists of real names, or any term), dials that fail, time. It never
 * dials itself, who is up, or who has to wait.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "cluster/mesh.h"
#include "term/build.h"
#include "term/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NODES = 4, STEPS_MAX = 300, DEPTH = 100 };

struct world {
    const uint8_t *at, *end;
    struct mesh mesh;
    uint64_t now;
    bool is_up[NODES], is_dialled[NODES];
};

static const char *const names[NODES] = {"a@x", "b@x", "c@x", "d@x"};

static unsigned next(struct world *w, unsigned below)
{
    return w->at < w->end ? *w->at++ % below : 0;
}

static int on_ask(void *owner, const char *name)
{
    (void)name;
    return next(owner, 4) == 0 ? -1 : 0;
}

static int on_dial(void *owner, const char *name)
{
    struct world *w = owner;

    CHECK(strcmp(name, "me@x") != 0);
    for (unsigned i = 0; i < NODES; i++) {
        if (strcmp(name, names[i]) == 0) {
            CHECK(!w->is_up[i] && !w->is_dialled[i]);
            if (next(w, 4) == 0) {
                return -1;
            }
            w->is_dialled[i] = true;
        }
    }
    return 0;
}

static const struct mesh_events events = {.ask = on_ask, .dial = on_dial};

static void hear(struct world *w)
{
    const char *whom = names[next(w, NODES)];
    struct buf buf;
    size_t used;
    unsigned n = next(w, 4);

    buf_init(&buf, 0);
    term_put_list(&buf, n);
    for (unsigned i = 0; i < n; i++) {
        unsigned which = next(w, NODES + 1);

        term_put_atom_text(&buf, which == NODES ? "me@x" : names[which],
                           3 + (which == NODES));
    }
    term_put_nil(&buf);
    for (unsigned changes = next(w, 3); changes > 0; changes--) {
        buf_data(&buf)[next(w, (unsigned)buf_size(&buf))] =
            (uint8_t)next(w, 256);
    }
    if (term_validate(buf_data(&buf), buf_size(&buf), DEPTH, &used) == 0) {
        mesh_answer(&w->mesh, whom, term_at(buf_data(&buf), used), w->now);
    }
    buf_fini(&buf);
}

static void step(struct world *w)
{
    unsigned i = next(w, NODES);

    switch (next(w, 6)) {
    case 0:
        if (!w->is_up[i]) {
            w->is_up[i] = true;
            w->is_dialled[i] = false;
            mesh_nodeup(&w->mesh, names[i], w->now);
        }
        return;
    case 1:
        w->is_up[i] = false;
        w->is_dialled[i] = false;
        mesh_nodedown(&w->mesh, names[i], next(w, 4) == 0, w->now);
        return;
    case 2:
        if (w->is_dialled[i]) {
            w->is_dialled[i] = false;
            mesh_dial_failed(&w->mesh, names[i], w->now);
        }
        return;
    case 3:
        w->now += 1000 * (uint64_t)next(w, 256);
        mesh_tick(&w->mesh, w->now);
        return;
    default:
        hear(w);
        return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.at = data, .end = data + size, .now = 1};

    atom_init();
    limits.mesh_nodes = 5;
    mesh_init(&w.mesh, "me@x", next(&w, 4) != 0, &events, &w);
    for (int i = 0; i < STEPS_MAX && w.at < w.end; i++) {
        step(&w);
        CHECK(w.mesh.nodes.count <= limits.mesh_nodes + NODES);
    }
    mesh_fini(&w.mesh);
    return 0;
}
