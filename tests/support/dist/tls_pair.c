/* SPDX-License-Identifier: Apache-2.0
 *
 * See tls_pair.h.
 */
#include "support/dist/tls_pair.h"

#include <stdlib.h>

static void end_init(struct tls_end *end, struct tls *tls)
{
    *end = (struct tls_end){.tls = tls};
    buf_init(&end->got, 0);
}

void tls_pair_open(struct tls_pair *pair, const struct tls_context *dialler,
                   const struct tls_context *acceptor, const char *host)
{
    *pair = (struct tls_pair){.step = 0};
    end_init(&pair->dialler, tls_dial(dialler, host));
    end_init(&pair->acceptor, tls_accept(acceptor));
}

void tls_pair_close(struct tls_pair *pair)
{
    struct tls_end *ends[] = {&pair->dialler, &pair->acceptor};

    for (int i = 0; i < 2; i++) {
        tls_free(ends[i]->tls);
        buf_fini(&ends[i]->got);
    }
}

/* In a block of its own, so that sanitizers see a read beyond it. */
void tls_end_feed(struct tls_end *end, const uint8_t *bytes, size_t size)
{
    uint8_t room[1000], *copy = malloc(size + 1);
    size_t n;

    CHECK(copy != NULL);
    memcpy(copy, bytes, size);
    if (end->rc == 0) {
        tls_feed(end->tls, copy, size);
        do {
            end->rc = tls_take(end->tls, room, sizeof(room), &n);
            buf_put(&end->got, room, n);
            CHECK(end->rc == 0 || n == 0);
        } while (end->rc == 0 && n > 0);
        CHECK(end->tls->in_size == 0);
        CHECK((end->rc != 0) == (end->tls->state == TLS_FAILED));
    }
    free(copy);
}

static bool pass(struct tls_end *from, struct tls_end *to, size_t step)
{
    struct buf *out = &from->tls->out;
    bool moved = buf_size(out) > 0;

    while (buf_size(out) > 0) {
        size_t size = step == 0 || step > buf_size(out) ? buf_size(out) : step;
        tls_end_feed(to, buf_data(out), size);
        buf_consume(out, size);
    }
    return moved;
}

void tls_pair_run(struct tls_pair *pair)
{
    bool moved = true;

    while (moved) {
        moved = pass(&pair->dialler, &pair->acceptor, pair->step);
        moved = pass(&pair->acceptor, &pair->dialler, pair->step) || moved;
    }
}

void tls_end_put(struct tls_end *end, const void *bytes, size_t size)
{
    size_t used = 0;

    CHECK(tls_put(end->tls, bytes, size, &used) == 0 && used == size);
    CHECK(tls_end_record(end->tls) == 0);
}
