/* SPDX-License-Identifier: Apache-2.0 */
#include "dist/mute_port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/mem.h"
#include "dist/address.h"
#include "support/loop_until.h"
#include "support/raw_socket.h"

enum { LONG_MS = 60000 };

struct fixture {
    struct loop loop;
    struct mute_port *port;
    unsigned closed;
};

static void on_closed(void *owner)
{
    struct fixture *f = owner;

    f->port = NULL;
    f->closed++;
}

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));

    *state = f;
    return loop_init(&f->loop, NULL, NULL);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->port != NULL) {
        mute_port_close(f->port);
    }
    loop_fini(&f->loop);
    mem_free(f);
    return 0;
}

static uint16_t open_for(struct fixture *f, uint64_t wait_ms)
{
    assert_int_equal(mute_port_open(&f->port, &f->loop, "127.0.0.1", 0, wait_ms,
                                    on_closed, f),
                     0);
    return mute_port_number(f->port);
}

static bool is_refused(uint16_t number)
{
    struct sockaddr_storage address;
    int fd = socket(AF_INET, SOCK_STREAM, 0), rc;

    assert_true(fd >= 0 && address_parse("127.0.0.1", number, &address));
    rc = connect(fd, (struct sockaddr *)&address, sizeof(struct sockaddr_in));
    raw_close(fd);
    return rc != 0;
}

static void the_first_is_taken_and_hears_nothing(void **state)
{
    struct fixture *f = *state;
    uint16_t number = open_for(f, LONG_MS);
    int fd = raw_connect(number);

    assert_int_equal(raw_write(fd, "hello", 5), 5);
    loop_run_ms(&f->loop, 50);
    assert_false(raw_is_closed(fd));
    assert_true(is_refused(number)); /* nobody listens any more */
    assert_int_equal(f->closed, 0);
    raw_close(fd);
}

static void it_is_over_when_the_other_end_leaves(void **state)
{
    struct fixture *f = *state;
    int fd = raw_connect(open_for(f, LONG_MS));

    loop_run_ms(&f->loop, 20);
    raw_close(fd);
    LOOP_UNTIL(&f->loop, f->closed == 1);
}

static void it_is_over_when_nobody_comes(void **state)
{
    struct fixture *f = *state;
    uint16_t number = open_for(f, 20);

    LOOP_UNTIL(&f->loop, f->closed == 1);
    assert_true(is_refused(number));
}

static void the_time_is_for_coming_only(void **state)
{
    struct fixture *f = *state;
    int fd = raw_connect(open_for(f, 30));

    loop_run_ms(&f->loop, 100);
    assert_int_equal(f->closed, 0);
    assert_false(raw_is_closed(fd));
    raw_close(fd);
}

/* At every moment of its life, and twice. */
static void it_closes_at_any_time(void **state)
{
    struct fixture *f = *state;

    for (unsigned turns = 0; turns < 6; turns++) {
        int fd = raw_connect(open_for(f, LONG_MS));

        f->closed = 0;
        for (unsigned i = 0; i < turns; i++) {
            loop_turn(&f->loop, 1);
        }
        mute_port_close(f->port);
        mute_port_close(f->port);
        LOOP_UNTIL(&f->loop, f->closed == 1);
        assert_true(raw_is_closed(fd));
        raw_close(fd);
    }
}

static void what_cannot_be_opened_is_an_error(void **state)
{
    struct fixture *f = *state;
    uint16_t number;
    int fd = raw_listen(&number);

    assert_int_equal(mute_port_open(&f->port, &f->loop, "somewhere", 0, LONG_MS,
                                    on_closed, f),
                     CNODE_EINVALID);
    assert_int_equal(mute_port_open(&f->port, &f->loop, "127.0.0.1", number,
                                    LONG_MS, on_closed, f),
                     UV_EADDRINUSE);
    loop_run_ms(&f->loop, 10);
    assert_int_equal(f->closed, 0);
    raw_close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_is_taken_and_hears_nothing),
        TEST(it_is_over_when_the_other_end_leaves),
        TEST(it_is_over_when_nobody_comes),
        TEST(the_time_is_for_coming_only),
        TEST(it_closes_at_any_time),
        TEST(what_cannot_be_opened_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
