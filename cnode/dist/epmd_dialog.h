/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection to an epmd: a request, then whatever comes back. Used by
 * epmd.c and epmd_lookup.c. Belongs to one loop.
 *
 * The dialog is a member of its owner. After open the one way out is the closed
 * event; only then may the memory go, or the dialog be opened again.
 */
#ifndef CNODE_DIST_EPMD_DIALOG_H
#define CNODE_DIST_EPMD_DIALOG_H

#include <sys/socket.h>

#include "base/buf.h"
#include "base/loop.h"

/* The longest reply: a name of 1020 bytes and twelve fixed ones. We do not use
 * the extra data that may follow it, and nobody sends any. */
enum { EPMD_REPLY_MAX = 2048 };

enum epmd_dialog_state { DIALOG_CLOSED, DIALOG_OPEN, DIALOG_CLOSING };

struct epmd_dialog;

struct epmd_dialog_events {
    /* More of the reply is there: bytes `reply`, `reply_size` in all. The owner
     * may set reply_size to 0 to forget them. */
    void (*replied)(struct epmd_dialog *dialog);
    /* CNODE_CLOSED: by epmd; the reason given to close; an error of libuv. */
    void (*closed)(struct epmd_dialog *dialog, int reason);
};

struct epmd_dialog {
    enum epmd_dialog_state state;
    int reason;
    const struct epmd_dialog_events *events;
    uv_tcp_t tcp;
    uv_connect_t connecting;
    struct buf request;
    uint8_t reply[EPMD_REPLY_MAX];
    size_t reply_size;
};

void epmd_dialog_init(struct epmd_dialog *dialog,
                      const struct epmd_dialog_events *events);
void epmd_dialog_fini(struct epmd_dialog *dialog);

/* Connects and sends what the caller put into `request`. Errors come with the
 * closed event. */
void epmd_dialog_open(struct epmd_dialog *dialog, struct loop *loop,
                      const struct sockaddr *address);
/* Any time; the first reason wins. The socket is closed at once. */
void epmd_dialog_close(struct epmd_dialog *dialog, int reason);
bool epmd_dialog_is_closed(const struct epmd_dialog *dialog);

#endif
