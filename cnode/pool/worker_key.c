/* SPDX-License-Identifier: Apache-2.0
 *
 * See worker_key.h.
 */
#include "pool/worker_key.h"

#include <string.h>

#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "term/canonical.h"

int worker_key_make(struct worker_key *key, struct cnode_term id,
                    struct buf *scratch)
{
    size_t size = cnode_term_size(id);
    int rc;

    if (size > limits.id_bytes) {
        METRIC_INC(ids_refused);
        return CNODE_TOO_LARGE;
    }
    *key = (struct worker_key){.bytes = id.at, .size = size};
    if (!term_is_canonical(id)) {
        buf_clear(scratch);
        rc = term_put_canonical(scratch, id);
        if (rc != 0) {
            return rc;
        }
        key->bytes = buf_data(scratch);
        key->size = buf_size(scratch);
    }
    key->hash = hash_stable(key->bytes, key->size);
    key->is_integer = cnode_get_int(id, &key->integer);
    return 0;
}

struct worker_id *worker_id_copy(const struct worker_key *key)
{
    struct worker_id *id = mem_try(sizeof(*id) + key->size);

    if (id != NULL) {
        id->size = (uint32_t)key->size;
        memcpy(id->bytes, key->bytes, key->size);
    }
    return id;
}
