/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of something that claims to be epmd. Once an answer is complete or
 * wrong, more bytes must not change it.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "dist/epmd_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The answer to the first `len` bytes, in memory of exactly that size. */
static int get(bool is_port, const uint8_t *data, size_t len, uint32_t *value)
{
    uint8_t *bytes = malloc(len > 0 ? len : 1);
    uint16_t port = 0;
    int rc;

    CHECK(bytes != NULL);
    memcpy(bytes, data, len);
    *value = 0;
    if (is_port) {
        rc = epmd_get_port(bytes, len, &port);
        *value = port;
    } else {
        rc = epmd_get_alive(bytes, len, value);
    }
    free(bytes);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size = size < 64 ? size : 64;
    for (int is_port = 0; is_port < 2; is_port++) {
        uint32_t first = 0, value;
        int before = 0;

        for (size_t len = 0; len <= size; len++) {
            int rc = get(is_port != 0, data, len, &value);

            CHECK(rc <= 1);
            CHECK(before == 0 || (rc == before && value == first));
            before = rc;
            first = value;
        }
    }
    return 0;
}
