/* SPDX-License-Identifier: Apache-2.0
 *
 * Random terms, written by us and by ei side by side.
 */
#include <stdio.h>

#include <ei.h>

#include "support/term/terms.h"
#include "term/build.h"

static const char *const names[] = {
    "",   "a", "ok", "true", "Elixir.A", "$gen_call", "gr\xc3\xbc\xc3\x9f",
    "x y"};

static void random_int(uint64_t *state, struct buf *ours, ei_x_buff *ei)
{
    int64_t value = (int64_t)random_u64(state);

    value >>= random_below(state, 64);
    term_put_int(ours, value);
    if (ei != NULL) {
        ei_x_encode_longlong(ei, value);
    }
}

static void random_float(uint64_t *state, struct buf *ours, ei_x_buff *ei)
{
    double value = (double)(int64_t)random_u64(state) /
                   (double)(1 + random_below(state, 1000));

    term_put_float(ours, value);
    if (ei != NULL) {
        ei_x_encode_double(ei, value);
    }
}

static void random_atom(uint64_t *state, struct buf *ours, ei_x_buff *ei)
{
    const char *name = names[random_below(state, ARRAY_LEN(names))];

    term_put_atom_text(ours, name, strlen(name));
    if (ei != NULL) {
        ei_x_encode_atom_len_as(ei, name, (int)strlen(name), ERLANG_UTF8,
                                ERLANG_UTF8);
    }
}

static void random_binary(uint64_t *state, struct buf *ours, ei_x_buff *ei)
{
    char bytes[300];
    uint32_t len = random_below(state, sizeof(bytes));

    for (uint32_t i = 0; i < len; i++) {
        bytes[i] = (char)random_u64(state);
    }
    term_put_binary(ours, bytes, len);
    if (ei != NULL) {
        ei_x_encode_binary(ei, bytes, (int)len);
    }
}

static void random_pid(uint64_t *state, struct buf *ours, ei_x_buff *ei)
{
    struct pid pid = {atom_intern("n@h", 3), (uint32_t)random_u64(state) >> 4,
                      random_below(state, 1000), (uint32_t)random_u64(state)};
    erlang_pid theirs = {
        .num = pid.id, .serial = pid.serial, .creation = pid.creation};

    term_put_pid(ours, pid);
    snprintf(theirs.node, sizeof(theirs.node), "n@h");
    if (ei != NULL) {
        ei_x_encode_pid(ei, &theirs);
    }
}

static void random_ref(uint64_t *state, struct buf *ours, ei_x_buff *ei)
{
    struct ref ref = {.node = atom_intern("n@h", 3),
                      .creation = (uint32_t)random_u64(state),
                      .len = 3};
    erlang_ref theirs = {.len = 3, .creation = ref.creation};

    for (int i = 0; i < 3; i++) {
        ref.words[i] = (uint32_t)random_u64(state) >> 14 | 1;
        theirs.n[i] = ref.words[i];
    }
    term_put_ref(ours, &ref);
    snprintf(theirs.node, sizeof(theirs.node), "n@h");
    if (ei != NULL) {
        ei_x_encode_ref(ei, &theirs);
    }
}

/* The depth is the test's. NOLINTBEGIN(misc-no-recursion) */

static void random_tuple(uint64_t *state, struct buf *ours, ei_x_buff *ei,
                         int depth)
{
    uint32_t n = random_below(state, 40) == 0 ? 300 : random_below(state, 6);

    term_put_tuple(ours, n);
    if (ei != NULL) {
        ei_x_encode_tuple_header(ei, (int)n);
    }
    for (uint32_t i = 0; i < n; i++) {
        random_term(state, ours, ei, n > 10 ? 0 : depth - 1);
    }
}

static void random_list(uint64_t *state, struct buf *ours, ei_x_buff *ei,
                        int depth)
{
    uint32_t n = 1 + random_below(state, 5);

    term_put_list(ours, n);
    if (ei != NULL) {
        ei_x_encode_list_header(ei, (int)n);
    }
    for (uint32_t i = 0; i < n; i++) {
        random_term(state, ours, ei, depth - 1);
    }
    if (random_below(state, 4) == 0) {
        random_term(state, ours, ei, depth - 1); /* improper, or one more */
        return;
    }
    term_put_nil(ours);
    if (ei != NULL) {
        ei_x_encode_empty_list(ei);
    }
}

static void random_map(uint64_t *state, struct buf *ours, ei_x_buff *ei,
                       int depth)
{
    uint32_t n = random_below(state, 5);

    term_put_map(ours, n);
    if (ei != NULL) {
        ei_x_encode_map_header(ei, (int)n);
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t key = i * 1000 + random_below(state, 1000);
        term_put_uint(ours, key);
        if (ei != NULL) {
            ei_x_encode_ulong(ei, key);
        }
        random_term(state, ours, ei, depth - 1);
    }
}

void random_term(uint64_t *state, struct buf *ours, void *ei, int depth)
{
    switch (random_below(state, depth > 0 ? 9 : 6)) {
    case 0:
        random_int(state, ours, ei);
        break;
    case 1:
        random_float(state, ours, ei);
        break;
    case 2:
        random_atom(state, ours, ei);
        break;
    case 3:
        random_binary(state, ours, ei);
        break;
    case 4:
        random_pid(state, ours, ei);
        break;
    case 5:
        random_ref(state, ours, ei);
        break;
    case 6:
        random_tuple(state, ours, ei, depth);
        break;
    case 7:
        random_list(state, ours, ei, depth);
        break;
    default:
        random_map(state, ours, ei, depth);
    }
}

/* NOLINTEND(misc-no-recursion) */
