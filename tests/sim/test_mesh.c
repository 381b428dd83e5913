/* SPDX-License-Identifier: Apache-2.0
 *
 * Nodes that only know how to mesh, through cuts and restarts, on virtual time:
 * while the graph of connections holds together, everybody is connected to
 * everybody soon, and nobody dials a node that has left for ever.
 */
#include "cluster/mesh.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "support/random.h"
#include "term/build.h"

enum { NODES = 6, ROUNDS = 40, STEPS = 200, DELAY_MS = 50 };

/* One thing that is to happen. */
struct event {
    uint64_t at_ms;
    enum { NOTHING, ANSWER, CONNECTED } kind;
    unsigned from, to;
};

static struct mesh meshes[NODES];
static char names[NODES][16];
static bool links[NODES][NODES], is_up[NODES];
static struct event events_due[NODES * NODES * 4];
static uint64_t now, random_state;
static unsigned dials;

static unsigned number_of(const char *name)
{
    unsigned i = 0;

    while (strcmp(names[i], name) != 0) {
        i++;
        CHECK(i < NODES);
    }
    return i;
}

static void later(int kind, unsigned from, unsigned to)
{
    size_t i = 0;

    while (events_due[i].kind != NOTHING) {
        i++;
        CHECK(i < ARRAY_LEN(events_due));
    }
    events_due[i] =
        (struct event){.at_ms = now + 1 + random_below(&random_state, DELAY_MS),
                       .from = from,
                       .to = to};
    events_due[i].kind = kind;
}

static int on_ask(void *owner, const char *name)
{
    later(ANSWER, (unsigned)((struct mesh *)owner - meshes), number_of(name));
    return 0;
}

static int on_dial(void *owner, const char *name)
{
    unsigned from = (unsigned)((struct mesh *)owner - meshes);

    CHECK(strcmp(name, names[from]) != 0);
    CHECK(!links[from][number_of(name)]);
    dials++;
    later(CONNECTED, from, number_of(name));
    return 0;
}

static const struct mesh_events mesh_events = {.ask = on_ask, .dial = on_dial};

static void start(unsigned i)
{
    mesh_init(&meshes[i], names[i], true, &mesh_events, &meshes[i]);
    is_up[i] = true;
}

static void connect_nodes(unsigned a, unsigned b)
{
    if (a != b && is_up[a] && is_up[b] && !links[a][b]) {
        links[a][b] = links[b][a] = true;
        mesh_nodeup(&meshes[a], names[b], now);
        mesh_nodeup(&meshes[b], names[a], now);
    }
}

static void cut(unsigned a, unsigned b)
{
    if (links[a][b]) {
        links[a][b] = links[b][a] = false;
        mesh_nodedown(&meshes[a], names[b], false, now);
        mesh_nodedown(&meshes[b], names[a], false, now);
    }
}

static void stop(unsigned i)
{
    for (unsigned other = 0; other < NODES; other++) {
        cut(i, other);
    }
    is_up[i] = false;
    mesh_fini(&meshes[i]);
    for (size_t e = 0; e < ARRAY_LEN(events_due); e++) {
        if (events_due[e].kind != NOTHING && events_due[e].from == i) {
            events_due[e].kind = NOTHING;
        }
    }
}

/* `from` learns what `to` sees, or that it is gone. */
static void deliver_answer(unsigned from, unsigned to)
{
    struct buf buf;
    uint32_t count = 0;

    if (!links[from][to]) {
        mesh_answer(&meshes[from], names[to], TERM_NONE, now);
        return;
    }
    buf_init(&buf, 0);
    for (unsigned i = 0; i < NODES; i++) {
        count += links[to][i];
    }
    term_put_list(&buf, count);
    for (unsigned i = 0; i < NODES; i++) {
        if (links[to][i]) {
            term_put_atom_text(&buf, names[i], strlen(names[i]));
        }
    }
    term_put_nil(&buf);
    mesh_answer(&meshes[from], names[to],
                term_at(buf_data(&buf), buf_size(&buf)), now);
    buf_fini(&buf);
}

static void run_due(void)
{
    for (size_t i = 0; i < ARRAY_LEN(events_due); i++) {
        struct event event = events_due[i];

        if (event.kind == NOTHING || event.at_ms > now) {
            continue;
        }
        events_due[i].kind = NOTHING;
        if (event.kind == ANSWER) {
            deliver_answer(event.from, event.to);
        } else if (!is_up[event.to]) {
            mesh_dial_failed(&meshes[event.from], names[event.to], now);
        } else {
            connect_nodes(event.from, event.to);
        }
    }
}

static void pass(uint64_t ms)
{
    for (uint64_t end = now + ms; now < end; now += 10) {
        run_due();
        for (unsigned i = 0; i < NODES; i++) {
            if (is_up[i]) {
                mesh_tick(&meshes[i], now);
            }
        }
    }
}

static void act(void)
{
    unsigned a = random_below(&random_state, NODES);
    unsigned b = random_below(&random_state, NODES);

    switch (random_below(&random_state, 8)) {
    case 0:
        if (is_up[a]) {
            stop(a);
        } else {
            start(a);
            connect_nodes(a, b); /* it joins somebody */
        }
        return;
    case 1:
        cut(a, b);
        return;
    default:
        pass(random_below(&random_state, 500));
        return;
    }
}

static void run(void)
{
    memset(links, 0, sizeof(links));
    memset(events_due, 0, sizeof(events_due));
    for (unsigned i = 0; i < NODES; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "n%u@sim", i);
        start(i);
    }
    for (int i = 0; i < STEPS; i++) {
        act();
    }
    for (unsigned i = 1; i < NODES; i++) { /* it holds together again */
        if (!is_up[i - 1]) {
            start(i - 1);
        }
        if (!is_up[i]) {
            start(i);
        }
        connect_nodes(i - 1, i);
    }
    pass(UINT64_C(2) * MESH_AGAIN_MOST_MS);
    for (unsigned i = 0; i < NODES * NODES; i++) {
        assert_true(i / NODES == i % NODES || links[i / NODES][i % NODES]);
    }
    for (unsigned i = 0; i < NODES * NODES; i++) { /* all is lost */
        cut(i / NODES, i % NODES);
    }
    pass(UINT64_C(3) * MESH_AGAIN_MOST_MS);
    for (unsigned i = 0; i < NODES * NODES; i++) {
        assert_true(i / NODES == i % NODES || links[i / NODES][i % NODES]);
    }
    stop(0);
    pass(UINT64_C(2) * MESH_AGAIN_MOST_MS);
    dials = 0;
    pass(UINT64_C(4) * MESH_AGAIN_MOST_MS);
    assert_int_equal(dials, 0);
    for (unsigned i = 1; i < NODES; i++) {
        stop(i);
    }
}

static void all_are_connected_in_the_end(void **state)
{
    (void)state;
    random_state = random_seed();
    for (int i = 0; i < ROUNDS; i++) {
        run();
    }
}

static int group_setup(void **state)
{
    (void)state;
    hash_seed(1, 2);
    atom_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_are_connected_in_the_end),
    };
    return cmocka_run_group_tests(tests, group_setup, NULL);
}
