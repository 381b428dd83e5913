/* SPDX-License-Identifier: Apache-2.0
 *
 * PR_SET_CHILD_SUBREAPER, and the kernel's list of our children.
 */
#include "support/child_reaper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

void child_reaper_start(void)
{
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
}

static void kill_children(void)
{
    char path[64];
    FILE *file;
    int pid;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/children",
                   (int)getpid());
    file = fopen(path, "re");
    if (file == NULL) {
        return;
    }
    while (fscanf(file, "%d", &pid) == 1) {
        (void)kill(pid, SIGKILL);
    }
    (void)fclose(file);
}

void child_reaper_kill_all(void)
{
    int status;

    do {
        kill_children();
    } while (waitpid(-1, &status, 0) > 0 || errno != ECHILD);
}
