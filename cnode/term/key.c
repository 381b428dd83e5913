/* SPDX-License-Identifier: Apache-2.0
 *
 * See key.h.
 */
#include "term/key.h"

#include <string.h>

#include <cnode/error.h>

#include "base/hash.h"
#include "base/mem.h"
#include "term/canonical.h"

int term_key_make(struct term_key *key, struct cnode_term term, size_t most,
                  struct buf *scratch)
{
    size_t size = cnode_term_size(term);
    int rc;

    if (size > most) {
        return CNODE_TOO_LARGE;
    }
    *key = (struct term_key){.bytes = term.at, .size = size};
    if (!term_is_canonical(term)) {
        buf_clear(scratch);
        rc = term_put_canonical(scratch, term);
        if (rc != 0) {
            return rc;
        }
        key->bytes = buf_data(scratch);
        key->size = buf_size(scratch);
    }
    key->hash = hash_bytes(key->bytes, key->size);
    return 0;
}

bool term_key_equal(const struct term_key *a, const struct term_key *b)
{
    return a->hash == b->hash && a->size == b->size &&
           memcmp(a->bytes, b->bytes, a->size) == 0;
}

int term_key_copy(struct term_key *copy, const struct term_key *key)
{
    uint8_t *bytes = mem_try(key->size);

    if (bytes == NULL) {
        return CNODE_NOMEM;
    }
    memcpy(bytes, key->bytes, key->size);
    *copy =
        (struct term_key){.hash = key->hash, .bytes = bytes, .size = key->size};
    return 0;
}

void term_key_free(struct term_key *copy)
{
    mem_free((void *)copy->bytes);
    *copy = (struct term_key){0};
}
