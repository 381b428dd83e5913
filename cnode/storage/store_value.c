/* SPDX-License-Identifier: Apache-2.0
 *
 * See store_value.h.
 */
#include "storage/store_value.h"

#include <openssl/sha.h>

#include <cnode/error.h>

#include "base/hash.h"
#include "storage/store_backend.h"

enum { VERSION = 1, CHECKSUM_AT = 4 };

static const uint8_t mark[CHECKSUM_AT] = {'C', 'N', VERSION, 0};

static uint64_t checksum(const struct store_op *op)
{
    uint64_t sums[2] = {
        hash_stable(buf_data(&op->key), buf_size(&op->key)),
        hash_stable(buf_data(&op->value) + STORE_HEADER_BYTES,
                    buf_size(&op->value) - STORE_HEADER_BYTES),
    };

    return hash_stable(sums, sizeof(sums));
}

void store_value_seal(struct store_op *op)
{
    uint8_t *header = buf_data(&op->value);

    memcpy(header, mark, sizeof(mark));
    set_u64(header + CHECKSUM_AT, checksum(op));
}

int store_value_open(struct store_op *op)
{
    const uint8_t *header = buf_data(&op->value);

    if (buf_size(&op->value) <= STORE_HEADER_BYTES ||
        memcmp(header, mark, sizeof(mark)) != 0 ||
        get_u64(header + CHECKSUM_AT) != checksum(op)) {
        return CNODE_STORE_CORRUPT;
    }
    buf_consume(&op->value, STORE_HEADER_BYTES);
    return 0;
}

void store_key_shorten(struct store_op *op)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];

    buf_clear(&op->short_key);
    if (buf_size(&op->key) <= STORE_KEY_BYTES) {
        return;
    }
    (void)SHA256(buf_data(&op->key), buf_size(&op->key), digest);
    buf_put(&op->short_key, buf_data(&op->key),
            STORE_KEY_BYTES - sizeof(digest));
    buf_put(&op->short_key, digest, sizeof(digest));
}
