/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of the road: says what was wrong and what led there, then aborts. The
 * supervisor above starts the node again.
 */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/trace.h"

void check_failed(const char *what, const char *file, int line)
{
    dprintf(STDERR_FILENO, "%s:%d: check failed: %s\n", file, line, what);
    trace_dump(STDERR_FILENO);
    abort();
}
