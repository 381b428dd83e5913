/* SPDX-License-Identifier: Apache-2.0
 *
 * The slices of one gather stay valid until all of them are sealed; then the
 * channel is told that they have landed, as their bytes are no longer needed.
 * Ciphertext is written from a buffer of its own: the library may have more to
 * say while that is under way.
 */
#include "dist/sealer.h"

enum {
    SEAL_BYTES = 48 * 1024, /* ciphertext, then it is written */
    STEP_BYTES = 64 * 1024,
    KEPT_BYTES = 64 * 1024, /* of memory, when there is nothing more */
};

void sealer_init(struct sealer *sealer, struct tls *tls)
{
    *sealer = (struct sealer){.tls = tls};
    buf_init(&sealer->flying, TLS_OUT_MAX);
}

void sealer_fini(struct sealer *sealer)
{
    buf_fini(&sealer->flying);
}

/* The next slices of the channel. False: there are none. */
static bool refill(struct sealer *sealer)
{
    if (sealer->at < sealer->count) {
        return true;
    }
    if (sealer->channel == NULL) {
        return false;
    }
    if (sealer->count > 0) {
        channel_landed(sealer->channel);
    }
    sealer->at = 0;
    sealer->offset = 0;
    sealer->count = channel_gather(sealer->channel, sealer->vecs, CHANNEL_VECS);
    return sealer->count > 0;
}

/* A part of the slice at hand; *used 0: TLS waits for the peer. */
static int seal_some(struct sealer *sealer, size_t *used)
{
    struct channel_vec *vec = &sealer->vecs[sealer->at];
    size_t rest = vec->size - sealer->offset;
    size_t size = rest < STEP_BYTES ? rest : STEP_BYTES;
    int rc = tls_put(sealer->tls, vec->bytes + sealer->offset, size, used);

    sealer->offset += *used;
    if (sealer->offset == vec->size) {
        sealer->at++;
        sealer->offset = 0;
    }
    return rc;
}

int sealer_gather(struct sealer *sealer, struct channel_vec *vec)
{
    struct buf *out = &sealer->tls->out;
    struct buf empty = sealer->flying;
    size_t used = 1;
    int rc = 0;

    CHECK(!sealer->is_flying);
    while (rc == 0 && used > 0 && buf_size(out) < SEAL_BYTES &&
           refill(sealer)) {
        rc = seal_some(sealer, &used);
    }
    if (rc == 0) {
        rc = tls_end_record(sealer->tls);
    }
    if (rc < 0) {
        return rc;
    }
    if (buf_size(out) == 0) {
        return 0;
    }
    sealer->flying = *out;
    *out = empty;
    sealer->is_flying = true;
    *vec = (struct channel_vec){.bytes = buf_data(&sealer->flying),
                                .size = buf_size(&sealer->flying)};
    return 1;
}

void sealer_landed(struct sealer *sealer)
{
    CHECK(sealer->is_flying);
    sealer->is_flying = false;
    if (sealer->at == sealer->count && sealer->flying.cap > KEPT_BYTES) {
        buf_fini(&sealer->flying);
        return;
    }
    buf_clear(&sealer->flying);
}
