/* SPDX-License-Identifier: Apache-2.0
 *
 * See random.h.
 */
#include "support/random.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

uint64_t random_seed(void)
{
    const char *text = getenv("TEST_SEED");
    uint64_t seed =
        text != NULL ? strtoull(text, NULL, 0) : (uint64_t)time(NULL) * 1000003;

    print_message("TEST_SEED=%" PRIu64 "\n", seed);
    return seed;
}
