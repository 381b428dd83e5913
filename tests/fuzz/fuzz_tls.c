/* SPDX-License-Identifier: Apache-2.0
 *
 * The first byte chooses. Even: a stranger feeds the rest to an acceptor or a
 * dialler, in pieces. Odd: two ends talk, and the rest is a script of what one
 * between them does to the bytes under way: deliver, cut, change, repeat. Plain
 * bytes that arrive are then the first that were sent, in order, or it ends.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <openssl/ssl.h>

#include "support/dist/certs.h"
#include "support/dist/tls_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const size_t fuzz_runs;

const size_t fuzz_runs = 500; /* a script begins with a whole handshake */

enum { IS_SCRIPT = 1, IS_DIALLER = 2, IS_OLD = 4 };

static struct tls_context *contexts[2];

static void make_contexts(void)
{
    if (contexts[0] == NULL) {
        (void)cert_options();
        contexts[0] = cert_context("node", "ca", TLS_1_3);
        contexts[1] = cert_context("node", "ca", TLS_1_2);
        contexts[0]->rekey_records = 3;
    }
}

static void stranger(struct tls_end *end, const uint8_t *data, size_t size)
{
    size_t step = size > 0 ? (size_t)data[0] + 1 : 1;

    for (size_t at = 1; at < size && end->rc == 0; at += step) {
        tls_end_feed(end, data + at, step < size - at ? step : size - at);
    }
    CHECK(end->tls->state != TLS_UP);
    CHECK(buf_size(&end->got) == 0);
    CHECK(buf_size(&end->tls->out) < 65536);
}

/* --- the script */

struct talk {
    struct tls_end *from, *to;
    uint8_t sent, got; /* bytes count up from 0 */
};

static void send_bytes(struct talk *talk, size_t count)
{
    uint8_t bytes[256];
    size_t used = 0;
    int rc;

    for (size_t i = 0; i < count; i++) {
        bytes[i] = (uint8_t)(talk->sent + i);
    }
    rc = tls_put(talk->from->tls, bytes, count, &used);
    talk->sent = (uint8_t)(talk->sent + used);
    CHECK(rc <= 0 && (rc < 0 || used <= count));
    rc = tls_end_record(talk->from->tls);
    CHECK(rc <= 1);
}

static void deliver(struct talk *talk, size_t count)
{
    struct buf *out = &talk->from->tls->out;
    struct buf *got = &talk->to->got;

    count = count < buf_size(out) ? count : buf_size(out);
    tls_end_feed(talk->to, buf_data(out), count);
    buf_consume(out, count);
    for (; buf_size(got) > 0; buf_consume(got, 1)) {
        CHECK(*buf_data(got) == talk->got++);
    }
}

static void meddle(struct buf *out, uint8_t how, uint8_t where)
{
    size_t size = buf_size(out), at = size > 0 ? where % size : 0;

    if (size == 0) {
        return;
    }
    if (how == 0) {
        buf_data(out)[at] ^= (uint8_t)(1 << (where & 7));
    } else if (how == 1) {
        buf_truncate(out, size - at);
    } else {
        uint8_t copy[64];
        size_t n = size < sizeof(copy) ? size : sizeof(copy);
        memcpy(copy, buf_data(out), n);
        buf_put(out, copy, n);
    }
}

static void step(struct talk *talk, uint8_t op, uint8_t arg)
{
    switch (op) {
    case 0:
    case 1:
        deliver(talk, op == 0 ? SIZE_MAX : arg);
        break;
    case 2:
        send_bytes(talk, arg);
        break;
    case 3:
        tls_trust(talk->from->tls);
        (void)SSL_renegotiate(talk->from->tls->ssl);
        (void)SSL_do_handshake(talk->from->tls->ssl);
        break;
    case 4:
        tls_close(talk->from->tls);
        break;
    default:
        meddle(&talk->from->tls->out, op - 5, arg);
        break;
    }
}

static void run_script(struct tls_pair *pair, const uint8_t *data, size_t size)
{
    struct talk talks[] = {{.from = &pair->dialler, .to = &pair->acceptor},
                           {.from = &pair->acceptor, .to = &pair->dialler}};

    tls_pair_run(pair);
    CHECK(pair->acceptor.tls->state == TLS_UP);
    for (size_t at = 0; at + 1 < size; at += 2) {
        step(&talks[data[at] & 1], (data[at] >> 1) & 7, data[at + 1]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tls_pair pair;
    struct tls_context *context;

    if (size < 2) {
        return 0;
    }
    make_contexts();
    context = contexts[(data[0] & IS_OLD) != 0];
    tls_pair_open(&pair, context, context, "localhost");
    if ((data[0] & IS_SCRIPT) != 0) {
        run_script(&pair, data + 1, size - 1);
    } else if ((data[0] & IS_DIALLER) != 0) {
        stranger(&pair.dialler, data + 1, size - 1);
    } else {
        stranger(&pair.acceptor, data + 1, size - 1);
    }
    tls_pair_close(&pair);
    return 0;
}
