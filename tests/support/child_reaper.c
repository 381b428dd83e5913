/* SPDX-License-Identifier: Apache-2.0
 *
 * PR_SET_CHILD_SUBREAPER, and the kernel's list of our children. All of it is
 * safe in a signal handler, where a test that hangs ends.
 */
#include "support/child_reaper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

enum { HANG_SECONDS = 60, EXIT_HUNG = 124 };

static char children_path[64];

static void kill_children(void)
{
    char text[4096];
    int fd = open(children_path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, text, sizeof(text)) : 0;
    pid_t pid = 0;

    for (ssize_t i = 0; i < size; i++) {
        if (text[i] >= '0' && text[i] <= '9') {
            pid = pid * 10 + (text[i] - '0');
        } else if (pid > 1) {
            (void)kill(pid, SIGKILL);
            pid = 0;
        }
    }
    if (fd >= 0) {
        (void)close(fd);
    }
}

static void kill_and_reap(void)
{
    do {
        kill_children();
        /* On a hang the process ends next, whatever becomes of errno.
         * NOLINTNEXTLINE(bugprone-signal-handler,cert-sig30-c) */
    } while (waitpid(-1, NULL, 0) > 0 || errno != ECHILD);
}

static void on_hang(int number)
{
    static const char text[] = "the test hangs: ended with its children\n";

    (void)number;
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    kill_and_reap();
    _exit(EXIT_HUNG);
}

void child_reaper_start(void)
{
    (void)snprintf(children_path, sizeof(children_path),
                   "/proc/self/task/%d/children", (int)getpid());
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
    (void)signal(SIGALRM, on_hang);
    (void)alarm(HANG_SECONDS);
}

void child_reaper_kill_all(void)
{
    (void)alarm(0);
    kill_and_reap();
}
