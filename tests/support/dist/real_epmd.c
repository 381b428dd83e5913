/* SPDX-License-Identifier: Apache-2.0
 *
 * See real_epmd.h.
 */
#include "support/dist/real_epmd.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/check.h"

pid_t real_epmd_start(const char *program, uint16_t port)
{
    char digits[8];
    pid_t pid;

    (void)snprintf(digits, sizeof(digits), "%u", port);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        (void)dup2(null, 0);
        (void)dup2(null, 1);
        (void)dup2(null, 2);
        (void)execl(program, "epmd", "-port", digits, (char *)NULL);
        _exit(127);
    }
    return pid;
}
