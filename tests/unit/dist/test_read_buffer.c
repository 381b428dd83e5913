/* SPDX-License-Identifier: Apache-2.0 */
#include "dist/read_buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/mem.h"

/* Reads `n` bytes at most, as a socket would. Returns how many there was room
 * for. */
static size_t read_some(struct read_buffer *buffer, size_t n, uint8_t fill)
{
    size_t room = 0;
    uint8_t *at = read_buffer_room(buffer, &room);

    assert_non_null(at);
    assert_true(room > 0);
    n = n < room ? n : room;
    memset(at, fill, n);
    read_buffer_commit(buffer, n);
    return n;
}

static void unconsumed_bytes_move_to_the_front(void **state)
{
    struct read_buffer buffer;

    (void)state;
    read_buffer_init(&buffer);
    (void)read_some(&buffer, 10, 1);
    (void)read_some(&buffer, 5, 2);
    assert_int_equal(read_buffer_take(&buffer, 12, 0), 0);
    assert_int_equal(buffer.size, 3);
    assert_memory_equal(buffer.bytes, "\2\2\2", 3);
    read_buffer_fini(&buffer);
}

static void claimed_length_alone_costs_nothing(void **state)
{
    struct read_buffer buffer;

    (void)state;
    read_buffer_init(&buffer);
    (void)read_some(&buffer, 100, 1);
    assert_int_equal(read_buffer_take(&buffer, 0, 200000000), 0);
    assert_int_equal(buffer.cap, READ_LEAST_BYTES);
    read_buffer_fini(&buffer);
}

static void grows_to_the_packet_by_doubling_and_shrinks_after_it(void **state)
{
    enum { PACKET = 3000000 };
    struct read_buffer buffer;

    (void)state;
    read_buffer_init(&buffer);
    while (buffer.size < PACKET) {
        size_t before = buffer.cap;
        (void)read_some(&buffer, PACKET, 7);
        assert_int_equal(read_buffer_take(&buffer, 0, PACKET), 0);
        assert_true(before == 0 || buffer.cap <= before * 2);
        assert_true(buffer.cap <= PACKET);
        if (buffer.cap == PACKET) {
            (void)read_some(&buffer, PACKET, 7); /* all of it is there now */
        }
    }
    assert_int_equal(buffer.bytes[PACKET - 1], 7);
    assert_int_equal(read_buffer_take(&buffer, PACKET, 0), 0);
    assert_int_equal(buffer.size, 0);
    assert_int_equal(buffer.cap, READ_USUAL_BYTES);
    read_buffer_fini(&buffer);
}

static void busy_peer_gets_the_usual_size_and_no_more(void **state)
{
    struct read_buffer buffer;

    (void)state;
    read_buffer_init(&buffer);
    for (int i = 0; i < 10; i++) {
        size_t n = read_some(&buffer, SIZE_MAX, 1);
        assert_int_equal(read_buffer_take(&buffer, n, 0), 0);
    }
    assert_int_equal(buffer.cap, READ_USUAL_BYTES);
    read_buffer_fini(&buffer);
}

static void full_of_a_packet_of_unknown_length_is_an_error(void **state)
{
    struct read_buffer buffer;
    int rc = 0;

    (void)state;
    read_buffer_init(&buffer);
    for (int i = 0; i < 10 && rc == 0; i++) {
        (void)read_some(&buffer, SIZE_MAX, 1);
        rc = read_buffer_take(&buffer, 0, 0);
    }
    assert_int_equal(rc, CNODE_TOO_LARGE);
    read_buffer_fini(&buffer);
}

static void no_memory_to_grow_is_an_error_only_when_it_is_needed(void **state)
{
    struct read_buffer buffer;
    size_t n;

    (void)state;
    read_buffer_init(&buffer);
    n = read_some(&buffer, SIZE_MAX, 1);
    mem_fail_after(1);
    assert_int_equal(read_buffer_take(&buffer, n, 0), 0); /* empty again */
    (void)read_some(&buffer, SIZE_MAX, 1);
    mem_fail_after(1);
    assert_int_equal(read_buffer_take(&buffer, 0, 1000000), CNODE_NOMEM);
    mem_fail_after(0);
    read_buffer_fini(&buffer);
}

static void no_memory_at_first_gives_no_room(void **state)
{
    struct read_buffer buffer;
    size_t room;

    (void)state;
    read_buffer_init(&buffer);
    mem_fail_after(1);
    assert_null(read_buffer_room(&buffer, &room));
    mem_fail_after(0);
    read_buffer_fini(&buffer);
}

static void relaxed_when_empty_and_only_then(void **state)
{
    struct read_buffer buffer;

    (void)state;
    read_buffer_init(&buffer);
    (void)read_some(&buffer, 2, 1);
    read_buffer_relax(&buffer);
    assert_int_equal(buffer.size, 2);
    assert_int_equal(read_buffer_take(&buffer, 2, 0), 0);
    read_buffer_relax(&buffer);
    assert_null(buffer.bytes);
    (void)read_some(&buffer, 2, 1);
    assert_int_equal(buffer.size, 2);
    read_buffer_fini(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unconsumed_bytes_move_to_the_front),
        cmocka_unit_test(claimed_length_alone_costs_nothing),
        cmocka_unit_test(grows_to_the_packet_by_doubling_and_shrinks_after_it),
        cmocka_unit_test(busy_peer_gets_the_usual_size_and_no_more),
        cmocka_unit_test(full_of_a_packet_of_unknown_length_is_an_error),
        cmocka_unit_test(no_memory_to_grow_is_an_error_only_when_it_is_needed),
        cmocka_unit_test(no_memory_at_first_gives_no_room),
        cmocka_unit_test(relaxed_when_empty_and_only_then),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
