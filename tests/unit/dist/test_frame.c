/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dist/flags.h"
#include "dist/frame.h"
#include <cnode/error.h>

static int decode(uint64_t flags, const uint8_t *bytes, size_t len,
                  struct frame *frame)
{
    memset(frame, 0, sizeof(*frame));
    return frame_decode(flags, bytes, len, frame);
}

static void no_bytes_are_a_tick_in_both_framings(void **state)
{
    struct frame frame;

    (void)state;
    assert_int_equal(decode(DIST_FRAGMENTS, NULL, 0, &frame), 0);
    assert_int_equal(frame.kind, FRAME_TICK);
    assert_int_equal(decode(0, NULL, 0, &frame), 0);
    assert_int_equal(frame.kind, FRAME_TICK);
}

static void a_whole_frame_has_a_header_of_three_bytes(void **state)
{
    const uint8_t bytes[] = {131, 68, 0, 104, 0};
    struct frame frame;

    (void)state;
    assert_int_equal(decode(DIST_FRAGMENTS, bytes, sizeof(bytes), &frame), 0);
    assert_int_equal(frame.kind, FRAME_WHOLE);
    assert_ptr_equal(frame.body, bytes + 3);
    assert_int_equal(frame.size, 2);
}

static void pass_through_is_for_peers_without_fragments_only(void **state)
{
    const uint8_t old[] = {112, 131, 104, 0};
    const uint8_t modern[] = {131, 68, 0, 104, 0};
    struct frame frame;

    (void)state;
    assert_int_equal(decode(0, old, sizeof(old), &frame), 0);
    assert_int_equal(frame.kind, FRAME_WHOLE);
    assert_ptr_equal(frame.body, old + 2);
    assert_int_equal(decode(DIST_FRAGMENTS, old, sizeof(old), &frame),
                     CNODE_PROTOCOL);
    assert_int_equal(decode(0, modern, sizeof(modern), &frame), CNODE_PROTOCOL);
}

static void atom_cache_references_are_refused(void **state)
{
    uint8_t whole[] = {131, 68, 1, 8, 0, 104, 0};
    uint8_t first[64] = {131, 69, [18] = 1};
    struct frame frame;

    (void)state;
    assert_int_equal(decode(DIST_FRAGMENTS, whole, sizeof(whole), &frame),
                     CNODE_PROTOCOL);
    assert_int_equal(decode(DIST_FRAGMENTS, first, sizeof(first), &frame),
                     CNODE_PROTOCOL);
}

static void fragment_headers_are_read_as_they_are_written(void **state)
{
    uint8_t bytes[FRAME_LEN_BYTES + FRAME_FIRST_BYTES + 3] = {0};
    struct frame frame;

    (void)state;
    frame_set_first(bytes, UINT64_C(0x0102030405060708), 77, 3);
    assert_int_equal(get_u32(bytes), FRAME_FIRST_BYTES + 3);
    assert_int_equal(decode(DIST_FRAGMENTS, bytes + 4, get_u32(bytes), &frame),
                     0);
    assert_int_equal(frame.kind, FRAME_FIRST);
    assert_true(frame.sequence == UINT64_C(0x0102030405060708));
    assert_int_equal(frame.number, 77);
    assert_int_equal(frame.size, 3);

    frame_set_next(bytes, UINT64_MAX, 1, 4);
    assert_int_equal(get_u32(bytes), FRAME_NEXT_BYTES + 4);
    assert_int_equal(decode(DIST_FRAGMENTS, bytes + 4, get_u32(bytes), &frame),
                     0);
    assert_int_equal(frame.kind, FRAME_NEXT);
    assert_true(frame.sequence == UINT64_MAX);
    assert_int_equal(frame.number, 1);
    assert_int_equal(frame.size, 4);
}

static void every_cut_header_is_refused(void **state)
{
    uint8_t bytes[32] = {131, 68};
    struct frame frame;

    (void)state;
    for (size_t len = 1; len < 3; len++) {
        assert_int_equal(decode(DIST_FRAGMENTS, bytes, len, &frame),
                         CNODE_PROTOCOL);
    }
    bytes[1] = 69;
    for (size_t len = 1; len < FRAME_FIRST_BYTES; len++) {
        assert_int_equal(decode(DIST_FRAGMENTS, bytes, len, &frame),
                         CNODE_PROTOCOL);
    }
    bytes[1] = 70;
    for (size_t len = 1; len < FRAME_NEXT_BYTES; len++) {
        assert_int_equal(decode(DIST_FRAGMENTS, bytes, len, &frame),
                         CNODE_PROTOCOL);
    }
    bytes[0] = 112;
    assert_int_equal(decode(0, bytes, 1, &frame), CNODE_PROTOCOL);
}

static void other_headers_are_refused(void **state)
{
    uint8_t bytes[32] = {131, 0};
    struct frame frame;

    (void)state;
    for (int second = 0; second < 256; second++) {
        bytes[1] = (uint8_t)second;
        assert_int_equal(decode(DIST_FRAGMENTS, bytes, sizeof(bytes), &frame),
                         second >= 68 && second <= 70 ? 0 : CNODE_PROTOCOL);
        assert_int_equal(decode(0, bytes, sizeof(bytes), &frame),
                         CNODE_PROTOCOL);
    }
}

static void heads_are_written_as_they_are_read(void **state)
{
    static const uint64_t framings[] = {0, DIST_FRAGMENTS};
    struct frame frame;
    struct buf buf;

    (void)state;
    buf_init(&buf, 0);
    for (size_t i = 0; i < ARRAY_LEN(framings); i++) {
        const uint8_t *payload;
        size_t len;

        buf_clear(&buf);
        frame_put_head(&buf, framings[i]);
        assert_int_equal(buf_size(&buf), frame_head_bytes(framings[i]));
        frame_put_payload_head(&buf, framings[i]);
        buf_put_u8(&buf, 'x');
        assert_int_equal(
            decode(framings[i], buf_data(&buf) + 4, buf_size(&buf) - 4, &frame),
            0);
        assert_int_equal(frame.kind, FRAME_WHOLE);
        payload = frame.body;
        len = frame.size;
        assert_true(frame_skip_payload_head(framings[i], &payload, &len));
        assert_int_equal(len, 1);
        assert_int_equal(payload[0], 'x');
    }
    buf_fini(&buf);
}

static void a_missing_version_byte_is_noticed(void **state)
{
    const uint8_t bytes[] = {104, 0};
    const uint8_t *at = bytes;
    size_t len = sizeof(bytes);

    (void)state;
    assert_false(frame_skip_payload_head(0, &at, &len));
    len = 0;
    assert_false(frame_skip_payload_head(0, &at, &len));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_bytes_are_a_tick_in_both_framings),
        cmocka_unit_test(a_whole_frame_has_a_header_of_three_bytes),
        cmocka_unit_test(pass_through_is_for_peers_without_fragments_only),
        cmocka_unit_test(atom_cache_references_are_refused),
        cmocka_unit_test(fragment_headers_are_read_as_they_are_written),
        cmocka_unit_test(every_cut_header_is_refused),
        cmocka_unit_test(other_headers_are_refused),
        cmocka_unit_test(heads_are_written_as_they_are_read),
        cmocka_unit_test(a_missing_version_byte_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
