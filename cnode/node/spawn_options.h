/* SPDX-License-Identifier: Apache-2.0
 *
 * The options of a spawn: those of OTP's spawn_request/5. What tunes a BEAM's
 * heap is checked and has no meaning here. Pure.
 */
#ifndef CNODE_NODE_SPAWN_OPTIONS_H
#define CNODE_NODE_SPAWN_OPTIONS_H

#include "base/block.h"
#include "node/alias.h"
#include "term/view.h"

enum spawn_replies {
    SPAWN_REPLY_NO = 0,
    SPAWN_REPLY_ERROR = 1,
    SPAWN_REPLY_OK = 2,
    SPAWN_REPLY_YES = 3
};

struct spawn_options {
    bool link, monitor;
    bool has_reply; /* a reply or reply_tag, which does not go on the wire */
    /* for the one who asks only: what messages it wants, and their tag */
    enum spawn_replies replies;
    struct cnode_term tag; /* TERM_NONE: spawn_reply */
    /* {monitor, [...]}: the tag of the DOWN (TERM_NONE: 'DOWN'), and whether
     * the request is an alias too */
    struct cnode_term down_tag;
    bool has_alias;
    enum alias_kind alias;
};

/* False: no proper list, or an option that OTP does not know. */
bool spawn_options_read(struct cnode_term list, struct spawn_options *options);

/* A copy of one of the tags; NULL: it is the usual one. */
MUST_USE struct block *spawn_tag_keep(struct cnode_term tag);

/* The list as it goes to the other node: without what is for the one who asks.
 * It was read before. */
void spawn_options_put(struct buf *buf, struct cnode_term list);

#endif
