/* SPDX-License-Identifier: Apache-2.0
 *
 * The happy path is one gather and one system call that takes all of it. When
 * the socket is full the slices stay gathered, so they stay valid, and nothing
 * else is gathered until they have landed: what is sent meanwhile queues up in
 * the channel, where its limits count it.
 */
#include "dist/outlet.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cnode/error.h>

#include "base/metric.h"

enum { TURN_BYTES = 1024 * 1024 }; /* then other connections have their turn */

/* How much the kernel may hold that it has not sent yet. What stands there can
 * no longer be overtaken by a small message. */
enum { UNSENT_BYTES = 64 * 1024 };

static void on_written(uv_write_t *req, int status);

/* A socket that does not know this only lets large messages queue longer. */
static void limit_unsent(uv_stream_t *stream)
{
    const int bytes = UNSENT_BYTES;
    uv_os_fd_t fd;

    if (uv_fileno((const uv_handle_t *)stream, &fd) == 0) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes,
                         sizeof(bytes));
    }
}

void outlet_init(struct outlet *outlet, uv_stream_t *stream, struct tls *tls)
{
    *outlet = (struct outlet){.stream = stream, .tls = tls};
    outlet->write.data = outlet;
    sealer_init(&outlet->sealer, tls);
}

void outlet_fini(struct outlet *outlet)
{
    sealer_fini(&outlet->sealer);
}

/* --- before there is a channel */

static int write_all(struct outlet *outlet, struct buf *bytes)
{
    size_t size = buf_size(bytes);
    uv_buf_t vec = uv_buf_init((char *)buf_data(bytes), (unsigned)size);
    int n;

    if (size == 0) {
        return 0;
    }
    n = uv_try_write(outlet->stream, &vec, 1);
    if (n < 0) {
        return n;
    }
    buf_consume(bytes, (size_t)n);
    METRIC_ADD(bytes_out, (size_t)n);
    return (size_t)n == size ? 0 : CNODE_STALLED;
}

/* Words for a peer that is not heard yet wait. */
static int seal_words(struct outlet *outlet, struct buf *words)
{
    size_t used = 0;
    int rc = tls_put(outlet->tls, buf_data(words), buf_size(words), &used);

    buf_consume(words, used);
    if (rc == 0) {
        rc = tls_end_record(outlet->tls);
    }
    return rc < 0 ? rc : 0;
}

int outlet_say(struct outlet *outlet, struct buf *words)
{
    int rc = buf_error(words), written;

    if (rc != 0 || outlet->tls == NULL) {
        return rc != 0 ? rc : write_all(outlet, words);
    }
    if (outlet->tls->state == TLS_UP) {
        rc = seal_words(outlet, words);
    }
    written = write_all(outlet, &outlet->tls->out);
    return rc != 0 ? rc : written;
}

void outlet_attach(struct outlet *outlet, struct channel *channel,
                   outlet_fn landed)
{
    outlet->channel = channel;
    outlet->sealer.channel = channel;
    outlet->landed = landed;
    limit_unsent(outlet->stream);
}

/* --- the channel */

/* The next slices as libuv wants them. Returns how many, 0: nothing to write;
 * or an error. */
static int outlet_gather(struct outlet *outlet, uv_buf_t *vecs, size_t *size)
{
    struct channel_vec slices[CHANNEL_VECS];
    int count = outlet->tls != NULL
                    ? sealer_gather(&outlet->sealer, slices)
                    : channel_gather(outlet->channel, slices, CHANNEL_VECS);

    *size = 0;
    for (int i = 0; i < count; i++) {
        /* libuv does not write to them: its uv_buf_t serves reading too. */
        vecs[i].base = (char *)slices[i].bytes;
        vecs[i].len = slices[i].size;
        *size += slices[i].size;
    }
    outlet->is_waiting = count > 0;
    return count;
}

static void outlet_count(struct outlet *outlet, size_t n)
{
    outlet->bytes += n;
    METRIC_ADD(bytes_out, n);
}

/* Offers the slices to the socket; *taken says how many bytes it took. */
static int outlet_offer(struct outlet *outlet, const uv_buf_t *vecs,
                        unsigned count, size_t *taken)
{
    int n = uv_try_write(outlet->stream, vecs, count);

    *taken = n > 0 ? (size_t)n : 0;
    outlet_count(outlet, *taken);
    return n < 0 && n != UV_EAGAIN ? n : 0;
}

static void outlet_landed(struct outlet *outlet)
{
    outlet->is_waiting = false;
    if (outlet->tls != NULL) {
        sealer_landed(&outlet->sealer);
    } else {
        channel_landed(outlet->channel);
    }
}

/* Leaves to libuv what the socket did not take. */
static int outlet_leave(struct outlet *outlet, uv_buf_t *vecs, unsigned count,
                        size_t taken)
{
    unsigned first = 0;
    size_t rest = 0;
    int rc;

    while (taken >= vecs[first].len) {
        taken -= vecs[first++].len;
    }
    vecs[first].base += taken;
    vecs[first].len -= taken;
    for (unsigned i = first; i < count; i++) {
        rest += vecs[i].len;
    }
    rc = uv_write(&outlet->write, outlet->stream, vecs + first, count - first,
                  on_written);
    if (rc == 0) {
        outlet_count(outlet, rest);
    }
    return rc;
}

int outlet_write(struct outlet *outlet)
{
    uv_buf_t vecs[CHANNEL_VECS];
    size_t size, taken, sum = 0;

    while (!outlet->is_waiting) {
        if (sum >= TURN_BYTES) {
            return 1;
        }
        int count = outlet_gather(outlet, vecs, &size);
        if (count <= 0) {
            return count;
        }
        int rc = outlet_offer(outlet, vecs, (unsigned)count, &taken);
        if (rc == 0 && taken < size) {
            return outlet_leave(outlet, vecs, (unsigned)count, taken);
        }
        if (rc < 0) {
            return rc;
        }
        outlet_landed(outlet);
        sum += size;
    }
    return 0;
}

static void on_written(uv_write_t *req, int status)
{
    struct outlet *outlet = req->data;

    if (status == 0) {
        outlet_landed(outlet);
    }
    outlet->landed(outlet, status);
}

void outlet_farewell(struct outlet *outlet)
{
    uv_buf_t vecs[CHANNEL_VECS];
    size_t size, taken;
    bool is_last = false;
    int count;

    while (!outlet->is_waiting) {
        count = outlet_gather(outlet, vecs, &size);
        if (count == 0 && outlet->tls != NULL && !is_last) {
            is_last = true;
            tls_close(outlet->tls);
            continue;
        }
        if (count <= 0 ||
            outlet_offer(outlet, vecs, (unsigned)count, &taken) < 0 ||
            taken < size) {
            return; /* is_waiting stays: nothing more is gathered */
        }
        outlet_landed(outlet);
    }
}

size_t outlet_overhead(const struct outlet *outlet)
{
    return outlet->tls != NULL ? outlet->tls->overhead : 0;
}

uint64_t outlet_waiting(const struct outlet *outlet)
{
    return uv_stream_get_write_queue_size(outlet->stream);
}

uint64_t outlet_taken(const struct outlet *outlet)
{
    return outlet->bytes - outlet_waiting(outlet);
}
