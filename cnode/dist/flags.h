/* SPDX-License-Identifier: Apache-2.0
 *
 * Distribution flags as constants, and what we offer and demand. Pure.
 */
#ifndef CNODE_DIST_FLAGS_H
#define CNODE_DIST_FLAGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define DIST_FLAG(name, bits, send)                                            \
    static const uint64_t DIST_##name = UINT64_C(bits);
#include "dist/flags.def"
#undef DIST_FLAG

/* What we send: every flag marked so, PUBLISHED unless hidden. */
uint64_t dist_flags_offered(bool hidden);

/* A peer's flags with MANDATORY_25_DIGEST expanded to what it stands for. */
uint64_t dist_flags_expand(uint64_t flags);

/* Flags the peer must have to talk to us (OTP 26's mandatory set); returns
 * those missing, 0 when all are there. */
uint64_t dist_flags_missing(uint64_t expanded);

/* The names of flags, separated by spaces: "V4_NC UNLINK_ID". */
void dist_flags_put_names(struct buf *buf, uint64_t flags);

#endif
