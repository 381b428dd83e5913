/* SPDX-License-Identifier: Apache-2.0
 *
 * See growing.h. The keys of maps are looked at as far as the validator has
 * come. The one thing that is left to the end is a map whose keys are all there
 * only then: its keys are compared at once (limits.map_pairs bounds that).
 */
#include "term/growing.h"

#include <cnode/error.h>

#include "term/map_keys.h"

void growing_init(struct growing *growing, uint32_t max_depth)
{
    validator_init(&growing->validator, max_depth);
    growing->keys = NULL;
    growing->looks_again = false;
    growing->rc = 0;
}

void growing_fini(struct growing *growing)
{
    validator_fini(&growing->validator);
    key_walk_free(growing->keys);
    growing->keys = NULL;
}

static int check_keys(struct growing *growing, const uint8_t *bytes)
{
    size_t size = growing->validator.at;
    int rc = 0;

    if (growing->keys == NULL) {
        growing->keys = key_walk_new();
    }
    if (!growing->looks_again) {
        rc = key_walk_step(growing->keys, bytes, size);
        growing->looks_again = rc == CNODE_TOO_LARGE;
    }
    if (!growing->looks_again) {
        return rc;
    }
    return growing->rc == 1 ? term_check_keys(bytes, size) : 0;
}

int growing_step(struct growing *growing, const uint8_t *bytes, size_t len)
{
    struct validator *validator = &growing->validator;
    int rc;

    if (growing->rc != 0) {
        return growing->rc;
    }
    growing->rc = validator_step(validator, bytes, len, UINT64_MAX);
    if (growing->rc >= 0 && validator->has_maps) {
        rc = check_keys(growing, bytes);
        growing->rc = rc == 0 ? growing->rc : rc;
    }
    return growing->rc;
}

size_t growing_size(const struct growing *growing)
{
    return growing->validator.at;
}
