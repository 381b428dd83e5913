/* SPDX-License-Identifier: Apache-2.0
 *
 * A failing CHECK ends the process and says why. Run in a child.
 */
#include "base/check.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/trace.h"

static void fail_after_tracing(void)
{
    for (unsigned i = 0; i < 300; i++) {
        TRACE("step", i, 7);
    }
    CHECK(1 + 1 == 3);
}

static void failed_check_prints_the_condition_and_the_trace(void **state)
{
    static char text[65536];
    size_t len = 0;
    ssize_t n;
    int ends[2], status;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL); /* sanitizers and cmocka would report it */
        dup2(ends[1], STDERR_FILENO);
        fail_after_tracing();
        _exit(0);
    }
    close(ends[1]);
    while ((n = read(ends[0], text + len, sizeof(text) - 1 - len)) > 0) {
        len += (size_t)n;
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, "check failed: 1 + 1 == 3"));
    assert_non_null(strstr(text, "test_check.c:"));
    assert_non_null(strstr(text, "step 299 7\n")); /* the newest 256 */
    assert_non_null(strstr(text, "step 44 7\n"));
    assert_null(strstr(text, "step 43 7\n"));
}

static void passing_check_evaluates_once(void **state)
{
    unsigned calls = 0;

    (void)state;
    CHECK(++calls == 1);
    assert_int_equal(calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_check_prints_the_condition_and_the_trace),
        cmocka_unit_test(passing_check_evaluates_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
