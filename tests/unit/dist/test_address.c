/* SPDX-License-Identifier: Apache-2.0 */
#include "dist/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"

static void check_round_trip(const char *literal, const char *text)
{
    struct sockaddr_storage address;
    char out[ADDRESS_TEXT_MAX];

    assert_true(address_parse(literal, 4369, &address));
    assert_int_equal(address_port(&address), 4369);
    address_text((const struct sockaddr *)&address, out);
    assert_string_equal(out, text);
}

static void literals_of_both_families_are_read(void **state)
{
    (void)state;
    check_round_trip("127.0.0.1", "127.0.0.1:4369");
    check_round_trip("0.0.0.0", "0.0.0.0:4369");
    check_round_trip("::1", "[::1]:4369");
    check_round_trip("::", "[::]:4369");
    check_round_trip("fe80::1%lo", "[fe80::1]:4369");
}

static void longest_address_fits_its_text(void **state)
{
    (void)state;
    check_round_trip("1111:2222:3333:4444:5555:6666:7777:8888",
                     "[1111:2222:3333:4444:5555:6666:7777:8888]:4369");
}

static void everything_else_is_no_address(void **state)
{
    static const char *const bad[] = {
        "",
        "localhost",
        "127.0.0",
        "127.0.0.1.",
        "1:2:3",
        "[::1]",
        "127.0.0.1%lo",
        " 127.0.0.1",
        "::1::",
        "%lo",
        "256.0.0.1",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb",
    };
    struct sockaddr_storage address;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(address_parse(bad[i], 1, &address));
    }
}

static void port_can_be_changed(void **state)
{
    struct sockaddr_storage address;

    (void)state;
    assert_true(address_parse("::1", 1, &address));
    address_set_port(&address, 65535);
    assert_int_equal(address_port(&address), 65535);
    assert_true(address_parse("127.0.0.1", 1, &address));
    address_set_port(&address, 2);
    assert_int_equal(address_port(&address), 2);
}

static void other_families_have_no_text(void **state)
{
    struct sockaddr address = {.sa_family = AF_UNIX};
    char out[ADDRESS_TEXT_MAX] = "x";

    (void)state;
    address_text(&address, out);
    assert_string_equal(out, "");
}

static void host_and_port_are_told_apart(void **state)
{
    static const struct {
        const char *text, *host; /* NULL: refused */
        uint16_t port;
    } cases[] = {
        {"10.0.0.5:9100", "10.0.0.5", 9100},
        {"db.example.org:1", "db.example.org", 1},
        {"[fe80::1%eth0]:65535", "fe80::1%eth0", 65535},
        {"fe80::1:9100", NULL, 0},
        {"host", NULL, 0},
        {"host:", NULL, 0},
        {"host:0", NULL, 0},
        {"host:65536", NULL, 0},
        {"host:123456", NULL, 0},
        {"host:12x", NULL, 0},
        {"host:-1", NULL, 0},
        {":9100", NULL, 0},
        {"[]:9100", NULL, 0},
        {"", NULL, 0},
        {"a-host-longer-than-there-is-room-for:9100", NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char host[20];
        uint16_t port = 0;
        bool is_split = address_split(cases[i].text, host, sizeof(host), &port);

        assert_true(is_split == (cases[i].host != NULL));
        if (is_split) {
            assert_string_equal(host, cases[i].host);
            assert_int_equal(port, cases[i].port);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_and_port_are_told_apart),
        cmocka_unit_test(literals_of_both_families_are_read),
        cmocka_unit_test(longest_address_fits_its_text),
        cmocka_unit_test(everything_else_is_no_address),
        cmocka_unit_test(port_can_be_changed),
        cmocka_unit_test(other_families_have_no_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
