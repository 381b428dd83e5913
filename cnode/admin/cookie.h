/* SPDX-License-Identifier: Apache-2.0
 *
 * The cookie of the cluster. The first of these that is given counts: the
 * option, CNODE_COOKIE, the cookie file (named, or ~/.erlang.cookie). A cookie
 * is never logged.
 */
#ifndef CNODE_ADMIN_COOKIE_H
#define CNODE_ADMIN_COOKIE_H

#include "base/buf.h"
#include "dist/handshake.h"

struct cookie_sources {
    const char *option;      /* --cookie, or NULL */
    const char *environment; /* CNODE_COOKIE, or NULL */
    const char *file;        /* --cookie-file or node.cookie_file, or NULL */
    const char *home;        /* HOME, or NULL */
};

/* `option` and `file` as given; the rest from the environment. */
struct cookie_sources cookie_sources(const char *option, const char *file);

/* True when there is only ~/.erlang.cookie to look at. */
bool cookie_is_by_default(const struct cookie_sources *sources);

/* 0; or CNODE_COOKIE, with one line in `error`: what is wrong and what to do.
 */
MUST_USE int cookie_read(const struct cookie_sources *sources,
                         char cookie[COOKIE_MAX + 1], struct buf *error);

#endif
