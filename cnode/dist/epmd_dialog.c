/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection to an epmd: connect, write the request, read until somebody
 * closes. Whatever fails becomes the reason of the closed event.
 */
#include "dist/epmd_dialog.h"

#include <cnode/error.h>

static void on_connected(uv_connect_t *req, int status);
static int dialog_ask(struct epmd_dialog *dialog);
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);
static void on_tcp_closed(uv_handle_t *handle);

void epmd_dialog_init(struct epmd_dialog *dialog,
                      const struct epmd_dialog_events *events)
{
    *dialog = (struct epmd_dialog){.state = DIALOG_CLOSED, .events = events};
    buf_init(&dialog->request, 0);
}

void epmd_dialog_fini(struct epmd_dialog *dialog)
{
    CHECK(dialog->state == DIALOG_CLOSED);
    buf_fini(&dialog->request);
}

void epmd_dialog_open(struct epmd_dialog *dialog, struct loop *loop,
                      const struct sockaddr *address)
{
    int rc;

    CHECK(dialog->state == DIALOG_CLOSED);
    dialog->state = DIALOG_OPEN;
    dialog->reason = 0;
    dialog->reply_size = 0;
    /* Cannot fail: it makes no socket yet. */
    CHECK(uv_tcp_init(&loop->uv, &dialog->tcp) == 0);
    dialog->tcp.data = dialog;
    dialog->connecting.data = dialog;
    rc = uv_tcp_connect(&dialog->connecting, &dialog->tcp, address,
                        on_connected);
    if (rc < 0) {
        epmd_dialog_close(dialog, rc);
    }
}

static void on_connected(uv_connect_t *req, int status)
{
    struct epmd_dialog *dialog = req->data;
    int rc = status;

    if (dialog->state != DIALOG_OPEN) {
        return;
    }
    if (rc == 0) {
        rc = uv_read_start((uv_stream_t *)&dialog->tcp, on_alloc, on_read);
    }
    if (rc == 0) {
        rc = dialog_ask(dialog);
    }
    if (rc < 0) {
        epmd_dialog_close(dialog, rc);
    }
}

/* A request is a few hundred bytes on a new socket: not taken whole at once is
 * a failure. */
static int dialog_ask(struct epmd_dialog *dialog)
{
    size_t size = buf_size(&dialog->request);
    uv_buf_t vec =
        uv_buf_init((char *)buf_data(&dialog->request), (unsigned)size);
    int n;

    if (buf_error(&dialog->request) != 0) {
        return buf_error(&dialog->request);
    }
    n = uv_try_write((uv_stream_t *)&dialog->tcp, &vec, 1);
    if (n < 0) {
        return n;
    }
    return (size_t)n == size ? 0 : CNODE_STALLED;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct epmd_dialog *dialog = handle->data;

    (void)suggested;
    *buf = uv_buf_init((char *)dialog->reply + dialog->reply_size,
                       (unsigned)(EPMD_REPLY_MAX - dialog->reply_size));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct epmd_dialog *dialog = stream->data;

    (void)buf;
    if (n == 0 || dialog->state != DIALOG_OPEN) {
        return;
    }
    if (n == UV_ENOBUFS) {
        epmd_dialog_close(dialog, CNODE_PROTOCOL); /* no reply is so long */
        return;
    }
    if (n < 0) {
        epmd_dialog_close(dialog, n == UV_EOF ? CNODE_CLOSED : (int)n);
        return;
    }
    dialog->reply_size += (size_t)n;
    dialog->events->replied(dialog);
}

void epmd_dialog_close(struct epmd_dialog *dialog, int reason)
{
    if (dialog->state != DIALOG_OPEN) {
        return;
    }
    dialog->state = DIALOG_CLOSING;
    dialog->reason = reason;
    uv_close((uv_handle_t *)&dialog->tcp, on_tcp_closed);
}

static void on_tcp_closed(uv_handle_t *handle)
{
    struct epmd_dialog *dialog = handle->data;

    dialog->state = DIALOG_CLOSED;
    buf_clear(&dialog->request);
    dialog->events->closed(dialog, dialog->reason); /* may free it */
}

bool epmd_dialog_is_closed(const struct epmd_dialog *dialog)
{
    return dialog->state == DIALOG_CLOSED;
}
