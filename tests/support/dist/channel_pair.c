/* SPDX-License-Identifier: Apache-2.0 */
#include "support/dist/channel_pair.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/mem.h"
#include "dist/flags.h"

struct pair pair;

static void record(const struct control *control, bool over_limit,
                   size_t start_bytes)
{
    struct pair_seen *it = &pair.seen[pair.seen_count++];

    assert_true(pair.seen_count < PAIR_SEEN_MAX);
    *it = (struct pair_seen){.kind = control->kind,
                             .over_limit = over_limit,
                             .start_bytes = start_bytes};
    (void)term_get_pid(control->from, &it->from);
    if (!term_is_none(control->payload)) {
        it->payload_bytes = cnode_term_size(control->payload);
        it->mark = control->payload.at[it->payload_bytes - 1];
    }
}

static void on_signal(void *owner, const struct control *control)
{
    assert_ptr_equal(owner, &pair.in);
    record(control, false, 0);
    pair.stop = pair.stop_at_signal;
}

static void on_over_limit(void *owner, const struct control *control,
                          const uint8_t *start, size_t size)
{
    assert_ptr_equal(owner, &pair.in);
    assert_true(size == 0 || start != NULL);
    assert_true(term_is_none(control->payload));
    record(control, true, size);
}

const struct channel_events pair_events = {.signal = on_signal,
                                           .over_limit = on_over_limit};

void pair_open(uint64_t flags)
{
    channel_init(&pair.out, flags, &pair_events, &pair.out);
    channel_init(&pair.in, flags, &pair_events, &pair.in);
}

void pair_close(void)
{
    channel_fini(&pair.out);
    channel_fini(&pair.in);
    buf_clear(&pair.wire);
    pair.seen_count = 0;
}

int pair_setup(void **state)
{
    (void)state;
    atom_init();
    hash_seed(1, 2);
    memset(&pair, 0, sizeof(pair));
    pair.limits = limits;
    pair.ours = (struct pid){atom_intern("c@host", 6), 1, 0, 5};
    pair.other = (struct pid){pair.ours.node, 2, 0, 5};
    pair.theirs = (struct pid){atom_intern("b@host", 6), 9, 0, 6};
    buf_init(&pair.wire, 0);
    pair_open(dist_flags_offered(false));
    return 0;
}

int pair_teardown(void **state)
{
    (void)state;
    mem_fail_after(0);
    limits = pair.limits;
    pair_close();
    buf_fini(&pair.wire);
    return 0;
}

struct block *pair_message(size_t size, uint8_t mark)
{
    struct buf buf;
    struct block *block;

    buf_init(&buf, 0);
    buf_put_u8(&buf, 109);
    buf_put_u32(&buf, (uint32_t)size);
    memset(buf_reserve(&buf, size), 'x', size);
    buf_commit(&buf, size);
    buf_data(&buf)[buf_size(&buf) - 1] = mark;
    block = block_from_buf(&buf);
    assert_non_null(block);
    return block;
}

int pair_send(struct pid from, size_t size, uint8_t mark)
{
    struct block *block = pair_message(size, mark);
    int rc;

    control_put_send(channel_begin(&pair.out), pair.out.flags, from,
                     pair.theirs);
    rc = channel_end(&pair.out, from,
                     (struct payload){block->bytes, block->size, block});
    block_unref(block);
    return rc;
}

size_t pair_gather(void)
{
    struct channel_vec vecs[CHANNEL_VECS];
    size_t before = buf_size(&pair.wire);
    int n = channel_gather(&pair.out, vecs, CHANNEL_VECS);

    assert_in_range(n, 0, CHANNEL_VECS);
    for (int i = 0; i < n; i++) {
        assert_true(vecs[i].size > 0);
        buf_put(&pair.wire, vecs[i].bytes, vecs[i].size);
    }
    if (n > 0) {
        channel_landed(&pair.out);
    }
    return buf_size(&pair.wire) - before;
}

void pair_gather_all(void)
{
    while (pair_gather() > 0) {
    }
    assert_false(channel_has_output(&pair.out));
    assert_int_equal(pair.out.queued_bytes, 0);
    assert_int_equal(pair.out.large_bytes, 0);
}

int pair_feed(void)
{
    size_t used = 0;
    int rc = channel_feed(&pair.in, buf_data(&pair.wire), buf_size(&pair.wire),
                          &used, &pair.stop);

    buf_consume(&pair.wire, used);
    return rc;
}

struct buf pair_body(const void *payload, size_t size)
{
    struct buf body;

    buf_init(&body, 0);
    control_put_send(&body, DIST_SEND_SENDER, pair.theirs, pair.ours);
    buf_put(&body, payload, size);
    return body;
}

void pair_put_frame(const void *body, size_t size)
{
    buf_put_u32(&pair.wire, (uint32_t)(size + 3));
    buf_put(&pair.wire, "\x83\x44\x00", 3);
    buf_put(&pair.wire, body, size);
}
