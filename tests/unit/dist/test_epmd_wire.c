/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dist/epmd_wire.h"
#include <cnode/error.h>

static void alive_request_is_what_a_node_sends(void **state)
{
    static const uint8_t expected[] = {0, 15, 120, 0x12, 0x34, 77,  0, 0, 6,
                                       0, 6,  0,   2,    'c',  '1', 0, 0};
    struct buf buf;

    (void)state;
    buf_init(&buf, 0);
    epmd_put_alive(&buf, "c1", 0x1234);
    assert_int_equal(buf_size(&buf), sizeof(expected));
    assert_memory_equal(buf_data(&buf), expected, sizeof(expected));
    buf_fini(&buf);
}

static void port_please_request_is_what_a_node_sends(void **state)
{
    static const uint8_t expected[] = {0, 3, 122, 'c', '1'};
    struct buf buf;

    (void)state;
    buf_init(&buf, 0);
    epmd_put_port_please(&buf, "c1");
    assert_int_equal(buf_size(&buf), sizeof(expected));
    assert_memory_equal(buf_data(&buf), expected, sizeof(expected));
    buf_fini(&buf);
}

static void alive_answer_may_come_byte_by_byte(void **state)
{
    static const uint8_t answer[] = {118, 0, 0x45, 0xb7, 0x1c, 0x83};
    uint32_t creation = 0;

    (void)state;
    for (size_t len = 0; len < sizeof(answer); len++) {
        assert_int_equal(epmd_get_alive(answer, len, &creation), 0);
        assert_int_equal(creation, 0);
    }
    assert_int_equal(epmd_get_alive(answer, sizeof(answer), &creation), 1);
    assert_int_equal(creation, 0x45b71c83);
}

static void an_old_epmd_gives_a_short_creation(void **state)
{
    static const uint8_t answer[] = {121, 0, 0, 3};
    uint32_t creation = 0;

    (void)state;
    assert_int_equal(epmd_get_alive(answer, 3, &creation), 0);
    assert_int_equal(epmd_get_alive(answer, 4, &creation), 1);
    assert_int_equal(creation, 3);
}

static void a_taken_name_is_said_so(void **state)
{
    static const uint8_t answer[] = {118, 1, 0, 0, 0, 99};
    uint32_t creation = 0;

    (void)state;
    assert_int_equal(epmd_get_alive(answer, sizeof(answer), &creation),
                     CNODE_NAME_IN_USE);
    assert_int_equal(creation, 0);
}

static void another_answer_breaks_the_protocol(void **state)
{
    static const uint8_t answer[] = {'H', 'T', 'T', 'P'};
    uint32_t creation;
    uint16_t port;

    (void)state;
    assert_int_equal(epmd_get_alive(answer, 1, &creation), CNODE_PROTOCOL);
    assert_int_equal(epmd_get_port(answer, 1, &port), CNODE_PROTOCOL);
}

static const uint8_t port_answer[] = {119, 0, 0xa3, 0x1f, 77,  0,   0, 6,
                                      0,   5, 0,    2,    'c', '1', 0, 0};

static void port_answer_may_come_byte_by_byte(void **state)
{
    uint16_t port = 0;

    (void)state;
    for (size_t len = 0; len < 10; len++) {
        assert_int_equal(epmd_get_port(port_answer, len, &port), 0);
    }
    for (size_t len = 10; len <= sizeof(port_answer); len++) {
        assert_int_equal(epmd_get_port(port_answer, len, &port), 1);
        assert_int_equal(port, 0xa31f);
    }
}

static void an_unknown_name_is_not_found(void **state)
{
    static const uint8_t answer[] = {119, 1};
    uint16_t port;

    (void)state;
    assert_int_equal(epmd_get_port(answer, 2, &port), CNODE_NOT_REGISTERED);
}

static void versions_that_exclude_six_are_refused(void **state)
{
    uint8_t answer[sizeof(port_answer)];
    uint16_t port;

    (void)state;
    memcpy(answer, port_answer, sizeof(answer));
    answer[7] = 5; /* highest */
    assert_int_equal(epmd_get_port(answer, sizeof(answer), &port),
                     CNODE_REFUSED);
    answer[7] = 8;
    answer[9] = 7; /* lowest */
    assert_int_equal(epmd_get_port(answer, sizeof(answer), &port),
                     CNODE_REFUSED);
    answer[9] = 6;
    assert_int_equal(epmd_get_port(answer, sizeof(answer), &port), 1);
    answer[5] = 1; /* not TCP */
    assert_int_equal(epmd_get_port(answer, sizeof(answer), &port),
                     CNODE_REFUSED);
}

static void port_zero_breaks_the_protocol(void **state)
{
    uint8_t answer[sizeof(port_answer)];
    uint16_t port;

    (void)state;
    memcpy(answer, port_answer, sizeof(answer));
    answer[2] = answer[3] = 0;
    assert_int_equal(epmd_get_port(answer, sizeof(answer), &port),
                     CNODE_PROTOCOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alive_request_is_what_a_node_sends),
        cmocka_unit_test(port_please_request_is_what_a_node_sends),
        cmocka_unit_test(alive_answer_may_come_byte_by_byte),
        cmocka_unit_test(an_old_epmd_gives_a_short_creation),
        cmocka_unit_test(a_taken_name_is_said_so),
        cmocka_unit_test(another_answer_breaks_the_protocol),
        cmocka_unit_test(port_answer_may_come_byte_by_byte),
        cmocka_unit_test(an_unknown_name_is_not_found),
        cmocka_unit_test(versions_that_exclude_six_are_refused),
        cmocka_unit_test(port_zero_breaks_the_protocol),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
